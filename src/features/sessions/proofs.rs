//! Wrong passwords given by whoever holds a session, or the device token that was issued with it.
//!
//! Such callers are not strangers: what strangers guess does not hold them up, and what they guess is
//! counted for the session. Too many end it, and make its device unknown (BF-11).

pub(super) mod store;

use sea_orm::DbErr;

use super::device_token::DeviceToken;
use super::{EndReason, Sessions};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::kernel::access::Client;
use crate::kernel::id::{SessionId, UserId};

/// Wrong passwords that end a session.
pub(crate) const FAILURES_MAX: i32 = 10;

impl Sessions {
    /// The session that a device token was issued with, whether it lives or not, and its user; `None` when
    /// too many wrong passwords have come with it, or when its time is over.
    pub(crate) async fn of_device(
        &self,
        token: &str,
    ) -> Result<Option<(SessionId, UserId)>, DbErr> {
        let Some(session) = DeviceToken::open(&self.master, token) else { return Ok(None) };
        let (db, now) = (self.db.reader(), self.clock.now());
        let user = store::find_user_of_device(db, session, FAILURES_MAX, now).await?;
        Ok(user.map(|user| (session, user)))
    }

    /// Counts a wrong password, and ends the session with the last one it had.
    pub(crate) async fn count_failed_proof(
        &self,
        client: &Client,
        session: SessionId,
        user: UserId,
    ) -> Result<(), DbErr> {
        let outcome = self.db.retry(|| self.count_once(client, session, user)).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.forget(user);
        outcome
    }

    async fn count_once(
        &self,
        client: &Client,
        session: SessionId,
        user: UserId,
    ) -> Result<(), DbErr> {
        let txn = self.db.begin().await?;
        super::store::lock_user(&txn, user).await?;
        let is_last = store::count_failed_proof(&txn, session, FAILURES_MAX).await?;
        let now = self.clock.now();
        if is_last && super::store::end(&txn, session, EndReason::TooManyFailures, now).await? {
            let event = Event {
                kind: Kind::SessionEndedByFailures,
                actor: Actor::Unknown,
                target: Some(user.0),
                session: Some(session),
                client,
            };
            audit::record(&txn, now, event).await?;
            tracing::warn!(session.id = %session, user.id = %user, "too many wrong passwords: the session has ended");
        }
        txn.commit().await
    }
}
