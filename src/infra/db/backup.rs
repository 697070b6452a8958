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
