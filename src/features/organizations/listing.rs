//! How organizations, members and invitations are read.
//!
//! A list inside a list is read for all of the outer rows in one statement: so each of these takes
//! several organizations at once.

use std::collections::HashMap;

use sea_orm::DbErr;

use super::{Invitation, Member, Organizations, OwnOrganization, invitations, store};
use crate::kernel::access::{OrganizationRole, User};
use crate::kernel::id::{Id, InvitationId, MembershipId, OrganizationId, UserId};
use crate::kernel::page::{Page, Part};

/// What a user sees of some ids, by their organizations.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) organizations: Vec<OwnOrganization>,
    pub(crate) members: Vec<(OwnOrganization, Member)>,
    /// Of organizations whose admin they are, and to themselves.
    pub(crate) invitations: Vec<Invitation>,
    /// Of those who belong to one of their organizations too.
    pub(crate) users: Vec<User>,
}

impl Organizations {
    /// What a user sees of these ids, each table asked once.
    pub(crate) async fn find_seen(&self, caller: &User, ids: &[Id]) -> Result<Seen, DbErr> {
        let (members, users) = (Id::all::<MembershipId>(ids), Id::all::<UserId>(ids));
        let (invited, organizations) =
            (Id::all::<InvitationId>(ids), Id::all::<OrganizationId>(ids));
        if members.len() + users.len() + invited.len() + organizations.len() == 0 {
            return Ok(Seen::default());
        }
        let (db, now) = (self.db.reader(), self.clock.now());
        let mut received = match invited.is_empty() {
            true => Vec::new(),
            false => self.list_received(caller).await?,
        };
        received.retain(|invitation| invited.contains(&invitation.id));
        let own = store::list_of(db, caller.id).await?;
        if own.is_empty() {
            return Ok(Seen { invitations: received, ..Seen::default() });
        }
        let all: Vec<_> = own.iter().map(|own| own.id).collect();
        let led = own.iter().filter(|own| own.role >= OrganizationRole::Admin);
        let led: Vec<_> = led.map(|own| own.id).collect();
        let members = match members.is_empty() {
            true => Vec::new(),
            false => store::find_members(db, &all, &members).await?,
        };
        let users = match users.is_empty() {
            true => Vec::new(),
            false => store::find_fellows(db, &all, &users).await?,
        };
        let in_own = |(id, member)| {
            Some((own.iter().find(|organization| organization.id == id)?.clone(), member))
        };
        let mut invitations = invitations::store::find_pending(db, &led, &invited, now).await?;
        invitations.extend(received);
        Ok(Seen {
            members: members.into_iter().filter_map(in_own).collect(),
            invitations,
            users,
            organizations: own.into_iter().filter(|own| organizations.contains(&own.id)).collect(),
        })
    }

    /// The organizations that a user belongs to, in no particular order: at most a hundred.
    pub(crate) async fn list(&self, user: UserId) -> Result<Vec<OwnOrganization>, DbErr> {
        store::list_of(self.db.reader(), user).await
    }

    /// Those of `ids` that a user belongs to.
    pub(crate) async fn find_all(
        &self,
        user: UserId,
        ids: &[OrganizationId],
    ) -> Result<Vec<OwnOrganization>, DbErr> {
        store::find_all(self.db.reader(), user, ids).await
    }

    /// The same page of the members of each organization; who joined first comes first.
    pub(crate) async fn list_members(
        &self,
        ids: &[OrganizationId],
        part: Part,
    ) -> Result<HashMap<OrganizationId, Page<Member>>, DbErr> {
        let rows = store::list_members(self.db.reader(), ids, part).await?;
        let mut lists: HashMap<OrganizationId, Vec<Member>> = HashMap::new();
        for (organization, member) in rows {
            lists.entry(organization).or_default().push(member);
        }
        Ok(lists.into_iter().map(|(id, members)| (id, Page::of(members, &part))).collect())
    }

    /// How many members each organization has.
    pub(crate) async fn count_members(
        &self,
        ids: &[OrganizationId],
    ) -> Result<HashMap<OrganizationId, u64>, DbErr> {
        store::count_members(self.db.reader(), ids).await
    }
}
