//! Who asks for credentials, and the challenge of a ceremony.

use std::fmt;

use portcullis_kernel::secret::{self, CryptoError};

/// Who asks for credentials: the server, as browsers and authenticators know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelyingParty {
    /// The RP ID, a domain (`example.com`). Credentials belong to it for good.
    pub id: String,
    /// What authenticators may show to people.
    pub name: String,
    /// The origins of the pages that may use its credentials, each exactly as clients write it (`https://example.com`).
    pub origins: Vec<String>,
}

/// What makes a response the answer to one ceremony: 256 random bits. MF-11 asks for 128, used once and within five minutes,
/// which is up to the caller.
#[derive(Clone, PartialEq, Eq)]
pub struct Challenge([u8; Self::LENGTH]);

impl Challenge {
    /// In bytes.
    pub const LENGTH: usize = 32;

    /// A new one.
    pub fn generate() -> Result<Self, CryptoError> {
        Ok(Self(secret::random()?))
    }

    /// The one that was kept as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    /// For keeping it until the response comes.
    #[must_use]
    pub const fn to_bytes(&self) -> [u8; Self::LENGTH] {
        self.0
    }

    /// As options and client data have it.
    #[must_use]
    pub fn to_base64url(&self) -> String {
        secret::base64url(self.0)
    }
}

impl fmt::Debug for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenge(..)")
    }
}

/// Whether the authenticator must verify who its user is, by a PIN or a fingerprint for example (`UserVerificationRequirement`,
/// §5.8.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum UserVerification {
    /// A response without it is refused.
    Required,
    /// Authenticators that can do it do. Whether one did is part of the outcome.
    Preferred,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_differ_and_are_not_shown() {
        let challenge = Challenge::generate().unwrap();
        assert_ne!(challenge, Challenge::generate().unwrap());
        assert_eq!(Challenge::from_bytes(challenge.to_bytes()), challenge);
        assert_eq!(format!("{challenge:?}"), "Challenge(..)");
    }
}
