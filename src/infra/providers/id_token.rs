//! ID tokens (OpenID Connect Core, section 3.1.3.7): what a provider signs about who has signed in. The library checks the
//! signature; every rule about header and claims is stated here (OI-02, OI-03).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;

use super::claims::Claims;
use super::error::Refusal;
use super::keys::{ALGORITHMS, Key, Keys};
use crate::kernel::secret::{base64url, from_base64url};

const LENGTH_MAX: usize = 16 * 1024;
const KID_LENGTH_MAX: usize = 256;
/// How far two clocks may stand apart.
const LEEWAY_SECONDS: i64 = 30;
/// A token is for a sign-in that has just happened.
const AGE_MAX_SECONDS: i64 = 10 * 60;
/// Apple's live for a day, and nobody's need more than a week: the age decides.
const LIFETIME_MAX_SECONDS: i64 = 7 * 24 * 60 * 60;

/// What a token must be to be taken.
pub(super) struct Expected<'a> {
    /// Client ids of ours.
    pub(super) audiences: &'a [&'a str],
    pub(super) nonce: &'a str,
    pub(super) now: DateTime<Utc>,
    /// What came with it.
    pub(super) access_token: Option<&'a str>,
}

/// A token whose header is acceptable and whose signature is yet to be checked.
pub(super) struct Unverified<'a> {
    token: &'a str,
    algorithm: Algorithm,
    kid: Option<String>,
}

impl<'a> Unverified<'a> {
    pub(super) fn parse(token: &'a str, algorithms: &[Algorithm]) -> Result<Self, Refusal> {
        let parts: Vec<&str> = token.splitn(4, '.').collect();
        let [header, _, _] = parts[..] else { return Err(Refusal::Malformed) };
        if token.len() > LENGTH_MAX {
            return Err(Refusal::Malformed);
        }
        let header = from_base64url(header).and_then(|json| Claims::parse(&json));
        let header = header.ok_or(Refusal::Malformed)?;
        let is_jwt = match header.get("typ") {
            None => true,
            Some(Value::String(typ)) => typ.eq_ignore_ascii_case("JWT"),
            Some(_) => false,
        };
        // Extensions that we do not know change what the token means.
        if !is_jwt || header.get("crit").is_some() || header.get("b64").is_some() {
            return Err(Refusal::Malformed);
        }
        let algorithm = header.text("alg").and_then(algorithm).ok_or(Refusal::Algorithm)?;
        if !algorithms.contains(&algorithm) {
            return Err(Refusal::Algorithm);
        }
        let kid = match header.get("kid") {
            None => None,
            Some(Value::String(kid)) if kid.len() <= KID_LENGTH_MAX => Some(kid.clone()),
            Some(_) => return Err(Refusal::Malformed),
        };
        // Keys that the token brings along or points at (jwk, x5c, jku, x5u) are nobody's.
        Ok(Self { token, algorithm, kid })
    }

    pub(super) fn names_its_key(&self) -> bool {
        self.kid.is_some()
    }

    /// Its claims, if the provider has signed them and they are for us, now; and the key that has signed them.
    pub(super) fn verify<'k>(
        &self,
        keys: &'k Keys,
        expected: &Expected<'_>,
    ) -> Result<(Claims, &'k Key), Refusal> {
        let key = keys.find(self.kid.as_deref(), self.algorithm).ok_or(Refusal::UnknownKey)?;
        let claims = self.signed_claims(&key.verifying)?;
        check_audience(&claims, expected.audiences)?;
        check_time(&claims, expected.now.timestamp())?;
        let nonce = claims.text("nonce").ok_or(Refusal::Nonce)?;
        verify_slices_are_equal(nonce.as_bytes(), expected.nonce.as_bytes())
            .map_err(|_differs| Refusal::Nonce)?;
        if let Some(access_token) = expected.access_token {
            self.check_access_token(&claims, access_token)?;
        }
        Ok((claims, key))
    }

    fn signed_claims(&self, key: &DecodingKey) -> Result<Claims, Refusal> {
        let (signed, signature) = self.token.rsplit_once('.').ok_or(Refusal::Malformed)?;
        match jsonwebtoken::crypto::verify(signature, signed.as_bytes(), key, self.algorithm) {
            Ok(true) => {}
            Ok(false) | Err(_) => return Err(Refusal::Signature),
        }
        let (_, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        let claims = from_base64url(claims).and_then(|json| Claims::parse(&json));
        claims.ok_or(Refusal::Malformed)
    }

    /// OpenID Connect Core, section 3.1.3.6.
    fn check_access_token(&self, claims: &Claims, access_token: &str) -> Result<(), Refusal> {
        let Some(named) = claims.get("at_hash") else { return Ok(()) };
        let hash = match self.algorithm {
            Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => &SHA384,
            Algorithm::RS512 | Algorithm::PS512 | Algorithm::EdDSA => &SHA512,
            _ => &SHA256,
        };
        let digest = digest::digest(hash, access_token.as_bytes());
        let (half, _) = digest.as_ref().split_at(hash.output_len / 2);
        match named.as_str() == Some(&base64url(half)) {
            true => Ok(()),
            false => Err(Refusal::AccessToken),
        }
    }
}

/// By its name; Ed25519 has two (RFC 9864).
pub(super) fn algorithm(name: &str) -> Option<Algorithm> {
    let name = if name == "Ed25519" { "EdDSA" } else { name };
    name.parse().ok().filter(|algorithm| ALGORITHMS.contains(algorithm))
}

fn check_audience(claims: &Claims, ours: &[&str]) -> Result<(), Refusal> {
    let is_ours = |value: &Value| value.as_str().is_some_and(|one| ours.contains(&one));
    let (is_for_us, count) = match claims.get("aud") {
        Some(Value::Array(all)) => (all.iter().any(is_ours), all.len()),
        Some(one) => (is_ours(one), 1),
        None => (false, 0),
    };
    let is_party = match claims.get("azp") {
        Some(party) => is_ours(party),
        None => count == 1,
    };
    if is_for_us && is_party { Ok(()) } else { Err(Refusal::Audience) }
}

fn check_time(claims: &Claims, now: i64) -> Result<(), Refusal> {
    let seconds = |name| claims.get(name).and_then(Value::as_i64).ok_or(Refusal::Time);
    let (expires, issued) = (seconds("exp")?, seconds("iat")?);
    let not_before = if claims.get("nbf").is_some() { seconds("nbf")? } else { issued };
    let age = now.checked_sub(issued).ok_or(Refusal::Time)?;
    let lifetime = expires.checked_sub(issued).ok_or(Refusal::Time)?;
    let is_in_time = expires > now - LEEWAY_SECONDS
        && not_before <= now + LEEWAY_SECONDS
        && (-LEEWAY_SECONDS..=AGE_MAX_SECONDS + LEEWAY_SECONDS).contains(&age)
        && (0..=LIFETIME_MAX_SECONDS).contains(&lifetime);
    if is_in_time { Ok(()) } else { Err(Refusal::Time) }
}
