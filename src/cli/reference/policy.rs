//! The rule of every field, from the directives of the SDL.

use async_graphql::parser::types::FieldDefinition;

use super::markdown::{Markdown, code, codes, duration};
use super::sdl::{self, Sdl, find};
use crate::graphql::policy::ROOTS;

const PROSE: &str = include_str!("policy.md");

pub(super) fn page(sdl: &Sdl) -> String {
    let mut page = Markdown::new(PROSE);
    for root in ROOTS {
        let fields = sdl.objects().filter(|(name, _)| *name == root).flat_map(|(_, fields)| fields);
        page.section(&format!("Fields of {root}"));
        page.table(COLUMNS, fields.map(|field| row(code(field.name.node.as_str()), field)));
    }
    page.section("Fields of other types");
    page.paragraph("Everybody who can read an object can read its fields that are missing here.");
    let others = sdl.objects().filter(|(name, _)| !ROOTS.contains(name));
    let fields = others.flat_map(|(of, fields)| fields.iter().map(move |field| (of, field)));
    let ruled = fields.filter(|(_, field)| RULES.iter().any(|rule| find(field, rule).is_some()));
    page.table(
        COLUMNS,
        ruled.map(|(of, field)| row(code(&format!("{of}.{}", field.name.node)), field)),
    );
    page.section("Permissions");
    page.table(["permission", "what its holder may do"], sdl.rows("Permission"));
    page.section("Server features");
    page.table(["feature", "when the server offers it"], sdl.rows("ServerFeature"));
    page.into_text()
}

/// The directives that say who may use a field.
const RULES: [&str; 8] =
    ["auth", "public", "private", "member", "owner", "covers", "fresh", "needs"];

/// What the columns of a table are called.
const COLUMNS: [&str; 6] = [
    "field",
    "callers",
    "role in the organization",
    "whose object or account",
    "recent proof",
    "server feature",
];

fn row(name: String, field: &FieldDefinition) -> [String; 6] {
    let member = find(field, "member").map(|member| sdl::names(member, "role"));
    let needs = find(field, "needs").map(|needs| sdl::names(needs, "features"));
    let fresh = find(field, "fresh").map(|fresh| {
        let age = duration(sdl::number(fresh, "maxAgeSeconds").unwrap_or_default());
        let is_conditional = sdl::is_set(fresh, "ifSecondFactor");
        let condition = if is_conditional { ", if the account has a second factor" } else { "" };
        format!("{age}{condition}")
    });
    [
        name,
        callers(field),
        codes(member.unwrap_or_default()),
        whose(field),
        fresh.unwrap_or_default(),
        codes(needs.unwrap_or_default()),
    ]
}

fn whose(field: &FieldDefinition) -> String {
    if let Some(owner) = find(field, "owner") {
        let permission = sdl::names(owner, "orPermission");
        return match permission.first() {
            None => "the caller's own".to_owned(),
            Some(name) => format!("the caller's own; with {} anybody's", code(name)),
        };
    }
    match find(field, "covers") {
        None => String::new(),
        Some(covers) if sdl::is_set(covers, "others") => {
            "with no more rights than the caller; not the caller's own".to_owned()
        }
        Some(_) => "with no more rights than the caller".to_owned(),
    }
}

fn callers(field: &FieldDefinition) -> String {
    if find(field, "public").is_some() {
        return "anybody".to_owned();
    }
    if let Some(private) = find(field, "private") {
        let permission = codes(sdl::names(private, "permission"));
        return format!("the user; the permission {permission}");
    }
    let Some(auth) = find(field, "auth") else {
        return "callers who can read the object".to_owned();
    };
    let of = |argument, before: &str, after: &str| {
        let name = sdl::names(auth, argument).first().copied().map(code)?;
        Some(format!("{before} {name}{after}"))
    };
    let who = of("role", "the role", "")
        .or_else(|| of("permission", "the permission", ""))
        .or_else(|| of("orgRole", "the role", " in the active organization"))
        .unwrap_or_else(|| "signed-in callers".to_owned());
    let enrolling = find(field, "enrolling").map_or("", |_| "; callers with an enrollment");
    format!("{who}{enrolling}")
}
