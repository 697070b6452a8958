//! Where a session acts.

use super::{OrganizationError, Organizations, store};
use crate::features::audit::kind;
use crate::features::change::{Record, Tx};
use crate::infra::jwt::AccessToken;
use crate::kernel::access::{ActiveOrganization, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::OrganizationId;

impl Organizations {
    /// Has the caller's session act in one of their organizations, or in none. The session goes on, with
    /// the time at which it began and with its refresh token; what is handed out is an access token.
    pub(crate) async fn switch(
        &self,
        acting: Acting<'_>,
        id: Option<OrganizationId>,
    ) -> Result<(User, AccessToken), OrganizationError> {
        let sessions = &self.sessions;
        let viewer = acting.caller()?;
        let switch = async |tx: Tx<'_>| {
            let user = User::clone(&sessions.caller(&tx).await?.user);
            let own = match id {
                Some(id) => {
                    let own = store::lock(&tx, id, user.id).await?;
                    Some(own.ok_or(OrganizationError::NotFound)?)
                }
                None => None,
            };
            let organization = own.as_ref().map(ActiveOrganization::from);
            if sessions.act_in(&tx, viewer, id).await? {
                let switched = Record::of(kind::ORGANIZATION_SWITCHED);
                tx.note(match id {
                    Some(id) => switched.about(id),
                    None => switched,
                });
            }
            let access = sessions.access(viewer, &user, organization)?;
            Ok(tx.commit((user, access)).await?)
        };
        self.changes.run("switch", acting, switch).await
    }
}
