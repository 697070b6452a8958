//! Keys that sign access tokens and verify them, each with the one algorithm it is for.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{self, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair,
    RsaPublicKeyComponents,
};
use chrono::{DateTime, Utc};
use jsonwebtoken::{DecodingKey, EncodingKey};
use pkcs8::{ObjectIdentifier, PrivateKeyInfoRef};
use serde_json::json;
use strum::{EnumString, IntoStaticStr, VariantArray};
use zeroize::Zeroizing;

use super::{KeyError, Material, OpenedKey};
use crate::kernel::secret::{self, CryptoError, base64url};

/// The shortest RSA modulus that signs, in bytes: 3072 bits (KY-04, JW-01).
const RSA_MODULUS_LENGTH_MIN: usize = 384;
/// The shortest HMAC key that signs, in bytes: that of the digest (RFC 7518, section 3.2).
const HMAC_LENGTH_MIN: usize = 32;
/// rsaEncryption (RFC 8017).
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// How access tokens are signed (RFC 7518, RFC 8037), as the `alg` header, the row of a key and `JWT_ALGORITHM`
/// name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "UPPERCASE")]
pub(crate) enum Algorithm {
    /// Ed25519.
    #[default]
    #[strum(serialize = "EdDSA")]
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
    /// RSA 3072, PKCS#1 v1.5, SHA-256.
    Rs256,
    /// HMAC with SHA-256. Nobody else can verify: the key is no public one.
    Hs256,
}

impl Algorithm {
    /// Whether other services can verify what it signs.
    pub(crate) fn has_public_keys(self) -> bool {
        self != Self::Hs256
    }

    fn of_library(self) -> jsonwebtoken::Algorithm {
        match self {
            Self::EdDsa => jsonwebtoken::Algorithm::EdDSA,
            Self::Es256 => jsonwebtoken::Algorithm::ES256,
            Self::Rs256 => jsonwebtoken::Algorithm::RS256,
            Self::Hs256 => jsonwebtoken::Algorithm::HS256,
        }
    }
}

/// Signs and verifies, with its own algorithm and whatever a token's header says (JW-01).
pub(crate) struct TokenKey {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) signs_from: DateTime<Utc>,
    pub(super) verifies_until: Option<DateTime<Utc>>,
    encoding: EncodingKey,
    decoding: DecodingKey,
    /// The public members of the JSON Web Key; `None` where there are none.
    public: Option<serde_json::Value>,
}

/// The two halves of a checked key, as the library takes them.
struct Halves {
    encoding: EncodingKey,
    decoding: DecodingKey,
    public: Option<serde_json::Value>,
}

impl TokenKey {
    /// Checks a stored key and makes it usable (KY-04).
    pub(super) fn load(key: &OpenedKey) -> Result<Self, KeyError> {
        let algorithm = key
            .algorithm
            .parse::<Algorithm>()
            .map_err(|_| unusable(key, "this version does not know its algorithm"))?;
        let halves = match algorithm {
            Algorithm::EdDsa => ed25519(key),
            Algorithm::Es256 => p256(key),
            Algorithm::Rs256 => rsa3072(key),
            Algorithm::Hs256 => hmac(key),
        };
        let Halves { encoding, decoding, public } = halves?;
        Ok(Self {
            kid: key.kid.clone(),
            algorithm,
            signs_from: key.signs_from,
            verifies_until: key.verifies_until,
            encoding,
            decoding,
            public,
        })
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn algorithm(&self) -> jsonwebtoken::Algorithm {
        self.algorithm.of_library()
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    pub(crate) fn decoding(&self) -> &DecodingKey {
        &self.decoding
    }

    /// Whether every token it signed in its time has expired. What comes now is forged, or late.
    pub(crate) fn has_ended(&self, now: DateTime<Utc>) -> bool {
        self.verifies_until.is_some_and(|end| end <= now)
    }

    /// The public JSON Web Key (RFC 7517), if it has one.
    pub(super) fn jwk(&self) -> Option<serde_json::Value> {
        let mut jwk = self.public.clone()?;
        jwk["kid"] = json!(self.kid);
        jwk["alg"] = json!(self.algorithm.into_str());
        jwk["use"] = json!("sig");
        Some(jwk)
    }
}

fn ed25519(key: &OpenedKey) -> Result<Halves, KeyError> {
    let pair = Ed25519KeyPair::from_pkcs8(&key.secret)
        .map_err(|_rejected| unusable(key, "its private half is not an Ed25519 key"))?;
    let public = matching(key, pair.public_key().as_ref())?;
    Ok(Halves {
        encoding: EncodingKey::from_ed_der(&key.secret),
        decoding: DecodingKey::from_ed_der(public),
        public: Some(json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(public) })),
    })
}

fn p256(key: &OpenedKey) -> Result<Halves, KeyError> {
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.secret)
        .map_err(|_rejected| unusable(key, "its private half is not a P-256 key"))?;
    let public = matching(key, pair.public_key().as_ref())?;
    // An uncompressed point: 4, then the two coordinates (SEC 1, section 2.3.3).
    let (x, y) = match public {
        [4, point @ ..] if point.len() == 64 => point.split_at(32),
        _ => return Err(unusable(key, "its public half is not a P-256 point")),
    };
    Ok(Halves {
        encoding: EncodingKey::from_ec_der(&key.secret),
        decoding: DecodingKey::from_ec_der(public),
        public: Some(json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })),
    })
}

