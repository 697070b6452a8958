//! Organizations: who belongs together, and who of them may do what.
//!
//! How one begins and ends is here; what happens to members is [`members`], how they are invited is
//! [`invitations`], how all of it is read is [`listing`],
//! where a session acts is [`switching`], and what becomes of it when a member's account is deleted is
//! [`departure`].
//!
//! Every change is one transaction that locks the caller's row and then the organization's, and looks
//! again at what the guard saw: so of two owners who leave at once the second one is the last. To
//! whoever is no member an organization does not exist.
//!
//! Invariant: an organization has an owner.

mod departure;
mod error;
pub(crate) mod graphql;
mod invitations;
mod listing;
mod members;
mod store;
mod switching;

use chrono::{DateTime, Utc};

pub(crate) use self::departure::EXTENSION;
pub(crate) use self::error::{InvitationError, OrganizationError};
pub(crate) use self::invitations::{INVITE_LIMITS, Invitation, RECIPIENT_LIMITS};
pub(crate) use self::members::{Member, Profile};
use crate::features::accounts::Accounts;
use crate::features::accounts::identity::FullName;
use crate::features::accounts::reserved::{RESERVED, is_reserved};
use crate::features::audit::{self, Actor, Event, Kind};
use crate::infra::db::Transaction;
use crate::kernel::access::{ActiveOrganization, Client, OrganizationRole, User, Viewer};
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::invalid::{Invalid, Reason};

/// Organizations that a user belongs to at most.
pub(crate) const MEMBERSHIPS_MAX: u64 = 100;

const NAME_TOO_SHORT: Invalid = Invalid::new(Reason::TooShort, "Enter a name.");

/// An organization, as a member of it sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnOrganization {
    pub(crate) id: OrganizationId,
    pub(crate) name: String,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    /// What the member may do there.
    pub(crate) role: OrganizationRole,
}

impl From<&OwnOrganization> for ActiveOrganization {
    fn from(own: &OwnOrganization) -> Self {
        Self { id: own.id, role: own.role }
    }
}

/// The one place that makes, reads and changes organizations.
#[derive(Clone)]
pub(crate) struct Organizations {
    pub(crate) accounts: Accounts,
}

impl Organizations {
    /// Makes an organization, whose owner the caller is.
    pub(crate) async fn create(
        &self,
        client: &Client,
        viewer: &Viewer,
        name: &str,
    ) -> Result<OwnOrganization, OrganizationError> {
        let name = self.parse_name(name)?;
        self.accounts.db.retry(|| self.create_once(client, viewer, &name)).await
    }

    async fn create_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        name: &FullName,
    ) -> Result<OwnOrganization, OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        self.lock_caller(&txn, viewer).await?;
        if store::count_memberships(&txn, viewer.user.id).await? >= MEMBERSHIPS_MAX {
            return Err(OrganizationError::TooMany);
        }
        let now = self.accounts.clock.now();
        let own = OwnOrganization {
            id: OrganizationId::new(now),
            name: name.as_str().to_owned(),
            created_at: now,
            updated_at: now,
            role: OrganizationRole::Owner,
        };
        store::insert(&txn, &own).await?;
        store::insert_member(&txn, own.id, viewer.user.id, own.role, now).await?;
        let kind = Kind::OrganizationCreated;
        audit::record(&txn, now, about(client, viewer, kind, own.id)).await?;
        txn.commit().await?;
        Ok(own)
    }

    /// Gives an organization another name.
    pub(crate) async fn rename(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        name: &str,
    ) -> Result<OwnOrganization, OrganizationError> {
        let name = self.parse_name(name)?;
        self.accounts.db.retry(|| self.rename_once(client, viewer, id, &name)).await
    }

    async fn rename_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
        name: &FullName,
    ) -> Result<OwnOrganization, OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        let own = self.enter(&txn, viewer, id, OrganizationRole::Admin).await?;
        if own.name == name.as_str() {
            return Ok(own);
        }
        let now = self.accounts.clock.now();
        let own = OwnOrganization { name: name.as_str().to_owned(), updated_at: now, ..own };
        store::update(&txn, &own).await?;
        let kind = Kind::OrganizationUpdated;
        audit::record(&txn, now, about(client, viewer, kind, id)).await?;
        txn.commit().await?;
        Ok(own)
    }

    /// Deletes an organization with its memberships and invitations. Sessions that act in it go on
    /// without one.
    pub(crate) async fn delete(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
    ) -> Result<(), OrganizationError> {
        let users = self.accounts.db.retry(|| self.delete_once(client, viewer, id)).await?;
        for user in users {
            self.accounts.sessions.forget(user);
        }
        Ok(())
    }

    async fn delete_once(
        &self,
        client: &Client,
        viewer: &Viewer,
        id: OrganizationId,
    ) -> Result<Vec<UserId>, OrganizationError> {
        let txn = self.accounts.db.begin().await?;
        self.enter(&txn, viewer, id, OrganizationRole::Owner).await?;
        let users = self.accounts.sessions.acting_in(&txn, id).await?;
        store::delete(&txn, id).await?;
        let (now, kind) = (self.accounts.clock.now(), Kind::OrganizationDeleted);
        audit::record(&txn, now, about(client, viewer, kind, id)).await?;
        txn.commit().await?;
        Ok(users)
    }

    /// No name is one that looks like the service's: mail and invitations would speak in it.
    fn parse_name(&self, text: &str) -> Result<FullName, OrganizationError> {
        let name = FullName::parse(text).and_then(|name| name.ok_or(NAME_TOO_SHORT));
        let name = name.and_then(|name| match is_reserved(name.as_str(), &self.accounts.host) {
            true => Err(RESERVED),
            false => Ok(name),
        });
        name.map_err(|invalid| OrganizationError::Invalid(invalid.at("input.name")))
    }

    /// Locks the caller's row, if their session still lives.
    async fn lock_caller(
        &self,
        txn: &Transaction,
        viewer: &Viewer,
    ) -> Result<User, OrganizationError> {
        let caller = self.accounts.lock_caller(txn, viewer).await?;
        caller.ok_or(OrganizationError::SessionEnded)
    }

    /// Locks the caller's row and the organization's, and sees them to be a member of at least this role.
    async fn enter(
        &self,
        txn: &Transaction,
        viewer: &Viewer,
        id: OrganizationId,
        least: OrganizationRole,
    ) -> Result<OwnOrganization, OrganizationError> {
        self.lock_caller(txn, viewer).await?;
        let own = store::lock(txn, id, viewer.user.id).await?;
        let own = own.ok_or(OrganizationError::NotFound)?;
        if own.role < least {
            return Err(OrganizationError::Forbidden);
        }
        Ok(own)
    }
}

/// What a member did to an organization, if to any.
fn about<'a>(
    client: &'a Client,
    viewer: &Viewer,
    kind: Kind,
    organization: impl Into<Option<OrganizationId>>,
) -> Event<'a> {
    Event {
        kind,
        actor: Actor::from(viewer),
        target: organization.into().map(|id| id.0),
        session: Some(viewer.session_id),
        client,
    }
}
