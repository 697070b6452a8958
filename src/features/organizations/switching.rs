//! Where a session acts.

use super::{OrganizationError, Organizations, about, store};
use crate::features::audit::{self, Kind};
use crate::infra::jwt::AccessToken;
use crate::kernel::access::{ActiveOrganization, Client, User, Viewer};
use crate::kernel::id::OrganizationId;

impl Organizations {
    /// Has the caller's session act in one of their organizations, or in none. The session goes on, with
    /// the time at which it began and with its refresh token; what is handed out is an access token.
    pub(crate) async fn switch(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: Option<OrganizationId>,
    ) -> Result<(User, AccessToken), OrganizationError> {
        let outcome = self.accounts.db.retry(|| self.switch_once(client, viewer, id)).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.accounts.sessions.forget(viewer.user.id);
        outcome
    }

    async fn switch_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: Option<OrganizationId>,
    ) -> Result<(User, AccessToken), OrganizationError> {
        let sessions = &self.accounts.sessions;
        let txn = self.accounts.db.begin().await?;
        let user = self.lock_caller(&txn, viewer).await?;
        let own = match id {
            Some(id) => {
                let own = store::lock(&txn, id, user.id).await?;
                Some(own.ok_or(OrganizationError::NotFound)?)
            }
            None => None,
        };
        let organization = own.as_ref().map(ActiveOrganization::from);
        if sessions.act_in(&txn, viewer, id).await? {
            let now = self.accounts.clock.now();
            let event = about(client, viewer, Kind::OrganizationSwitched, id);
            audit::record(&txn, now, event).await?;
        }
        let access = sessions.access(viewer, &user, organization)?;
        txn.commit().await?;
        Ok((user, access))
    }
}
