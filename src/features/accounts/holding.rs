//! What features above this one have to do with an account, which knows none of them: each says so in an
//! [`Holding`], and the program is wired with the list.

use std::pin::Pin;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use uuid::Uuid;

use super::administration::{AdminError, Capacity};
use super::export::Entries;
use crate::features::change::Tx;
use crate::infra::db::Db;
use crate::kernel::id::UserId;

/// What a feature keeps of a person.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// The member of their export that holds it, a list. Its entries are read in pages, each after an id.
    pub(crate) name: &'static str,
    pub(crate) export: fn(&Db, UserId, Option<Uuid>) -> Pending<'_, Entries, DbErr>,
    /// What is to be done in the transaction that deletes their account, beside what foreign keys do; or
    /// what speaks against it.
    pub(crate) leave: Option<Leave>,
    /// What each is called that an account has from no later than a time, and what takes that away inside the
    /// transaction that decides it; `None` where nothing is left of whoever had the account before.
    pub(crate) leftovers: Option<(ListLeftovers, DropLeftovers)>,
}

pub(crate) type ListLeftovers = fn(&Db, UserId, DateTime<Utc>) -> Pending<'_, Vec<String>, DbErr>;

pub(crate) type DropLeftovers =
    for<'a> fn(&'a Departure<'a>, DateTime<Utc>) -> Pending<'a, (), AdminError>;

pub(crate) type Leave = for<'a> fn(&'a Departure<'a>) -> Pending<'a, (), AdminError>;

pub(crate) type Pending<'a, T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send + 'a>>;

/// An account that is about to be deleted, or emptied of what another had in it; its row is locked.
pub(crate) struct Departure<'a> {
    pub(crate) tx: &'a Tx<'a>,
    pub(crate) capacity: Capacity,
    pub(crate) user: UserId,
}
