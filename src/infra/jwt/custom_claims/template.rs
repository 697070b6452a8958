//! Templates of claims: JSON whose texts can hold placeholders.

use serde_json::Value;

use super::placeholder::Placeholder;
use super::source::{Members, Source};
use crate::infra::jwt::Claims;

/// How deep lists and objects can be nested.
const DEPTH_MAX: usize = 8;
/// The case of a choice for tokens that lack the claim by which it chooses.
const NONE: &str = "none";

/// A template that is understood.
#[derive(Clone, Debug)]
pub(super) enum Template {
    /// Says the same in every token.
    Constant(Value),
    /// What the token says there: a text, or a list.
    Whole(Placeholder),
    /// A text with placeholders in it.
    Text(Vec<Part>),
    List(Vec<Template>),
    Object(Vec<(String, Template)>),
    /// `{"{role}": {"USER": …, "ADMIN": …}}`: the case that the token's role names.
    Choice {
        by: Placeholder,
        cases: Vec<(String, Template)>,
    },
}

/// A part of a text.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Constant(String),
    Value(Placeholder),
}

/// What is wrong with a template, as the rest of a sentence that begins with it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error(
        "has the placeholder {{{name}}}, which does not exist; use one of {}",
        Placeholder::list()
    )]
    Unknown { name: String },
    #[error("has a single brace outside a placeholder; write {{{{ or }}}} for a brace")]
    Brace,
    #[error("has {{{0}}} inside a text; a list must be the whole value")]
    ListInText(&'static str),
    #[error("has the member {0:?}, whose name must not contain a placeholder")]
    Member(String),
    #[error("has the member {0:?} twice")]
    Twice(String),
    #[error("chooses by {{{0}}}, but can only choose by {{role}} or {{org_role}}")]
    NotAChoice(&'static str),
    #[error("chooses by {{{by}}}, so it must have exactly the cases {cases}")]
    Cases { by: &'static str, cases: String },
    #[error("is nested more than {DEPTH_MAX} levels deep")]
    Deep,
}

impl Template {
    pub(super) fn parse(source: &Source) -> Result<Self, TemplateError> {
        Self::parse_within(source, DEPTH_MAX)
    }

    /// Understands a template that may be nested so many levels deep.
    fn parse_within(source: &Source, levels: usize) -> Result<Self, TemplateError> {
        match source {
            Source::Plain(Value::String(text)) => Self::parse_text(text),
            Source::Plain(value) => Ok(Self::Constant(value.clone())),
            Source::List(items) => {
                let levels = below(levels)?;
                let items = items.iter().map(|item| Self::parse_within(item, levels));
                items.collect::<Result<_, _>>().map(Self::List)
            }
            Source::Object(Members(members)) => Self::parse_members(members, below(levels)?),
        }
    }

    /// A text: constant, a placeholder, or both.
    fn parse_text(text: &str) -> Result<Self, TemplateError> {
        let (mut parts, mut constant) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, brace) = rest.split_at(at);
            constant.push_str(before);
            if let Some(after) = brace.strip_prefix("{{").or_else(|| brace.strip_prefix("}}")) {
                constant.extend(brace.chars().next());
                rest = after;
                continue;
            }
            let named = brace.strip_prefix('{').and_then(|brace| brace.split_once('}'));
            let (name, after) = named.ok_or(TemplateError::Brace)?;
            let placeholder =
                name.parse().map_err(|_| TemplateError::Unknown { name: name.to_owned() })?;
            if !constant.is_empty() {
                parts.push(Part::Constant(std::mem::take(&mut constant)));
            }
            parts.push(Part::Value(placeholder));
            rest = after;
        }
        constant.push_str(rest);
        if !constant.is_empty() {
            parts.push(Part::Constant(constant));
        }
        Self::of_parts(parts)
    }

    fn of_parts(parts: Vec<Part>) -> Result<Self, TemplateError> {
        match parts.as_slice() {
            [] => Ok(Self::Constant("".into())),
            [Part::Constant(text)] => Ok(Self::Constant(text.as_str().into())),
            [Part::Value(placeholder)] => Ok(Self::Whole(*placeholder)),
            _ => {
                let mut placeholders = parts.iter().filter_map(Part::placeholder);
                match placeholders.find(|placeholder| placeholder.is_list()) {
                    Some(list) => Err(TemplateError::ListInText(list.into())),
                    None => Ok(Self::Text(parts)),
                }
            }
        }
    }

    /// An object, or a choice: an object whose one member is named by a placeholder.
    fn parse_members(members: &[(String, Source)], levels: usize) -> Result<Self, TemplateError> {
        let mut parsed: Vec<(String, Self)> = Vec::with_capacity(members.len());
        for (name, source) in members {
            match (Self::parse_text(name)?, source) {
                (Self::Constant(Value::String(name)), _) => {
                    if parsed.iter().any(|(earlier, _)| *earlier == name) {
                        return Err(TemplateError::Twice(name));
                    }
                    parsed.push((name, Self::parse_within(source, levels)?));
                }
                (Self::Whole(by), Source::Object(Members(cases))) if members.len() == 1 => {
                    return Self::parse_choice(by, cases, below(levels)?);
                }
                (Self::Whole(by), _) if members.len() == 1 => return Err(cases_of(by)),
                _ => return Err(TemplateError::Member(name.clone())),
            }
        }
        Ok(Self::Object(parsed))
    }

    fn parse_choice(
        by: Placeholder,
        cases: &[(String, Source)],
        levels: usize,
    ) -> Result<Self, TemplateError> {
        let known = by.choices().unwrap_or_default();
        let of = |name: &str| cases.iter().filter(|(case, _)| case == name).count();
        let nones = of(NONE);
        let is_complete = known.iter().all(|name| of(name) == 1)
            && cases.len() == known.len() + nones
            && nones <= usize::from(by.can_be_absent());
        if known.is_empty() || !is_complete {
            return Err(cases_of(by));
        }
        let cases = cases
            .iter()
            .map(|(case, source)| Ok((case.clone(), Self::parse_within(source, levels)?)));
        Ok(Self::Choice { by, cases: cases.collect::<Result<_, _>>()? })
    }

    /// What it says in a token; `None` where the token lacks what it needs.
    pub(super) fn fill(&self, claims: &Claims) -> Option<Value> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Whole(placeholder) => placeholder.value(claims),
            Self::Text(parts) => {
                let parts = parts.iter().map(|part| part.fill(claims));
                parts.collect::<Option<String>>().map(Value::String)
            }
            Self::List(items) => Some(items.iter().filter_map(|item| item.fill(claims)).collect()),
            Self::Object(members) => {
                let filled =
                    |(name, member): &(String, Self)| Some((name.clone(), member.fill(claims)?));
                Some(members.iter().filter_map(filled).collect())
            }
            Self::Choice { by, cases } => {
                let value = by.value(claims);
                let wanted = value.as_ref().map_or(Some(NONE), Value::as_str)?;
                let (_, chosen) = cases.iter().find(|(case, _)| case == wanted)?;
                chosen.fill(claims)
            }
        }
    }

    /// The most bytes that it takes up as JSON.
    pub(super) fn length_max(&self) -> usize {
        match self {
            Self::Constant(value) => json_length(value),
            // Quotes or brackets.
            Self::Whole(placeholder) => placeholder.length_max() + 2,
            Self::Text(parts) => parts.iter().map(Part::length_max).sum::<usize>() + 2,
            // A comma each.
            Self::List(items) => items.iter().map(|item| item.length_max() + 1).sum::<usize>() + 2,
            Self::Object(members) => {
                let member =
                    |(name, member): &(String, Self)| text_length(name) + 2 + member.length_max();
                members.iter().map(member).sum::<usize>() + 2
            }
            Self::Choice { cases, .. } => {
                cases.iter().map(|(_, case)| case.length_max()).max().unwrap_or_default()
            }
        }
    }
}

