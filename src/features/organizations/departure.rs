//! What of organizations people take along, and what becomes of those that they leave by deleting their
//! account.

use sea_orm::DbErr;
use serde_json::{Value, json};

use super::{invitations, store};
use crate::features::accounts::{AdminError, By, Departure, Extension};
use crate::features::audit::Kind;
use crate::platform::access::OrganizationRole;
use crate::platform::db::Db;
use crate::platform::id::{OrganizationId, UserId};
use crate::platform::rfc3339;

pub(crate) const EXTENSION: Extension = Extension {
    name: "organizations",
    export: |db, user| Box::pin(export(db, user)),
    leave: Some(|departure| Box::pin(leave(departure))),
};

async fn export(db: &Db, user: UserId) -> Result<Value, DbErr> {
    let memberships = store::list_with_times(db.reader(), user).await?;
    let membership = |(id, name, role, since): (_, _, OrganizationRole, _)| {
        let (id, name): (OrganizationId, String) = (id, name);
        json!({ "id": id, "name": name, "role": role.as_str(), "memberSince": rfc3339::text(since) })
    };
    Ok(memberships.into_iter().map(membership).collect())
}

/// Sees to it that no organization with members is left without an owner.
///
/// One that has no other member is deleted. Where others belong to it, its only owner stays until they have
/// handed it over; if it is not they who delete the account, somebody else becomes the owner, and never whoever
/// deletes it: nobody takes an organization over by deleting its owner. Memberships go with the user's row, by
/// their foreign key.
async fn leave(departure: &Departure<'_>) -> Result<(), AdminError> {
    let Departure { txn, user, .. } = *departure;
    invitations::store::delete_all_to_user(txn, user).await?;
    let mut ids: Vec<_> = store::list_of(txn, user).await?.into_iter().map(|own| own.id).collect();
    // In which all rows are locked that are locked together.
    ids.sort();
    for id in ids {
        // What they are there is read under the lock.
        let own = store::lock(txn, id, user).await?;
        let leads = own.is_some_and(|own| own.role == OrganizationRole::Owner);
        if !leads || store::has_other_owner(txn, id, user).await? {
            continue;
        }
        let deleter = match departure.by {
            By::Staff(viewer) | By::Owner(viewer) => viewer.user.id,
            By::Operator => user,
        };
        let kind = if let Some(heir) = store::find_heir(txn, id, &[user, deleter]).await? {
            if matches!(departure.by, By::Owner(_)) {
                return Err(AdminError::LastOwner);
            }
            store::set_role(txn, heir, OrganizationRole::Owner).await?;
            Kind::OwnershipTransferred
        } else if store::find_heir(txn, id, &[user]).await?.is_some() {
            return Err(AdminError::SoleHeir);
        } else {
            store::delete(txn, id).await?;
            Kind::OrganizationDeleted
        };
        departure.record(kind, id.0).await?;
    }
    Ok(())
}
