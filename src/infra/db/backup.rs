//! A SQLite file as a whole: copied while others write to it, checked, and replaced.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};

use super::Db;

/// Why a SQLite file cannot be replaced.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UsedError {
    #[error(
        "another program uses the database {file}: stop all servers, then run this command again"
    )]
    Used { file: String },
    #[error(
        "the database {file} cannot be opened: move it away, with the files {file}-wal and {file}-shm, and run this \
         command again"
    )]
    Unreadable { file: String, source: rusqlite::Error },
    #[error(
        "the database {file} is not one of Portcullis, so it is not replaced: name another file in DATABASE_URL"
    )]
    Foreign { file: String },
}

/// What marks a SQLite file as a backup: the copy of a database that is in use may lack what stands in its log.
const BACKUP_MARK: i32 = 0x5063_4275;
/// The pragma of that mark, which programs that tell files apart look at.
const MARK: &str = "application_id";

/// Marks a file as a backup.
pub(crate) fn mark_backup(file: &Path) -> rusqlite::Result<()> {
    set_mark(file, BACKUP_MARK)
}

/// Makes a database of a copy of a backup.
pub(crate) fn unmark_backup(file: &Path) -> rusqlite::Result<()> {
    set_mark(file, 0)
}

/// Whether a file that nobody else has open is marked as a backup.
pub(crate) fn is_marked(file: &Path) -> rusqlite::Result<bool> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mark: i32 = connection.pragma_query_value(None, MARK, |row| row.get(0))?;
    Ok(mark == BACKUP_MARK)
}

fn set_mark(file: &Path, mark: i32) -> rusqlite::Result<()> {
    let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.pragma_update(None, MARK, mark)
}

impl Db {
    /// Copies a SQLite database, as it is at one moment, into an empty file. Servers read and write meanwhile.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<(), DbErr> {
        let path = file.to_string_lossy().into_owned();
        let copy =
            Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [path.into()]);
        self.reader().execute_raw(copy).await.map(drop)
    }

    /// Whether this is a backup in a SQLite file, and no database.
    pub(crate) async fn is_backup(&self) -> Result<bool, DbErr> {
        if self.reader().get_database_backend() != DbBackend::Sqlite {
            return Ok(false);
        }
        let mark = Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {MARK}"));
        let row = self.reader().query_one_raw(mark).await?;
        let mark: i32 = row.map_or(Ok(0), |row| row.try_get_by_index(0))?;
        Ok(mark == BACKUP_MARK)
    }

    /// Reads all of a SQLite database, and says what is wrong with it.
    pub(crate) async fn damage(&self) -> Result<Option<String>, DbErr> {
        let check = Statement::from_string(DbBackend::Sqlite, "PRAGMA integrity_check(1)");
        let row = self.reader().query_one_raw(check).await?;
        let told = row.map_or(Ok(String::new()), |row| row.try_get_by_index(0))?;
        Ok((told != "ok").then_some(told))
    }
}

/// The table that a database of a server has while a backup is restored into it.
const RESTORING: &str = "portcullis_restoring";

impl Db {
    /// Marks a database as being restored, until [`Db::end_restore`].
    pub(crate) async fn begin_restore(&self) -> Result<(), DbErr> {
        let mark = format!("CREATE TABLE {RESTORING} (id INTEGER)");
        self.writer().execute_unprepared(&mark).await.map(drop)
    }

    /// All is in place.
    pub(crate) async fn end_restore(&self) -> Result<(), DbErr> {
        let unmark = format!("DROP TABLE {RESTORING}");
        self.writer().execute_unprepared(&unmark).await.map(drop)
    }

    /// Whether a backup was restored into a database, and not to the end.
    pub(crate) async fn is_being_restored(&self) -> Result<bool, DbErr> {
        let backend = self.reader().get_database_backend();
        let asked = match backend {
            DbBackend::Sqlite => return Ok(false),
            DbBackend::Postgres => {
                format!(
                    "SELECT 1 FROM pg_tables WHERE schemaname = current_schema() AND tablename = '{RESTORING}'"
                )
            }
            _ => format!(
                "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '{RESTORING}'"
            ),
        };
        let row = self.reader().query_one_raw(Statement::from_string(backend, asked)).await?;
        Ok(row.is_some())
    }
}

/// A SQLite file that nobody else can use while this lives.
pub(crate) struct Claimed(#[expect(dead_code, reason = "kept for its lock")] Connection);

/// Fails if a file is not a database of Portcullis or an empty one. Changes nothing.
pub(crate) fn require_own(file: &Path) -> Result<(), UsedError> {
    let is_own = || -> rusqlite::Result<bool> {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let has = |condition: &str| {
            let sql =
                format!("SELECT 1 FROM sqlite_master WHERE type = 'table'{condition} LIMIT 1");
            connection.query_row(&sql, [], |_row| Ok(())).optional().map(|row| row.is_some())
        };
        Ok(!has("")? || has(" AND name = 'seaql_migrations'")?)
    };
    match is_own() {
        Ok(true) => Ok(()),
        Ok(false) => Err(UsedError::Foreign { file: file.display().to_string() }),
        Err(source) => Err(UsedError::of(file, source)),
    }
}

/// Fails if anybody has a SQLite file open, and otherwise keeps everybody out of it, and leaves it without a log beside it.
/// Only who is alone with the file can take it out of the mode with a log.
pub(crate) fn claim_unused(file: &Path) -> Result<Claimed, UsedError> {
    let alone = || -> rusqlite::Result<Option<Connection>> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        let mode: String =
            connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        connection.execute_batch("BEGIN EXCLUSIVE")?;
        Ok((mode == "delete").then_some(connection))
    };
    match alone() {
        Ok(Some(connection)) => Ok(Claimed(connection)),
        Ok(None) => Err(UsedError::Used { file: file.display().to_string() }),
        Err(source) => Err(UsedError::of(file, source)),
    }
}

impl UsedError {
    fn of(file: &Path, source: rusqlite::Error) -> Self {
        let file = file.display().to_string();
        match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Self::Used { file }
            }
            _ => Self::Unreadable { file, source },
        }
    }
}
