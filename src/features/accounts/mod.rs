//! Accounts: how they begin, how they are looked up, and what happens to them until they end.
//!
//! How an account begins is [`registration`], with [`pending`] where its address is to be proven first,
//! [`invitations`], and [`newcomer`] where another provider vouches for its owner; what its owner changes is [`profile`] and [`address`], and what they take with
//! them is [`export`]; how admins change one is [`administration`], by a [`change`], what other programs keep with
//! one is [`metadata`], and what only the operator does is [`operator`]; what opens one is [`ways_in`]; how users are listed is [`listing`]; what
//! other features add is [`holding`], and what of that is another's is [`leftovers`].

mod address;
mod administration;
mod change;
mod create_error;
mod export;
mod holding;
pub(crate) mod identity;
mod invitations;
pub(crate) mod leftovers;
mod listing;
mod metadata;
mod newcomer;
mod operator;
mod pending;
mod profile;
mod registration;
pub(crate) mod reserved;
mod store;
mod ways_in;

use std::sync::Arc;

use sea_orm::{ConnectionTrait, DbErr};

pub(crate) use self::address::{ADDRESS_CHANGES, AddressError, PendingChange};
pub(crate) use self::administration::{AdminError, Capacity};
pub(crate) use self::create_error::CreateError;
pub(crate) use self::export::{
    EXPORTS, Entries, Export, ExportError, Exports, NoExport, PAGE_SIZE as EXPORT_PAGE_SIZE,
    TICKET_TTL_SECONDS,
};
pub(crate) use self::holding::{Departure, Holding};
use self::identity::Identifier;
pub(crate) use self::invitations::{INVITATIONS, Invitee, PendingInvitation, RevocationError};
pub(crate) use self::leftovers::{Decision, LEFTOVERS_MAX};
pub(crate) use self::listing::{Filter, Key, Listing, Order, OrderField, Place, search_key};
pub(crate) use self::metadata::{Metadata, MetadataChange, MetadataError, Patch};
pub(crate) use self::newcomer::{Newcomer, USERNAMES, UsernameError};
pub(crate) use self::operator::SetPasswordError;
pub(crate) use self::pending::{Choice, PendingAccount, verification};
pub(crate) use self::profile::{ProfileChange, ProfileError};
pub(crate) use self::registration::{
    AVAILABILITIES, Admission, NewAccount, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS,
    Registered, Registration,
};
pub(crate) use self::ways_in::WayIn;
use crate::features::change::Changes;
use crate::features::links;
use crate::features::sessions::{Sessions, Tools};
use crate::infra::db::Db;
use crate::infra::keys::Master;
use crate::infra::limits::Limits;
use crate::infra::mail::Outbox;
use crate::infra::passwords::hash::Hasher;
use crate::infra::passwords::policy::{Identity, Password, PasswordPolicy};
use crate::infra::providers::Providers;
use crate::kernel::access::User;
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Invalid;

/// The one place that makes, reads and changes accounts.
#[derive(Clone)]
pub(crate) struct Accounts {
    db: Db,
    clock: Clock,
    hasher: Hasher,
    limits: Limits,
    outbox: Outbox,
    link_gate: links::Gate,
    changes: Changes,
    sessions: Sessions,
    setup: Setup,
    exports: Exports,
}

/// What differs between servers, and what is above this feature.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) policy: PasswordPolicy,
    pub(crate) registration: Registration,
    pub(crate) master: Arc<Master>,
    /// What features above this one have of a person.
    pub(crate) holdings: Arc<[Holding]>,
    /// The providers that open accounts.
    pub(crate) providers: Providers,
    /// The server's own host name, which is nobody's password.
    pub(crate) host: String,
}

impl Accounts {
    pub(crate) fn new(tools: Tools, setup: Setup) -> Self {
        let Tools { db, clock, hasher, limits, outbox, link_gate, changes, sessions } = tools;
        let exports = Exports::default();
        Self { db, clock, hasher, limits, outbox, link_gate, changes, sessions, setup, exports }
    }

    /// The users among `ids` that exist, in no particular order.
    pub(crate) async fn find_all(db: &Db, ids: &[UserId]) -> Result<Vec<User>, DbErr> {
        store::find_all(db, ids).await
    }

    /// The account an identifier names. One that can be nobody's costs what any other does.
    pub(crate) async fn identified(
        db: &impl ConnectionTrait,
        identifier: &Identifier,
    ) -> Result<Option<User>, DbErr> {
        store::find(db, identifier).await
    }

    /// Locks a user's row and reads it.
    pub(crate) async fn lock(
        txn: &impl ConnectionTrait,
        id: UserId,
    ) -> Result<Option<User>, DbErr> {
        store::lock(txn, id).await
    }

    /// Who may get an account, and when they have it.
    pub(crate) fn registration(&self) -> Registration {
        self.setup.registration
    }

    /// The rules for a new password.
    pub(crate) fn password_policy(&self) -> PasswordPolicy {
        self.setup.policy
    }

    /// Whether accounts are told anything by mail.
    pub(crate) fn sends_mail(&self) -> bool {
        self.outbox.is_on()
    }

    /// Reads a password that a user is to have from now on, if it is good enough for them.
    pub(crate) fn new_password(&self, user: &User, password: &str) -> Result<Password, Invalid> {
        let password = Password::parse(password)?;
        let identity =
            Identity { username: &user.username, email: &user.email, host: &self.setup.host };
        self.setup.policy.check(&password, &identity)?;
        Ok(password)
    }
}
