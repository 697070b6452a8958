//! Accounts: registration, looking users up, and what admins do to them.
//!
//! How an account begins is [`registration`]; how admins change one is [`administration`], and what
//! only the operator does is [`operator`]; how users are listed is [`listing`].

mod administration;
pub(crate) mod graphql;
pub(crate) mod identity;
mod listing;
mod operator;
mod registration;
mod store;

use sea_orm::DbErr;

pub(crate) use self::administration::{AdminError, By};
pub(crate) use self::listing::{Filter, Listing, Order, OrderField, search_key};
pub(crate) use self::operator::SetPasswordError;
pub(crate) use self::registration::{CreateError, LIMITS, NewAccount};
use crate::features::sessions::Sessions;
use crate::platform::access::User;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::id::UserId;
use crate::platform::limits::Limits;
use crate::platform::mail::Outbox;
use crate::platform::passwords::hash::Hasher;
use crate::platform::passwords::policy::Policy;

/// The one place that makes, reads and changes accounts.
#[derive(Clone)]
pub(crate) struct Accounts {
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) hasher: Hasher,
    pub(crate) policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) sessions: Sessions,
    pub(crate) outbox: Outbox,
    /// The server's own host name, which is nobody's password.
    pub(crate) host: String,
}

impl Accounts {
    /// The users among `ids` that exist, in no particular order.
    pub(crate) async fn find_all(db: &Db, ids: &[UserId]) -> Result<Vec<User>, DbErr> {
        store::find_all(db, ids).await
    }
}
