//! What names a person, or shows them: username, e-mail address, full name and picture, each parsed once, at the edge.
//!
//! A username and an address have a *key*, the canonical form that is compared and that the
//! database holds unique, and the form that was typed, which is shown and written to. Text is
//! normalised before it is checked, because a check that came first could be undone by the
//! normalising after it.
//!
//! Invariant: a key parses, and its key is itself.

use unicode_normalization::{UnicodeNormalization as _, char::is_combining_mark, is_nfc, is_nfkc};
use url::Url;

use crate::kernel::invalid::{Invalid, Reason, is_unseen};

/// More than a valid value has in the forms that keyboards send; refused before it is normalised.
const TEXT_BYTES_MAX: usize = 1_024;

/// The rules of [`Username::parse`], and what no username may look like, for the descriptions of arguments. Those of queries take
/// a literal only; a test compares them.
macro_rules! username_rules {
    () => {
        "3 to 64 ASCII letters, digits, dots, underscores and hyphens, with a letter or digit first and last. Names \
         that look like the service, its staff or a website address are reserved."
    };
}
pub(crate) use username_rules;

const USERNAME_LENGTH_MIN: usize = 3;
const USERNAME_LENGTH_MAX: usize = 64;

/// SMTP counts octets, so these do too; for an address in ASCII they are characters.
const EMAIL_BYTES_MAX: usize = 254;
const EMAIL_LOCAL_PART_BYTES_MAX: usize = 64;

const FULL_NAME_LENGTH_MAX: usize = 100;

/// What browsers, proxies and content delivery networks all take.
const AVATAR_URL_LENGTH_MAX: usize = 2_048;

const USERNAME_TOO_SHORT: Invalid =
    Invalid::too_short(USERNAME_LENGTH_MIN, "Use at least 3 characters.");
const USERNAME_TOO_LONG: Invalid =
    Invalid::too_long(USERNAME_LENGTH_MAX, "Use at most 64 characters.");
const USERNAME_MALFORMED: Invalid = Invalid::new(
    Reason::InvalidFormat,
    "Use the letters A to Z, digits, dots, underscores and hyphens, \
     with a letter or digit first and last.",
);
const EMAIL_TOO_LONG: Invalid = Invalid::too_long(
    EMAIL_BYTES_MAX,
    "Use an address of at most 254 characters, with at most 64 before the @.",
);
const EMAIL_MALFORMED: Invalid =
    Invalid::new(Reason::InvalidFormat, "Enter an email address such as name@example.com.");
const FULL_NAME_TOO_LONG: Invalid =
    Invalid::too_long(FULL_NAME_LENGTH_MAX, "Use at most 100 characters.");
const FULL_NAME_MALFORMED: Invalid =
    Invalid::new(Reason::InvalidFormat, "Leave out line breaks and invisible characters.");
const AVATAR_URL_TOO_LONG: Invalid =
    Invalid::too_long(AVATAR_URL_LENGTH_MAX, "Use at most 2048 characters.");
const AVATAR_URL_MALFORMED: Invalid = Invalid::new(
    Reason::InvalidFormat,
    "Enter an https address such as https://example.com/picture.png.",
);

/// The name an account signs in with. It never holds an `@`, so it is never taken for an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Username {
    typed: String,
    key: String,
}

impl Username {
    /// Accepts 3 to 64 of `A-Z a-z 0-9 . _ -`, with a letter or digit first and last.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        // Bytes serve for characters: whatever is not ASCII is refused below.
        if text.len() < USERNAME_LENGTH_MIN {
            return Err(USERNAME_TOO_SHORT);
        }
        if text.len() > USERNAME_LENGTH_MAX {
            return Err(USERNAME_TOO_LONG);
        }
        let edge = |character: char| character.is_ascii_alphanumeric();
        let inside = |character: char| edge(character) || matches!(character, '.' | '_' | '-');
        if !text.starts_with(edge) || !text.ends_with(edge) || !text.chars().all(inside) {
            return Err(USERNAME_MALFORMED);
        }
        Ok(Self { typed: text.to_owned(), key: text.to_ascii_lowercase() })
    }

    /// The name as its owner writes it.
    pub(crate) fn as_str(&self) -> &str {
        &self.typed
    }

    /// The name in lower case.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// An address to which mail can get over the internet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Email {
    typed: String,
    key: String,
}

impl Email {
    /// Accepts `local-part@domain`, without display name, comment, quotes or IP address, and with a
    /// dot in the domain: no mail from here reaches `localhost`.
    ///
    /// White space around it is dropped, because keyboards put a space after an address that they
    /// complete.
    pub(crate) fn parse(text: &str) -> Result<Self, Invalid> {
        // A sign that is another letter by another name, as the Kelvin sign is a K, would find the address of that letter. Letters
        // whose marks were typed behind them are composed all the same.
        if text.chars().any(|letter| !is_nfc(letter.encode_utf8(&mut [0; 4]))) {
            return Err(EMAIL_MALFORMED);
        }
        let typed = normalise(text.trim_ascii()).ok_or(EMAIL_TOO_LONG)?;
        if typed.len() > EMAIL_BYTES_MAX {
            return Err(EMAIL_TOO_LONG);
        }
        // Mail software that also folds look-alikes, such as the fullwidth `@`, or drops what
        // nobody sees, would write to another address than the one that was checked here.
        if !is_nfkc(&typed) || typed.chars().any(is_unseen) {
            return Err(EMAIL_MALFORMED);
        }
        // A second `@` stays in the domain, where none is valid.
        let (local_part, domain) = typed.split_once('@').ok_or(EMAIL_MALFORMED)?;
        let key = format!("{}@{}", local_part_key(local_part)?, domain_key(domain)?);
        // The lower case of some letters and the A-label of a domain outgrow what was typed.
        if key.len() > EMAIL_BYTES_MAX {
            return Err(EMAIL_TOO_LONG);
        }
        Ok(Self { typed, key })
    }

