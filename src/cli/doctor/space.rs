//! Whether there is room for what the server writes.

use std::fs;
use std::path::{Path, PathBuf};

use secrecy::ExposeSecret;

use super::{Level, Report};
use crate::config::Config;
use crate::infra::db::sqlite_file;
use crate::infra::private;

const ABOUT: &str = "space";
const MIB: u64 = 1024 * 1024;
/// With less than this, a server soon stops being ready.
const FREE_MIN: u64 = 64 * MIB;
/// With less than this, somebody should look.
const FREE_ADVISED: u64 = 512 * MIB;
/// What programs need to put aside for a while.
const TEMPORARY_MIN: u64 = 16 * MIB;
/// SQLite folds its log back after 4 MiB, unless somebody reads for very long.
const LOG_MAX: u64 = 256 * MIB;

pub(super) fn check(report: &mut Report, config: &Config) {
    if let Some(file) = sqlite_file(config.database.url.expose_secret()) {
        database(report, &file);
    }
    let folder = std::env::temp_dir();
    match free_bytes(&folder) {
        Some(free) if free < TEMPORARY_MIN => {
            let message = format!("{} has only {} free", folder.display(), size(free));
            report.add(
                Level::Warning,
                ABOUT,
                message,
                "free space there, or set TMPDIR to another folder",
            );
        }
        Some(_) => {}
        None => {
            let message =
                format!("the folder {} for temporary files cannot be used", folder.display());
            report.add(
                Level::Warning,
                ABOUT,
                message,
                "create it, or set TMPDIR to another folder",
            );
        }
    }
}

/// The disk of a SQLite database, which a backup and a migration may need a second time.
fn database(report: &mut Report, file: &Path) {
    let Some(free) = free_bytes(private::folder_of(file)) else { return };
    let log = length(&log_of(file));
    let taken = length(file) + log;
    let message =
        format!("the database takes {}, and its disk has {} free", size(taken), size(free));
    let advice = "free space on the disk, or enlarge it: a backup and a migration can take as much as the database";
    if free < FREE_MIN {
        report.add(Level::Problem, ABOUT, message, advice);
    } else if free < FREE_ADVISED.max(taken) {
        report.add(Level::Warning, ABOUT, message, advice);
    } else {
        report.ok(ABOUT, message);
    }
    if log > LOG_MAX {
        let message = format!("the log beside the database takes {}", size(log));
        let advice = "end the program that reads the database for so long, for example a copy that hangs; then SQLite \
                      empties the log";
        report.add(Level::Warning, ABOUT, message, advice);
    }
}

fn log_of(file: &Path) -> PathBuf {
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    log.into()
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |found| found.len())
}

/// How much this user may still write where a path lies; `None` where nobody can tell.
fn free_bytes(path: &Path) -> Option<u64> {
    #[cfg(unix)]
    {
        let disk = rustix::fs::statvfs(path).ok()?;
        Some(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
    #[cfg(not(unix))]
    {
        path.is_dir().then_some(u64::MAX)
    }
}

/// As in `12.5 MiB`.
pub(super) fn size(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10) / 1024;
    for unit in ["KiB", "MiB", "GiB"] {
        if tenths < 10_240 {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1024;
    }
    format!("{}.{} TiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        for (bytes, told) in [
            (0, "0.0 KiB"),
            (512, "0.5 KiB"),
            (1024 * 1023, "1023.0 KiB"),
            (MIB, "1.0 MiB"),
            (1536 * MIB, "1.5 GiB"),
            (5 * 1024 * 1024 * MIB, "5.0 TiB"),
        ] {
            assert_eq!(size(bytes), told);
        }
    }
}
