//! Files and folders that a command needs for a while. They are locked meanwhile: so the next command tells those of one
//! that was killed from those in use, and removes them.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile, TempDir};

/// What their names begin with.
const PREFIX: &str = ".portcullis-";
/// The file in a folder that is locked in its place.
const LOCK: &str = "lock";
/// One that is younger may have been made and not locked yet.
const AGE_MIN: Duration = Duration::from_mins(1);

/// Makes a file that only this user may read.
pub(crate) fn file_in(folder: &Path) -> io::Result<NamedTempFile> {
    remove_left(folder);
    let file =
        Builder::new().prefix(PREFIX).tempfile_in(folder).map_err(|error| without_path(&error))?;
    file.as_file().lock()?;
    Ok(file)
}

/// A folder that only this user may enter.
pub(crate) struct Folder {
    folder: TempDir,
    _lock: File,
}

impl Folder {
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Makes such a folder.
pub(crate) fn folder_in(folder: &Path) -> io::Result<Folder> {
    remove_left(folder);
    let mut builder = Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    let folder = builder.tempdir_in(folder).map_err(|error| without_path(&error))?;
    let lock = File::create_new(folder.path().join(LOCK))?;
    lock.lock()?;
    Ok(Folder { folder, _lock: lock })
}

/// The path of what could not be made is one that nobody knows.
fn without_path(error: &io::Error) -> io::Error {
    error.kind().into()
}

/// Removes those that nobody uses any more. What cannot be removed is left to the next command.
fn remove_left(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(PREFIX))
    };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_ours) {
        let _left = remove_if_unused(&path);
    }
}

fn remove_if_unused(path: &Path) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    let age = SystemTime::now().duration_since(found.modified()?).unwrap_or_default();
    if age < AGE_MIN || found.is_symlink() {
        return Ok(());
    }
    let locked = if found.is_dir() { path.join(LOCK) } else { path.to_owned() };
    match File::open(locked) {
        Ok(file) => match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
        },
        // A folder whose command was killed before it could lock it.
        Err(error) if found.is_dir() && error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if found.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a file look as old as one that is left.
    fn age(path: &Path) {
        let old = SystemTime::now() - 2 * AGE_MIN;
        File::open(path).unwrap().set_modified(old).unwrap();
    }

    #[test]
    fn what_a_killed_command_has_left_is_removed_and_nothing_else() {
        let place = tempfile::tempdir().unwrap();
        let of = |name: &str| place.path().join(name);
        let (used, folder) = (file_in(place.path()).unwrap(), folder_in(place.path()).unwrap());
        for name in [".portcullis-old", ".portcullis-new", "another.db", ".tmpOther"] {
            fs::write(of(name), "").unwrap();
        }
        fs::create_dir(of(".portcullis-folder")).unwrap();
        fs::write(of(".portcullis-folder").join("portcullis.db"), "").unwrap();
        for name in [".portcullis-old", ".portcullis-folder", "another.db", ".tmpOther"] {
            age(&of(name));
        }
        age(used.path());
        age(folder.path());

        let third = file_in(place.path()).unwrap();
        assert!(third.path().exists() && used.path().exists() && folder.path().exists());
        let is_there = |name: &str| of(name).exists();
        assert!(is_there("another.db") && is_there(".tmpOther") && is_there(".portcullis-new"));
        assert!(!is_there(".portcullis-old") && !is_there(".portcullis-folder"));
    }
}
