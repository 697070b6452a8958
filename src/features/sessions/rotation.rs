//! How refresh works: every use of a refresh token consumes it and gives its successor.
//!
//! Several tabs, and clients that lose a response, present the same token more than once. Within
//! the grace all of them converge on the session's one live token; after it a second use proves
//! that two parties hold the token, and the session ends (RFC 9700, section 4.14.2).

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::store::{self, FoundToken, Presented};
use super::token::RefreshToken;
use super::{EndReason, Sessions, Tokens};
use crate::features::audit::kind;
use crate::features::change::{Fault, Record, Tx, with_fault};
use crate::infra::db::violates;
use crate::infra::jwt;
use crate::infra::limits::{Ip, Judged, Limit, Limited};
use crate::infra::mail::{Letter, MailKind};
use crate::infra::metrics::{self, Outcome};
use crate::kernel::access::{Origin, User};
use crate::kernel::acting::Acting;
use crate::kernel::secret;

/// How many rotations a late caller is led past. More than this within one grace is no client.
const HOPS_MAX: usize = 8;

/// What slows down whoever presents tokens that are none. Whoever presents one of a living session is not
/// held up by those who share their address.
pub(crate) static REFRESH_FAILURES: Limit<Ip> = Limit::failures("refreshToken.ip", 60, 60);

