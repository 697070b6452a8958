//! Who calls: by an access token, or by the cookie that is a session in browsers.
//!
//! Reading with a cookie never replaces it. That a session is in use is noted once a minute at the most, beside the answer.
//! A proof of who somebody is replaces the cookie ([`Sessions::raise`]); for a minute the one before goes on as it was, so
//! that what is under way in other tabs does not fail.

pub(super) mod store;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use self::store::Known;
use super::credential::{Credential, Kind, Unopened};
use super::rotation::CLOCKS_APART;
use super::{Issued, Sessions, Tokens};
use crate::features::change::{Fault, Tx};
use crate::infra::causes::causes;
use crate::infra::jwt::TokenError;
use crate::kernel::access::{self, Anonymity, Authentication, Proven, TokenMode, Viewer};
use crate::kernel::acting::Gone;
use crate::kernel::id::OrganizationId;

/// For this long after a proof the cookie before it goes on.
const LINGERS: TimeDelta = TimeDelta::seconds(60);
/// How often it is noted that a session is in use, at most.
const NOTED_EVERY: TimeDelta = TimeDelta::seconds(60);

/// What a request shows of who calls.
#[derive(Clone, Copy)]
pub(crate) enum Shown<'a> {
    Nothing,
    AccessToken(&'a str),
    Cookie(&'a str),
}

/// Why it is not known who calls: neither a yes nor a no.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrecognised {
    #[error(transparent)]
    Db(#[from] DbErr),
    /// The cookie may be sealed by a key that this instance has not read yet.
    #[error("this instance has not read the key of the cookie yet")]
    KeyOnItsWay,
}

impl Sessions {
    /// Recognises the caller of a request. `organization` is where a call with a cookie is to act; an access token says
    /// that itself.
    ///
    /// Nothing, or something bad, is an answer; a database that cannot be asked is an error, so
    /// that an outage never turns a signed-in caller into an anonymous one.
    pub(crate) async fn authenticate(
        &self,
        shown: Shown<'_>,
        organization: Option<OrganizationId>,
    ) -> Result<Authentication, Unrecognised> {
        self.recognise(shown, organization, |known| self.note_use(known)).await
    }

    /// Recognises the caller of a stream again. That is no use of the session: nobody has done anything.
    pub(crate) async fn authenticate_again(
        &self,
        shown: Shown<'_>,
        organization: Option<OrganizationId>,
    ) -> Result<Authentication, Unrecognised> {
        self.recognise(shown, organization, |_known| {}).await
    }

    async fn recognise(
        &self,
        shown: Shown<'_>,
        organization: Option<OrganizationId>,
        note_use: impl Fn(&Known),
    ) -> Result<Authentication, Unrecognised> {
        let recognised = match shown {
            Shown::Nothing => Err(Anonymity::MissingToken),
            Shown::AccessToken(token) => self.by_token(token).await?,
            Shown::Cookie(cookie) => self.by_cookie(cookie, organization, note_use).await?,
        };
        Ok(match recognised {
            Ok(viewer) => Authentication::Viewer(viewer),
            Err(reason) => Authentication::Anonymous(reason),
        })
    }

    async fn by_token(&self, token: &str) -> Result<Result<Viewer, Anonymity>, DbErr> {
        let claims = match self.jwt.verify(token) {
            Ok(claims) => claims,
            Err(TokenError::Invalid) => return Ok(Err(Anonymity::InvalidToken)),
            Err(TokenError::Expired(_)) => return Ok(Err(Anonymity::TokenExpired)),
        };
        let organization = claims.org;
        let load = store::find_known(&self.db, claims.sid, claims.sub, organization);
        let known = self.facts.of(claims.sub, (claims.sid, organization), 0, load).await?;
        let Some(known) = known.filter(|known| self.clock.now() < known.viewer.session_expires_at)
        else {
            return Ok(Err(Anonymity::SessionEnded));
        };
        if !known.is_member_of(organization) {
            return Ok(Err(Anonymity::NotAMember));
        }
        let time = |seconds| DateTime::from_timestamp(seconds, 0).unwrap_or_default();
        let credential = access::Credential::AccessToken { expires_at: time(claims.exp) };
        let proven = Proven { at: time(claims.auth_time), by: claims.proofs() };
        Ok(self.admitted(Viewer { credential, proven, ..known.viewer }))
    }

    async fn by_cookie(
        &self,
        cookie: &str,
        organization: Option<OrganizationId>,
        note_use: impl Fn(&Known),
    ) -> Result<Result<Viewer, Anonymity>, Unrecognised> {
        let (keys, now) = (self.keys.current(), self.clock.now());
        let cookie = match Credential::open(Kind::Cookie, cookie, &keys, now) {
            Ok(cookie) => cookie,
            Err(Unopened::NotYet) if !self.keys.are_current() => {
                return Err(Unrecognised::KeyOnItsWay);
            }
            Err(Unopened::NotYet | Unopened::Forged) => return Ok(Err(Anonymity::InvalidToken)),
        };
        let (session, user) = (cookie.session, cookie.user);
        let load = store::find_known(&self.db, session, user, organization);
        let known = self.facts.of(user, (session, organization), cookie.generation, load).await?;
        let Some(known) = known.filter(|known| self.is_good(&cookie, known)) else {
            return Ok(Err(Anonymity::SessionEnded));
        };
        if !known.is_member_of(organization) {
            return Ok(Err(Anonymity::NotAMember));
        }
        note_use(&known);
        let expires_at = match cookie.generation == known.generation {
            true => known.viewer.session_expires_at,
            false => known.viewer.session_expires_at.min(known.generation_at + LINGERS),
        };
        let credential = access::Credential::Cookie { expires_at };
        let proven = cookie.proven;
        Ok(self.admitted(Viewer { credential, proven, ..known.viewer }))
    }

    /// Lets a caller through, unless their account needs two factors by now, and their session began with one.
    fn admitted(&self, viewer: Viewer) -> Result<Viewer, Anonymity> {
        match self.second_factor.is_missed_by(&viewer.user, viewer.proven.by) {
            true => Err(Anonymity::SecondFactorRequired),
            false => Ok(viewer),
        }
    }

    /// Whether a cookie is that of a session in use: the live one, or the one before while that lingers.
    fn is_good(&self, cookie: &Credential, known: &Known) -> bool {
        let now = self.clock.now();
        let age = now - known.generation_at;
        let is_current = match known.generation.checked_sub(cookie.generation) {
            Some(0) => true,
            Some(1) => -CLOCKS_APART <= age && age <= LINGERS,
            Some(_) | None => false,
        };
        is_current
            && known.viewer.session_mode == TokenMode::Cookie
            && known.secret_digest == cookie.digest()
            && now < known.viewer.session_expires_at
            && now - self.last_use_of(known) < self.lifetimes.idle
    }

    /// When a session was last used, also if what is remembered of it does not tell yet.
    fn last_use_of(&self, known: &Known) -> DateTime<Utc> {
        let noted = self.noted.get(&known.viewer.session_id);
        noted.map_or(known.last_used_at, |noted| noted.max(known.last_used_at))
    }

    /// Notes beside the answer that a session is in use, if that was noted long ago.
    fn note_use(&self, known: &Known) {
        let (now, id) = (self.clock.now(), known.viewer.session_id);
        let before = now - NOTED_EVERY.min(self.lifetimes.idle / 4);
        if self.last_use_of(known) >= before {
            return;
        }
        self.noted.insert(id, now);
        let db = self.db.clone();
        tokio::spawn(async move {
            if let Err(error) = store::note_use(db.writer(), id, before, now).await {
                tracing::warn!(error = %causes(&error), session.id = %id, "cannot record the use of a session");
            }
        });
    }

    /// The cookie for a caller who has just proved who they are, in the place of the one that they came with, inside the
    /// caller's transaction. Of two tabs that do so at once, both get the same generation.
    pub(crate) async fn raise(
        &self,
        tx: &Tx<'_>,
        viewer: &Viewer,
        cookie: &str,
        proven: Proven,
    ) -> Result<Tokens, Fault> {
        let (keys, now) = (self.keys.current(), tx.now());
        let opened = Credential::open(Kind::Cookie, cookie, &keys, now);
        let cookie =
            opened.ok().filter(|cookie| cookie.session == viewer.session_id).ok_or(Gone)?;
        tx.touch(viewer.user.id);
        let next = cookie.generation.saturating_add(1);
        if !store::raise(tx, &cookie, proven.by, now).await? {
            let known = store::read_known(tx, cookie.session, viewer.user.id, None).await?;
            let is_raised =
                |known: &Known| known.generation == next && self.is_good(&cookie, known);
            known.filter(is_raised).ok_or(Gone)?;
        }
        let text = self.present(&cookie.proven(next, proven), now);
        let ttl_seconds = (viewer.session_expires_at - now).num_seconds();
        let credential = Some(Issued { text, ttl_seconds });
        Ok(Tokens { access: None, credential, device: None, viewer: None })
    }
}
