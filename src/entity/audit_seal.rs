//! One row: who seals at the moment, and where the chain begins since it was last pruned.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_seal")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: i32,
    pub(crate) holder: Option<Uuid>,
    pub(crate) held_until: Option<DateTimeUtc>,
    /// The last link that was pruned, or 0.
    pub(crate) seq: i64,
    /// Its digest, or 32 zeros.
    pub(crate) digest: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