/// Why a refresh token gives nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RefreshError {
    #[error("refresh token is malformed, unknown or expired, or its session is over")]
    Unknown,
    #[error("refresh token was presented twice; its session has been ended")]
    Reused,
    /// Never taken for a reuse: the fault is ours, or the race has not settled yet.
    #[error("the live token cannot be derived now")]
    Unsettled,
    #[error(transparent)]
    Limited(#[from] Limited),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(RefreshError);

/// The one token of a session that may be used next.
struct Live {
    token: RefreshToken,
    expires_at: DateTime<Utc>,
}

impl Judged for RefreshError {
    fn is_ours(&self) -> bool {
        matches!(self, Self::Unsettled | Self::Fault(_))
    }
}

impl Sessions {
    /// Exchanges a refresh token for a new pair. What is not even the shape of one is presented
    /// as `None`, and counts like any other that is unknown.
    pub(crate) async fn rotate(
        &self,
        origin: &Origin,
        presented: Option<&RefreshToken>,
        failures: &Limit<Ip>,
    ) -> Result<(User, Tokens), RefreshError> {
        let admission = match self.limits.attempt([failures.of(origin.ip)]).await {
            Ok(admission) => Some(admission),
            Err(limited) if !self.is_of_a_living_session(origin, presented).await? => {
                return Err(limited.into());
            }
            Err(_) => None,
        };
        let outcome = match presented {
            Some(presented) => {
                let _turn = self.rotations.take(presented.hash(), 1).await;
                let acting = Acting::unknown(origin);
                let rotate = |tx| self.rotate_presented(tx, presented);
                self.changes.run("refresh", acting, rotate).await
            }
            None => Err(RefreshError::Unknown),
        };
        if let Some(admission) = admission {
            admission.settle(&outcome).await;
        }
        metrics::refresh(match &outcome {
            Ok(_) => Outcome::Success,
            Err(RefreshError::Reused) => Outcome::Reused,
            Err(error) if error.is_ours() => Outcome::Unavailable,
            Err(_) => Outcome::Refused,
        });
        outcome
    }

    async fn is_of_a_living_session(
        &self,
        origin: &Origin,
        presented: Option<&RefreshToken>,
    ) -> Result<bool, DbErr> {
        let Some(presented) = presented else { return Ok(false) };
        let (hash, now) = (presented.hash(), self.clock.now());
        store::is_of_a_living_session(self.db.reader(), hash, origin.token_mode, now).await
    }

    async fn rotate_presented(
        &self,
        tx: Tx<'_>,
        presented: &RefreshToken,
    ) -> Result<(User, Tokens), RefreshError> {
        // Consumed tokens are found too: that is how a replay is told from a guess. The user's
        // row is locked, so a deactivation either sees this rotation or is seen by it (RT-08).
        let found = store::lock_presented(&tx, presented.hash()).await?;
        // Read after the lock, so that waiting for it cannot make a token look fresh.
        let now = self.clock.now();
        // Before anything is decided: a token out of place is neither used nor reused.
        let Some(Presented { token, session, user }) = found
            .filter(|found| found.is_usable_by_anyone(now))
            .filter(|found| found.session.token_mode == tx.acting().origin.token_mode)
        else {
            return Err(RefreshError::Unknown);
        };
        let subject = jwt::Subject::of(&user, session.id, session.organization(), now);
        if let Some(consumed_at) = token.consumed_at {
            if !self.is_within_grace(consumed_at, now) {
                return self.end_for_reuse(tx, &session, user).await;
            }
            let live = self.live_token(&tx, presented, &token, now).await?;
            let live = tx.commit(live).await?;
            let tokens = self.tokens(&subject, live.token, live.expires_at - now, now)?;
            return Ok((user, tokens));
        }
        if token.expires_at <= now {
            return Err(RefreshError::Unknown);
        }
        let live = self.consume(&tx, presented, &token, session.expires_at, now).await?;
        let tokens = self.tokens(&subject, live.token, live.expires_at - now, now)?;
        Ok(tx.commit((user, tokens)).await?)
    }

    /// Consumes `token` and adds its successor.
    ///
    /// The conditional update picks one winner, and the unique parent of the successor settles it
    /// a second time: no token has two successors, whatever the isolation (RT-04).
    async fn consume(
        &self,
        tx: &Tx<'_>,
        presented: &RefreshToken,
        token: &FoundToken,
        session_expires_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> Result<Live, RefreshError> {
        // The salt that made this token is of use only while its parent's grace lasts.
        let keep_salt = self.is_within_grace(token.created_at, now);
        if !store::consume(tx, token.id, keep_salt, now).await? {
            return Err(RefreshError::Unsettled);
        }
        let salt = secret::random::<32>()?;
        let successor = presented.successor(&self.keys.current(), &salt);
        let expires_at = (now + self.lifetimes.idle).min(session_expires_at);
        let child = store::NewToken {
            session_id: token.session_id,
            hash: successor.hash(),
            derived: Some(store::Derived { parent: token.id, salt }),
            created_at: now,
            expires_at,
        };
        match store::insert_token(tx, child).await {
            Err(error) if violates(&error, "refresh_tokens_parent_id") => {
                Err(RefreshError::Unsettled)
            }
            outcome => {
                outcome?;
                Ok(Live { token: successor, expires_at })
            }
        }
    }

    /// Follows the salts from a consumed token to the session's live one.
    async fn live_token(
        &self,
        tx: &Tx<'_>,
        presented: &RefreshToken,
        token: &FoundToken,
        now: DateTime<Utc>,
    ) -> Result<Live, RefreshError> {
        let keys = self.keys.current();
        let (mut text, mut id) = (presented.clone(), token.id);
        for _ in 0..HOPS_MAX {
            let child = store::find_child(tx, id).await?.ok_or(RefreshError::Unsettled)?;
            let salt = child.salt.as_deref().ok_or(RefreshError::Unsettled)?;
            text = text.successor(&keys, salt);
            // Another instance may hold another refresh key for a moment. What it stored is then
            // not what was derived here, and a wrong token must not be handed out.
            if text.hash() != *child.hash {
                return Err(RefreshError::Unsettled);
            }
            if child.consumed_at.is_none() {
                let is_alive = now < child.expires_at;
                let live = Live { token: text, expires_at: child.expires_at };
                return is_alive.then_some(live).ok_or(RefreshError::Unknown);
            }
            id = child.id;
        }
        Err(RefreshError::Unsettled)
    }

    async fn end_for_reuse(
        &self,
        tx: Tx<'_>,
        session: &store::FoundSession,
        user: User,
    ) -> Result<(User, Tokens), RefreshError> {
        let id = session.id;
        self.end(&tx, id, user.id, EndReason::Reuse).await?;
        tx.note(Record::of(kind::REFRESH_REUSED).about(user.id).within(id));
        let letter = Letter::to(&user, MailKind::RefreshTokenReused, tx.acting().origin);
        tx.write(letter).await?;
        // Commit before failing: a rollback would undo the very revocation this is for.
        tx.commit(()).await?;
        tracing::warn!(session.id = %id, user.id = %user.id, "refresh token reused; session ended");
        Err(RefreshError::Reused)
    }

    /// Whether something that happened at `then` is at most one grace ago. A grace of 0 is off.
    ///
    /// By the clock of another instance it may be yet to come, but by no more than that: to a clock
    /// that was set back, everything would have happened a moment ago (RE-08).
    fn is_within_grace(&self, then: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let grace = self.lifetimes.grace;
        !grace.is_zero() && (now - then).abs() <= grace
    }
}

impl Presented {
    /// Whether the session is alive and its user active: otherwise no token of it says anything.
    fn is_usable_by_anyone(&self, now: DateTime<Utc>) -> bool {
        self.session.ended_at.is_none() && now < self.session.expires_at && self.user.is_active
    }
}
