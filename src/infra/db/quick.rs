//! Quick reads of a SQLite file, on the thread that asks.
//!
//! sqlx hands every statement to a thread of its own and every row back, which takes several times as
//! long as the statements of the hot paths themselves (a session, a page, a user: 10 to 60 µs). So
//! those run here, by rusqlite over the same SQLite, on a few read-only connections. A statement that
//! takes longer than [`TIME_MAX`] is interrupted, so no thread is blocked for longer; that one, and
//! whatever else goes wrong here, is left to sqlx. Nothing depends on this but the speed.

use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::SecondsFormat;
use rusqlite::config::DbConfig;
use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use sea_orm::{Statement, Value};

use crate::infra::metrics;
use crate::kernel::columns::{Columns, FromColumns};

/// How long a statement may hold the thread. A page of a hundred users takes a hundredth of it.
const TIME_MAX: Duration = Duration::from_millis(10);
/// After so many steps of SQLite's machine the time is looked at, some ten times within it.
const STEPS: i32 = 10_000;
/// Connections that are kept. There are never more at work than threads.
const IDLE_MAX: usize = 16;
const STATEMENTS_MAX: usize = 32;

/// The connections to one file. Clones share them.
#[derive(Clone)]
pub(super) struct Quick(Arc<Shared>);

struct Shared {
    path: Box<Path>,
    idle: Mutex<Vec<Reader>>,
    /// How often all connections were given up.
    renewals: AtomicU64,
}

impl fmt::Debug for Quick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Quick").field(&self.0.path).finish()
    }
}

/// A connection, and when what it runs is to be interrupted.
struct Reader {
    connection: Connection,
    /// How often all connections had been given up when it was opened.
    renewals: u64,
    deadline: Arc<Deadline>,
}

/// In microseconds after the connection was opened.
struct Deadline {
    opened: Instant,
    at: AtomicU64,
}

impl Quick {
    /// Opens no file yet.
    pub(super) fn new(path: &Path) -> Self {
        let (idle, renewals) = (Mutex::default(), AtomicU64::new(0));
        Self(Arc::new(Shared { path: path.into(), idle, renewals }))
    }

    /// All rows of a statement, or `None` where sqlx is to be asked instead.
    pub(super) fn all<T: FromColumns>(&self, statement: &Statement) -> Option<Vec<T>> {
        let mut reader = self.take()?;
        let began = Instant::now();
        let rows = reader.all(statement);
        if rows.is_some() {
            metrics::statement_took(began.elapsed());
            let mut idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner);
            if idle.len() < IDLE_MAX && reader.renewals == self.renewals() {
                idle.push(reader);
            }
        }
        rows
    }

    /// Closes all connections that are not at work, so that the writer is the last and leaves no log
    /// behind.
    pub(super) fn close(&self) {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Gives up all connections, also those at work: the file may be another one now.
    pub(super) fn renew(&self) {
        self.0.renewals.fetch_add(1, Ordering::SeqCst);
        self.close();
    }

    fn renewals(&self) -> u64 {
        self.0.renewals.load(Ordering::SeqCst)
    }

    /// Whether a connection has proven good.
    #[cfg(test)]
    pub(super) fn is_in_use(&self) -> bool {
        !self.0.idle.lock().unwrap().is_empty()
    }

    fn take(&self) -> Option<Reader> {
        let idle = self.0.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.or_else(|| Reader::open(&self.0.path, self.renewals()).ok())
    }
}

impl Reader {
    fn open(path: &Path, renewals: u64) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
        // Otherwise SQLite plans a statement again for every value of LIMIT.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // If the file is busy, sqlx reads instead: it waits.
        connection.busy_timeout(Duration::ZERO)?;
        let deadline = Arc::new(Deadline { opened: Instant::now(), at: AtomicU64::new(0) });
        let watched = Arc::clone(&deadline);
        connection.progress_handler(STEPS, Some(move || watched.is_over()))?;
        Ok(Self { connection, renewals, deadline })
    }

    fn all<T: FromColumns>(&mut self, statement: &Statement) -> Option<Vec<T>> {
        let values = statement.values.as_ref().map_or(&[][..], |values| &values.0);
        let values = values.iter().map(bound).collect::<Option<Vec<_>>>()?;
        self.deadline.set();
        let mut prepared = self.connection.prepare_cached(&statement.sql).ok()?;
        let rows =
            prepared.query_map(params_from_iter(values), |row| T::read(&mut Columns::of(row)));
        rows.ok()?.collect::<rusqlite::Result<_>>().ok()
    }
}

