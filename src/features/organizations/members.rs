//! What happens to the members of an organization: roles, leaving, another owner.
//!
//! Owners may do everything. Admins manage members and each other, and neither touch an owner nor make
//! one. Nobody takes the last owner away.

use chrono::{DateTime, Utc};

use super::{OrganizationError, Organizations, OwnOrganization, about, invitations, store};
use crate::features::audit::{self, Detail, Event, Kind};
use crate::infra::db::Transaction;
use crate::kernel::access::{Client, OrganizationRole, Viewer};
use crate::kernel::id::{MembershipId, OrganizationId, UserId};

/// What other members see of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Profile {
    pub(crate) id: UserId,
    pub(crate) username: String,
    pub(crate) full_name: Option<String>,
}

/// A member of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: MembershipId,
    pub(crate) role: OrganizationRole,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) user: Profile,
}

impl Organizations {
    /// Gives a member another role. It counts on their next request.
    pub(crate) async fn set_role(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
        role: OrganizationRole,
    ) -> Result<(OwnOrganization, Member), OrganizationError> {
        let set = || self.set_role_once(client, viewer, id, user, role);
        let outcome = self.accounts.db.retry(set).await;
        // Whatever the outcome: a commit whose answer was lost may have happened.
        self.accounts.sessions.forget(user);
        outcome
    }

    async fn set_role_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
        role: OrganizationRole,
    ) -> Result<(OwnOrganization, Member), OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        let mut own = self.enter(&txn, viewer, id, OrganizationRole::Admin).await?;
        let member = store::find_member(&txn, id, user).await?;
        let mut member = member.ok_or(OrganizationError::NoSuchMember)?;
        if own.role < member.role.max(role) {
            return Err(OrganizationError::Forbidden);
        }
        if member.role == role {
            return Ok((own, member));
        }
        keep_an_owner(&txn, id, &member).await?;
        store::set_role(&txn, member.id, role).await?;
        let now = self.accounts.clock.now();
        let event = about_member(client, viewer, Kind::MemberRoleChanged, user);
        audit::record_in_detail(&txn, now, event, Detail::of(role.as_str()).within(id)).await?;
        txn.commit().await?;
        member.role = role;
        if user == viewer.user.id {
            own.role = role;
        }
        Ok((own, member))
    }

    /// Takes a member out of an organization. It counts on their next request.
    pub(crate) async fn remove(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
    ) -> Result<(), OrganizationError> {
        let outcome = self.accounts.db.retry(|| self.remove_once(client, viewer, id, user)).await;
        self.accounts.sessions.forget(user);
        outcome
    }

    async fn remove_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
    ) -> Result<(), OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        let own = self.enter(&txn, viewer, id, OrganizationRole::Admin).await?;
        let member = store::find_member(&txn, id, user).await?;
        let member = member.ok_or(OrganizationError::NoSuchMember)?;
        if own.role < member.role {
            return Err(OrganizationError::Forbidden);
        }
        self.take_out(&txn, id, &member).await?;
        let now = self.accounts.clock.now();
        let event = about_member(client, viewer, Kind::MemberRemoved, user);
        audit::record_in_detail(&txn, now, event, Detail::of(member.role.as_str()).within(id))
            .await?;
        Ok(txn.commit().await?)
    }

    /// Takes the caller out of an organization.
    pub(crate) async fn leave(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
    ) -> Result<(), OrganizationError> {
        let outcome = self.accounts.db.retry(|| self.leave_once(client, viewer, id)).await;
        self.accounts.sessions.forget(viewer.user.id);
        outcome
    }

    async fn leave_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
    ) -> Result<(), OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        self.enter(&txn, viewer, id, OrganizationRole::Member).await?;
        let member = store::find_member(&txn, id, viewer.user.id).await?;
        self.take_out(&txn, id, &member.ok_or(OrganizationError::NotFound)?).await?;
        let now = self.accounts.clock.now();
        audit::record(&txn, now, about(client, viewer, Kind::OrganizationLeft, id)).await?;
        Ok(txn.commit().await?)
    }

    /// Makes another member an owner in the caller's place, who is an admin from then on.
    pub(crate) async fn transfer(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
    ) -> Result<OwnOrganization, OrganizationError> {
        let transfer = || self.transfer_once(client, viewer, id, user);
        let outcome = self.accounts.db.retry(transfer).await;
        self.accounts.sessions.forget(user);
        self.accounts.sessions.forget(viewer.user.id);
        outcome
    }

    async fn transfer_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        user: UserId,
    ) -> Result<OwnOrganization, OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        let own = self.enter(&txn, viewer, id, OrganizationRole::Owner).await?;
        let heir = store::find_member(&txn, id, user).await?;
        let heir = heir.ok_or(OrganizationError::NoSuchMember)?;
        if user == viewer.user.id {
            return Ok(own);
        }
        let caller = store::find_member(&txn, id, viewer.user.id).await?;
        let caller = caller.ok_or(OrganizationError::NotFound)?;
        store::set_role(&txn, heir.id, OrganizationRole::Owner).await?;
        store::set_role(&txn, caller.id, OrganizationRole::Admin).await?;
        let now = self.accounts.clock.now();
        let event = about_member(client, viewer, Kind::OwnershipTransferred, user);
        let detail = Detail::of(OrganizationRole::Owner.as_str()).within(id);
        audit::record_in_detail(&txn, now, event, detail).await?;
        txn.commit().await?;
        Ok(OwnOrganization { role: OrganizationRole::Admin, ..own })
    }

    /// Ends a membership inside the caller's transaction, which has locked the organization.
    async fn take_out(
        &self,
        txn: &Transaction,
        id: OrganizationId,
        member: &Member,
    ) -> Result<(), OrganizationError> {
        keep_an_owner(txn, id, member).await?;
        store::delete_member(txn, member.id).await?;
        // An invitation that is still on its way would bring them back.
        invitations::store::delete_to_user(txn, id, member.user.id).await?;
        Ok(self.accounts.sessions.withdraw(txn, member.user.id, id).await?)
    }
}

/// What a member did to another.
fn about_member<'a>(client: &'a Client, viewer: &Viewer, kind: Kind, user: UserId) -> Event<'a> {
    Event { target: Some(user.0), ..about(client, viewer, kind, None) }
}

/// Refuses when a member is an owner and there is no other who may sign in.
async fn keep_an_owner(
    txn: &Transaction,
    id: OrganizationId,
    member: &Member,
) -> Result<(), OrganizationError> {
    let is_owner = member.role == OrganizationRole::Owner;
    if is_owner && !store::has_other_owner(txn, id, member.user.id).await? {
        return Err(OrganizationError::LastOwner);
    }
    Ok(())
}
