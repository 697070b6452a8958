//! One-time tokens, by hash. A used one is kept, without its details, until it would have expired.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{LinkTokenId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "one_time_tokens")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: LinkTokenId,
    pub(crate) purpose: String,
    /// SHA-256 of the token.
    #[sea_orm(unique)]
    pub(crate) hash: Vec<u8>,
    /// Whose account it is about; null where there is none yet.
    pub(crate) user_id: Option<UserId>,
    /// The canonical form of the address it was sent to.
    pub(crate) email_key: String,
    /// What its use will need: a JSON map.
    pub(crate) details: Option<String>,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) expires_at: DateTimeUtc,
    pub(crate) used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
