//! Sessions: who is signed in, from where, until when. How refresh works is [`rotation`]; what people
//! see and end of their own is [`own`], in which organization one acts is [`scope`], and what wrong passwords
//! of session holders lead to is [`proofs`].
//!
//! A session owns a chain of refresh tokens of which exactly one is live. Rotation consumes it and
//! adds the next; a consumed token shown again after its grace proves two holders, so the session
//! ends. Access tokens carry the session's id; [`Sessions::authenticate`] turns one into a
//! [`Viewer`] of current data, so ending a session ends them too.
//!
//! Where its refresh token lives, in a body or in a cookie, is fixed when a session begins; presented
//! the other way, a token names nothing (RT-09).
//!
//! Invariant: this slice reads users and never writes them.

mod device_token;
mod facts;
pub(crate) mod graphql;
mod own;
mod proofs;
mod purge;
mod rotation;
mod scope;
mod store;
mod token;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use self::device_token::DeviceToken;
use self::facts::Facts;
pub(crate) use self::own::{OwnSession, RevokeError};
pub(crate) use self::proofs::FAILURES_MAX as FAILURES_OF_SESSION_MAX;
pub(crate) use self::rotation::{REFRESH_LIMITS, RefreshError};
pub(crate) use self::token::RefreshToken;
use crate::features::audit::{self, Actor, Event, Kind};
use crate::infra::db::{Db, DbFailure};
use crate::infra::jwt::{AccessToken, Jwt, Subject, TokenError};
use crate::infra::keys::{Keys, Master};
use crate::infra::limits::Limits;
use crate::infra::mail::{self, Letter, Outbox};
use crate::kernel::access::{Anonymity, Authentication, Client, User, Viewer};
use crate::kernel::clock::Clock;
use crate::kernel::device::Device;
use crate::kernel::id::{SessionId, UserId};
use crate::kernel::secret::CryptoError;
use crate::kernel::shares::Shares;

/// Sessions a user has at most; the oldest make room (RT-14).
pub(crate) const SESSIONS_MAX: u64 = 100;

/// How long sessions and tokens live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lifetimes {
    /// A session ends when it is not refreshed for this long.
    pub(crate) idle: TimeDelta,
    /// A session ends this long after sign-in, whatever happens.
    pub(crate) absolute: TimeDelta,
    /// For this long after its rotation a refresh token still leads to the live one.
    pub(crate) grace: TimeDelta,
}

/// What a client needs to stay signed in.
#[derive(Debug)]
pub(crate) struct Tokens {
    pub(crate) access: AccessToken,
    pub(crate) refresh: RefreshToken,
    pub(crate) refresh_ttl_seconds: i64,
    /// What shows from now on that somebody has signed in here, with the seconds it is good for; only of a
    /// session that begins.
    pub(crate) device: Option<(DeviceToken, i64)>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EndReason {
    SignedOut,
    Reuse,
    UserDeactivated,
    PasswordChanged,
    /// The address before a change was given back to its owner.
    EmailChangeUndone,
    /// The user proved their password again, and another session took its place.
    Replaced,
    /// Too many wrong passwords came from whoever held it.
    TooManyFailures,
    /// The user, an admin or the operator ended it.
    Revoked,
}

impl EndReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "SIGNED_OUT",
            Self::Reuse => "REUSE",
            Self::UserDeactivated => "USER_DEACTIVATED",
            Self::PasswordChanged => "PASSWORD_CHANGED",
            Self::EmailChangeUndone => "EMAIL_CHANGE_UNDONE",
            Self::Replaced => "REPLACED",
            Self::TooManyFailures => "TOO_MANY_FAILURES",
            Self::Revoked => "REVOKED",
        }
    }
}

/// Why a session could not be begun, looked up or ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for SessionError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Crypto(_) => None,
        }
    }
}

/// The one place that begins, refreshes, recognises and ends sessions.
#[derive(Clone)]
pub(crate) struct Sessions {
    db: Db,
    clock: Clock,
    keys: Keys,
    master: Arc<Master>,
    jwt: Jwt,
    limits: Limits,
    lifetimes: Lifetimes,
    outbox: Outbox,
    facts: Facts,
    /// Rotations of one token wait for each other's locks: they take turns before they have a connection.
    rotations: Arc<Shares<[u8; 32]>>,
}

