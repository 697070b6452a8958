//! Why a field of an input was refused.
//!
//! Parsers answer with [`Invalid`], which knows no field; the resolver adds the path with
//! [`Invalid::at`] and reports the [`Problem`]s of one input all at once. Neither implements
//! `Display`: async-graphql turns every `Display` type into an error on `?`, and that error would
//! carry neither the path nor a code.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use strum::IntoStaticStr;

/// The rule that a field broke, as in `extensions.fields` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum), graphql(name = "FieldErrorCode"))]
pub enum Reason {
    /// Nothing, where the field needs something.
    Required,
    /// Right, and too late.
    Expired,
    /// Fewer characters than the field needs; `params.min` says how many that are.
    TooShort,
    /// More characters, or entries, than the field may have; `params.max` says how many that are.
    TooLong,
    /// Not of the field's form, or with a character that it may not hold.
    InvalidFormat,
    /// Well formed, but kept for the service itself.
    Reserved,
    /// A password that many people use.
    TooCommon,
    /// A password that repeats what is publicly known of the account or of this service.
    ContainsIdentity,
    /// Another account has it.
    Taken,
    /// Well formed, and none of those that this server takes.
    NotAllowed,
}

names!(Reason);

/// A value that was refused, and what to tell the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The rule that was broken.
    pub reason: Reason,
    /// A sentence for people. It never repeats the value, which may be a secret.
    pub message: Cow<'static, str>,
    /// The number that the message speaks of, with its name, for clients that write their own message.
    pub param: Option<(&'static str, usize)>,
}

impl Invalid {
    /// A refusal whose message is known when the program is built.
    #[must_use]
    pub const fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message: Cow::Borrowed(message), param: None }
    }

    /// A value with less than `min` characters.
    #[must_use]
    pub const fn too_short(min: usize, message: &'static str) -> Self {
        Self {
            reason: Reason::TooShort,
            message: Cow::Borrowed(message),
            param: Some(("min", min)),
        }
    }

    /// A value with more than `max` characters or entries.
    #[must_use]
    pub const fn too_long(max: usize, message: &'static str) -> Self {
        Self { reason: Reason::TooLong, message: Cow::Borrowed(message), param: Some(("max", max)) }
    }

    /// Says which field was refused.
    #[must_use]
    pub const fn at(self, path: &'static str) -> Problem {
        Problem { path, invalid: self }
    }
}

/// One refused field of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The field's path from its argument, as in `input.username`.
    pub path: &'static str,
    /// Why it was refused.
    pub invalid: Invalid,
}

/// Reads a text of one line: without the space around it, of so many characters, none of them a control character.
///
/// # Errors
///
/// [`Reason::TooShort`], [`Reason::TooLong`] or [`Reason::InvalidFormat`], for the field of this path.
pub fn one_line(
    path: &'static str,
    text: &str,
    length: RangeInclusive<usize>,
) -> Result<String, Problem> {
    let text = text.trim();
    let count = text.chars().count();
    let (min, max) = (*length.start(), *length.end());
    let invalid = if count < min {
        let message = match min {
            1 => "This must not be empty".into(),
            least => format!("This must have at least {least} characters").into(),
        };
        Invalid { message, ..Invalid::too_short(min, "") }
    } else if count > max {
        let message = format!("This must have at most {max} characters").into();
        Invalid { message, ..Invalid::too_long(max, "") }
    } else if text.chars().any(char::is_control) {
        let message = "This must be one line, without control characters";
        Invalid::new(Reason::InvalidFormat, message)
    } else {
        return Ok(text.to_owned());
    };
    Err(invalid.at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_measured_in_characters() {
        assert_eq!(one_line("input.title", "  Äpfel ", 1..=5).unwrap(), "Äpfel");
        for (text, reason) in [
            (" \n ", Reason::TooShort),
            ("123456", Reason::TooLong),
            ("1\n2", Reason::InvalidFormat),
            ("1\u{7f}2", Reason::InvalidFormat),
        ] {
            let problem = one_line("input.title", text, 1..=5).unwrap_err();
            assert_eq!((problem.path, problem.invalid.reason), ("input.title", reason), "{text}");
        }
    }
}
