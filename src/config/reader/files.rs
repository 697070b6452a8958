//! Who else can read or change the files that hold secrets.

use std::path::Path;

use super::super::Settings;
use super::Reader;

/// Where container engines mount secrets, readable by all who are in the container: that is us, and
/// nobody can lay a file there who could not read ours anyway.
const MOUNTED: &str = "/run/secrets";

impl Reader {
    /// Refuses a file of a secret that another user of the machine can read or change (KY-04). Its
    /// group may read it: that is how systemd and Kubernetes hand one over.
    pub(super) fn judge_secret_files(&mut self, settings: &Settings) {
        for (name, file) in [
            ("DATABASE_URL_FILE", &settings.database_url_file),
            ("SECRET_KEY_FILE", &settings.secret_key_file),
            ("SECRET_KEY_PREVIOUS_FILE", &settings.secret_key_previous_file),
        ] {
            if file.as_ref().is_some_and(|file| is_open_to_others(file)) {
                self.refuse(format!(
                    "{name} can be read or changed by other users: take their rights away (chmod \
                     640), or keep it in a folder that they cannot enter or in {MOUNTED}"
                ));
            }
        }
    }
}

/// Asked of the file itself, whatever links lead there. One that cannot be asked cannot be read
/// either, and that is told already.
#[cfg(unix)]
fn is_open_to_others(file: &Path) -> bool {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    let mode_of = |path: &Path| fs::metadata(path).map(|found| found.permissions().mode());
    let (Ok(file), Ok(mode)) = (fs::canonicalize(file), mode_of(file)) else { return false };
    let may_be_read = mode & 0o004 != 0 && !file.starts_with(MOUNTED);
    let may_be_changed = mode & 0o022 != 0;
    let is_out_of_reach = file.ancestors().skip(1).any(|folder| {
        let mode = mode_of(folder);
        mode.is_ok_and(|mode| mode & 0o001 == 0)
    });
    (may_be_read || may_be_changed) && !is_out_of_reach
}

#[cfg(not(unix))]
fn is_open_to_others(_file: &Path) -> bool {
    false
}
