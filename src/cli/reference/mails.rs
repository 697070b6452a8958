//! The kinds of mail.

use strum::{EnumMessage, VariantArray};

use super::markdown::{Markdown, code};
use crate::infra::mail::MailKind;

const PROSE: &str = include_str!("mails.md");

pub(super) fn page() -> String {
    let mut page = Markdown::new(PROSE);
    page.section("Kinds");
    page.table(
        ["mail", "subject", "when"],
        MailKind::VARIANTS.iter().map(|kind| {
            let when = kind.get_documentation().unwrap_or_default();
            [code(kind.into_str()), kind.subject().to_owned(), when.to_owned()]
        }),
    );
    page.into_text()
}
