//! Portcullis with tasks: one's own, those of the organization that one acts in, and all of them with a permission.

mod migration;
pub mod task;

use portcullis::{Additions, Extension, Server};

portcullis::permissions! {
    /// See all tasks.
    pub TASKS_READ_ALL;
    /// Change all tasks, and see those one changes.
    pub TASKS_WRITE_ALL;
}

portcullis::audit_kinds! {
    /// A user made a task.
    pub TASK_CREATED: task::TaskId;
    /// A task was changed.
    pub TASK_UPDATED: task::TaskId;
    /// A task was deleted.
    pub TASK_DELETED: task::TaskId;
}

/// What this crate adds.
#[derive(Debug)]
pub struct TaskManager;

impl Extension for TaskManager {
    type Query = task::TaskQuery;
    type Mutation = task::TaskMutation;

    fn additions() -> Additions {
        Additions::default()
            .permissions(PERMISSIONS)
            .audit_kinds(AUDIT_KINDS)
            .entity::<task::Task>()
            .migrations(migration::all)
    }
}

/// The server with tasks in it.
#[must_use]
pub fn server() -> Server {
    Server::with::<TaskManager>()
}
