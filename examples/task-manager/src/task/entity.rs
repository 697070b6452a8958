//! The table of tasks.

use portcullis::entity::prelude::*;

use crate::{TASK_CREATED, TASK_DELETED, TASK_UPDATED, TASKS_READ_ALL, TASKS_WRITE_ALL};

portcullis::id! {
    /// The id of a task.
    pub TaskId = "task"
}

/// The columns of a task. `#[owned]` adds those that every such table has.
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
    /// The work to do.
    pub title: String,
    /// Whether the task is done.
    pub is_done: bool,
}
