//! How organizations, members and invitations are read.
//!
//! A list inside a list is read for all of the outer rows in one statement: so each of these takes
//! several organizations at once.

use std::collections::HashMap;

use sea_orm::DbErr;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Invitation, Member, Organizations, OwnOrganization, Profile, invitations, store};
use crate::features::accounts::{ExportPart, exported_time};
use crate::platform::access::OrganizationRole;
use crate::platform::db::Db;
use crate::platform::id::{InvitationId, MembershipId, OrganizationId, UserId};

/// Which members are asked for: those who joined first come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MemberListing {
    pub(crate) after: Option<MembershipId>,
    pub(crate) before: Option<MembershipId>,
    pub(crate) size: u64,
    pub(crate) from_end: bool,
}

/// One page of members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MemberPage {
    pub(crate) members: Vec<Member>,
    /// Whether there are more in the direction that was read.
    pub(crate) has_more: bool,
}

/// What a user sees of some ids, by their organizations.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) organizations: Vec<OwnOrganization>,
    pub(crate) members: Vec<(OwnOrganization, Member)>,
    /// Of organizations whose admin they are.
    pub(crate) invitations: Vec<Invitation>,
    /// Of those who belong to one of their organizations too.
    pub(crate) profiles: Vec<Profile>,
}

/// The memberships of a person, for them to take along.
pub(crate) const EXPORT: ExportPart =
    ExportPart { name: "organizations", read: |db, user| Box::pin(export(db, user)) };

async fn export(db: &Db, user: UserId) -> Result<Value, DbErr> {
    let memberships = store::list_with_times(db.reader(), user).await?;
    let membership = |(id, name, role, since): (_, _, OrganizationRole, _)| {
        let (id, name): (OrganizationId, String) = (id, name);
        json!({ "id": id, "name": name, "role": role.as_str(), "memberSince": exported_time(since) })
    };
    Ok(memberships.into_iter().map(membership).collect())
}

impl Organizations {
    /// What a user sees of these ids, each table asked once.
    pub(crate) async fn find_seen(&self, user: UserId, ids: &[Uuid]) -> Result<Seen, DbErr> {
        let db = self.accounts.db.reader();
        let own = store::list_of(db, user).await?;
        if own.is_empty() {
            return Ok(Seen::default());
        }
        let all: Vec<_> = own.iter().map(|own| own.id).collect();
        let led = own.iter().filter(|own| own.role >= OrganizationRole::Admin);
        let led: Vec<_> = led.map(|own| own.id).collect();
        let members = store::find_members(db, &all, ids.iter().copied().map(MembershipId)).await?;
        let in_own = |(id, member)| {
            Some((own.iter().find(|organization| organization.id == id)?.clone(), member))
        };
        let (invited, now) = (ids.iter().copied().map(InvitationId), self.accounts.clock.now());
        let invitations = match led.is_empty() {
            true => Vec::new(),
            false => invitations::store::find_pending(db, &led, invited, now).await?,
        };
        Ok(Seen {
            members: members.into_iter().filter_map(in_own).collect(),
            invitations,
            profiles: store::find_profiles(db, &all, ids.iter().copied().map(UserId)).await?,
            organizations: own.into_iter().filter(|own| ids.contains(&own.id.0)).collect(),
        })
    }

    /// The organizations that a user belongs to, in no particular order: at most a hundred.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<OwnOrganization>, DbErr> {
        store::list_of(self.accounts.db.reader(), user).await
    }

    /// Those of `ids` that a user belongs to.
    pub(crate) async fn find_all(
        &self,
        user: UserId,
        ids: &[OrganizationId],
    ) -> Result<Vec<OwnOrganization>, DbErr> {
        store::find_all(self.accounts.db.reader(), user, ids).await
    }

    /// The same page of the members of each organization.
    pub(crate) async fn list_members(
        &self,
        ids: &[OrganizationId],
        listing: MemberListing,
    ) -> Result<HashMap<OrganizationId, MemberPage>, DbErr> {
        let rows = store::list_members(self.accounts.db.reader(), ids, listing).await?;
        let mut pages: HashMap<_, _> = ids.iter().map(|id| (*id, MemberPage::default())).collect();
        for (organization, member) in rows {
            pages.entry(organization).or_default().members.push(member);
        }
        let size = usize::try_from(listing.size).unwrap_or(usize::MAX);
        for page in pages.values_mut() {
            page.has_more = page.members.len() > size;
            page.members.truncate(size);
            if listing.from_end {
                page.members.reverse();
            }
        }
        Ok(pages)
    }

    /// How many members each organization has.
    pub(crate) async fn count_members(
        &self,
        ids: &[OrganizationId],
    ) -> Result<HashMap<OrganizationId, u64>, DbErr> {
        store::count_members(self.accounts.db.reader(), ids).await
    }
}
