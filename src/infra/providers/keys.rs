//! The keys that a provider signs ID tokens with (RFC 7517).

use std::collections::HashSet;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::claims::Claims;
use super::error::Away;
use super::id_token::algorithm;

const KEYS_MAX: usize = 64;

/// Algorithms that ID tokens may be signed by: those whose keys only the provider has. The client's secret signs none.
pub(super) const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a provider lists, without keys for anything else.
#[derive(Debug)]
pub(super) struct Keys(Vec<Key>);

#[derive(Debug)]
pub(super) struct Key {
    kid: Option<String>,
    /// For whom it signs, where a list is shared by several, as Microsoft's is by all tenants.
    issuer: Option<String>,
    /// What it may have signed with.
    algorithms: Vec<Algorithm>,
    pub(super) verifying: DecodingKey,
}

#[derive(Deserialize)]
struct Listed {
    keys: Vec<Value>,
}

impl Keys {
    pub(super) fn parse(json: &[u8]) -> Result<Self, Away> {
        let nonsense = Away::Nonsense("a list of keys");
        let Listed { keys } = Claims::read(json).ok_or(nonsense)?;
        if keys.len() > KEYS_MAX {
            return Err(Away::Keys);
        }
        // One that is not understood, of a kind yet to come, makes the others no worse.
        let keys: Vec<Key> = keys.into_iter().filter_map(Key::of).collect();
        let mut seen = HashSet::new();
        if !keys.iter().filter_map(|key| key.kid.as_ref()).all(|kid| seen.insert(kid)) {
            return Err(Away::Keys);
        }
        Ok(Self(keys))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of a token. One that names none has the one that fits, if there is only one.
    pub(super) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&Key> {
        let mut fitting = self.0.iter().filter(|key| key.algorithms.contains(&algorithm));
        if let Some(kid) = kid {
            return fitting.find(|key| key.kid.as_deref() == Some(kid));
        }
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }
}

impl Key {
    pub(super) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    fn of(json: Value) -> Option<Self> {
        let named = json.get("alg").map(|name| name.as_str().and_then(algorithm));
        let issuer = json.get("issuer").and_then(Value::as_str).map(str::to_owned);
        let jwk: Jwk = serde_json::from_value(json).ok()?;
        let common = &jwk.common;
        let is_to_sign = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature));
        let may_verify = (common.key_operations.as_ref())
            .is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        if !is_to_sign || !may_verify {
            return None;
        }
        let fits = |algorithm: &Algorithm| named.is_none_or(|named| named == Some(*algorithm));
        let algorithms: Vec<_> =
            of_kind(&jwk.algorithm).iter().copied().filter(|algorithm| fits(algorithm)).collect();
        if algorithms.is_empty() {
            return None;
        }
        let verifying = DecodingKey::from_jwk(&jwk).ok()?;
        Some(Self { kid: jwk.common.key_id, issuer, algorithms, verifying })
    }
}

/// What a key of this kind can have signed with.
fn of_kind(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    match parameters {
        AlgorithmParameters::RSA(_) => &ALGORITHMS[..6],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[Algorithm::ES256],
            EllipticCurve::P384 => &[Algorithm::ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            &[Algorithm::EdDSA]
        }
        _ => &[],
    }
}
