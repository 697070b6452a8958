//! Wrong passwords given by whoever holds a session, or the device token that was issued with it.
//!
//! Such callers are not strangers: what strangers guess does not hold them up, and what they guess is
//! counted for the session. Too many end it, and make its device unknown (BF-11).

pub(super) mod store;

use sea_orm::DbErr;

use super::device_token::DeviceToken;
use super::store::lock_user;
use super::{EndReason, Sessions};
use crate::features::audit::kind;
use crate::features::change::Tx;
use crate::kernel::access::Origin;
use crate::kernel::acting::Acting;
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
        origin: &Origin,
        session: SessionId,
        user: UserId,
    ) -> Result<(), DbErr> {
        let acting = Acting::unknown(origin).within(session);
        let count = async |tx: Tx<'_>| {
            lock_user(&tx, user).await?;
            let is_last = store::count_failed_proof(&tx, session, FAILURES_MAX).await?;
            if is_last && self.end(&tx, session, user, EndReason::TooManyFailures).await? {
                tx.record(kind::SESSION_ENDED_BY_FAILURES, user);
                tracing::warn!(session.id = %session, user.id = %user, "too many wrong passwords: the session has ended");
            }
            tx.commit(()).await
        };
        self.changes.run("count a wrong password", acting, count).await
    }
}
