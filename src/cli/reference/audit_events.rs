//! The kinds of audit events.

use super::markdown::{Markdown, code};
use crate::features::audit::{Kind, Outcome};

const PROSE: &str = include_str!("audit_events.md");

pub(super) fn page() -> String {
    let mut page = Markdown::new(PROSE);
    page.section("Types");
    page.table(["type", "target", "outcome", "meaning"], Kind::all().iter().map(|kind| row(*kind)));
    page.into_text()
}

fn row(kind: Kind) -> [String; 4] {
    let target = match kind.target() {
        // As the JWKS names it.
        "" => "key",
        of => of,
    };
    let outcome = match kind.outcome() {
        Outcome::Done => String::new(),
        refused @ Outcome::Refused => code(refused.into_str()),
    };
    [code(kind.into_str()), target.to_owned(), outcome, kind.about().to_owned()]
}
