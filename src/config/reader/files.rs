//! Who else can read or change the files that hold secrets and data.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::{Config, SecretFile, Settings};
use super::Reader;
use crate::infra::db::sqlite_file;

/// Where container engines mount secrets, readable by all who are in the container: that is us, and
/// nobody can lay a file there who could not read ours anyway.
const MOUNTED: &str = "/run/secrets";

impl Reader {
    /// Judges the files of secrets that were read, those that others could change to their use, and the data.
    pub(super) fn judge_files(&mut self, settings: &Settings, config: &Config) {
        let is_development = config.is_development();
        for SecretFile { name, path } in self.secret_files.clone() {
            self.judge_secret_file(&name, &path, is_development);
        }
        self.judge_claims_file(settings, is_development);
        self.judge_data(config);
    }

    /// Refuses a file of a secret that another user of the machine can read or change (KY-04). Its
    /// group may read it: that is how systemd and Kubernetes hand one over. Development is warned.
    fn judge_secret_file(&mut self, name: &str, file: &Path, is_development: bool) {
        let Some(others) = others(file) else { return };
        let may_be_changed = others.may_change || others.group_may_change;
        if may_be_changed || others.may_read {
            let message = format!("{name} can be read or changed by other users");
            let advice = format!(
                "remove their rights (chmod 640), or keep it in a folder that they cannot enter \
                 or in {MOUNTED}"
            );
            self.judge(is_development, message, advice);
        }
    }

    /// Refuses a file of claims that another user of the machine can change: with it they would choose what other services
    /// believe of every user. Development is warned.
    fn judge_claims_file(&mut self, settings: &Settings, is_development: bool) {
        if let Some(file) = &settings.claims_file {
            self.judge_open_file("CLAIMS_FILE", file, is_development);
        }
    }

    /// Refuses a file that holds no secret, so that others may read it, and that they can change.
    pub(super) fn judge_open_file(&mut self, name: &str, file: &Path, is_development: bool) {
        if others(file).is_some_and(|others| others.may_change || others.group_may_change) {
            let message = format!("{name} can be changed by other users");
            self.judge(is_development, message, "remove their right (chmod go-w)".to_owned());
        }
    }

    /// Refuses data that every user of the machine could replace. A group that may is warned of:
    /// Kubernetes gives volumes to one.
    fn judge_data(&mut self, config: &Config) {
        let is_development = config.is_development();
        let database = sqlite_file(config.database.url.expose_secret());
        for (name, path, mode) in [
            ("DATA_DIR", Some(&config.data_dir), "700"),
            ("the database", database.as_ref(), "600"),
        ] {
            let Some((path, others)) = path.and_then(|path| Some((path, others(path)?))) else {
                continue;
            };
            let message = |who| format!("{name} can be changed by {who}");
            let advice = format!("run `chmod {mode} '{}'`", path.display());
            if others.may_change {
                self.judge(is_development, message("every user of this machine"), advice);
            } else if others.group_may_change {
                self.warn(message("other users of its group"), advice);
            } else if others.may_read && path.is_file() {
                self.warn(format!("{name} can be read by every user of this machine"), advice);
            }
        }
    }
}

/// What others may do with a file or a folder.
struct Others {
    may_read: bool,
    may_change: bool,
    group_may_change: bool,
}

/// Asked of the file itself, whatever links lead there. `None` where others cannot reach it. One that
/// cannot be asked cannot be read either, and that is told already.
#[cfg(unix)]
fn others(path: &Path) -> Option<Others> {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    let mode_of = |path: &Path| fs::metadata(path).map(|found| found.permissions().mode());
    let path = fs::canonicalize(path).ok()?;
    let mode = mode_of(&path).ok()?;
    let is_out_of_reach =
        path.ancestors().skip(1).any(|folder| mode_of(folder).is_ok_and(|mode| mode & 0o001 == 0));
    let others = Others {
        may_read: mode & 0o004 != 0 && !path.starts_with(MOUNTED),
        may_change: mode & 0o002 != 0,
        group_may_change: mode & 0o020 != 0,
    };
    (!is_out_of_reach).then_some(others)
}

#[cfg(not(unix))]
fn others(_path: &Path) -> Option<Others> {
    None
}
