//! Whether a database takes writes, and why not: for the operator, with what to do about it.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::PoisonError;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Db;
use super::failure::{Refusal, refusal};

/// In bytes, as SQLite makes them.
const PAGE: usize = 4096;

/// Why a database takes no writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("the database is a read-only standby")]
    Standby,
    #[error("the database is read-only: default_transaction_read_only is on")]
    ReadOnly,
    #[error("the database server is read-only, like a replica")]
    ReadOnlyServer,
    #[error("the server cannot write to the database file or its folder")]
    File,
    #[error("the database file is not where it was opened: somebody moved, deleted or replaced it")]
    Moved,
    #[error("the disk of the database is full")]
    Full,
    #[error("the database user is not allowed to write")]
    Denied,
    #[error("the database answers, but writes fail or take too long")]
    Stuck,
    #[error("writes to the database file fail, or another program keeps it locked")]
    Busy,
}

/// Which file it is, whatever its name: `None` if nothing has the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

impl FileId {
    pub(super) fn at(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            path.metadata().ok().map(|found| Self(found.dev(), found.ino()))
        }
        #[cfg(not(unix))]
        path.exists().then_some(Self(0, 0))
    }
}

/// A database that takes no writes, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{0}: {advice}", advice = .0.advice())]
pub(crate) struct Refused(pub(crate) Unwritable);

impl Unwritable {
    /// Whether it is so during a failover: until a standby is promoted.
    pub(crate) fn may_pass(self) -> bool {
        matches!(self, Self::Standby | Self::ReadOnlyServer)
    }

    /// What to do about it.
    pub(crate) fn advice(self) -> &'static str {
        match self {
            Self::Standby => "set DATABASE_URL to the primary, or promote this server",
            Self::ReadOnly => {
                "turn default_transaction_read_only off for the server, the database and the role, or \
                 set DATABASE_URL to another server"
            }
            Self::ReadOnlyServer => "set DATABASE_URL to the primary, or turn read_only off",
            Self::File => {
                "give the server's user write access to the file in DATABASE_URL and its folder, and check \
                 that the disk is not mounted read-only"
            }
            Self::Moved => {
                "move the file back, or start the server again to use the file that is there now"
            }
            Self::Full => "free space on the disk, or enlarge it",
            Self::Denied => "grant SELECT, INSERT, UPDATE and DELETE on all tables to the user",
            Self::Stuck => {
                "read the log of the database server, and check which sessions hold locks"
            }
            Self::Busy => {
                "end the other programs that have the file open, such as a shell of SQLite or a copy that hangs"
            }
        }
    }

    /// Why nobody who is this user can write a SQLite file, if so. Writes as much as SQLite does at a
    /// time, beside the file, where nobody sees it: into a file without a name, which is gone at once.
    pub(crate) fn of_path(file: &Path) -> Option<Self> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let written = may_write(file).and_then(|()| {
            let mut beside = tempfile::tempfile_in(folder.unwrap_or(Path::new(".")))?;
            beside.write_all(&[0; PAGE])
        });
        match written.map_err(|error| error.kind()) {
            Ok(()) => None,
            Err(ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => Some(Self::Full),
            Err(_refused) => Some(Self::File),
        }
    }

    /// Why a SQLite file could not be opened, if that is because it cannot be written.
    pub(crate) fn of_file(error: &DbErr) -> Option<Self> {
        matches!(refusal(error)?, Refusal::ReadOnly).then_some(Self::File)
    }
}

/// Asks the system, and never opens the file: to close it again would drop every lock that SQLite has on it in this process
/// (a rule of POSIX for `fcntl`). Another process that then closes the database takes itself for the last one, and removes
/// the log in which the newest transactions are.
#[cfg(unix)]
fn may_write(file: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(file, rustix::fs::Access::WRITE_OK)?)
}

#[cfg(not(unix))]
fn may_write(file: &Path) -> io::Result<()> {
    match file.metadata()?.permissions().readonly() {
        true => Err(ErrorKind::PermissionDenied.into()),
        false => Ok(()),
    }
}

