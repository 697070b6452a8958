//! What other programs keep with users. It is read when somebody asks for it, and never with the user.

use sea_orm::entity::prelude::*;

use crate::kernel::id::UserId;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_metadata")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) user_id: UserId,
    /// A JSON object.
    #[sea_orm(column_type = "Text")]
    pub(crate) public_metadata: Option<String>,
    /// A JSON object.
    #[sea_orm(column_type = "Text")]
    pub(crate) private_metadata: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
