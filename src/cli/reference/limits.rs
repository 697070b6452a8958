//! The limits on attempts, from the directives `@rateLimit` of the SDL.

use std::collections::BTreeMap;

use async_graphql::parser::types::ConstDirective;

use super::markdown::{Markdown, code, codes, duration};
use super::sdl::{self, Sdl, uses};

const PROSE: &str = include_str!("limits.md");

pub(super) fn page(sdl: &Sdl) -> String {
    let mut page = Markdown::new(PROSE);
    page.section("The limits");
    page.table(
        ["name", "most", "counts", "for one", "fields"],
        limits(sdl).into_iter().map(|(name, (directive, fields))| {
            let max = sdl::number(directive, "max").unwrap_or_default();
            let window = duration(sdl::number(directive, "windowSeconds").unwrap_or_default());
            let most = format!("{max} in {window}");
            [code(name), most, counted(directive), keys(directive), codes(fields)]
        }),
    );
    page.section("What attempts are counted by");
    page.table(["key", "stands for"], sdl.rows("RateLimitKey"));
    page.into_text()
}

/// Each limit with the fields that have it, by its name.
fn limits(sdl: &Sdl) -> BTreeMap<&str, (&ConstDirective, Vec<&str>)> {
    let mut limits = BTreeMap::new();
    for field in sdl.objects().flat_map(|(_, fields)| fields) {
        for limit in uses(field, "rateLimit") {
            for name in sdl::names(limit, "name") {
                let (_, fields) = limits.entry(name).or_insert_with(|| (limit, Vec::new()));
                fields.push(field.name.node.as_str());
            }
        }
    }
    limits
}

/// Which attempts count.
fn counted(limit: &ConstDirective) -> String {
    let attempts = if sdl::is_set(limit, "failed") { "failures" } else { "attempts" };
    let distinct = sdl::names(limit, "distinct");
    let of = distinct.first().map(|key| format!(" with different `{key}`"));
    format!("{attempts}{}", of.unwrap_or_default())
}

fn keys(limit: &ConstDirective) -> String {
    sdl::names(limit, "by").into_iter().map(code).collect::<Vec<_>>().join(" and ")
}
