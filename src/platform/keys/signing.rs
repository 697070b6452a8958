//! Keys that sign access tokens and verify them: EdDSA over Ed25519 (RFC 8037).

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use zeroize::Zeroizing;

use super::{KeyError, Material, OpenedKey};
use crate::platform::secret::{CryptoError, base64url};

/// The name in the `alg` header and in the key's row.
const EDDSA: &str = "EdDSA";

/// Signs, with the one algorithm it is for (JW-01).
pub(crate) struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    encoding: EncodingKey,
}

/// Verifies, with the one algorithm it is for, whatever a token's header says (JW-01).
pub(crate) struct VerifyingKey {
    kid: String,
    serial: i32,
    algorithm: Algorithm,
    public: Vec<u8>,
    decoding: DecodingKey,
}

impl SigningKey {
    /// Checks the stored pair and makes it usable (KY-04).
    pub(super) fn load(key: &OpenedKey) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_pkcs8(&key.secret)
            .map_err(|_rejected| unusable(key, "its private half is not an Ed25519 key"))?;
        if Some(pair.public_key().as_ref()) != key.public.as_deref() {
            return Err(unusable(key, "its two halves do not belong together"));
        }
        let algorithm = Algorithm::EdDSA;
        Ok(Self {
            kid: key.kid.clone(),
            algorithm,
            encoding: EncodingKey::from_ed_der(&key.secret),
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }
}

impl VerifyingKey {
    pub(super) fn load(key: &OpenedKey) -> Result<Self, KeyError> {
        if key.algorithm != EDDSA {
            return Err(unusable(key, "its algorithm is unknown to this version"));
        }
        let public = key
            .public
            .clone()
            .filter(|public| public.len() == 32)
            .ok_or_else(|| unusable(key, "its public half is not an Ed25519 key"))?;
        let decoding = DecodingKey::from_ed_der(&public);
        let algorithm = Algorithm::EdDSA;
        Ok(Self { kid: key.kid.clone(), serial: key.serial, algorithm, public, decoding })
    }

    pub(super) fn serial(&self) -> i32 {
        self.serial
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// The public JSON Web Key (RFC 8037, section 2).
    pub(super) fn jwk(&self) -> serde_json::Value {
        serde_json::json!({
            "kty": "OKP", "crv": "Ed25519", "x": base64url(&self.public),
            "kid": self.kid, "alg": EDDSA, "use": "sig",
        })
    }
}

/// A fresh pair: algorithm, public half, and the private half as PKCS#8.
pub(super) fn generate() -> Result<Material, CryptoError> {
    let failed = |_opaque| CryptoError("make a signing key");
    let pair = Ed25519KeyPair::generate().map_err(failed)?;
    let secret = Zeroizing::new(pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec());
    Ok(Material { algorithm: EDDSA, public: Some(pair.public_key().as_ref().to_vec()), secret })
}

fn unusable(key: &OpenedKey, problem: &'static str) -> KeyError {
    KeyError::Unusable { kid: key.kid.clone(), problem }
}
