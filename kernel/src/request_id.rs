//! The id of one request: in the log, in errors, in the audit log and in the answer.

use std::fmt;

use uuid::Uuid;

/// At most 64 characters, none of which means anything in a log line, a header or a query.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RequestId {
    text: [u8; Self::LENGTH_MAX],
    length: usize,
}

impl RequestId {
    /// As many as the audit log keeps.
    pub const LENGTH_MAX: usize = 64;

    /// An id that a proxy of ours has given the request: letters, digits, `-`, `_` and `.`.
    #[must_use]
    pub fn parse(given: &str) -> Option<Self> {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_id = !given.is_empty() && given.bytes().all(is_plain);
        let mut text = [0; Self::LENGTH_MAX];
        text.get_mut(..given.len()).filter(|_| is_id)?.copy_from_slice(given.as_bytes());
        Some(Self { text, length: given.len() })
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.text[..self.length]).unwrap_or_default()
    }
}

/// An id of our own.
impl From<Uuid> for RequestId {
    fn from(uuid: Uuid) -> Self {
        let mut text = [0; Self::LENGTH_MAX];
        let length = uuid.as_hyphenated().encode_lower(&mut text).len();
        Self { text, length }
    }
}

/// That of no request.
impl Default for RequestId {
    fn default() -> Self {
        Uuid::nil().into()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_and_plain() {
        let longest = "a".repeat(64);
        for id in ["a", "7f3a-B_c.9", "0193c0de-0000-7000-8000-000000000000", longest.as_str()] {
            assert_eq!(RequestId::parse(id).unwrap().as_str(), id);
        }
        let too_long = "a".repeat(65);
        for id in ["", " a", "a b", "a\n", "a\u{2028}", "ä", "a}", "a\"", "a=1", "a:b", &too_long]
        {
            assert_eq!(RequestId::parse(id), None, "{id:?}");
        }
    }

    #[test]
    fn an_id_of_our_own_is_a_uuid() {
        let uuid = Uuid::from_u128(7);
        assert_eq!(RequestId::from(uuid).to_string(), uuid.to_string());
    }
}
