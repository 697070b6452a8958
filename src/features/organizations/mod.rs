//! Organizations: who belongs together, and who of them may do what.
//!
//! How one begins and ends is here; what happens to members is [`members`], how they are invited is
//! [`invitations`], how all of it is read is [`listing`],
//! how a token gets to act elsewhere is [`switching`], and what becomes of it when a member's account is deleted is
//! [`departure`].
//!
//! Every change is one transaction that locks the caller's row and then the organization's, and looks
//! again at what the guard saw: so of two owners who leave at once the second one is the last. To
//! whoever is no member an organization does not exist.
//!
//! Invariant: an organization has an owner.

mod departure;
mod error;
mod invitations;
mod listing;
mod members;
mod store;
mod switching;

use chrono::{DateTime, Utc};

pub(crate) use self::departure::HOLDING;
pub(crate) use self::error::{InvitationError, OrganizationError};
pub(crate) use self::invitations::{
    INVITED_BY_USER, INVITED_BY_USER_TO_ADDRESS, INVITED_TO_ADDRESS, Invitation,
};
pub(crate) use self::members::{Member, Transferred};
use crate::features::accounts::identity::FullName;
use crate::features::accounts::reserved::{RESERVED, is_reserved};
use crate::features::audit::kind;
use crate::features::change::{Changes, Tx};
use crate::features::links;
use crate::features::sessions::{Sessions, Tools};
use crate::infra::db::Db;
use crate::infra::limits::Limits;
use crate::kernel::access::{ActiveOrganization, OrganizationRole};
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::invalid::Invalid;

/// Organizations that a user belongs to at most.
pub(crate) const MEMBERSHIPS_MAX: u64 = 100;

const NAME_TOO_SHORT: Invalid = Invalid::too_short(1, "Enter a name.");

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

/// An organization that a caller changes, and the role that this takes at least.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entrance {
    pub(crate) id: OrganizationId,
    pub(crate) least: OrganizationRole,
}

impl From<&OwnOrganization> for ActiveOrganization {
    fn from(own: &OwnOrganization) -> Self {
        Self { id: own.id, role: own.role }
    }
}

/// The one place that makes, reads and changes organizations.
#[derive(Clone)]
pub(crate) struct Organizations {
    db: Db,
    clock: Clock,
    limits: Limits,
    link_gate: links::Gate,
    changes: Changes,
    sessions: Sessions,
    /// The server's own host name, which is no organization's.
    host: String,
}

impl Organizations {
    pub(crate) fn new(tools: Tools, host: String) -> Self {
        let Tools { db, clock, limits, link_gate, changes, sessions, .. } = tools;
        Self { db, clock, limits, link_gate, changes, sessions, host }
    }

    /// Makes an organization, whose owner the caller is.
    pub(crate) async fn create(
        &self,
        acting: Acting<'_>,
        name: &str,
    ) -> Result<OwnOrganization, OrganizationError> {
        let name = self.parse_name(name)?;
        let create = async |tx: Tx<'_>| {
            let owner = self.sessions.caller(&tx).await?.user.id;
            if store::count_memberships(&tx, owner).await? >= MEMBERSHIPS_MAX {
                return Err(OrganizationError::TooMany);
            }
            let now = tx.now();
            let own = OwnOrganization {
                id: OrganizationId::new(now),
                name: name.as_str().to_owned(),
                created_at: now,
                updated_at: now,
                role: OrganizationRole::Owner,
            };
            store::insert(&tx, &own).await?;
            store::insert_member(&tx, own.id, owner, own.role, now).await?;
            tx.record(kind::ORGANIZATION_CREATED, own.id);
            Ok(tx.commit(own).await?)
        };
        self.changes.run("create an organization", acting, create).await
    }

    /// Gives an organization another name.
    pub(crate) async fn rename(
        &self,
        acting: Acting<'_>,
        entrance: Entrance,
        name: &str,
    ) -> Result<OwnOrganization, OrganizationError> {
        let name = self.parse_name(name)?;
        let rename = async |tx: Tx<'_>| {
            let (_, own) = self.enter(&tx, entrance).await?;
            if own.name == name.as_str() {
                return Ok(own);
            }
            let name = name.as_str().to_owned();
            let own = OwnOrganization { name, updated_at: tx.now(), ..own };
            store::update(&tx, &own).await?;
            tx.record(kind::ORGANIZATION_UPDATED, entrance.id);
            Ok(tx.commit(own).await?)
        };
        self.changes.run("rename an organization", acting, rename).await
    }

    /// Deletes an organization with its memberships and invitations. Nothing acts in it any more.
    pub(crate) async fn delete(
        &self,
        acting: Acting<'_>,
        entrance: Entrance,
    ) -> Result<(), OrganizationError> {
        let delete = async |tx: Tx<'_>| {
            self.enter(&tx, entrance).await?;
            store::delete(&tx, entrance.id).await?;
            tx.record(kind::ORGANIZATION_DELETED, entrance.id);
            Ok(tx.commit(()).await?)
        };
        self.changes.run("delete an organization", acting, delete).await
    }

    /// No name is one that looks like the service's: mail and invitations would speak in it.
    fn parse_name(&self, text: &str) -> Result<FullName, OrganizationError> {
        let name = FullName::parse(text).and_then(|name| name.ok_or(NAME_TOO_SHORT));
        let name = name.and_then(|name| match is_reserved(name.as_str(), &self.host) {
            true => Err(RESERVED),
            false => Ok(name),
        });
        name.map_err(|invalid| OrganizationError::Invalid(invalid.at("input.name")))
    }

    /// Locks the caller's row and the organization's, and sees them to be a member of at least the role that it takes.
    async fn enter(
        &self,
        tx: &Tx<'_>,
        Entrance { id, least }: Entrance,
    ) -> Result<(UserId, OwnOrganization), OrganizationError> {
        let caller = self.sessions.caller(tx).await?.user.id;
        let own = store::lock(tx, id, caller).await?;
        let own = own.ok_or(OrganizationError::NotFound)?;
        if own.role < least {
            return Err(OrganizationError::Below(least));
        }
        Ok((caller, own))
    }
}
