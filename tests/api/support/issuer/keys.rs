//! The keys of the stand-ins, and tokens that are signed by hand: a library would refuse to make most of them.

use std::sync::LazyLock;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

/// How an issuer signs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    #[default]
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// One key of each algorithm. Their names end with the number of the set.
pub(crate) struct KeySet {
    number: u8,
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed: Ed25519KeyPair,
}

/// The keys that issuers begin with, those that they rotate to, and those of an attacker. All issuers share them, since
/// RSA keys take their time: what tells issuers apart is their address.
pub(crate) static FIRST: LazyLock<KeySet> = LazyLock::new(|| KeySet::generate(1));
pub(crate) static SECOND: LazyLock<KeySet> = LazyLock::new(|| KeySet::generate(2));

impl KeySet {
    fn generate(number: u8) -> Self {
        Self {
            number,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            ed: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The name of the key of an algorithm.
    pub(crate) fn kid(&self, algorithm: Algorithm) -> String {
        format!("{}-{}", algorithm.name(), self.number)
    }

    /// The public half, as a JSON Web Key.
    pub(crate) fn jwk(&self, algorithm: Algorithm) -> Value {
        let mut key = match algorithm {
            Algorithm::Rs256 => {
                let RsaPublicKeyComponents { n, e } =
                    RsaPublicKeyComponents::<Vec<u8>>::from(self.rsa.public_key());
                json!({ "kty": "RSA", "n": base64url(n), "e": base64url(e) })
            }
            Algorithm::Es256 => {
                // 0x04, and then both coordinates.
                let (x, y) = self.ec.public_key().as_ref()[1..].split_at(32);
                json!({ "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y) })
            }
            Algorithm::EdDsa => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": base64url(self.ed.public_key()) })
            }
        };
        key["kid"] = self.kid(algorithm).into();
        key["alg"] = algorithm.name().into();
        key["use"] = "sig".into();
        key
    }

    /// All public halves.
    pub(crate) fn jwks(&self) -> Vec<Value> {
        [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa].map(|of| self.jwk(of)).to_vec()
    }

    /// The public half of the RSA key, as X.509 has it.
    pub(crate) fn der(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.rsa.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }

    /// The same in the armour of PEM, as files have it.
    pub(crate) fn pem(&self) -> Vec<u8> {
        let text = BASE64_STANDARD.encode(self.der());
        let lines: Vec<&str> =
            text.as_bytes().chunks(64).map(|line| str::from_utf8(line).unwrap()).collect();
        let lines = lines.join("\n");
        format!("-----BEGIN PUBLIC KEY-----\n{lines}\n-----END PUBLIC KEY-----\n").into_bytes()
    }

    pub(crate) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            Algorithm::Rs256 => {
                let mut signature = vec![0; self.rsa.public_modulus_len()];
                self.rsa.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).unwrap();
                signature
            }
            Algorithm::Es256 => self.ec.sign(&random, message).unwrap().as_ref().to_vec(),
            Algorithm::EdDsa => self.ed.sign(message).as_ref().to_vec(),
        }
    }
}

/// Header and claims as a token has them, to be signed.
pub(crate) fn unsigned(header: &[u8], claims: &[u8]) -> String {
    format!("{}.{}", base64url(header), base64url(claims))
}

/// A token of what is signed.
pub(crate) fn with_signature(unsigned: &str, signature: &[u8]) -> String {
    format!("{unsigned}.{}", base64url(signature))
}

/// The signature of HS256.
pub(crate) fn hs256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message).as_ref().to_vec()
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
