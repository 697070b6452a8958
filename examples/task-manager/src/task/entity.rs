//! The table `tasks`.

use portcullis::entity::prelude::*;

use crate::{TASK_CREATED, TASK_DELETED, TASK_UPDATED, TASKS_READ_ALL, TASKS_WRITE_ALL};

portcullis::id! {
    /// A task.
    pub TaskId = "task"
}

/// A task, beside the columns that each such table has.
#[owned(
    table = "tasks",
    id = TaskId,
    label = title,
    in_organizations,
    read_all = TASKS_READ_ALL,
    write_all = TASKS_WRITE_ALL,
    events(TASK_CREATED, TASK_UPDATED, TASK_DELETED)
)]
pub struct Model {
    /// What is to be done.
    pub title: String,
    /// Whether it is.
    pub is_done: bool,
}
