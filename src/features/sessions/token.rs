//! The refresh token: how it looks, how it is stored, how its successor is made.

use crate::infra::keys::KeySet;
use crate::kernel::secret::{CryptoError, OpaqueToken};

/// Lets people and secret scanners tell what they have found. Never change it: every token out
/// there begins with it.
const PREFIX: &str = "pcr_";

/// A refresh token as its holder has it. Never logged, never stored.
#[derive(Clone, Debug)]
pub(crate) struct RefreshToken(OpaqueToken);

impl RefreshToken {
    /// A token no one can guess: the first of a session.
    pub(super) fn generate() -> Result<Self, CryptoError> {
        OpaqueToken::generate(PREFIX).map(Self)
    }

    /// Reads a token as presented; `None` for whatever cannot be one of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        OpaqueToken::parse(PREFIX, text).map(Self)
    }

    /// The token that follows this one.
    ///
    /// Whoever knows this token, the salt and the refresh key gets the same successor, so every
    /// tab that lost the race for a rotation can be given the winner's token, although only
    /// hashes are stored. Without the salt, which is erased after the grace, nobody can.
    pub(super) fn successor(&self, keys: &KeySet, salt: &[u8]) -> Self {
        let bytes = keys.refresh_mac([salt, self.expose().as_bytes()]);
        Self(OpaqueToken::from_bytes(PREFIX, &bytes))
    }

    /// What is stored.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.0.hash()
    }

    /// The token itself, for its holder.
    pub(crate) fn expose(&self) -> &str {
        self.0.expose()
    }
}
