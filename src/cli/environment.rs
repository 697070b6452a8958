//! `.env` in development, and the variables nobody reads.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::Problems;

const FILE: &str = ".env";
const PREFIX: &str = "PORTCULLIS_";
/// What the build reads, and a shell that has built may still hold.
const OF_THE_BUILD: &str = "PORTCULLIS_PLAYGROUND_";

/// Loads `.env` (unless the environment says production) below what is set already, and refuses
/// names that no setting has: a misspelt setting must not pass for its default (CF-02).
#[expect(clippy::disallowed_methods, reason = "before the settings exist, only this can be asked")]
pub(super) fn load(command: &clap::Command) -> Result<(), Problems> {
    let known: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let mut problems = Vec::new();
    let is_production = std::env::var("PORTCULLIS_ENV").is_ok_and(|value| value == "production");
    if !is_production && Path::new(FILE).exists() {
        load_file(&known, &mut problems);
    }
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        let is_ours = name.starts_with(PREFIX) && !name.starts_with(OF_THE_BUILD);
        if is_ours && !known.contains(&*name) {
            problems.push(format!("{name} is no setting"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
}

fn load_file(known: &BTreeSet<String>, problems: &mut Vec<String>) {
    // The crate's own errors repeat the line, which may hold a secret.
    let unreadable = || format!("{FILE} cannot be read or has a malformed line");
    let Ok(lines) = dotenvy::from_path_iter(FILE) else {
        problems.push(unreadable());
        return;
    };
    for line in lines {
        match line {
            Ok((name, _)) if known.contains(&name) => {}
            // The standard's own, which its SDK reads.
            Ok((name, _)) if cfg!(feature = "otel") && name.starts_with("OTEL_") => {}
            Ok((name, _)) => problems.push(format!("{FILE}: {name} is no setting")),
            Err(_line) => problems.push(unreadable()),
        }
    }
    if problems.is_empty() && dotenvy::from_path(FILE).is_err() {
        problems.push(unreadable());
    }
}
