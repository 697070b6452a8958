//! One row: who seals at the moment, where the chain begins, and what is signed of it.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_seal")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i32,
    pub(crate) holder: Option<Uuid>,
    pub(crate) held_until: Option<DateTimeUtc>,
    /// The last link that was removed, or 0.
    pub(crate) seq: i64,
    /// Its digest, or 32 zeros.
    pub(crate) digest: Vec<u8>,
    /// The last link that a prune may remove.
    pub(crate) pruned_seq: Option<i64>,
    pub(crate) pruned_digest: Option<Vec<u8>>,
    /// The last link when this was signed.
    pub(crate) head_seq: Option<i64>,
    pub(crate) head_digest: Option<Vec<u8>>,
    /// Over these four, under a key derived from the master secret.
    pub(crate) signature: Option<Vec<u8>>,
}

impl ActiveModelBehavior for ActiveModel {}
