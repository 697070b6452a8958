//! Recovery codes, by digest.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{RecoveryCodeId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recovery_codes")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: RecoveryCodeId,
    pub(crate) user_id: UserId,
    /// SHA-256 of the code in its canonical form.
    pub(crate) digest: Vec<u8>,
    pub(crate) used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
