//! Issuers of whose identities a user has unlinked one: none of theirs is linked by its address any more.

use sea_orm::entity::prelude::*;

use crate::kernel::id::UserId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "unlinked_issuers")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: UserId,
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) issuer: String,
}

impl ActiveModelBehavior for ActiveModel {}
