//! Who else on this machine can read what the server keeps secret.

use std::fs;
use std::path::Path;

use super::{Level, Report};
use crate::config::Config;

pub(super) fn data_folder(report: &mut Report, config: &Config) {
    const ABOUT: &str = "data folder";
    let folder = &config.data_dir;
    let Ok(entries) = fs::read_dir(folder) else {
        if folder.exists() {
            let advice = "run this command as the user of the server, or give that user access to the folder";
            let message = format!("{} cannot be read", folder.display());
            report.add(Level::Problem, ABOUT, message, advice);
        } else {
            report.ok(ABOUT, "the server creates the folder when it needs it");
        }
        return;
    };
    let open = |path: &Path, level: Level, report: &mut Report| {
        let mode = if path.is_dir() { "700" } else { "600" };
        let message = format!("{} is open to other users of this machine", path.display());
        let advice = format!("run `chmod {mode} '{}'`", path.display());
        report.add(level, ABOUT, message, advice);
    };
    let before = report.0.len();
    if is_open(folder) {
        open(folder, Level::Warning, report);
    }
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let is_secret = path.extension().is_some_and(|extension| extension == "key");
        // Behind a closed door the modes of other files do not matter.
        if is_open(&path) && (is_secret || is_open(folder)) {
            open(&path, if is_secret { Level::Problem } else { Level::Warning }, report);
        }
    }
    if report.0.len() == before {
        report.ok(ABOUT, format!("{} is private", folder.display()));
    }
}

/// Whether the file's mode lets others in.
fn is_open(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
    }
    #[cfg(not(unix))]
    {
        let _ = path;
        false
    }
}

/// The files of secrets that settings name. Those that others can read or change were told with the settings.
pub(super) fn secrets(report: &mut Report, config: &Config) {
    let mut names: Vec<&str> = config.secret_files.iter().map(|file| &*file.name).collect();
    let is_told = |name: &&str| config.warnings.iter().any(|told| told.message.starts_with(*name));
    names.retain(|name| !is_told(name));
    if !names.is_empty() {
        report.ok(
            "secrets",
            format!("no other user can read or change the files of {}", names.join(", ")),
        );
    }
}
