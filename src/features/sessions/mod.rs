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
mod own;
mod proofs;
mod purge;
mod rotation;
mod scope;
mod store;
mod token;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use strum::IntoStaticStr;

use self::device_token::DeviceToken;
use self::facts::Facts;
pub(crate) use self::own::{OwnSession, RevokeError};
pub(crate) use self::proofs::FAILURES_MAX as FAILURES_OF_SESSION_MAX;
pub(crate) use self::rotation::{REFRESH_FAILURES, RefreshError};
use self::store::lock_user;
pub(crate) use self::token::RefreshToken;
use crate::features::audit::{Kind, kind};
use crate::features::change::{Changes, Fault, Record, Tx};
use crate::features::links;
use crate::infra::db::Db;
use crate::infra::jwt::{AccessToken, Jwt, Subject, TokenError};
use crate::infra::keys::{Keys, Master};
use crate::infra::limits::Limits;
use crate::infra::mail::{Letter, MailKind, Outbox};
use crate::infra::passwords::hash::Hasher;
use crate::kernel::access::{Anonymity, Authentication, Origin, User, Viewer};
use crate::kernel::acting::{Acting, Gone};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
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
    changes: Changes,
    facts: Facts,
    /// Rotations of one token wait for each other's locks: they take turns before they have a connection.
    rotations: Arc<Shares<[u8; 32]>>,
}

/// What the features above this one work with. Each takes what it needs of it.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) limits: Limits,
    pub(crate) outbox: Outbox,
    pub(crate) link_gate: links::Gate,
    pub(crate) changes: Changes,
    pub(crate) sessions: Sessions,
}

/// How tokens are made, and how long they live.
pub(crate) struct Issuing {
    pub(crate) jwt: Jwt,
    pub(crate) keys: Keys,
    pub(crate) master: Arc<Master>,
    pub(crate) lifetimes: Lifetimes,
}

impl Sessions {
    pub(crate) fn new(
        db: Db,
        clock: Clock,
        changes: Changes,
        limits: Limits,
        Issuing { jwt, keys, master, lifetimes }: Issuing,
    ) -> Self {
        let facts = Facts::new(clock.clone(), changes.epochs());
        let rotations = Arc::new(Shares::new(1));
        Self { db, clock, keys, master, jwt, limits, lifetimes, changes, facts, rotations }
    }

    /// Begins a session for `user` inside the caller's transaction, of which the audit log says
    /// that it is of this `kind`. One from a kind of device that is new to the account is told by
    /// mail; of too many sessions the oldest end.
    ///
    /// The caller holds the lock on the user's row and has checked there that the user is active:
    /// that is what keeps a deactivation and a sign-in from missing each other.
    pub(crate) async fn begin(
        &self,
        tx: &Tx<'_>,
        user: &User,
        kind: Kind,
    ) -> Result<Tokens, Fault> {
        let (origin, now) = (tx.acting().origin, tx.now());
        let session = store::Begun {
            id: SessionId::new(now),
            user_id: user.id,
            created_at: now,
            expires_at: now + self.lifetimes.absolute,
            device: origin.user_agent.as_deref().and_then(|text| Device::of(text).name()),
        };
        let refresh = RefreshToken::generate()?;
        let devices = store::list_devices(tx, user.id).await?;
        let is_known = devices.iter().any(|known| known.device == session.device);
        if !is_known && user.created_at < now {
            tx.write(Letter::to(user, MailKind::NewSignIn, origin)).await?;
        }
        let live: u64 = devices.iter().map(|known| known.live).sum();
        if live >= SESSIONS_MAX {
            store::evict(tx, user.id, SESSIONS_MAX - 1).await?;
        }
        store::insert(tx, &session, origin).await?;
        let ttl = self.lifetimes.idle.min(self.lifetimes.absolute);
        let token = store::NewToken {
            session_id: session.id,
            hash: refresh.hash(),
            derived: None,
            created_at: now,
            expires_at: now + ttl,
        };
        store::insert_token(tx, token).await?;
        tx.note(Record::of(kind).about(user.id).by(user.id).within(session.id));
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
    pub(crate) async fn authenticate(&self, bearer: Option<&str>) -> Result<Authentication, DbErr> {
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
        origin: &Origin,
        bearer: Option<&str>,
        refresh: Option<&RefreshToken>,
    ) -> Result<bool, Fault> {
        let by_bearer = bearer.and_then(|bearer| match self.jwt.verify(bearer) {
            Ok(claims) | Err(TokenError::Expired(claims)) => Some((claims.sid, claims.sub)),
            Err(TokenError::Invalid) => None,
        });
        let named = match (by_bearer, refresh) {
            (Some(named), _) => Some(named),
            (None, Some(token)) => {
                store::find_owner(self.db.reader(), token.hash(), origin.token_mode).await?
            }
            (None, None) => None,
        };
        let Some((session, user)) = named else { return Ok(false) };
        // What is over takes no lock, however often it is presented.
        if !self.lives(self.db.reader(), session, user).await? {
            return Ok(true);
        }
        let acting = Acting::user(user, origin).within(session);
        let sign_out = async |tx: Tx<'_>| {
            lock_user(&tx, user).await?;
            if self.end(&tx, session, user, EndReason::SignedOut).await? {
                tx.record(kind::SIGNED_OUT, user);
            }
            tx.commit(true).await
        };
        Ok(self.changes.run("sign out", acting, sign_out).await?)
    }

    /// The caller as they are now, with their row locked: since the guard looked, they may have lost what they
    /// had, or moved.
    pub(crate) async fn caller(&self, tx: &Tx<'_>) -> Result<Viewer, Fault> {
        let viewer = tx.acting().caller()?;
        lock_user(tx, viewer.user.id).await?;
        let found = store::read_viewer(tx, viewer.session_id, viewer.user.id).await?;
        Ok(found.ok_or(Gone)?)
    }

    /// Ends every session of a user whose row is locked, and has none of their devices known any more. Returns how
    /// many sessions there were.
    pub(crate) async fn end_all(
        &self,
        tx: &Tx<'_>,
        user: UserId,
        reason: EndReason,
    ) -> Result<u64, DbErr> {
        tx.touch(user);
        proofs::store::forget_devices(tx, user, None, FAILURES_OF_SESSION_MAX).await?;
        store::end_all(tx, user, None, reason, tx.now()).await
    }

    /// The same but for one session and the device that it was begun on.
    pub(crate) async fn end_others(
        &self,
        tx: &Tx<'_>,
        user: UserId,
        kept: SessionId,
        reason: EndReason,
    ) -> Result<u64, DbErr> {
        tx.touch(user);
        proofs::store::forget_devices(tx, user, Some(kept), FAILURES_OF_SESSION_MAX).await?;
        store::end_all(tx, user, Some(kept), reason, tx.now()).await
    }

    /// Ends one session of a user whose row is locked; says whether it lived.
    pub(crate) async fn end(
        &self,
        tx: &Tx<'_>,
        session: SessionId,
        user: UserId,
        reason: EndReason,
    ) -> Result<bool, DbErr> {
        tx.touch(user);
        store::end(tx, session, reason, tx.now()).await
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
