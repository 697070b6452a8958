//! What people change about their own account without asking anybody.

use super::identity::{AvatarUrl, FullName};
use super::{Accounts, store};
use crate::features::audit::kind;
use crate::features::change::{Fault, Tx, with_fault};
use crate::kernel::access::{Language, User};
use crate::kernel::acting::Acting;
use crate::kernel::invalid::Problem;

/// Why a profile was not changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProfileError {
    #[error("a field is invalid")]
    Invalid(Problem),
    #[error(transparent)]
    Fault(Fault),
}

with_fault!(ProfileError);

/// What of a profile is to change; what is `None` stays.
#[derive(Clone, Copy, Default)]
pub(crate) struct ProfileChange<'a> {
    /// Empty for none.
    pub(crate) full_name: Option<&'a str>,
    /// Empty for none.
    pub(crate) avatar_url: Option<&'a str>,
    pub(crate) locale: Option<Language>,
}

impl Accounts {
    /// Writes what somebody wants to change of it.
    pub(crate) async fn update_profile(
        &self,
        acting: Acting<'_>,
        change: ProfileChange<'_>,
    ) -> Result<User, ProfileError> {
        let full_name = change.full_name.map(FullName::parse).transpose();
        let full_name =
            full_name.map_err(|invalid| ProfileError::Invalid(invalid.at("input.fullName")))?;
        let avatar_url = change.avatar_url.map(AvatarUrl::parse).transpose();
        let avatar_url =
            avatar_url.map_err(|invalid| ProfileError::Invalid(invalid.at("input.avatarUrl")))?;
        let update = async |tx: Tx<'_>| {
            let user = User::clone(&self.sessions.caller(&tx).await?.user);
            let changed = User {
                full_name: match &full_name {
                    Some(name) => name.as_ref().map(|name| name.as_str().to_owned()),
                    None => user.full_name.clone(),
                },
                avatar_url: match &avatar_url {
                    Some(url) => url.as_ref().map(|url| url.as_str().to_owned()),
                    None => user.avatar_url.clone(),
                },
                locale: change.locale.unwrap_or(user.locale),
                ..user.clone()
            };
            if changed == user {
                return Ok(user);
            }
            let user = User { updated_at: tx.now(), ..changed };
            store::update_profile(&tx, &user).await?;
            tx.record(kind::PROFILE_UPDATED, user.id);
            Ok(tx.commit(user).await?)
        };
        self.changes.run("update a profile", acting, update).await
    }
}
