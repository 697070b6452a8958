//! Random bytes, digests and the text form of opaque tokens.

use std::fmt;

use aws_lc_rs::{digest, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

/// The cryptographic library refused to work. Nothing a caller did, and nothing to retry.
#[derive(Debug, thiserror::Error)]
#[error("the cryptographic library failed to {0}")]
pub struct CryptoError(pub &'static str);

/// `N` bytes from the operating system's generator.
pub fn random<const N: usize>() -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_opaque| CryptoError("draw random bytes"))?;
    Ok(bytes)
}

/// SHA-256.
#[must_use]
pub fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect()
}

/// base64url without padding (RFC 4648, section 5).
pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads strict base64url: no padding, no other alphabet, no stray bits.
#[must_use]
pub fn from_base64url(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// An opaque token as its holder has it: a prefix, and 256 bits that nobody guesses (RT-01, RS-01).
/// Never logged, never stored.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken(Zeroizing<String>);

/// In bytes.
pub const TOKEN_LENGTH: usize = 32;

impl OpaqueToken {
    /// A new one, from the operating system's generator.
    pub fn generate(prefix: &str) -> Result<Self, CryptoError> {
        Ok(Self::from_bytes(prefix, &random::<TOKEN_LENGTH>()?))
    }

    /// The one that is made of these bytes.
    #[must_use]
    pub fn from_bytes(prefix: &str, bytes: &[u8; TOKEN_LENGTH]) -> Self {
        Self(Zeroizing::new(format!("{prefix}{}", base64url(bytes))))
    }

    /// Reads a token as presented; `None` for whatever cannot be one of ours.
    #[must_use]
    pub fn parse(prefix: &str, text: &str) -> Option<Self> {
        let bytes = Zeroizing::new(from_base64url(text.strip_prefix(prefix)?)?);
        (bytes.len() == TOKEN_LENGTH).then(|| Self(Zeroizing::new(text.to_owned())))
    }

    /// What is stored. A plain digest is enough for 256 random bits (RT-01).
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        sha256(self.0.as_bytes())
    }

    /// The token itself, for its holder.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_anything_else_does_not() {
        let token = OpaqueToken::generate("pcr_").unwrap();
        let text = token.expose();

        assert_eq!(OpaqueToken::parse("pcr_", text), Some(token.clone()));
        assert_eq!(text.len(), 4 + 43);
        for wrong in [
            "",
            "pcr_",
            &text[4..],
            &format!("{text}="),
            &format!(" {text}"),
            &text[..text.len() - 1],
            &text.replace("pcr_", "PCR_"),
            &text.replace("pcr_", "pco_"),
        ] {
            assert_eq!(OpaqueToken::parse("pcr_", wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn a_token_is_not_shown_by_debug() {
        let token = OpaqueToken::generate("pcr_").unwrap();
        assert!(!format!("{token:?}").contains(&token.expose()[4..]));
    }
}
