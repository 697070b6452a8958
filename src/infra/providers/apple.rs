//! What Apple does its own way: a client secret that is signed, and a name that comes once and unsigned.

use std::fmt;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use serde::Serialize;
use serde_json::Value;

use super::claims::{Claims, full_name};
use crate::kernel::secret::CryptoError;

/// What Apple's tokens name as their issuer, and its client secrets as their audience.
pub(crate) const ISSUER: &str = "https://appleid.apple.com";
/// A secret is made for each request.
const LIFETIME_SECONDS: i64 = 5 * 60;
const USER_LENGTH_MAX: usize = 4 * 1024;

/// What Apple's client secrets are signed with.
#[derive(Clone)]
pub(crate) struct AppleKey {
    team_id: String,
    key_id: String,
    key: EncodingKey,
}

#[derive(Serialize)]
struct ClientSecret<'a> {
    iss: &'a str,
    iat: i64,
    exp: i64,
    aud: &'a str,
    sub: &'a str,
}

impl AppleKey {
    /// Reads the key as Apple's file holds it; `None` if it is no key for P-256 in PKCS#8.
    pub(crate) fn parse(team_id: String, key_id: String, pem: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let der = der.secret_pkcs8_der();
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).ok()?;
        Some(Self { team_id, key_id, key: EncodingKey::from_ec_der(der) })
    }

    /// A secret for a client, for a few minutes.
    pub(super) fn client_secret(
        &self,
        client_id: &str,
        now: DateTime<Utc>,
    ) -> Result<String, CryptoError> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.key_id.clone());
        let claims = ClientSecret {
            iss: &self.team_id,
            iat: now.timestamp(),
            exp: now.timestamp() + LIFETIME_SECONDS,
            aud: ISSUER,
            sub: client_id,
        };
        jsonwebtoken::encode(&header, &claims, &self.key)
            .map_err(|_opaque| CryptoError("sign a client secret"))
    }
}

impl fmt::Debug for AppleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppleKey(..)")
    }
}

/// The name in what Apple has the browser post. Whoever holds the browser may have changed it, so it is good for a name
/// that its owner chooses, and the address in it for nothing.
pub(super) fn posted_name(user: &str) -> Option<String> {
    let user = Some(user).filter(|user| user.len() <= USER_LENGTH_MAX)?;
    let user = Claims::parse(user.as_bytes())?;
    let name = user.get("name")?;
    let parts = ["firstName", "lastName"].map(|part| full_name(name.get(part)));
    let whole = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
    full_name(Some(&Value::String(whole)))
}
