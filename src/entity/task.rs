//! Tasks.

use sea_orm::entity::prelude::*;

use crate::kernel::id::{OrganizationId, TaskId, UserId};

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub(crate) struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub(crate) id: TaskId,
    pub(crate) owner_id: UserId,
    /// The organization that it was made in.
    pub(crate) organization_id: Option<OrganizationId>,
    pub(crate) title: String,
    pub(crate) is_done: bool,
    pub(crate) created_at: DateTimeUtc,
    pub(crate) updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
