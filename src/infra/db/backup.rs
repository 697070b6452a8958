//! A SQLite file as a whole: copied while others write to it, checked, and replaced.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
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
}

impl Db {
    /// Copies a SQLite database, as it is at one moment, into an empty file. Servers read and write meanwhile.
    pub(crate) async fn copy_into(&self, file: &Path) -> Result<(), DbErr> {
        let path = file.to_string_lossy().into_owned();
        let copy =
            Statement::from_sql_and_values(DbBackend::Sqlite, "VACUUM INTO ?", [path.into()]);
        self.reader().execute_raw(copy).await.map(drop)
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

/// Fails if anybody has a SQLite file open, and leaves it without a log beside it. Only who is alone with the file can
/// take it out of the mode with a log.
pub(crate) fn require_unused(file: &Path) -> Result<(), UsedError> {
    let named = || file.display().to_string();
    let alone = || -> rusqlite::Result<String> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(Duration::ZERO)?;
        connection.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))
    };
    match alone() {
        Ok(mode) if mode == "delete" => Ok(()),
        Ok(_) => Err(UsedError::Used { file: named() }),
        Err(error) => match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
                Err(UsedError::Used { file: named() })
            }
            _ => Err(UsedError::Unreadable { file: named(), source: error }),
        },
    }
}
