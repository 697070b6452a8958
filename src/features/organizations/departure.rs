//! What of organizations people take along, and what becomes of those that they leave by deleting their
//! account, or by dropping what another had in it.

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use serde_json::json;

use super::{invitations, store};
use crate::features::accounts::{AdminError, Capacity, Departure, Entries, Holding};
use crate::features::audit::kind;
use crate::infra::db::Db;
use crate::kernel::access::OrganizationRole;
use crate::kernel::id::{MembershipId, OrganizationId, UserId};
use crate::kernel::rfc3339;

pub(crate) const HOLDING: Holding = Holding {
    name: "organizations",
    export: |db, user, _after| Box::pin(export(db, user)),
    leave: Some(|departure| Box::pin(leave(departure))),
    leftovers: Some((
        |db, user, until| Box::pin(leftovers(db, user, until)),
        |departure, until| Box::pin(drop_leftovers(departure, until)),
    )),
};

async fn export(db: &Db, user: UserId) -> Result<Entries, DbErr> {
    let memberships = store::list_with_times(db.reader(), user).await?;
    let membership = |(id, name, role, since): (_, _, OrganizationRole, _)| {
        let (id, name): (OrganizationId, String) = (id, name);
        json!({ "id": id, "name": name, "role": role.into_str(), "memberSince": rfc3339::text(since) })
    };
    Ok(Entries { entries: memberships.into_iter().map(membership).collect(), next: None })
}

async fn leftovers(db: &Db, user: UserId, until: DateTime<Utc>) -> Result<Vec<String>, DbErr> {
    let memberships = store::list_with_times(db.reader(), user).await?;
    let earlier = memberships.into_iter().filter(|(.., since)| *since <= until);
    Ok(earlier.map(|(_, name, ..)| name).collect())
}

/// Takes the user out of the organizations that they belong to since `until` or earlier, and with them what was
/// mailed in their name. One that they alone own goes to another member, or is deleted.
async fn drop_leftovers(departure: &Departure<'_>, until: DateTime<Utc>) -> Result<(), AdminError> {
    let Departure { tx, user, .. } = *departure;
    let memberships = store::list_with_times(tx, user).await?;
    let earlier = memberships.into_iter().filter(|(.., since)| *since <= until);
    let mut ids: Vec<_> = earlier.map(|(id, ..)| id).collect();
    // In which all rows are locked that are locked together.
    ids.sort();
    for id in ids {
        match fate(departure, id, user).await? {
            Fate::Ends => {
                end(departure, id).await?;
                continue;
            }
            Fate::Inherited(heir, user) => hand_over(departure, id, (heir, user)).await?,
            Fate::SoleHeir => return Err(AdminError::SoleHeir),
            Fate::Led => {}
        }
        if let Some(member) = store::find_member(tx, id, user).await? {
            store::delete_member(tx, &member).await?;
            tx.record(kind::ORGANIZATION_LEFT, id);
        }
        invitations::store::delete_by(tx, id, user).await?;
        tx.touch(user);
    }
    Ok(())
}

/// What becomes of an organization that somebody leaves.
enum Fate {
    /// It has another owner, or they were none.
    Led,
    /// Another member becomes its owner.
    Inherited(MembershipId, UserId),
    /// The one other member it has may not become its owner in this way.
    SoleHeir,
    /// It has no other member.
    Ends,
}

/// What becomes of an organization that the user leaves, if not to become that of `deleter`. Its row is locked
/// by this, and what the user is there is read under the lock.
async fn fate(
    departure: &Departure<'_>,
    id: OrganizationId,
    deleter: UserId,
) -> Result<Fate, DbErr> {
    let Departure { tx, user, .. } = *departure;
    let own = store::lock(tx, id, user).await?;
    let leads = own.is_some_and(|own| own.role == OrganizationRole::Owner);
    if !leads || store::has_other_owner(tx, id, user).await? {
        return Ok(Fate::Led);
    }
    if let Some(heir) = store::find_heir(tx, id, &[user, deleter]).await? {
        return Ok(Fate::Inherited(heir.0, heir.1));
    }
    let other = store::find_heir(tx, id, &[user]).await?;
    Ok(other.map_or(Fate::Ends, |_| Fate::SoleHeir))
}

async fn hand_over(
    departure: &Departure<'_>,
    id: OrganizationId,
    heir: (MembershipId, UserId),
) -> Result<(), DbErr> {
    store::set_role(departure.tx, heir, OrganizationRole::Owner).await?;
    departure.tx.record(kind::OWNERSHIP_TRANSFERRED, id);
    Ok(())
}

async fn end(departure: &Departure<'_>, id: OrganizationId) -> Result<(), DbErr> {
    store::delete(departure.tx, id).await?;
    departure.tx.record(kind::ORGANIZATION_DELETED, id);
    Ok(())
}

/// Sees to it that no organization with members is left without an owner.
///
/// One that has no other member is deleted. Where others belong to it, its only owner stays until they have
/// handed it over; if it is not they who delete the account, somebody else becomes the owner, and never whoever
/// deletes it: nobody takes an organization over by deleting its owner. Memberships go with the user's row, by
/// their foreign key.
async fn leave(departure: &Departure<'_>) -> Result<(), AdminError> {
    let Departure { tx, user, .. } = *departure;
    invitations::store::delete_all_to_user(tx, user).await?;
    let mut ids: Vec<_> = store::list_of(tx, user).await?.into_iter().map(|own| own.id).collect();
    // In which all rows are locked that are locked together.
    ids.sort();
    let (deleter, is_own) = match departure.capacity {
        Capacity::Staff(_) => (tx.acting().caller()?.user.id, false),
        Capacity::Owner => (user, true),
        Capacity::Operator => (user, false),
    };
    for id in ids {
        match fate(departure, id, deleter).await? {
            Fate::Led => {}
            Fate::Ends => end(departure, id).await?,
            Fate::Inherited(..) if is_own => return Err(AdminError::LastOwner),
            Fate::Inherited(heir, user) => hand_over(departure, id, (heir, user)).await?,
            Fate::SoleHeir => return Err(AdminError::SoleHeir),
        }
    }
    Ok(())
}
