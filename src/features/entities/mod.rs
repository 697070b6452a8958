//! Entities of an extension: whose their rows are, and what reaches them.
//!
//! A row belongs to its owner and, where its table has a column for that, to the organization that it was made in.
//! What a caller reaches is a [`Reach`], which is part of the WHERE of every statement: what lies outside does not
//! exist for them. In an organization its members see all of its rows, and change their own. An extension has no
//! other way to the database than [`Scope`], which reads, and [`Change`], which changes.

mod change;
mod holding;
mod reach;
mod scope;

use sea_orm::{EntityTrait, IntoActiveModel, TryIntoModel};

pub(crate) use self::change::Entities;
pub use self::change::{Change, ChangeError, Committed};
pub(crate) use self::holding::holding;
pub(crate) use self::reach::{Reach, key_of};
pub use self::scope::{Find, Scope};
use crate::features::audit::Kind;
use crate::kernel::access::Permission;
use crate::kernel::id::TypedId;

/// What an extension declares of an entity, whose primary key is one column of the type [`Owned::Id`].
///
/// From this come who reaches its rows, what the audit log says of them, and what becomes of them with their owner.
/// [`OwnedTable`](migration::OwnedTable) makes a table for it.
pub trait Owned:
    EntityTrait<
        Model: IntoActiveModel<Self::ActiveModel> + Clone + Send + Sync,
        ActiveModel: TryIntoModel<Self::Model> + Send + Sync,
    >
{
    /// What its rows are called by.
    type Id: TypedId;

    /// What its rows are called together: the list of an export that holds them. One word in camelCase.
    const PLURAL: &'static str;

    /// The column that names the owner.
    const OWNER: Self::Column;

    /// The column, which can be null, with the organization that a row was made in; `None` where its owner has it
    /// everywhere.
    const ORGANIZATION: Option<Self::Column>;

    /// The column with when a row was made.
    const CREATED_AT: Self::Column;

    /// The column with when a row was last changed.
    const UPDATED_AT: Self::Column;

    /// The permission to see all rows of everybody, if there is one.
    const READ_ALL: Option<Permission> = None;

    /// The permission to change all rows of everybody, if there is one.
    const WRITE_ALL: Option<Permission> = None;

    /// What the log says when a row is made.
    const CREATED: Kind;

    /// What the log says when a row is changed.
    const UPDATED: Kind;

    /// What the log says when a row is deleted.
    const DELETED: Kind;

    /// How its owner recognizes a row: its title, say.
    fn label(row: &Self::Model) -> String;
}
