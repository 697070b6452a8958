//! The public key of a credential: a COSE_Key (RFC 9052, section 7) of one of three kinds (§5.8.5).
//!
//! A key has exactly the members that its kind needs, `alg` among them (§6.5.1.1): anything else could mean something to
//! another reader. The values are checked as far as the key alone can be:
//!
//! - ES256: both coordinates of a point on P-256, which is not the one at infinity (AWS-LC checks that);
//! - EdDSA: 32 bytes of Ed25519, reduced, and none of the points of small order, under which signatures hold that nobody
//!   made. Whether the point is on the curve shows when a signature is checked;
//! - RS256: a modulus of 2048 to 4096 bits, and an odd exponent of 65,537 or more (FIPS 186-5, section 5.1) in at most
//!   four bytes, which also bounds how long a signature takes to check.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RsaPublicKeyComponents,
};

use crate::cbor::{self, Value};
use crate::error::{Malformed, VerificationError};

/// In bytes. An RSA key of 4096 bits takes 530.
pub(crate) const LENGTH_MAX: usize = 1024;

/// In bits: what NIST SP 800-131A asks for, and the largest that authenticators make.
const MODULUS_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// 2^255 - 19, the prime of Ed25519's field, in little-endian bytes.
const PRIME: [u8; 32] = {
    let mut prime = [0xff; 32];
    prime[0] = 0xed;
    prime[31] = 0x7f;
    prime
};

/// The y coordinates, in little-endian bytes, of the points whose order divides 8; besides these 0, 1 and the prime less one.
const ORDER_EIGHT: [[u8; 32]; 2] = [
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

/// How a credential signs (`COSEAlgorithmIdentifier`, §5.8.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
}

impl Algorithm {
    /// Those that are offered, the preferred one first, and the only ones that are accepted (MF-11).
    ///
    /// ES256 is what authenticators have in hardware. EdDSA comes after it, because clients have written its keys wrongly
    /// (Firefox 117). RS256 is for Windows Hello on older machines. §5.4 recommends to list all three.
    pub const OFFERED: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// Its number in the IANA registry of COSE algorithms.
    #[must_use]
    pub const fn cose_identifier(self) -> i64 {
        match self {
            Self::Es256 => -7,
            Self::EdDsa => -8,
            Self::Rs256 => -257,
        }
    }
}

/// The public key of a credential, valid for its algorithm.
#[derive(Clone, Debug)]
pub struct PublicKey {
    cose: Vec<u8>,
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl PublicKey {
    /// Reads a COSE_Key, as it came with a registration or as it was stored.
    pub fn from_cose(cose: &[u8]) -> Result<Self, VerificationError> {
        if cose.len() > LENGTH_MAX {
            return Err(Malformed("the public key is too long").into());
        }
        let entries = cbor::map(cose).ok_or(Malformed("the public key is not canonical CBOR"))?;
        let label = |label: i64| {
            entries.iter().find(|(key, _)| *key == label.into()).map(|(_, value)| value)
        };
        let number = |value: Option<&Value>| {
            value.and_then(Value::as_integer).and_then(|number| i64::try_from(number).ok())
        };
        let bytes = |of: i64| label(of).and_then(Value::as_bytes).map(Vec::as_slice);

        let named = number(label(3)).ok_or(VerificationError::Key)?;
        let algorithm = Algorithm::OFFERED
            .into_iter()
            .find(|algorithm| algorithm.cose_identifier() == named)
            .ok_or(VerificationError::Algorithm)?;
        let (kind, curve) = (number(label(1)), number(label(-1)));
        let key = match (algorithm, kind, entries.len()) {
            (Algorithm::Es256, Some(2), 5) if curve == Some(1) => p256(bytes(-2), bytes(-3)),
            (Algorithm::EdDsa, Some(1), 4) if curve == Some(6) => ed25519(bytes(-2)),
            (Algorithm::Rs256, Some(3), 4) => rsa(bytes(-1), bytes(-2)),
            (Algorithm::Es256 | Algorithm::EdDsa | Algorithm::Rs256, ..) => None,
        };
        let key = key.ok_or(VerificationError::Key)?;
        Ok(Self { cose: cose.to_vec(), algorithm, key })
    }

    /// The COSE_Key, for storing it: what [`from_cose`](Self::from_cose) read.
    #[must_use]
    pub fn to_cose(&self) -> &[u8] {
        &self.cose
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature was made over the message with the key's other half.
    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), VerificationError> {
        self.key.verify_sig(message, signature).map_err(|_| VerificationError::Signature)
    }
}

fn p256(x: Option<&[u8]>, y: Option<&[u8]>) -> Option<ParsedPublicKey> {
    let (x, y): (&[u8; 32], &[u8; 32]) = (x?.try_into().ok()?, y?.try_into().ok()?);
    // An uncompressed point (SEC 1, section 2.3.3).
    let point = [&[0x04], x.as_slice(), y].concat();
    ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).ok()
}

fn ed25519(x: Option<&[u8]>) -> Option<ParsedPublicKey> {
    let encoded: &[u8; 32] = x?.try_into().ok()?;
    // The last bit is the sign of the other coordinate.
    let mut y = *encoded;
    y[31] &= 0x7f;
    let is_reduced = y.iter().rev().lt(PRIME.iter().rev());
    let is_small = |number: u8| y[0] == number && y[1..].iter().all(|byte| *byte == 0);
    let is_minus_one = y[0] == PRIME[0] - 1 && y[1..] == PRIME[1..];
    let has_small_order = is_small(0) || is_small(1) || is_minus_one || ORDER_EIGHT.contains(&y);
    if !is_reduced || has_small_order {
        return None;
    }
    ParsedPublicKey::new(&ED25519, encoded).ok()
}

fn rsa(modulus: Option<&[u8]>, exponent: Option<&[u8]>) -> Option<ParsedPublicKey> {
    let (n, e) = (modulus?, exponent?);
    // AWS-LC refuses leading zeros, as RFC 8230 (section 4) does.
    let (first, last) = (*n.first()?, *n.last()?);
    let bits = n.len() * 8 - usize::try_from(first.leading_zeros()).ok()?;
    if last.is_multiple_of(2) || !MODULUS_BITS.contains(&bits) {
        return None;
    }
    if e.len() > 4 {
        return None;
    }
    let number = e.iter().fold(0, |number: u32, byte| number << 8 | u32::from(*byte));
    if number < 65_537 || number.is_multiple_of(2) {
        return None;
    }
    RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256).ok()
}

#[cfg(test)]
mod tests;
