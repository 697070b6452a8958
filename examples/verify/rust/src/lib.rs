//! Verifies access tokens of Portcullis in another service: copy this file.
//!
//! It blocks while it fetches keys, which is at start and then at most once a minute. An async
//! service calls [`Verifier::verify`] where blocking is allowed, or swaps the HTTP client.

use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::{Jwk, JwkSet, KeyAlgorithm};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::{Deserialize, Serialize};

/// A new key is published 15 minutes before it signs; caches on the way may take 5 of them.
const KEYS_LIFETIME: Duration = Duration::from_mins(10);
/// Tokens with made-up key ids cause no more fetches than this.
const REFETCH_INTERVAL: Duration = Duration::from_mins(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// How far the two clocks may stand apart.
const LEEWAY_SECONDS: u64 = 10;

/// What a verified token says. Every claim but the last two has to be there.
#[derive(Debug, Deserialize, Serialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// For whom: a string or several.
    pub aud: serde_json::Value,
    /// The user's id.
    pub sub: String,
    /// The session's id.
    pub sid: String,
    /// The token's own id.
    pub jti: String,
    /// Issued at, in seconds since 1970, as are the next two.
    pub iat: u64,
    /// Not valid before.
    pub nbf: u64,
    /// Not valid from then on.
    pub exp: u64,
    /// The client it was issued to.
    pub client_id: String,
    /// The user's role when it was issued.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What the user could do when it was issued, with spaces between. A user without permissions has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
}

impl Claims {
    /// Whether they have a scope, as in `users:read`; answer 403 if not. Only whole scopes count, never a part of one.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        self.scope
            .as_deref()
            .is_some_and(|scopes| scopes.split_whitespace().any(|one| one == scope))
    }
}

/// Why there are no claims.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The token is not to be accepted: answer 401.
    #[error("refused: {0}")]
    Refused(String),
    /// Nothing can be said about the token at present: answer 503.
    #[error("the keys cannot be fetched: {0}")]
    NoKeys(Box<dyn Error + Send + Sync>),
}

impl From<jsonwebtoken::errors::Error> for VerifyError {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

/// Verifies tokens of one issuer for one audience. Make one at start and share it.
pub struct Verifier {
    validation: Validation,
    algorithms: Vec<Algorithm>,
    jwks_url: String,
    agent: ureq::Agent,
    cache: Mutex<Option<Cache>>,
}

struct Cache {
    keys: JwkSet,
    fetched: Instant,
    tried: Instant,
}

impl Verifier {
    /// Fetches nothing yet. `algorithms` are those that Portcullis is configured to sign with.
    #[must_use]
    pub fn new(issuer: &str, audience: &str, algorithms: Vec<Algorithm>, jwks_url: String) -> Self {
        let mut validation = Validation::default();
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "nbf", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = LEEWAY_SECONDS;
        let agent = ureq::Agent::config_builder()
            .timeout_global(Some(FETCH_TIMEOUT))
            .max_redirects(0)
            .build()
            .into();
        Self { validation, algorithms, jwks_url, agent, cache: Mutex::new(None) }
    }

    /// The claims of a token that is good in every respect.
    pub fn verify(&self, token: &str) -> Result<Claims, VerifyError> {
        let header = decode_header(token)?;
        if !self.algorithms.contains(&header.alg) {
            return Err(refused("its algorithm is not allowed"));
        }
        let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err(refused("it is not an access token"));
        }
        // An extension that must be understood and is not (RFC 7515, section 4.1.11).
        if header.crit.is_some() {
            return Err(refused("it has critical extensions"));
        }
        let key = self.key(&header.kid.unwrap_or_default())?;
        if key.common.key_algorithm != Some(KeyAlgorithm::from(header.alg)) {
            return Err(refused("its key is for another algorithm"));
        }
        let key = DecodingKey::from_jwk(&key)?;
        let mut validation = self.validation.clone();
        validation.algorithms = vec![header.alg];
        Ok(decode(token, &key, &validation)?.claims)
    }

    fn key(&self, kid: &str) -> Result<Jwk, VerifyError> {
        let unknown = || refused("its key is not known");
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cache) = cache.as_mut().filter(|it| it.fetched.elapsed() < KEYS_LIFETIME) {
            match cache.keys.find(kid) {
                Some(key) => return Ok(key.clone()),
                None if cache.tried.elapsed() < REFETCH_INTERVAL => return Err(unknown()),
                None => cache.tried = Instant::now(),
            }
        }
        let keys = self.fetch().map_err(VerifyError::NoKeys)?;
        let key = keys.find(kid).cloned().ok_or_else(unknown);
        let now = Instant::now();
        *cache = Some(Cache { keys, fetched: now, tried: now });
        key
    }

    fn fetch(&self) -> Result<JwkSet, Box<dyn Error + Send + Sync>> {
        let body = self.agent.get(&self.jwks_url).call()?.body_mut().read_to_vec()?;
        Ok(serde_json::from_slice(&body)?)
    }
}

fn refused(reason: &str) -> VerifyError {
    VerifyError::Refused(reason.to_owned())
}