fn rsa3072(key: &OpenedKey) -> Result<Halves, KeyError> {
    let not_rsa = || unusable(key, "its private half is not an RSA key");
    let document =
        PrivateKeyInfoRef::try_from(key.secret.as_slice()).map_err(|_malformed| not_rsa())?;
    document.algorithm.assert_algorithm_oid(RSA).map_err(|_another| not_rsa())?;
    // jsonwebtoken wants the RSA key (RFC 8017) without the document around it.
    let bare = document.private_key.as_bytes();
    let pair = RsaKeyPair::from_der(bare).map_err(|_rejected| not_rsa())?;
    if pair.public_modulus_len() < RSA_MODULUS_LENGTH_MIN {
        return Err(unusable(key, "it has fewer than 3072 bits"));
    }
    let public = matching(key, pair.public_key().as_ref())?;
    let RsaPublicKeyComponents { n, e } =
        RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
    Ok(Halves {
        encoding: EncodingKey::from_rsa_der(bare),
        decoding: DecodingKey::from_rsa_der(public),
        public: Some(json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })),
    })
}

fn hmac(key: &OpenedKey) -> Result<Halves, KeyError> {
    if key.secret.len() < HMAC_LENGTH_MIN {
        return Err(unusable(key, "it has fewer than 256 bits"));
    }
    Ok(Halves {
        encoding: EncodingKey::from_secret(&key.secret),
        decoding: DecodingKey::from_secret(&key.secret),
        public: None,
    })
}

/// The stored public half, which must be the one that belongs to the private half.
fn matching<'a>(key: &'a OpenedKey, public: &[u8]) -> Result<&'a [u8], KeyError> {
    let stored = key.public.as_deref().filter(|stored| *stored == public);
    stored.ok_or_else(|| unusable(key, "its public half does not match its private half"))
}

/// A fresh key: its public half if it has one, and its private half as PKCS#8 or as it is.
pub(super) fn generate(algorithm: Algorithm) -> Result<Material, CryptoError> {
    let failed = |_opaque| CryptoError("make a signing key");
    let (public, secret) = match algorithm {
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(failed)?;
            let secret = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            (Some(pair.public_key().as_ref().to_vec()), secret)
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map_err(failed)?;
            let secret = pair.to_pkcs8v1().map_err(failed)?.as_ref().to_vec();
            (Some(pair.public_key().as_ref().to_vec()), secret)
        }
        Algorithm::Rs256 => {
            let pair = rsa::KeyPair::generate(KeySize::Rsa3072).map_err(failed)?;
            let secret = AsDer::as_der(&pair).map_err(failed)?.as_ref().to_vec();
            (Some(pair.public_key().as_ref().to_vec()), secret)
        }
        Algorithm::Hs256 => (None, secret::random::<32>()?.to_vec()),
    };
    let secret = Zeroizing::new(secret);
    Ok(Material { algorithm: algorithm.into_str(), public, secret })
}

fn unusable(key: &OpenedKey, problem: &'static str) -> KeyError {
    KeyError::Unusable { kid: key.kid.clone(), problem }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(algorithm: &str, public: Option<Vec<u8>>, secret: &[u8]) -> OpenedKey {
        OpenedKey {
            kid: "1".to_owned(),
            algorithm: algorithm.to_owned(),
            signs_from: DateTime::UNIX_EPOCH,
            verifies_until: None,
            public,
            secret: Zeroizing::new(secret.to_vec()),
        }
    }

    fn problem(key: &OpenedKey) -> &'static str {
        match TokenKey::load(key).err() {
            Some(KeyError::Unusable { problem, .. }) => problem,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_fresh_key_of_every_algorithm_loads_and_shows_public_members_only() {
        for &algorithm in Algorithm::VARIANTS {
            let made = generate(algorithm).unwrap();
            let key = opened(made.algorithm, made.public, &made.secret);
            let key = TokenKey::load(&key).unwrap();
            let jwk = key.jwk();
            assert_eq!(jwk.is_some(), algorithm.has_public_keys());
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert!(jwk.as_ref().is_none_or(|jwk| jwk.get(private).is_none()), "{private}");
            }
        }
    }

    #[test]
    fn keys_that_are_weak_or_of_another_kind_are_refused() {
        let ed = generate(Algorithm::EdDsa).unwrap();
        let ec = generate(Algorithm::Es256).unwrap();
        let other = generate(Algorithm::EdDsa).unwrap();
        let short = rsa::KeyPair::generate(KeySize::Rsa2048).unwrap();
        let short_public = Some(short.public_key().as_ref().to_vec());
        let short = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&short).unwrap();
        for (key, told) in [
            (opened("EdDSA", other.public, &ed.secret), "does not match"),
            (opened("EdDSA", ec.public.clone(), &ec.secret), "not an Ed25519 key"),
            (opened("ES256", ed.public.clone(), &ed.secret), "not a P-256 key"),
            (opened("RS256", ed.public.clone(), &ed.secret), "not an RSA key"),
            (opened("RS256", short_public, short.as_ref()), "fewer than 3072 bits"),
            (opened("HS256", None, &[7; 31]), "fewer than 256 bits"),
            (opened("none", None, &[7; 32]), "does not know"),
            (opened("ES256", None, &ec.secret), "does not match"),
        ] {
            assert!(problem(&key).contains(told), "{}", problem(&key));
        }
    }
}
