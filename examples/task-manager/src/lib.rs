//! Portcullis with tasks. Users see their own tasks or those of their organization; a permission shows them all tasks.

mod migration;
pub mod task;

use portcullis::{Additions, Extension, Server};

portcullis::permissions! {
    /// Read all tasks.
    pub TASKS_READ_ALL;
    /// Change any task, and read the changed task.
    pub TASKS_WRITE_ALL;
}

portcullis::audit_kinds! {
    /// A user created a task.
    pub TASK_CREATED: task::TaskId;
    /// A user changed a task.
    pub TASK_UPDATED: task::TaskId;
    /// A user deleted a task.
    pub TASK_DELETED: task::TaskId;
}

/// The parts that this crate adds to the server.
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

/// The server with the parts of this crate.
#[must_use]
pub fn server() -> Server {
    Server::with::<TaskManager>()
}
