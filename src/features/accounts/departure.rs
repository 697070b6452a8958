//! What becomes of organizations when one of their members deletes their account, or it is deleted.
//!
//! Organizations stand above accounts, so their tables are looked at here, and nothing else of them:
//! what must hold is that an organization with members has an owner.

mod store;

use chrono::{DateTime, Utc};
use sea_orm::DatabaseTransaction;

use super::Accounts;
use super::administration::{AdminError, By};
use crate::features::audit::{self, Event, Kind};
use crate::platform::access::Client;
use crate::platform::id::UserId;

impl Accounts {
    /// Deletes the organizations that have no member but the user, whose row the caller's transaction
    /// has locked: so they join none meanwhile. One whose only owner they are, and which has other
    /// members, keeps them from going; where it is not they who decide that, the member who has led it
    /// for longest is its owner from then on.
    pub(super) async fn leave_organizations(
        &self,
        txn: &DatabaseTransaction,
        client: &Client,
        by: By<'_>,
        user: UserId,
        now: DateTime<Utc>,
    ) -> Result<(), AdminError> {
        store::delete_invitations_to(txn, user).await?;
        let ids = store::organizations_of(txn, user).await?;
        let ids = store::lock(txn, &ids).await?;
        let owned = store::with_other_owners(txn, &ids, user).await?;
        for id in ids.into_iter().filter(|id| !owned.contains(id)) {
            let kind = match store::find_heir(txn, id, user).await? {
                None => {
                    store::delete(txn, id).await?;
                    Kind::OrganizationDeleted
                }
                Some(_) if matches!(by, By::Owner(_)) => return Err(AdminError::LastOwner),
                Some(heir) => {
                    store::make_owner(txn, heir).await?;
                    Kind::OwnershipTransferred
                }
            };
            let event = by.event(client, kind, user);
            audit::record(txn, now, Event { target: Some(id.0), ..event }).await?;
        }
        Ok(())
    }
}
