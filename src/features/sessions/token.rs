//! The refresh token: how it looks, how it is stored, how its successor is made.

use std::fmt;

use zeroize::Zeroizing;

use crate::platform::keys::KeySet;
use crate::platform::secret::{self, CryptoError, base64url, from_base64url, sha256};

/// Lets people and secret scanners tell what they have found. Never change it: every token out
/// there begins with it.
const PREFIX: &str = "pcr_";
/// 256 bits (RT-01).
const LENGTH: usize = 32;

/// A refresh token as its holder has it. Never logged, never stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct RefreshToken(Zeroizing<String>);

impl RefreshToken {
    /// A token no one can guess: the first of a session.
    pub(super) fn generate() -> Result<Self, CryptoError> {
        Ok(Self::from_bytes(&secret::random::<LENGTH>()?))
    }

    /// Reads a token as presented; `None` for whatever cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(from_base64url(text.strip_prefix(PREFIX)?)?);
        (bytes.len() == LENGTH).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// The token that follows this one.
    ///
    /// Whoever knows this token, the salt and the refresh key gets the same successor, so every
    /// tab that lost the race for a rotation can be given the winner's token, although only
    /// hashes are stored. Without the salt, which is erased after the grace, nobody can.
    pub(super) fn successor(&self, keys: &KeySet, salt: &[u8]) -> Self {
        Self::from_bytes(&keys.refresh_mac([salt, self.0.as_bytes()]))
    }

    /// What is stored. A plain digest is enough for 256 random bits (RT-01).
    pub(super) fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// The token itself, for its holder.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    fn from_bytes(bytes: &[u8; LENGTH]) -> Self {
        Self(Zeroizing::new(format!("{PREFIX}{}", base64url(bytes))))
    }
}

impl fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_anything_else_does_not() {
        let token = RefreshToken::generate().unwrap();
        let text = token.expose();

        assert_eq!(RefreshToken::parse(text), Some(token.clone()));
        assert_eq!(text.len(), PREFIX.len() + 43);
        for wrong in [
            "",
            "pcr_",
            &text[4..],
            &format!("{text}="),
            &format!(" {text}"),
            &text[..text.len() - 1],
            &text.replace("pcr_", "PCR_"),
        ] {
            assert_eq!(RefreshToken::parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let token = RefreshToken::generate().unwrap();
        assert!(!format!("{token:?}").contains(&token.expose()[4..]));
    }
}
