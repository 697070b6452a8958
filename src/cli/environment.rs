//! `.env` in development, variables that are empty, and variables nobody reads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use clap::{Arg, Command};

use crate::config::{Problems, read_text};

const FILE: &str = ".env";
const PREFIX: &str = "PORTCULLIS_";
/// What the build reads, and a shell that has built may still hold.
const OF_THE_BUILD: &str = "PORTCULLIS_WEB_";
/// What Kubernetes sets in the containers beside a service that is called portcullis.
const OF_KUBERNETES: [&str; 2] = ["PORTCULLIS_SERVICE_", "PORTCULLIS_PORT"];

/// Names of others that are one letter off a setting.
const OF_OTHERS: [&str; 1] = ["HOSTS"];

/// What `.env` says.
#[derive(Default)]
pub(super) struct Environment(BTreeMap<String, String>);

/// How this program was started, to be typed again: by cargo, or as the shell had it.
pub(super) fn invocation() -> String {
    // Both are there in what cargo runs, and the first one alone in whatever a build script starts.
    if std::env::var_os("CARGO").is_some() && std::env::var_os("CARGO_MANIFEST_DIR").is_some() {
        return "cargo run --".to_owned();
    }
    let program = std::env::args_os().next();
    program.map_or_else(|| "portcullis".to_owned(), |name| name.to_string_lossy().into_owned())
}

/// Loads `.env` (unless the environment says production) below what is set already, and refuses
/// names that no setting has: a misspelt setting must not pass for its default (CF-02).
#[expect(clippy::disallowed_methods, reason = "before the settings exist, only this can be asked")]
pub(super) fn load(command: &Command) -> Result<Environment, Problems> {
    let known: BTreeSet<String> = command
        .get_arguments()
        .filter_map(|arg| arg.get_env())
        .map(|name| name.to_string_lossy().into_owned())
        .collect();
    let mut problems = Vec::new();
    let mut environment = Environment::default();
    let is_production = std::env::var("PORTCULLIS_ENV").is_ok_and(|value| value == "production");
    if !is_production && is_there(Path::new(FILE)) {
        environment.0 = load_file(&known, &mut problems);
    }
    let set: BTreeSet<String> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, _)| name.to_string_lossy().into_owned())
        .collect();
    for name in set.iter().filter(|name| !known.contains(*name)) {
        let is_ours = name.starts_with(PREFIX)
            && !name.starts_with(OF_THE_BUILD)
            && !OF_KUBERNETES.iter().any(|theirs| name.starts_with(theirs));
        match meant(name, &known) {
            // Where the setting is there too, the other name is somebody else's.
            Some(meant) if !set.contains(meant) => problems.push(no_setting(name, Some(meant))),
            meant if is_ours => problems.push(no_setting(name, meant)),
            _ => {}
        }
    }
    if problems.is_empty() { Ok(environment) } else { Err(Problems(problems)) }
}

impl Environment {
    /// Takes a variable that is empty for one that is not set, so that a compose file can pass on
    /// what may not be there.
    pub(super) fn apply(&self, arg: Arg) -> Arg {
        let Some(name) = arg.get_env().map(|name| name.to_string_lossy().into_owned()) else {
            return arg;
        };
        let is_empty = std::env::var_os(&name).is_some_and(|value| value.is_empty());
        if !is_empty {
            return arg;
        }
        let arg = arg.env(None::<&str>);
        match self.0.get(&name).filter(|value| !value.is_empty()) {
            Some(value) => arg.default_value(value.clone()).hide_default_value(true),
            None => arg,
        }
    }
}

/// Whether something has this name, be it a link that leads nowhere, or nobody can tell: then reading it
/// says why it cannot be read.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).map_or_else(|error| error.kind() != ErrorKind::NotFound, |_| true)
}

fn load_file(known: &BTreeSet<String>, problems: &mut Vec<String>) -> BTreeMap<String, String> {
    let text = match read_text(Path::new(FILE)) {
        Ok(text) => text,
        Err(unreadable) => {
            problems.push(format!("{FILE} {unreadable}"));
            return BTreeMap::new();
        }
    };
    let mut values = BTreeMap::new();
    for line in dotenvy::from_read_iter(text.as_bytes()) {
        match line {
            // The first one counts, as it does for the variables.
            Ok((name, value)) if known.contains(&name) => {
                values.entry(name).or_insert(value);
            }
            // The standard's own, which its SDK reads.
            Ok((name, _)) if cfg!(feature = "otel") && name.starts_with("OTEL_") => {}
            Ok((name, _)) => {
                let told = no_setting(&name, meant(&name, known));
                problems.push(format!("{FILE}: {told}"));
            }
            // The crate's own error repeats the line, which may hold a secret.
            Err(error) => {
                problems.push(format!("{FILE} is malformed in line {}", line_of(&error, &text)));
            }
        }
    }
    if problems.is_empty() && dotenvy::from_read(text.as_bytes()).is_err() {
        problems.push(format!("{FILE} cannot be read"));
    }
    values
}

/// Where a line stands that cannot be parsed. A value that is never closed takes in all lines that
/// follow.
fn line_of(error: &dotenvy::Error, text: &str) -> usize {
    let told = match error {
        dotenvy::Error::LineParse(line, _) => line.lines().next().unwrap_or_default(),
        _ => "",
    };
    let place = text.lines().position(|line| !told.is_empty() && line.trim() == told.trim());
    1 + place.unwrap_or_else(|| text.lines().count().saturating_sub(1))
}

fn no_setting(name: &str, meant: Option<&String>) -> String {
    match meant {
        Some(meant) => format!("{name} is not a setting: did you mean {meant}?"),
        None => format!("{name} is not a setting"),
    }
}

/// The setting whose name is one letter away, by a letter too many, too few, another, or two that
/// changed places; or the one that differs by underscores and case.
fn meant<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a String> {
    if OF_OTHERS.contains(&name) {
        return None;
    }
    let letters = letters(name);
    let is_one_off = |known: &&String| strsim::osa_distance(known, name) == 1;
    // A name of one word in lower case may be any variable of a script.
    let is_alike = |known: &&String| known.contains('_') && self::letters(known) == letters;
    known.iter().find(is_one_off).or_else(|| known.iter().find(is_alike))
}

/// What is left of a name without its underscores, in upper case.
fn letters(name: &str) -> String {
    name.replace('_', "").to_ascii_uppercase()
}
