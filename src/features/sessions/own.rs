//! What people see of their own sessions, and end.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbErr};

use super::store::{lock_user, read_viewer};
use super::{EndReason, Sessions};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::features::links;
use crate::infra::db::DbFailure;
use crate::kernel::access::{Client, Viewer};
use crate::kernel::id::{SessionId, UserId};

/// A session, as its owner sees it: nothing of its tokens.
#[derive(Clone, Debug)]
pub(crate) struct OwnSession {
    pub(crate) id: SessionId,
    pub(crate) created_at: DateTime<Utc>,
    /// When it was last refreshed.
    pub(crate) last_used_at: DateTime<Utc>,
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
    #[error("there is no such session")]
    NotFound,
    /// The one that it was asked from ended meanwhile.
    #[error("the session is over")]
    SessionEnded,
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for RevokeError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::NotFound | Self::SessionEnded => None,
        }
    }
}

impl Sessions {
    /// The living sessions of a user, the newest first: at most a hundred.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<OwnSession>, DbErr> {
        store::list_living(self.db.reader(), user, self.clock.now()).await
    }

    /// All sessions of a user that are kept, also those that have ended.
    pub(crate) async fn list_kept(&self, user: UserId) -> Result<Vec<OwnSession>, DbErr> {
        store::list(self.db.reader(), user).await
    }

    /// Whether the session that the caller calls from still lives: it may have ended since the guard
    /// looked. Settled inside a transaction that holds the lock on their row.
    pub(crate) async fn is_alive(
        &self,
        txn: &impl ConnectionTrait,
        viewer: &Viewer,
    ) -> Result<bool, DbErr> {
        store::is_own(txn, viewer.session_id, viewer.user.id).await
    }

    /// Whether a session of an active user still lives.
    pub(crate) async fn lives(
        &self,
        db: &impl ConnectionTrait,
        session: SessionId,
        user: UserId,
    ) -> Result<bool, DbErr> {
        let now = self.clock.now();
        let viewer = read_viewer(db, session, user).await?;
        Ok(viewer.is_some_and(|viewer| now < viewer.session_expires_at))
    }

    /// The caller as they are now, with their row locked: since the guard looked, they may have lost what they
    /// had, or moved. `None` when their session is over.
    pub(crate) async fn look_again(
        &self,
        txn: &impl ConnectionTrait,
        viewer: &Viewer,
    ) -> Result<Option<Viewer>, DbErr> {
        lock_user(txn, viewer.user.id).await?;
        read_viewer(txn, viewer.session_id, viewer.user.id).await
    }

    /// Locks the caller's row, if the session they call from still lives.
    async fn lock_living(
        &self,
        txn: &impl ConnectionTrait,
        viewer: &Viewer,
    ) -> Result<(), RevokeError> {
        lock_user(txn, viewer.user.id).await?;
        self.is_alive(txn, viewer).await?.then_some(()).ok_or(RevokeError::SessionEnded)
    }

    /// Ends one of the caller's sessions, with a change of address that is still to be confirmed
    /// (RS-07): it may have been asked for there. Another's session does not exist.
    pub(crate) async fn revoke(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: SessionId,
    ) -> Result<(), RevokeError> {
        let outcome = self.db.retry(|| self.revoke_once(client, viewer, id)).await;
        self.forget(viewer.user.id);
        outcome
    }

    async fn revoke_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: SessionId,
    ) -> Result<(), RevokeError> {
        let user = viewer.user.id;
        let txn = self.db.begin().await?;
        self.lock_living(&txn, viewer).await?;
        if !store::is_own(&txn, id, user).await? {
            return Err(RevokeError::NotFound);
        }
        let now = self.clock.now();
        links::void_change(&txn, user).await?;
        self.end(&txn, id, EndReason::Revoked, now).await?;
        let event = Event {
            kind: Kind::SessionRevoked,
            actor: Actor::from(viewer),
            target: Some(user.0),
            session: Some(viewer.session_id),
            client,
        };
        audit::record(&txn, now, event).await?;
        Ok(txn.commit().await?)
    }

    /// Ends the caller's sessions but the one they call from, with a change of address that is still to
    /// be confirmed, and returns how many there were.
    pub(crate) async fn revoke_others(
        &self,
        client: &Client,
        viewer: &Viewer,
    ) -> Result<u64, RevokeError> {
        let kept = Some(viewer.session_id);
        let outcome = self.db.retry(|| self.revoke_many(client, viewer, kept)).await;
        self.forget(viewer.user.id);
        outcome
    }

    /// Ends all of the caller's sessions, with whatever was mailed about the account, and returns how
    /// many there were.
    pub(crate) async fn revoke_all(
        &self,
        client: &Client,
        viewer: &Viewer,
    ) -> Result<u64, RevokeError> {
        let outcome = self.db.retry(|| self.revoke_many(client, viewer, None)).await;
        self.forget(viewer.user.id);
        outcome
    }

    async fn revoke_many(
        &self,
        client: &Client,
        viewer: &Viewer,
        kept: Option<SessionId>,
    ) -> Result<u64, RevokeError> {
        let (user, reason) = (viewer.user.id, EndReason::Revoked);
        let txn = self.db.begin().await?;
        self.lock_living(&txn, viewer).await?;
        let now = self.clock.now();
        let ended = if let Some(kept) = kept {
            links::void_change(&txn, user).await?;
            self.end_others(&txn, user, kept, reason, now).await?
        } else {
            links::void(&txn, user).await?;
            self.end_all(&txn, user, reason, now).await?
        };
        if ended > 0 {
            let event = Event {
                kind: Kind::SessionsEnded,
                actor: Actor::from(viewer),
                target: Some(user.0),
                session: Some(viewer.session_id),
                client,
            };
            audit::record(&txn, now, event).await?;
        }
        txn.commit().await?;
        Ok(ended)
    }
}
