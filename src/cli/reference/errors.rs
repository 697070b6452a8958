//! The codes of errors.

use super::markdown::{Markdown, code, codes};
use super::sdl::Sdl;
use crate::graphql::error::Code;

const PROSE: &str = include_str!("errors.md");

pub(super) fn page(sdl: &Sdl) -> String {
    let mut page = Markdown::new(PROSE);
    page.section("Codes");
    page.table(
        ["code", "status", "carries", "when"],
        sdl.values("ErrorCode").map(|(name, about)| {
            let known = Code::parse(name);
            let status = known.map(|code| code.status().as_str().to_owned());
            let carries = known.map_or(&[][..], Code::carries).iter().copied();
            [code(name), status.unwrap_or_default(), codes(carries), about.to_owned()]
        }),
    );
    page.section("Codes of fields");
    page.paragraph("Each entry of `fields` has one of these in `code`:");
    page.table(["code", "the value is"], sdl.rows("FieldErrorCode"));
    page.section("Reasons");
    page.paragraph("Some errors with the same code differ in `reason`:");
    page.table(["reason", "code and meaning"], sdl.rows("ErrorReason"));
    page.into_text()
}
