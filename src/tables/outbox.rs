//! Mail that is still to be sent, or was given up. What a mail server has taken is deleted.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{MailId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: MailId,
    pub(crate) kind: String,
    /// Whose account it is about, if there is one.
    pub(crate) user_id: Option<UserId>,
    /// The address as its owner typed it.
    pub(crate) recipient: String,
    pub(crate) language: String,
    /// What the text says beside what all of its kind say: a JSON map.
    pub(crate) details: String,
    pub(crate) created_at: DateTimeUtc,
    /// When it is sent, or sent again; of a mail that is given up, when it is deleted. Whoever sends
    /// it moves this ahead first, so that no other instance does too.
    pub(crate) due_at: DateTimeUtc,
    /// How often somebody has begun to send it.
    pub(crate) attempts: i32,
    /// Why the last attempt failed, without addresses.
    pub(crate) failure: Option<String>,
    /// Since when nobody tries any more.
    pub(crate) given_up_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
