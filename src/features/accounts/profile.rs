//! What people change about their own account without asking anybody.

use sea_orm::DbErr;

use super::identity::FullName;
use super::{Accounts, store};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::platform::access::{Client, User, Viewer};
use crate::platform::db::DbFailure;
use crate::platform::invalid::Problem;

/// Why a profile was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("a field is not acceptable")]
    Invalid(Problem),
    /// The caller's account is no more, or shut, or their session over.
    #[error("the session is over")]
    Gone,
    #[error(transparent)]
    Db(#[from] DbErr),
}

impl DbFailure for ProfileError {
    fn db(&self) -> Option<&DbErr> {
        match self {
            Self::Db(error) => Some(error),
            Self::Invalid(_) | Self::Gone => None,
        }
    }
}

impl Accounts {
    /// Writes what somebody wants to be called; empty is nothing.
    pub(crate) async fn update_profile(
        &self,
        client: &Client,
        viewer: &Viewer,
        full_name: &str,
    ) -> Result<User, ProfileError> {
        let full_name = FullName::parse(full_name)
            .map_err(|invalid| ProfileError::Invalid(invalid.at("input.fullName")))?;
        let full_name = full_name.map(|name| name.as_str().to_owned());
        let outcome = self.db.retry(|| self.update_once(client, viewer, full_name.clone())).await;
        self.sessions.forget(viewer.user.id);
        outcome
    }

    async fn update_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        full_name: Option<String>,
    ) -> Result<User, ProfileError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let user = self.lock_caller(&txn, viewer).await?.ok_or(ProfileError::Gone)?;
        if user.full_name == full_name {
            return Ok(user);
        }
        let user = User { full_name, updated_at: now, ..user };
        store::update_profile(&txn, &user).await?;
        let event = Event {
            kind: Kind::ProfileUpdated,
            actor: Actor::from(viewer),
            target: Some(user.id.0),
            session: Some(viewer.session_id),
            client,
        };
        audit::record(&txn, now, event).await?;
        txn.commit().await?;
        Ok(user)
    }
}
