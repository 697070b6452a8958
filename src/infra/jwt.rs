//! Access tokens: signed JWTs (RFC 7519) of the profile in RFC 9068.
//!
//! Issued and verified here and nowhere else. The library checks the signature; every rule about
//! header and claims that it leaves open or lenient is stated below.

mod custom_claims;

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Header, Validation};
use moka::sync::Cache;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

pub(crate) use self::custom_claims::CustomClaims;
use crate::infra::keys::{KeySet, Keys, TokenKey};
use crate::kernel::access::{ActiveOrganization, Permission, Proofs, Proven, Role, User};
use crate::kernel::clock::Clock;
use crate::kernel::id::{OrganizationId, SessionId, UserId, uuid_v7};
use crate::kernel::secret::{CryptoError, from_base64url, sha256};

/// The `typ` of an access token (RFC 9068, section 2.1); other kinds of token have another.
const TYP: &str = "at+jwt";
/// The client every token is issued to.
const CLIENT_ID: &str = "portcullis";
/// How far two clocks may stand apart.
pub(crate) const LEEWAY_SECONDS: i64 = 5;
/// No access token lives longer, whoever signed it and whatever it says (JW-07).
pub(crate) const LIFETIME_MAX_SECONDS: u32 = 900;
/// Longer ones are refused unread (JW-09); ours have about 700 bytes.
const TOKEN_LENGTH_MAX: usize = 8 * 1024;
const KID_LENGTH_MAX: usize = 64;
/// Verified tokens remembered at once, in some 10 MB; the least used make room.
const VERIFIED_MAX: u64 = 20_000;

/// What an access token says.
///
/// Every claim but those of an organization is required, a claim named twice is refused, and nothing here is personal data
/// (JW-08, JW-10, JW-15).
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Claims {
    iss: String,
    aud: Audience,
    pub(crate) sub: UserId,
    pub(crate) sid: SessionId,
    jti: String,
    iat: i64,
    nbf: i64,
    pub(crate) exp: i64,
    /// When the user proved who they are.
    pub(crate) auth_time: i64,
    /// How (RFC 8176).
    amr: Vec<String>,
    /// How strong that is: `aal1` or `aal2`. For other services: here it follows from `amr` and `auth_time`.
    acr: String,
    client_id: String,
    /// For other services. Here the role is read from current data, and so is what the user is in the organization.
    role: String,
    /// The same.
    #[serde(default)]
    permissions: Vec<String>,
    /// The permissions as gateways read them (RFC 9068, section 2.2.3). Left out where there are none: a scope is never
    /// empty (RFC 6749, section 3.3), and gateways take an empty one for one scope without a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    /// The organization that calls with it act in. Left out where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) org: Option<OrganizationId>,
    /// What the user may do there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    org_role: Option<String>,
}

impl Claims {
    /// What the user has shown.
    pub(crate) fn proofs(&self) -> Proofs {
        Proofs::of_amr(self.amr.iter().map(String::as_str))
    }
}

/// All that a token is signed with: beside our claims those of the operator, which have other names.
#[derive(Serialize)]
struct Signed<'c> {
    #[serde(flatten)]
    claims: &'c Claims,
    #[serde(flatten)]
    custom: Map<String, Value>,
}

/// Whom a token is issued to, and what it says they may do.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    pub(crate) user: UserId,
    pub(crate) session: SessionId,
    pub(crate) role: Role,
    pub(crate) permissions: Vec<Permission>,
    pub(crate) organization: Option<ActiveOrganization>,
    /// How they proved who they are.
    pub(crate) proven: Proven,
}

impl Subject {
    pub(crate) fn of(
        user: &User,
        session: SessionId,
        organization: Option<ActiveOrganization>,
        proven: Proven,
        now: DateTime<Utc>,
    ) -> Self {
        let permissions = user.permissions(now);
        Self { user: user.id, session, role: user.role, permissions, organization, proven }
    }
}

/// A token that was issued.
#[derive(Debug)]
pub(crate) struct AccessToken {
    pub(crate) text: String,
    /// How long it is valid from now on.
    pub(crate) ttl_seconds: u32,
}

/// One audience or several (RFC 7519, section 4.1.3).
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A header as far as it matters. Keys that a token brings along (`jwk`, `jku`, `x5u`, `x5c`) are
/// never looked at (JW-04).
#[derive(Deserialize)]
struct TokenHeader {
    typ: String,
    kid: String,
    #[serde(default, deserialize_with = "present")]
    crit: bool,
    #[serde(default, deserialize_with = "present")]
    b64: bool,
}

/// Whether a member is there at all, `null` included.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_present| true)
}

/// Why a bearer token is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("the token is malformed, forged or meant for another service")]
    Invalid,
    /// Good in every other respect, which is what `logout` needs to know.
    #[error("the token has expired")]
    Expired(Arc<Claims>),
}

/// Issues and verifies access tokens.
#[derive(Clone)]
pub(crate) struct Jwt {
    settings: Arc<Settings>,
    keys: Keys,
    clock: Clock,
    /// By their SHA-256. Only the signature is not looked at again: whether its key is still there,
    /// and the time, are checked at each use.
    verified: Cache<[u8; 32], Verified>,
}

/// A token that was good when it was first seen.
#[derive(Clone)]
struct Verified {
    claims: Arc<Claims>,
    kid: Arc<str>,
}

/// Who issues, for whom, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// At most [`LIFETIME_MAX_SECONDS`].
    pub(crate) ttl_seconds: u32,
    pub(crate) custom_claims: CustomClaims,
}