/// How tokens are made, and how long they live.
pub(crate) struct Issuing {
    pub(crate) jwt: Jwt,
    pub(crate) master: Arc<Master>,
    pub(crate) lifetimes: Lifetimes,
}

impl Sessions {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        keys: Keys,
        Issuing { jwt, master, lifetimes }: Issuing,
        limits: Limits,
        outbox: Outbox,
    ) -> Self {
        let facts = Facts::new(clock.clone());
        let rotations = Arc::new(Shares::new(1));
        Self { db, clock, keys, master, jwt, limits, lifetimes, outbox, facts, rotations }
    }

    /// Begins a session for `user` inside the caller's transaction, of which the audit log says
    /// that it is of this `kind`. One from a kind of device that is new to the account is told by
    /// mail; of too many sessions the oldest end.
    ///
    /// The caller holds the lock on the user's row and has checked there that the user is active:
    /// that is what keeps a deactivation and a sign-in from missing each other.
    pub(crate) async fn begin(
        &self,
        txn: &impl ConnectionTrait,
        client: &Client,
        user: &User,
        kind: Kind,
        now: DateTime<Utc>,
    ) -> Result<Tokens, SessionError> {
        let session = store::Begun {
            id: SessionId::new(now),
            user_id: user.id,
            created_at: now,
            expires_at: now + self.lifetimes.absolute,
            device: client.user_agent.as_deref().and_then(|text| Device::of(text).name()),
        };
        let refresh = RefreshToken::generate()?;
        let devices = store::list_devices(txn, user.id).await?;
        let is_known = devices.iter().any(|known| known.device == session.device);
        if !is_known && user.created_at < now {
            let letter = Letter::to(user, mail::Kind::NewSignIn, client);
            self.outbox.write(txn, now, letter).await?;
        }
        let live: u64 = devices.iter().map(|known| known.live).sum();
        if live >= SESSIONS_MAX {
            store::evict(txn, user.id, SESSIONS_MAX - 1).await?;
        }
        store::insert(txn, &session, client).await?;
        let ttl = self.lifetimes.idle.min(self.lifetimes.absolute);
        let token = store::NewToken {
            session_id: session.id,
            hash: refresh.hash(),
            derived: None,
            created_at: now,
            expires_at: now + ttl,
        };
        store::insert_token(txn, token).await?;
        let event = Event {
            kind,
            actor: Actor::User(user.id),
            target: Some(user.id.0),
            session: Some(session.id),
            client,
        };
        audit::record(txn, now, event).await?;
        let subject = Subject::of(user, session.id, None, now);
        let device = DeviceToken::issue(&self.master, session.id)?;
        let device_ttl_seconds = self.lifetimes.absolute.num_seconds();
        let tokens = self.tokens(&subject, refresh, ttl, now)?;
        Ok(Tokens { device: Some((device, device_ttl_seconds)), ..tokens })
    }

    /// Recognises the caller of a request by its bearer token.
    ///
    /// No bearer, or a bad one, is an answer; a database that cannot be asked is an error, so
    /// that an outage never turns a signed-in caller into an anonymous one.
    pub(crate) async fn authenticate(
        &self,
        bearer: Option<&str>,
    ) -> Result<Authentication, SessionError> {
        let Some(bearer) = bearer else {
            return Ok(Authentication::Anonymous(Anonymity::MissingToken));
        };
        let claims = match self.jwt.verify(bearer) {
            Ok(claims) => claims,
            Err(TokenError::Invalid) => {
                return Ok(Authentication::Anonymous(Anonymity::InvalidToken));
            }
            Err(TokenError::Expired(_)) => {
                return Ok(Authentication::Anonymous(Anonymity::TokenExpired));
            }
        };
        let load = store::find_viewer(&self.db, claims.sid, claims.sub);
        let viewer = self.facts.viewer(claims.sub, claims.sid, load).await?;
        Ok(match viewer.filter(|viewer| self.clock.now() < viewer.session_expires_at) {
            Some(viewer) => {
                let access_expires_at = DateTime::from_timestamp(claims.exp, 0).unwrap_or_default();
                Authentication::Viewer(Viewer { access_expires_at, ..viewer })
            }
            None => Authentication::Anonymous(Anonymity::SessionEnded),
        })
    }

    /// Ends the session that the bearer names, or else the one that the refresh token names.
    ///
    /// An expired bearer names its session too, here and nowhere else, and so does a consumed
    /// refresh token: signing out must not fail for being late. Returns whether anything named a
    /// session; whether that session was still alive makes no difference.
    pub(crate) async fn end_named(
        &self,
        client: &Client,
        bearer: Option<&str>,
        refresh: Option<&RefreshToken>,
    ) -> Result<bool, SessionError> {
        let by_bearer = bearer.and_then(|bearer| match self.jwt.verify(bearer) {
            Ok(claims) | Err(TokenError::Expired(claims)) => Some((claims.sid, claims.sub)),
            Err(TokenError::Invalid) => None,
        });
        let named = match (by_bearer, refresh) {
            (Some(named), _) => Some(named),
            (None, Some(token)) => {
                store::find_owner(self.db.reader(), token.hash(), client.token_mode).await?
            }
            (None, None) => None,
        };
        let Some((session, user)) = named else { return Ok(false) };
        // What is over takes no lock, however often it is presented.
        if !self.lives(self.db.reader(), session, user).await? {
            return Ok(true);
        }
        let outcome = self.db.retry(|| self.end_one(client, session, user)).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.facts.forget(user);
        outcome.map(|()| true)
    }

    async fn end_one(
        &self,
        client: &Client,
        session: SessionId,
        user: UserId,
    ) -> Result<(), SessionError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        store::lock_user(&txn, user).await?;
        if store::end(&txn, session, EndReason::SignedOut, now).await? {
            let event = Event {
                kind: Kind::SignedOut,
                actor: Actor::User(user),
                target: Some(user.0),
                session: Some(session),
                client,
            };
            audit::record(&txn, now, event).await?;
        }
        txn.commit().await?;
        Ok(())
    }

    /// Ends every session of a user inside the caller's transaction, which holds the lock on the
    /// user's row and calls [`Sessions::forget`] after its commit, and has none of their devices known any
    /// more. Returns how many sessions there were.
    pub(crate) async fn end_all(
        &self,
        txn: &impl ConnectionTrait,
        user: UserId,
        reason: EndReason,
        now: DateTime<Utc>,
    ) -> Result<u64, DbErr> {
        proofs::store::forget_devices(txn, user, None, FAILURES_OF_SESSION_MAX).await?;
        store::end_all(txn, user, None, reason, now).await
    }

    /// The same but for one session and the device that it was begun on.
    pub(crate) async fn end_others(
        &self,
        txn: &impl ConnectionTrait,
        user: UserId,
        kept: SessionId,
        reason: EndReason,
        now: DateTime<Utc>,
    ) -> Result<u64, DbErr> {
        proofs::store::forget_devices(txn, user, Some(kept), FAILURES_OF_SESSION_MAX).await?;
        store::end_all(txn, user, Some(kept), reason, now).await
    }

    /// Ends one session inside the caller's transaction, which holds the lock on its user's row; says
    /// whether it lived.
    pub(crate) async fn end(
        &self,
        txn: &impl ConnectionTrait,
        session: SessionId,
        reason: EndReason,
        now: DateTime<Utc>,
    ) -> Result<bool, DbErr> {
        store::end(txn, session, reason, now).await
    }

    /// Makes this instance read a user's facts again. Called after the commit of every change to
    /// a user's row or sessions.
    pub(crate) fn forget(&self, user: UserId) {
        self.facts.forget(user);
    }

    /// What a caller gets who may refresh for `refresh_ttl` from now on. The access token does not outlive
    /// that, so a session that was idle for too long authenticates nobody.
    fn tokens(
        &self,
        subject: &Subject,
        refresh: RefreshToken,
        refresh_ttl: TimeDelta,
        now: DateTime<Utc>,
    ) -> Result<Tokens, CryptoError> {
        Ok(Tokens {
            access: self.jwt.issue(subject, now + refresh_ttl)?,
            refresh,
            refresh_ttl_seconds: refresh_ttl.num_seconds(),
            device: None,
        })
    }
}