impl Deadline {
    fn set(&self) {
        self.at.store(micros(self.opened.elapsed() + TIME_MAX), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        micros(self.opened.elapsed()) > self.at.load(Ordering::Relaxed)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// A parameter as sqlx stores it; `None` for kinds that no quick read has.
fn bound(value: &Value) -> Option<ToSqlOutput<'_>> {
    let owned = |value: rusqlite::types::Value| Some(ToSqlOutput::Owned(value));
    match value {
        Value::Bool(Some(value)) => owned((*value).into()),
        Value::Int(Some(value)) => owned((*value).into()),
        Value::BigInt(Some(value)) => owned((*value).into()),
        Value::BigUnsigned(Some(value)) => owned(i64::try_from(*value).ok()?.into()),
        Value::String(Some(value)) => Some(ToSqlOutput::Borrowed(value.as_str().into())),
        Value::Uuid(Some(value)) => owned(value.as_bytes().to_vec().into()),
        Value::ChronoDateTimeUtc(Some(value)) => {
            owned(value.to_rfc3339_opts(SecondsFormat::AutoSi, false).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use sea_orm::DbBackend;

    use super::*;

    fn file() -> (tempfile::TempDir, Quick) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let writer = Connection::open(&path).unwrap();
        writer.execute_batch("CREATE TABLE notes (id INTEGER, note TEXT)").unwrap();
        writer.execute_batch("INSERT INTO notes VALUES (1, NULL), (2, 'a note')").unwrap();
        (folder, Quick::new(&path))
    }

    fn all<T: FromColumns>(quick: &Quick, sql: &str, values: Vec<Value>) -> Option<Vec<T>> {
        quick.all(&Statement::from_sql_and_values(DbBackend::Sqlite, sql, values))
    }

    #[test]
    fn rows_come_back_whole_and_nulls_as_none() {
        let (_folder, quick) = file();
        let notes = all::<Option<String>>(&quick, "SELECT note FROM notes ORDER BY id", vec![]);
        assert_eq!(notes, Some(vec![None, Some("a note".to_owned())]));
        let one = all::<i64>(&quick, "SELECT id FROM notes WHERE id > ?", vec![1.into()]);
        assert_eq!(one, Some(vec![2]));
    }

    #[test]
    fn a_statement_is_prepared_once_whatever_it_is_given() {
        let (_folder, quick) = file();
        let sql = "SELECT id FROM notes WHERE id > ? LIMIT ?";
        for limit in [1_i64, 2, 1] {
            all::<i64>(&quick, sql, vec![0.into(), limit.into()]).unwrap();
        }
        let reader = quick.take().unwrap();
        let prepared = reader.connection.prepare_cached(sql).unwrap();
        assert_eq!(prepared.get_status(StatementStatus::Run), 3);
        assert_eq!(prepared.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn connections_are_given_up_when_the_file_may_be_another() {
        let (folder, quick) = file();
        let count = || all::<i64>(&quick, "SELECT COUNT(*) FROM notes", vec![]);
        assert_eq!(count(), Some(vec![2]));
        std::fs::rename(&quick.0.path, folder.path().join("old.db")).unwrap();
        let other = Connection::open(&quick.0.path).unwrap();
        other.execute_batch("CREATE TABLE notes (id INTEGER, note TEXT)").unwrap();
        assert_eq!(count(), Some(vec![2]), "what is open stays open");
        let at_work = quick.take().unwrap();
        quick.renew();
        assert_eq!(count(), Some(vec![0]));
        assert_ne!(at_work.renewals, quick.renewals());
    }

    #[test]
    fn what_takes_long_or_goes_wrong_is_left_to_others_and_the_next_works() {
        let (_folder, quick) = file();
        let endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT COUNT(*) FROM n";
        for sql in [endless, "SELECT note FROM nothing", "INSERT INTO notes VALUES (3, 'x')"] {
            assert_eq!(all::<i64>(&quick, sql, vec![]), None, "{sql}");
        }
        // A text where a number is expected.
        assert_eq!(all::<i64>(&quick, "SELECT note FROM notes WHERE id = 2", vec![]), None);
        assert_eq!(all::<i64>(&quick, "SELECT COUNT(*) FROM notes", vec![]), Some(vec![2]));
    }
}