impl Part {
    fn placeholder(&self) -> Option<Placeholder> {
        match self {
            Self::Constant(_) => None,
            Self::Value(placeholder) => Some(*placeholder),
        }
    }

    fn fill(&self, claims: &Claims) -> Option<String> {
        match self {
            Self::Constant(text) => Some(text.clone()),
            Self::Value(placeholder) => placeholder.value(claims)?.as_str().map(str::to_owned),
        }
    }

    fn length_max(&self) -> usize {
        match self {
            Self::Constant(text) => text_length(text),
            Self::Value(placeholder) => placeholder.length_max(),
        }
    }
}

/// How many levels are left inside a list or an object.
fn below(levels: usize) -> Result<usize, TemplateError> {
    levels.checked_sub(1).ok_or(TemplateError::Deep)
}

/// Why a choice is none.
fn cases_of(by: Placeholder) -> TemplateError {
    let Some(known) = by.choices() else { return TemplateError::NotAChoice(by.into()) };
    let more = if by.can_be_absent() { ", and optionally none" } else { "" };
    TemplateError::Cases { by: by.into(), cases: known.join(", ") + more }
}

/// How many bytes a text takes up as JSON, with its quotes.
fn text_length(text: &str) -> usize {
    json_length(&text.into())
}

fn json_length(value: &Value) -> usize {
    value.to_string().len()
}
