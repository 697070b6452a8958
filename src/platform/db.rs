//! The database: one writer and many readers on SQLite, one pool on PostgreSQL.

use std::str::FromStr;
use std::time::Duration;

use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::{self, sqlite};
use sea_orm::{
    ConnAcquireErr, ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbErr,
    IsolationLevel, RuntimeErr, SqlErr, SqliteTransactionMode, SqlxSqliteConnector,
    TransactionOptions, TransactionTrait,
};

/// How long a caller waits for a connection before it is told to come back (RE-05).
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long SQLite waits for another process that is writing.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a SQLite file that others are opening is tried, and how long between two tries.
const SQLITE_OPEN_ATTEMPTS: u32 = 20;
const SQLITE_OPEN_PAUSE: Duration = Duration::from_millis(50);
/// How long one statement may run on a server database (GQ-13).
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);
/// How often a transaction that lost to another is tried in all.
const ATTEMPTS_MAX: u32 = 4;

/// Connections for reading and for writing. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Db {
    reader: DatabaseConnection,
    writer: DatabaseConnection,
}

impl Db {
    /// Connects to `url`: `sqlite://path` (created when missing) or `postgres://…`.
    pub(crate) async fn connect(url: &str, connections_max: u32) -> Result<Self, DbErr> {
        if url.starts_with("sqlite:") {
            return Self::open_sqlite(url, connections_max).await;
        }
        let mut options = ConnectOptions::new(url);
        options
            .max_connections(connections_max)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_timeout(ACQUIRE_TIMEOUT)
            .statement_timeout(STATEMENT_TIMEOUT)
            .sqlx_logging(false);
        let pool = Database::connect(options).await?;
        Ok(Self { reader: pool.clone(), writer: pool })
    }

    /// SQLite allows one writer at a time. With one writing connection the others queue in the
    /// process, in order, instead of polling the file's lock; readers never wait for it (WAL).
    async fn open_sqlite(url: &str, readers_max: u32) -> Result<Self, DbErr> {
        let file = sqlite::SqliteConnectOptions::from_str(url)
            .map_err(connect_error)?
            .create_if_missing(true)
            .foreign_keys(true)
            .journal_mode(sqlite::SqliteJournalMode::Wal)
            .synchronous(sqlite::SqliteSynchronous::Full)
            .busy_timeout(SQLITE_BUSY_TIMEOUT);
        let pool = || sqlite::SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT);
        // The writer first: it creates the file and switches it to WAL, which a reader may not.
        // Two processes that switch a new file at once do not wait for each other as SQLite
        // otherwise does: one is refused, and tries again.
        let open = || async {
            let writer = pool().max_connections(1).connect_with(file.clone());
            writer.await.map_err(connect_error)
        };
        let mut writer = open().await;
        for _ in 1..SQLITE_OPEN_ATTEMPTS {
            match &writer {
                Err(error) if lost_a_race(error) => {
                    tokio::time::sleep(SQLITE_OPEN_PAUSE).await;
                    writer = open().await;
                }
                _ => break,
            }
        }
        let writer = writer?;
        let reader = pool()
            .max_connections(readers_max)
            .connect_with(file.read_only(true))
            .await
            .map_err(connect_error)?;
        Ok(Self {
            reader: SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
            writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        })
    }

    /// For statements that only read, outside any transaction.
    pub(crate) fn reader(&self) -> &DatabaseConnection {
        &self.reader
    }

    /// For migrations and single statements that write; everything else goes through
    /// [`Db::begin`].
    pub(crate) fn writer(&self) -> &DatabaseConnection {
        &self.writer
    }

    /// Begins a transaction that will write: READ COMMITTED, and on SQLite `BEGIN IMMEDIATE`, so
    /// that the lock is taken before the first read and never has to be upgraded.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = match self.writer.get_database_backend() {
            sea_orm::DbBackend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            _ => TransactionOptions {
                isolation_level: Some(IsolationLevel::ReadCommitted),
                ..TransactionOptions::default()
            },
        };
        self.writer.begin_with_options(options).await
    }

    /// Runs `attempt`, one whole transaction, again when the database chose it as the victim of
    /// a deadlock or a serialization failure.
    pub(crate) async fn retry<T, E, F>(&self, attempt: impl Fn() -> F) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: DbFailure,
    {
        let mut tries = 1;
        loop {
            match attempt().await {
                Err(error) if tries < ATTEMPTS_MAX && error.db().is_some_and(lost_a_race) => {
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Whether the database answers at all.
    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        self.reader.ping().await
    }

    /// Closes every connection, after what runs on them has ended.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        self.reader.close().await?;
        self.writer.close().await
    }
}

/// An error that may have come from the database.
pub(crate) trait DbFailure {
    /// The database's own error, if that is what it was.
    fn db(&self) -> Option<&DbErr>;
}

impl DbFailure for DbErr {
    fn db(&self) -> Option<&DbErr> {
        Some(self)
    }
}

/// Whether a unique constraint refused the statement.
pub(crate) fn is_unique_violation(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}

/// Whether the database is away, full or overloaded, so that the same call may succeed later.
pub(crate) fn is_unavailable(error: &DbErr) -> bool {
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout | ConnAcquireErr::ConnectionClosed)
    | DbErr::Conn(_) = error
    {
        return true;
    }
    match sqlx_error(error) {
        Some(sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed) => true,
        Some(sqlx::Error::Database(cause)) => match sqlite_code(&**cause) {
            // Busy, locked, read-only, I/O error, disk full, cannot open.
            Some(code) => matches!(code, 5 | 6 | 8 | 10 | 13 | 14),
            // Connection (08), serialization (40), resources (53), operator (57), system (58).
            None => cause.code().is_some_and(|code| {
                ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
            }),
        },
        _ => false,
    }
}

/// Deadlocks, serialization failures and lock timeouts, by the codes of each database.
fn lost_a_race(error: &DbErr) -> bool {
    let Some(sqlx::Error::Database(cause)) = sqlx_error(error) else { return false };
    match sqlite_code(&**cause) {
        Some(code) => matches!(code, 5 | 6),
        None => cause.code().is_some_and(|code| matches!(&*code, "40001" | "40P01")),
    }
}

/// SQLite's primary result code; the extended ones keep it in their low byte.
fn sqlite_code(cause: &dyn DatabaseError) -> Option<u32> {
    let cause = cause.try_downcast_ref::<sqlite::SqliteError>()?;
    cause.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(cause))
        | DbErr::Exec(RuntimeErr::SqlxError(cause))
        | DbErr::Query(RuntimeErr::SqlxError(cause)) => Some(cause),
        _ => None,
    }
}

fn connect_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
