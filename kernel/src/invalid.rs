//! Why a field of an input was refused.
//!
//! Parsers answer with [`Invalid`], which knows no field; the resolver adds the path with
//! [`Invalid::at`] and reports the [`Problem`]s of one input all at once. Neither implements
//! `Display`: async-graphql turns every `Display` type into an error on `?`, and that error would
//! carry neither the path nor a code.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use strum::IntoStaticStr;

/// The rule that an input field violates, as in `extensions.fields` of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, IntoStaticStr)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(feature = "graphql", derive(async_graphql::Enum), graphql(name = "FieldErrorCode"))]
pub enum Reason {
    /// The field must not be empty.
    Required,
    /// The value is correct but has expired.
    Expired,
    /// The value has too few characters; `params.min` is the minimum.
    TooShort,
    /// The value has too many characters or entries; `params.max` is the maximum.
    TooLong,
    /// The value has the wrong format or contains a forbidden character.
    InvalidFormat,
    /// The value is well formed but reserved for the service.
    Reserved,
    /// The password is too common.
    TooCommon,
    /// The password repeats what is publicly known about the account or the service.
    ContainsIdentity,
    /// Another account has this value.
    Taken,
    /// The value is well formed, but this server does not accept it.
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

/// Reads a text of one line: without the space around it, of so many characters, none of them [unseen](is_unseen).
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
            1 => "This must not be empty.".into(),
            least => format!("This must have at least {least} characters.").into(),
        };
        Invalid { message, ..Invalid::too_short(min, "") }
    } else if count > max {
        let message = format!("This must have at most {max} characters.").into();
        Invalid { message, ..Invalid::too_long(max, "") }
    } else if text.chars().any(is_unseen) {
        Invalid::new(Reason::InvalidFormat, "Leave out line breaks and invisible characters.")
    } else {
        return Ok(text.to_owned());
    };
    Err(invalid.at(path))
}

/// Whether a character shows nothing, or changes the direction or the line of those after it.
///
/// Beside the controls these are Unicode's default-ignorable code points, the separators of lines
/// and paragraphs and the blank Braille pattern; but not the joiners and variation selectors, which
/// choose the shape of their neighbours.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180e}'
                | '\u{200b}'
                | '\u{200e}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e00ff}'
                | '\u{e01f0}'..='\u{e0fff}'
        )
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
            ("1\u{202e}2", Reason::InvalidFormat),
        ] {
            let problem = one_line("input.title", text, 1..=5).unwrap_err();
            assert_eq!((problem.path, problem.invalid.reason), ("input.title", reason), "{text}");
        }
    }
}
