//! What people see of their own sessions, and end.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::recognition::store::read_known;
use super::{EndReason, Sessions};
use crate::features::audit::kind;
use crate::features::change::{Fault, Tx, with_fault};
use crate::features::links;
use crate::kernel::access::{Own, Viewer};
use crate::kernel::acting::Acting;
use crate::kernel::id::{SessionId, UserId};

/// A session, as its owner sees it: nothing of its tokens.
#[derive(Clone, Debug)]
pub(crate) struct OwnSession {
    pub(crate) id: SessionId,
    pub(crate) created_at: DateTime<Utc>,
    /// When it was last refreshed.
    pub(crate) last_used_at: DateTime<Utc>,
    /// When it ends if it is not used again, and at the latest.
    pub(crate) expires_at: DateTime<Utc>,
    /// `None` for one that lives.
    pub(crate) ended_at: Option<DateTime<Utc>>,
    /// From where it was begun.
    pub(crate) ip: Option<String>,
    pub(crate) user_agent: Option<String>,
}

/// Why a session was not ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    /// None of the caller's own that lives.
    #[error("the session does not exist")]
    NotFound,
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(RevokeError);

impl Sessions {
    /// The living sessions of a user, the newest first: at most a hundred.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<OwnSession>, DbErr> {
        let (now, idle) = (self.clock.now(), self.lifetimes.idle);
        store::list_living(self.db.reader(), user, now, idle).await
    }

    /// All sessions of a user that are kept, also those that have ended.
    pub(crate) async fn list_kept(&self, user: UserId) -> Result<Vec<OwnSession>, DbErr> {
        store::list(self.db.reader(), user, self.lifetimes.idle).await
    }

    /// Whether the session that the caller calls from still lives: it may have ended since the guard
    /// looked. Settled inside a transaction that holds the lock on their row.
    pub(crate) async fn is_alive(
        &self,
        txn: &impl ConnectionTrait,
        viewer: &Viewer,
    ) -> Result<bool, DbErr> {
        let idle = self.lifetimes.idle;
        Ok(store::find_own(txn, viewer.session_id, viewer.user.id, idle).await?.is_some())
    }

    /// Whether a session of an active user still lives.
    pub(crate) async fn lives(
        &self,
        db: &impl ConnectionTrait,
        session: SessionId,
        user: UserId,
    ) -> Result<bool, DbErr> {
        let now = self.clock.now();
        let known = read_known(db, session, user, None).await?;
        Ok(known.is_some_and(|known| now < known.viewer.session_expires_at))
    }

    /// Ends one of the caller's sessions, with a change of address that is still to be confirmed
    /// (RS-07): it may have been asked for there. Another's session does not exist.
    pub(crate) async fn revoke(
        &self,
        acting: Acting<'_>,
        own: Own<SessionId>,
    ) -> Result<OwnSession, RevokeError> {
        let id = own.named();
        let revoke = async |tx: Tx<'_>| {
            let user = self.caller(&tx).await?.user.id;
            let session = store::find_own(&tx, id, user, self.lifetimes.idle).await?;
            let session = session.ok_or(RevokeError::NotFound)?;
            links::void_change(&tx, user).await?;
            self.end(&tx, id, user, EndReason::Revoked).await?;
            tx.record(kind::SESSION_REVOKED, user);
            let session = OwnSession { ended_at: Some(tx.now()), ..session };
            Ok(tx.commit(session).await?)
        };
        self.changes.run("revoke a session", acting, revoke).await
    }

    /// Ends the caller's sessions but the one they call from, with a change of address that is still to
    /// be confirmed, and returns how many there were.
    pub(crate) async fn revoke_others(&self, acting: Acting<'_>) -> Result<u64, Fault> {
        let revoke = async |tx: Tx<'_>| {
            let Viewer { user, session_id: kept, .. } = self.caller(&tx).await?;
            links::void_change(&tx, user.id).await?;
            let ended = self.end_others(&tx, user.id, kept, EndReason::Revoked).await?;
            if ended > 0 {
                tx.record(kind::SESSIONS_ENDED, user.id);
            }
            Ok(tx.commit(ended).await?)
        };
        self.changes.run("revoke other sessions", acting, revoke).await
    }

    /// Ends all of the caller's sessions, voids what was mailed about the account as far as a session may, and returns
    /// how many sessions there were.
    pub(crate) async fn revoke_all(&self, acting: Acting<'_>) -> Result<u64, Fault> {
        let revoke = async |tx: Tx<'_>| {
            let user = self.caller(&tx).await?.user;
            links::void_by_holder(&tx, &user).await?;
            let ended = self.end_all(&tx, user.id, EndReason::Revoked).await?;
            tx.record(kind::SESSIONS_ENDED, user.id);
            Ok(tx.commit(ended).await?)
        };
        self.changes.run("revoke all sessions", acting, revoke).await
    }
}
