//! The program: Portcullis with tasks.

use std::process::ExitCode;

fn main() -> ExitCode {
    task_manager::server().run()
}
