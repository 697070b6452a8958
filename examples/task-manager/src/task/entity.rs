//! The table `tasks`.

use portcullis::entity::prelude::*;

use crate::{TASK_CREATED, TASK_DELETED, TASK_UPDATED, TASKS_READ_ALL, TASKS_WRITE_ALL};

portcullis::id! {
    /// A task.
    pub TaskId = "task"
}

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tasks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TaskId,
    pub owner_id: UserId,
    pub organization_id: Option<OrganizationId>,
    pub title: String,
    pub is_done: bool,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}

impl Owned for Entity {
    type Id = TaskId;
    const PLURAL: &'static str = "tasks";
    const OWNER: Column = Column::OwnerId;
    const ORGANIZATION: Option<Column> = Some(Column::OrganizationId);
    const CREATED_AT: Column = Column::CreatedAt;
    const UPDATED_AT: Column = Column::UpdatedAt;
    const READ_ALL: Option<Permission> = Some(TASKS_READ_ALL);
    const WRITE_ALL: Option<Permission> = Some(TASKS_WRITE_ALL);
    const CREATED: Kind = TASK_CREATED;
    const UPDATED: Kind = TASK_UPDATED;
    const DELETED: Kind = TASK_DELETED;

    fn called(row: &Model) -> String {
        row.title.clone()
    }
}
