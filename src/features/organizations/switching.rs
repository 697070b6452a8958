//! Where calls act.

use super::{OrganizationError, Organizations, store};
use crate::features::audit::kind;
use crate::features::change::{Record, Tx};
use crate::features::sessions::Tokens;
use crate::kernel::access::{ActiveOrganization, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::OrganizationId;

impl Organizations {
    /// An access token for one of the caller's organizations, or for none. The session goes on as it is, with other tokens
    /// that act elsewhere.
    pub(crate) async fn switch(
        &self,
        acting: Acting<'_>,
        id: Option<OrganizationId>,
    ) -> Result<(User, Tokens), OrganizationError> {
        let viewer = acting.caller()?;
        let switch = async |tx: Tx<'_>| {
            let user = User::clone(&self.sessions.caller(&tx).await?.user);
            let own = match id {
                Some(id) => {
                    let own = store::lock(&tx, id, user.id).await?;
                    Some(own.ok_or(OrganizationError::NotFound)?)
                }
                None => None,
            };
            let organization = own.as_ref().map(ActiveOrganization::from);
            if viewer.organization.map(|active| active.id) != id {
                let switched = Record::of(kind::ORGANIZATION_SWITCHED);
                tx.note(match id {
                    Some(id) => switched.about(id),
                    None => switched,
                });
            }
            let tokens = self.sessions.access(viewer, &user, organization)?;
            Ok(tx.commit((user, tokens)).await?)
        };
        self.changes.run("switch", acting, switch).await
    }
}
