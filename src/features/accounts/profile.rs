//! What people change about their own account without asking anybody.

use sea_orm::DbErr;

use super::identity::FullName;
use super::{Accounts, store};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::infra::db::DbFailure;
use crate::kernel::access::{Client, Language, User, Viewer};
use crate::kernel::invalid::Problem;

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

/// What of a profile is to change; what is `None` stays.
#[derive(Clone, Copy, Default)]
pub(crate) struct ProfileChange<'a> {
    /// Empty for none.
    pub(crate) full_name: Option<&'a str>,
    pub(crate) locale: Option<Language>,
}

impl Accounts {
    /// Writes what somebody wants to change of it.
    pub(crate) async fn update_profile(
        &self,
        client: &Client,
        viewer: &Viewer,
        change: ProfileChange<'_>,
    ) -> Result<User, ProfileError> {
        let full_name = change.full_name.map(FullName::parse).transpose();
        let full_name =
            full_name.map_err(|invalid| ProfileError::Invalid(invalid.at("input.fullName")))?;
        let change = |user: &User| User {
            full_name: match &full_name {
                Some(name) => name.as_ref().map(|name| name.as_str().to_owned()),
                None => user.full_name.clone(),
            },
            locale: change.locale.unwrap_or(user.locale),
            ..user.clone()
        };
        let outcome = self.db.retry(|| self.update_once(client, viewer, &change)).await;
        self.sessions.forget(viewer.user.id);
        outcome
    }

    async fn update_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        change: &impl Fn(&User) -> User,
    ) -> Result<User, ProfileError> {
        let now = self.clock.now();
        let txn = self.db.begin().await?;
        let user = self.lock_caller(&txn, viewer).await?.ok_or(ProfileError::Gone)?;
        let changed = change(&user);
        if changed == user {
            return Ok(user);
        }
        let user = User { updated_at: now, ..changed };
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