    /// The address to which mail goes, in NFC.
    ///
    /// Its local part keeps its case, which only the receiving server may ignore.
    pub(crate) fn as_typed(&self) -> &str {
        &self.typed
    }

    /// The local part in lower case, at the domain as an A-label in lower case.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

/// The lower case of a valid unquoted local part.
///
/// Other letters than ASCII come with their marks, because many scripts cannot write a word without
/// them. The crate `email_address` refuses such marks.
fn local_part_key(local_part: &str) -> Result<String, Invalid> {
    let allowed = |character: char| {
        character.is_alphanumeric()
            || is_combining_mark(character)
            || "!#$%&'*+-/=?^_`{|}~".contains(character)
    };
    let is_atom = |text: &str| !text.is_empty() && text.chars().all(allowed);
    if !local_part.split('.').all(is_atom) {
        return Err(EMAIL_MALFORMED);
    }
    let key: String = local_part.to_lowercase().nfc().collect();
    if local_part.len().max(key.len()) > EMAIL_LOCAL_PART_BYTES_MAX {
        return Err(EMAIL_TOO_LONG);
    }
    Ok(key)
}

/// The lower-case A-label of a domain name that can be in the DNS.
fn domain_key(domain: &str) -> Result<String, Invalid> {
    // Strict is UTS #46 with the DNS's lengths and, in ASCII, only letters, digits and hyphens. Its
    // error does not say what was wrong.
    let key = idna::domain_to_ascii_strict(domain).map_err(|_| EMAIL_MALFORMED)?;
    let (_, top_level) = key.rsplit_once('.').ok_or(EMAIL_MALFORMED)?;
    // No top-level domain is a number, but the last part of an IP address is.
    if top_level.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(EMAIL_MALFORMED);
    }
    Ok(key)
}

/// What a person wishes to be called. It is only ever shown, never compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FullName(String);

impl FullName {
    /// Accepts 1 to 100 code points in any script; nothing, or only white space, is no name.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        let name = normalise(text.trim()).ok_or(FULL_NAME_TOO_LONG)?;
        if name.is_empty() {
            return Ok(None);
        }
        if name.chars().count() > FULL_NAME_LENGTH_MAX {
            return Err(FULL_NAME_TOO_LONG);
        }
        if name.chars().any(is_unseen) || !joiners_join(&name) {
            return Err(FULL_NAME_MALFORMED);
        }
        Ok(Some(Self(name)))
    }

    /// The name, trimmed and in NFC.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Where a picture of a person is. The server never fetches it: clients do, so it leads to a web server and
/// carries no password, and no script is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AvatarUrl(String);

impl AvatarUrl {
    /// Accepts an absolute https URL of at most 2,048 characters; nothing, or only white space, is no picture.
    pub(crate) fn parse(text: &str) -> Result<Option<Self>, Invalid> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        if text.chars().count() > AVATAR_URL_LENGTH_MAX {
            return Err(AVATAR_URL_TOO_LONG);
        }
        let url = Url::parse(text).map_err(|_| AVATAR_URL_MALFORMED)?;
        let names_nobody = url.username().is_empty() && url.password().is_none();
        if url.scheme() != "https" || !url.has_host() || !names_nobody {
            return Err(AVATAR_URL_MALFORMED);
        }
        // The standard leaves these alone; in a style sheet they end the URL.
        let url = String::from(url).replace('\'', "%27").replace('(', "%28").replace(')', "%29");
        // What is not ASCII outgrows what was typed.
        if url.len() > AVATAR_URL_LENGTH_MAX {
            return Err(AVATAR_URL_TOO_LONG);
        }
        Ok(Some(Self(url)))
    }

    /// The URL as the URL Standard writes it, in ASCII, with quotes and parentheses escaped too.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person signs in with, as a key to look up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Identifier {
    /// The key of a username.
    Username(String),
    /// The key of an address.
    Email(String),
    /// Something that no account can have, as it was submitted.
    Unknown(String),
}

impl Identifier {
    /// Reads an identifier; one with an `@` is an address.
    ///
    /// This cannot fail: an error for a malformed identifier would be another answer, and sooner,
    /// than the one an unknown user gets.
    pub(crate) fn parse(text: &str) -> Self {
        let parsed = if text.contains('@') {
            Email::parse(text).map(|email| Self::Email(email.key))
        } else {
            Username::parse(text.trim_ascii()).map(|username| Self::Username(username.key))
        };
        parsed.unwrap_or_else(|_| Self::Unknown(text.to_owned()))
    }

    /// What attempts to sign in are counted under.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Username(key) | Self::Email(key) | Self::Unknown(key) => key,
        }
    }
}

/// The NFC form of a text, unless it is too long to be worth the work.
fn normalise(text: &str) -> Option<String> {
    (text.len() <= TEXT_BYTES_MAX).then(|| text.nfc().collect())
}

/// Whether every zero-width joiner and non-joiner stands inside a word, where Persian and Indic
/// names need them.
fn joiners_join(name: &str) -> bool {
    name.split(['\u{200c}', '\u{200d}']).all(|piece| !piece.is_empty() && piece.trim() == piece)
}

#[cfg(test)]
mod tests;
