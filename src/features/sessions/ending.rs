//! How sessions end.

use sea_orm::DbErr;
use strum::IntoStaticStr;

use super::credential::{Credential, Kind};
use super::store::{self, Presented, lock_user};
use super::{FAILURES_OF_SESSION_MAX, Sessions, proofs};
use crate::features::audit::kind;
use crate::features::change::{Fault, Record, Tx};
use crate::infra::jwt::TokenError;
use crate::kernel::access::{Origin, TokenMode};
use crate::kernel::acting::Acting;
use crate::kernel::id::{SessionId, UserId};

/// Sessions that one transaction ends where everybody's end, which so never holds the writer for long.
const ENDED_AT_ONCE: u64 = 1_000;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
#[strum(const_into_str, serialize_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum EndReason {
    SignedOut,
    /// Two parties hold it: a refresh token was presented that had been replaced.
    Reuse,
    /// Its holder has seen more of it than the database knows: a backup was restored.
    Restored,
    UserDeactivated,
    PasswordChanged,
    /// The address before a change was given back to its owner.
    EmailChangeUndone,
    /// The user proved their password again, and another session took its place.
    Replaced,
    /// The account asks for a second factor since, and the session began without.
    SecondFactorChanged,
    /// Too many wrong passwords came from whoever held it.
    TooManyFailures,
    /// The user, an admin or the operator ended it.
    Revoked,
}

/// What became of a session that somebody signs out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// This call has ended it.
    Now(SessionId),
    /// It was over.
    Before(SessionId),
    /// None was named.
    Unnamed,
}

impl Sessions {
    /// Ends the session of the cookie that the request came with; in body mode the one that the bearer names, or else the
    /// one that the refresh token names.
    ///
    /// An expired bearer names its session too, here and nowhere else, and so does a refresh token that was replaced:
    /// signing out must not fail for being late.
    pub(crate) async fn end_named(
        &self,
        origin: &Origin,
        bearer: Option<&str>,
        refresh: Option<&str>,
    ) -> Result<Ended, Fault> {
        let by_bearer = bearer.and_then(|bearer| match self.jwt.verify(bearer) {
            Ok(claims) | Err(TokenError::Expired(claims)) => Some((claims.sid, claims.sub)),
            Err(TokenError::Invalid) => None,
        });
        let named = match (origin.cookie_session.or(by_bearer), refresh) {
            (Some(named), _) => Some(named),
            (None, Some(token)) => self.holder_of(token, origin.token_mode).await?,
            (None, None) => None,
        };
        let Some((session, user)) = named else { return Ok(Ended::Unnamed) };
        // What is over takes no lock, however often it is presented.
        if !self.lives(self.db.reader(), session, user).await? {
            return Ok(Ended::Before(session));
        }
        let acting = Acting::user(user, origin).within(session);
        let sign_out = async |tx: Tx<'_>| {
            lock_user(&tx, user).await?;
            let ended = self.end(&tx, session, user, EndReason::SignedOut).await?;
            if ended {
                tx.record(kind::SIGNED_OUT, user);
            }
            tx.commit(if ended { Ended::Now(session) } else { Ended::Before(session) }).await
        };
        Ok(self.changes.run("sign out", acting, sign_out).await?)
    }

    /// The session of a refresh token, whatever its generation, and its user.
    async fn holder_of(
        &self,
        token: &str,
        mode: TokenMode,
    ) -> Result<Option<(SessionId, UserId)>, DbErr> {
        let keys = self.keys.current();
        let Ok(token) = Credential::open(Kind::RefreshToken, token, &keys, self.clock.now()) else {
            return Ok(None);
        };
        let found = store::find_presented(&self.db, token.session, None).await?;
        let is_of =
            |found: &Presented| found.token_mode == mode && found.secret_digest == token.digest();
        Ok(found.filter(is_of).map(|found| (found.id, found.user.id)))
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
        self.void_challenges(tx, user).await?;
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
        self.void_challenges(tx, user).await?;
        proofs::store::forget_devices(tx, user, Some(kept), FAILURES_OF_SESSION_MAX).await?;
        store::end_all(tx, user, Some(kept), reason, tx.now()).await
    }

    /// Ends everybody's sessions, a few at a time. Returns how many there were.
    pub(crate) async fn end_everybody(&self, acting: Acting<'_>) -> Result<u64, Fault> {
        let (mut last, mut ended) = (None, 0);
        let end = async |tx: Tx<'_>, after: Option<SessionId>| -> Result<_, Fault> {
            let living = store::list_living(&tx, after, ENDED_AT_ONCE).await?;
            for (_, user) in &living {
                tx.touch(*user);
            }
            let ids: Vec<_> = living.into_iter().map(|(session, _)| session).collect();
            let last = ids.last().copied();
            let batch = store::end_each(&tx, ids, EndReason::Revoked, tx.now()).await?;
            if after.is_none() {
                tx.note(Record::of(kind::SESSIONS_ENDED));
            }
            Ok(tx.commit((last, batch)).await?)
        };
        loop {
            let after = last;
            let batch = self.changes.run("end all sessions", acting, |tx| end(tx, after));
            let (next, batch) = batch.await?;
            ended += batch;
            if next.is_none() {
                return Ok(ended);
            }
            last = next;
        }
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
}
