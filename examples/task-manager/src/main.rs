//! The `task-manager` binary: all of Portcullis, with tasks in it.

use std::process::ExitCode;

fn main() -> ExitCode {
    task_manager::server().run()
}
