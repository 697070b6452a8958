//! Why a field of an input was refused.
//!
//! Parsers answer with [`Invalid`], which knows no field; the resolver adds the path with
//! [`Invalid::at`] and reports the [`Problem`]s of one input all at once. Neither implements
//! `Display`: async-graphql turns every `Display` type into an error on `?`, and that error would
//! carry neither the path nor a code.

use std::borrow::Cow;

/// The rule that a field broke, as clients switch on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Nothing, where the field needs something.
    Required,
    /// Right, and too late.
    Expired,
    /// Fewer characters than the field needs.
    TooShort,
    /// More characters than the field may have.
    TooLong,
    /// Not of the field's form, or with a character that it may not hold.
    InvalidFormat,
    /// Well formed, but kept for the service itself.
    Reserved,
    /// A password that many people use.
    TooCommon,
    /// A password that repeats what is publicly known of the account or of this service.
    ContainsIdentity,
}

impl Reason {
    /// The name that clients see; part of the API, so it never changes.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Required => "REQUIRED",
            Self::Expired => "EXPIRED",
            Self::TooShort => "TOO_SHORT",
            Self::TooLong => "TOO_LONG",
            Self::InvalidFormat => "INVALID_FORMAT",
            Self::Reserved => "RESERVED",
            Self::TooCommon => "TOO_COMMON",
            Self::ContainsIdentity => "CONTAINS_IDENTITY",
        }
    }
}

/// A value that was refused, and what to tell the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Invalid {
    /// The rule that was broken.
    pub(crate) reason: Reason,
    /// A sentence for people. It never repeats the value, which may be a secret.
    pub(crate) message: Cow<'static, str>,
}

impl Invalid {
    /// A refusal whose message is known when the program is built.
    pub(crate) const fn new(reason: Reason, message: &'static str) -> Self {
        Self { reason, message: Cow::Borrowed(message) }
    }

    /// Says which field was refused.
    pub(crate) const fn at(self, path: &'static str) -> Problem {
        Problem { path, invalid: self }
    }
}

/// One refused field of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// The field's path from its argument, as in `input.username`.
    pub(crate) path: &'static str,
    /// Why it was refused.
    pub(crate) invalid: Invalid,
}
