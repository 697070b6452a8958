//! What happens to the members of an organization: roles, leaving, another owner.
//!
//! Owners may do everything. Admins manage members and each other, and neither touch an owner nor make
//! one. Nobody takes the last owner away.

use chrono::{DateTime, Utc};

use super::{Entrance, OrganizationError, Organizations, OwnOrganization, invitations, store};
use crate::features::audit::{Detail, kind};
use crate::features::change::{Record, Tx};
use crate::kernel::access::{Covers, OrganizationRole, User};
use crate::kernel::acting::Acting;
use crate::kernel::id::{MembershipId, OrganizationId, UserId};

/// A member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: MembershipId,
    pub(crate) role: OrganizationRole,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user: User,
}

/// An organization whose caller has made another member its owner, with both of them.
pub(crate) struct Transferred {
    pub(crate) own: OwnOrganization,
    pub(crate) heir: Member,
    /// The caller.
    pub(crate) former: Member,
}

impl Organizations {
    /// Gives a member another role. It counts on their next request.
    pub(crate) async fn set_role(
        &self,
        acting: Acting<'_>,
        (entrance, covers): (Entrance, Covers),
        user: UserId,
        role: OrganizationRole,
    ) -> Result<(OwnOrganization, Member), OrganizationError> {
        let id = entrance.id;
        let set = async |tx: Tx<'_>| {
            let (caller, mut own) = self.enter(&tx, entrance).await?;
            let member = store::find_member(&tx, id, user).await?;
            let mut member = member.ok_or(OrganizationError::NoSuchMember)?;
            let highest = member.role.max(role);
            if !covers.admits_role(own.role, highest) {
                return Err(OrganizationError::Outranked(highest, covers));
            }
            if member.role == role {
                return Ok((own, member));
            }
            keep_an_owner(&tx, id, &member).await?;
            store::set_role(&tx, (member.id, user), role).await?;
            let detail = Detail::of(role.into_str()).within(id);
            tx.note(Record::of(kind::MEMBER_ROLE_CHANGED).about(user).in_detail(detail));
            member.role = role;
            if user == caller {
                own.role = role;
            }
            Ok(tx.commit((own, member)).await?)
        };
        self.changes.run("set a member's role", acting, set).await
    }

    /// Takes a member out of an organization. It counts on their next request.
    pub(crate) async fn remove(
        &self,
        acting: Acting<'_>,
        (entrance, covers): (Entrance, Covers),
        user: UserId,
    ) -> Result<MembershipId, OrganizationError> {
        let id = entrance.id;
        let remove = async |tx: Tx<'_>| {
            let (_, own) = self.enter(&tx, entrance).await?;
            let member = store::find_member(&tx, id, user).await?;
            let member = member.ok_or(OrganizationError::NoSuchMember)?;
            if !covers.admits_role(own.role, member.role) {
                return Err(OrganizationError::Outranked(member.role, covers));
            }
            self.take_out(&tx, id, &member).await?;
            let detail = Detail::of(member.role.into_str()).within(id);
            tx.note(Record::of(kind::MEMBER_REMOVED).about(user).in_detail(detail));
            Ok(tx.commit(member.id).await?)
        };
        self.changes.run("remove a member", acting, remove).await
    }

    /// Takes the caller out of an organization.
    pub(crate) async fn leave(
        &self,
        acting: Acting<'_>,
        entrance: Entrance,
    ) -> Result<MembershipId, OrganizationError> {
        let id = entrance.id;
        let leave = async |tx: Tx<'_>| {
            let (caller, _) = self.enter(&tx, entrance).await?;
            let member = store::find_member(&tx, id, caller).await?;
            let member = member.ok_or(OrganizationError::NotFound)?;
            self.take_out(&tx, id, &member).await?;
            tx.record(kind::ORGANIZATION_LEFT, id);
            Ok(tx.commit(member.id).await?)
        };
        self.changes.run("leave an organization", acting, leave).await
    }

    /// Makes another member an owner in the caller's place, who is an admin from then on.
    pub(crate) async fn transfer(
        &self,
        acting: Acting<'_>,
        entrance: Entrance,
        user: UserId,
    ) -> Result<Transferred, OrganizationError> {
        let id = entrance.id;
        let transfer = async |tx: Tx<'_>| {
            let (caller, own) = self.enter(&tx, entrance).await?;
            let heir = store::find_member(&tx, id, user).await?;
            let heir = heir.ok_or(OrganizationError::NoSuchMember)?;
            if user == caller {
                return Ok(Transferred { own, heir: heir.clone(), former: heir });
            }
            let former = store::find_member(&tx, id, caller).await?;
            let former = former.ok_or(OrganizationError::NotFound)?;
            store::set_role(&tx, (heir.id, user), OrganizationRole::Owner).await?;
            store::set_role(&tx, (former.id, caller), OrganizationRole::Admin).await?;
            let detail = Detail::of(OrganizationRole::Owner.into_str()).within(id);
            tx.note(Record::of(kind::OWNERSHIP_TRANSFERRED).about(user).in_detail(detail));
            let transferred = Transferred {
                own: OwnOrganization { role: OrganizationRole::Admin, ..own },
                heir: Member { role: OrganizationRole::Owner, ..heir },
                former: Member { role: OrganizationRole::Admin, ..former },
            };
            Ok(tx.commit(transferred).await?)
        };
        self.changes.run("transfer an organization", acting, transfer).await
    }

    /// Ends a membership of an organization whose row is locked.
    async fn take_out(
        &self,
        tx: &Tx<'_>,
        id: OrganizationId,
        member: &Member,
    ) -> Result<(), OrganizationError> {
        keep_an_owner(tx, id, member).await?;
        store::delete_member(tx, member).await?;
        // An invitation that is still on its way would bring them back.
        invitations::store::delete_to_user(tx, id, member.user.id).await?;
        tx.touch(member.user.id);
        Ok(())
    }
}

/// Refuses when a member is an owner and there is no other who may sign in.
async fn keep_an_owner(
    tx: &Tx<'_>,
    id: OrganizationId,
    member: &Member,
) -> Result<(), OrganizationError> {
    let is_owner = member.role == OrganizationRole::Owner;
    if is_owner && !store::has_other_owner(tx, id, member.user.id).await? {
        return Err(OrganizationError::LastOwner);
    }
    Ok(())
}