impl Db {
    /// Why a write was refused, if that is why it failed. On SQLite no connection is used again that
    /// was open then: one to a file that could not be written stays as it is for good.
    pub(crate) async fn explain(&self, error: &DbErr) -> Option<Unwritable> {
        match (refusal(error)?, self.reader().get_database_backend()) {
            (Refusal::Full, _) => Some(Unwritable::Full),
            (Refusal::Denied, _) => Some(Unwritable::Denied),
            (Refusal::ReadOnly, DbBackend::Sqlite) => {
                self.renew();
                Some(Unwritable::File)
            }
            (Refusal::ReadOnly, DbBackend::Postgres) => Some(self.read_only_postgres().await),
            (Refusal::ReadOnly, _) => Some(Unwritable::ReadOnlyServer),
        }
    }

    /// Whether the path of a SQLite database leads to another file than the one that is open, or to none: what is
    /// written goes where nobody finds it.
    pub(crate) fn is_moved(&self) -> bool {
        self.0.file.as_ref().is_some_and(|file| {
            let opened = *file.opened.lock().unwrap_or_else(PoisonError::into_inner);
            opened != FileId::at(&file.path)
        })
    }

    /// What there is to say of writes that fail for no known reason.
    pub(crate) fn stuck(&self) -> Unwritable {
        match self.reader().get_database_backend() {
            DbBackend::Sqlite => Unwritable::Busy,
            _ => Unwritable::Stuck,
        }
    }

    /// Why the file of a SQLite database seems not to take writes. Somebody who has it open may write
    /// it nevertheless.
    pub(crate) fn unwritable_file(&self) -> Option<Unwritable> {
        Unwritable::of_path(&self.0.file.as_ref()?.path)
    }

    async fn read_only_postgres(&self) -> Unwritable {
        let asked = "SELECT pg_is_in_recovery() AS standby";
        let asked = Statement::from_string(DbBackend::Postgres, asked);
        let row = self.reader().query_one_raw(asked).await;
        let is_standby = row
            .is_ok_and(|row| row.is_some_and(|row| row.try_get("", "standby").unwrap_or_default()));
        if is_standby { Unwritable::Standby } else { Unwritable::ReadOnly }
    }

    /// Why the database takes no writes, whatever tables it has. `None` also where only a write shows
    /// that.
    pub(crate) async fn unwritable(&self) -> Result<Option<Unwritable>, DbErr> {
        let backend = self.reader().get_database_backend();
        let asked = match backend {
            DbBackend::Postgres => {
                "SELECT current_setting('transaction_read_only') = 'on' AS refuses"
            }
            DbBackend::MySql => "SELECT @@read_only NOT IN ('0', 'OFF') AS refuses",
            _ => {
                return match self.begin().await {
                    Ok(txn) => txn.rollback().await.map(|()| None),
                    Err(error) => self.explain(&error).await.map(Some).ok_or(error),
                };
            }
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, asked)).await?;
        if !row.map_or(Ok(false), |row| row.try_get("", "refuses"))? {
            return Ok(None);
        }
        Ok(Some(match backend {
            DbBackend::Postgres => self.read_only_postgres().await,
            _ => Unwritable::ReadOnlyServer,
        }))
    }
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    use super::*;

    /// Whether this process holds a lock on a file.
    #[cfg(target_os = "linux")]
    fn is_locked(file: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;

        let (process, inode) = (std::process::id(), file.metadata().unwrap().ino());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.lines().any(|lock| {
            lock.contains(&format!(" {process} ")) && lock.contains(&format!(":{inode} "))
        })
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn to_ask_whether_a_file_can_be_written_leaves_the_locks_of_sqlite_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let db = Db::connect(&format!("sqlite://{}", file.display()), 2).await.unwrap();
        db.writer().execute_unprepared("CREATE TABLE notes (note TEXT)").await.unwrap();
        assert!(is_locked(&file), "SQLite locks an open database");
        assert_eq!(Unwritable::of_path(&file), None);
        assert!(is_locked(&file), "and still does");
    }
}