impl Jwt {
    pub(crate) fn new(settings: Settings, keys: Keys, clock: Clock) -> Self {
        let verified = Cache::new(VERIFIED_MAX);
        Self { settings: Arc::new(settings), keys, clock, verified }
    }

    /// Signs a token for a session with the current key.
    ///
    /// It ends with the lifetime of a token or at `until`, whichever comes first: nothing that is proven
    /// until then may become a proof for longer (RT-17).
    pub(crate) fn issue(
        &self,
        subject: &Subject,
        until: DateTime<Utc>,
    ) -> Result<AccessToken, CryptoError> {
        let now = self.clock.now();
        let left_seconds = (until.timestamp() - now.timestamp()).max(0);
        let ttl_seconds =
            u32::try_from(left_seconds).unwrap_or(u32::MAX).min(self.settings.ttl_seconds);
        let claims = Claims {
            iss: self.settings.issuer.clone(),
            aud: Audience::One(self.settings.audience.clone()),
            sub: subject.user,
            sid: subject.session,
            jti: uuid_v7(now).to_string(),
            iat: now.timestamp(),
            nbf: now.timestamp(),
            exp: now.timestamp() + i64::from(ttl_seconds),
            auth_time: subject.proven.at.timestamp(),
            amr: subject.proven.by.amr().map(str::to_owned).collect(),
            acr: subject.proven.level(now).into_str().to_owned(),
            client_id: CLIENT_ID.to_owned(),
            role: subject.role.into_str().to_owned(),
            permissions: subject.permissions.iter().map(|one| one.into_str().to_owned()).collect(),
            scope: scope_of(&subject.permissions),
            org: subject.organization.map(|organization| organization.id),
            org_role: subject.organization.map(|active| active.role.into_str().to_owned()),
        };
        let custom = self.settings.custom_claims.fill(&claims);
        let signed = Signed { claims: &claims, custom };
        let keys = self.keys.current();
        let key = keys.signing(now);
        let mut header = Header::new(key.algorithm());
        header.typ = Some(TYP.to_owned());
        header.kid = Some(key.kid().to_owned());
        let text = jsonwebtoken::encode(&header, &signed, key.encoding())
            .map_err(|_opaque| CryptoError("sign an access token"))?;
        Ok(AccessToken { text, ttl_seconds })
    }

    /// Verifies a token; what it returns was signed by us, for us, and is in its time.
    pub(crate) fn verify(&self, token: &str) -> Result<Arc<Claims>, TokenError> {
        if token.len() > TOKEN_LENGTH_MAX {
            return Err(TokenError::Invalid);
        }
        let now = self.clock.now();
        let keys = self.keys.current();
        let digest = sha256(token.as_bytes());
        let known = self.verified.get(&digest);
        let is_known = known.is_some();
        let found = match known {
            Some(Verified { claims, kid }) => keys.verifying(&kid).map(|key| (claims, key)),
            None => self.verify_but_for_time(&keys, token),
        };
        let (claims, key) = found.ok_or(TokenError::Invalid)?;
        let earliest = now.timestamp() - LEEWAY_SECONDS;
        let latest = now.timestamp() + LEEWAY_SECONDS;
        if claims.nbf > latest || claims.iat > latest {
            return Err(TokenError::Invalid);
        }
        if claims.exp <= earliest || key.has_ended(now) {
            return Err(TokenError::Expired(claims));
        }
        if !is_known {
            let verified = Verified { claims: Arc::clone(&claims), kid: key.kid().into() };
            self.verified.insert(digest, verified);
        }
        Ok(claims)
    }

    fn verify_but_for_time<'k>(
        &self,
        keys: &'k KeySet,
        token: &str,
    ) -> Option<(Arc<Claims>, &'k TokenKey)> {
        if token.split('.').count() != 3 {
            return None;
        }
        let header = from_base64url(token.split('.').next()?)?;
        let header: TokenHeader = serde_json::from_slice(&header).ok()?;
        let typ = header.typ.to_ascii_lowercase();
        let is_access_token = typ.strip_prefix("application/").unwrap_or(&typ) == TYP;
        let has_extensions = header.crit || header.b64;
        if !is_access_token || has_extensions || header.kid.len() > KID_LENGTH_MAX {
            return None;
        }
        let key = keys.verifying(&header.kid)?;
        // The key decides the algorithm; a header that names another one is refused.
        let mut validation = Validation::new(key.algorithm());
        validation.required_spec_claims =
            ["exp", "nbf", "iss", "aud", "sub"].map(str::to_owned).into();
        validation.iss = Some(HashSet::from([self.settings.issuer.clone()]));
        validation.aud = Some(HashSet::from([self.settings.audience.clone()]));
        validation.validate_aud = true;
        // Time is checked above, against our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        let claims =
            jsonwebtoken::decode::<Claims>(token, key.decoding(), &validation).ok()?.claims;
        let lifetime = claims.exp.checked_sub(claims.iat)?;
        let is_ours = claims.client_id == CLIENT_ID
            && !claims.jti.is_empty()
            && (0..=i64::from(LIFETIME_MAX_SECONDS)).contains(&lifetime);
        is_ours.then(|| (Arc::new(claims), key))
    }
}

/// The scopes of some permissions, with spaces between.
fn scope_of(permissions: &[Permission]) -> Option<String> {
    let scopes: Vec<String> = permissions.iter().map(|permission| permission.scope()).collect();
    (!scopes.is_empty()).then(|| scopes.join(" "))
}

#[cfg(test)]
mod tests;
