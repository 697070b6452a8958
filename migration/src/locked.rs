//! The connection that changes a schema, and the lock that it holds meanwhile.

use std::time::Duration;

use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::sqlx::{self, Executor, MySqlConnection, PgConnection};
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, RuntimeErr, SqliteTransactionMode,
    SqlxMySqlConnector, SqlxPostgresConnector, TransactionOptions, TransactionTrait,
};

use super::{Error, sql};

/// How long an instance waits for another that is migrating, where the database lets us say.
pub(crate) const LOCK_WAIT_SECONDS: u32 = 60;
/// The pause between two requests for the lock on PostgreSQL. A waiting statement would block a concurrent index build of
/// the lock's holder, and the two would deadlock.
const LOCK_PAUSE: Duration = Duration::from_millis(200);
/// The time for which a change waits for those who use a table, in seconds: everybody else waits behind it.
const TABLE_WAIT_SECONDS: u32 = 5;

/// The lock on PostgreSQL, named after the schema, so that two schemas of one database do not wait for each other.
const POSTGRES_LOCK: &str = "hashtext('portcullis migrations ' || current_schema())";
/// The lock on MySQL and MariaDB, named after the database.
const MYSQL_LOCK: &str = "CONCAT('portcullis ', MD5(database()))";

/// A connection with the lock. On SQLite a transaction is both.
pub(crate) enum LockedConnection {
    File(DatabaseTransaction),
    Server(DatabaseConnection),
}

impl LockedConnection {
    /// Opens a separate connection to the database of `db`, and takes the lock.
    pub(crate) async fn open(db: &DatabaseConnection) -> Result<Self, Error> {
        let connection = match db.get_database_backend() {
            DbBackend::Postgres => postgres(db).await?,
            DbBackend::MySql => mysql(db).await?,
            _ => {
                let options = TransactionOptions {
                    sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
                    ..TransactionOptions::default()
                };
                return Ok(Self::File(db.begin_with_options(options).await?));
            }
        };
        let locked = Self::Server(connection);
        let begun = match locked.require_own_backend(db).await {
            Ok(()) => locked.lock().await,
            refused => refused,
        };
        match begun {
            Ok(()) => Ok(locked),
            Err(error) => locked.close(Err(error)).await,
        }
    }

    /// What statements run on.
    pub(crate) fn executor(&self) -> SchemaManagerConnection<'_> {
        match self {
            Self::File(txn) => txn.into(),
            Self::Server(connection) => connection.into(),
        }
    }

    /// Gives the lock back, with what was done unless it failed and the database can take it back.
    pub(crate) async fn close<T>(self, outcome: Result<T, Error>) -> Result<T, Error> {
        match (self, outcome) {
            (Self::File(txn), Ok(done)) => txn.commit().await.map(|()| done).map_err(Error::Db),
            // What went wrong first is what to tell.
            (Self::File(txn), Err(error)) => {
                let _second = txn.rollback().await;
                Err(error)
            }
            (Self::Server(connection), outcome) => {
                // A pooler would keep the connection, and with it the lock.
                let release = match connection.get_database_backend() {
                    DbBackend::Postgres => format!("SELECT pg_advisory_unlock({POSTGRES_LOCK})"),
                    _ => format!("SELECT RELEASE_LOCK({MYSQL_LOCK})"),
                };
                let _second = connection.query_one_raw(sql(&connection, release)).await;
                let _third = connection.close().await;
                outcome
            }
        }
    }

    /// Fails when the lock is gone, because the connection was lost, or is another one for each statement.
    pub(crate) async fn require_lock(&self) -> Result<(), Error> {
        let Self::Server(connection) = self else { return Ok(()) };
        let asked = match connection.get_database_backend() {
            DbBackend::Postgres => format!(
                "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() \
                 AND objid = ({POSTGRES_LOCK}::bigint & 4294967295)::oid"
            ),
            _ => format!(
                "SELECT 1 FROM (SELECT IS_USED_LOCK({MYSQL_LOCK}) AS holder) AS locks \
                 WHERE holder = CONNECTION_ID()"
            ),
        };
        let held = connection.query_one_raw(sql(connection, asked)).await?;
        held.map(drop).ok_or(Error::LostLock)
    }

    /// Sleeps in the database, because this crate has no async runtime.
    pub(crate) async fn pause(&self, time: Duration) -> Result<(), DbErr> {
        let Self::Server(connection) = self else { return Ok(()) };
        let seconds = time.as_secs_f64();
        let sleep = match connection.get_database_backend() {
            DbBackend::Postgres => format!("SELECT 1 FROM pg_sleep({seconds})"),
            _ => format!("SELECT SLEEP({seconds})"),
        };
        connection.query_one_raw(sql(connection, sleep)).await.map(drop)
    }

    /// Fails behind a pooler in transaction mode, which gives two connections one and the same backend of PostgreSQL.
    async fn require_own_backend(&self, db: &DatabaseConnection) -> Result<(), Error> {
        let Self::Server(connection) = self else { return Ok(()) };
        if connection.get_database_backend() != DbBackend::Postgres {
            return Ok(());
        }
        let backend = async |of: &DatabaseConnection| -> Result<Option<i32>, DbErr> {
            let row = of.query_one_raw(sql(of, "SELECT pg_backend_pid()")).await?;
            row.map(|row| row.try_get_by_index(0)).transpose()
        };
        // One after the other: a pooler gives the backend away that it got back last.
        let theirs = backend(db).await?;
        if theirs == backend(connection).await? { Err(Error::LostLock) } else { Ok(()) }
    }

    async fn lock(&self) -> Result<(), Error> {
        let Self::Server(connection) = self else { return Ok(()) };
        if connection.get_database_backend() == DbBackend::MySql {
            let take = format!("SELECT GET_LOCK({MYSQL_LOCK}, {LOCK_WAIT_SECONDS})");
            let row = connection.query_one_raw(sql(connection, take)).await?;
            let taken: Option<i64> =
                row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
            return if taken == Some(1) { Ok(()) } else { Err(Error::Locked) };
        }
        let take = format!("SELECT pg_try_advisory_lock({POSTGRES_LOCK})");
        let tries =
            Duration::from_secs(LOCK_WAIT_SECONDS.into()).as_millis() / LOCK_PAUSE.as_millis();
        for _ in 0..tries {
            let row = connection.query_one_raw(sql(connection, take.as_str())).await?;
            if row.map_or(Ok(false), |row| row.try_get_by_index(0))? {
                return self.require_lock().await;
            }
            self.pause(LOCK_PAUSE).await?;
        }
        Err(Error::Locked)
    }
}

/// Without a limit on how long a statement runs, since a change of a large table takes its time, and with one on how long
/// it waits for those who use the table.
async fn postgres(db: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    let options = db.get_postgres_connection_pool().connect_options();
    let pool = sqlx::postgres::PgPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_connect(|connection: &mut PgConnection, _| {
            Box::pin(async move {
                let settings = format!(
                    "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; \
                     SET lock_timeout = '{TABLE_WAIT_SECONDS}s'"
                );
                connection.execute(sqlx::AssertSqlSafe(settings)).await.map(drop)
            })
        })
        .connect_with((*options).clone())
        .await
        .map_err(connect_error)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

/// The same for MySQL and MariaDB, which name the limit differently.
async fn mysql(db: &DatabaseConnection) -> Result<DatabaseConnection, DbErr> {
    let options = db.get_mysql_connection_pool().connect_options();
    let pool = sqlx::mysql::MySqlPoolOptions::new()
        .max_connections(1)
        .max_lifetime(None)
        .idle_timeout(None)
        .test_before_acquire(false)
        .after_connect(|connection: &mut MySqlConnection, _| {
            Box::pin(async move {
                let version: String =
                    sqlx::query_scalar("SELECT VERSION()").fetch_one(&mut *connection).await?;
                let limit = match version.contains("MariaDB") {
                    true => "max_statement_time",
                    false => "max_execution_time",
                };
                let settings = format!(
                    "SET SESSION {limit} = 0, SESSION lock_wait_timeout = {TABLE_WAIT_SECONDS}, \
                     SESSION innodb_lock_wait_timeout = {TABLE_WAIT_SECONDS}, \
                     SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"
                );
                connection
                    .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
                    .await?;
                connection.execute(sqlx::AssertSqlSafe(settings)).await.map(drop)
            })
        })
        .connect_with((*options).clone())
        .await
        .map_err(connect_error)?;
    Ok(SqlxMySqlConnector::from_sqlx_mysql_pool(pool))
}

fn connect_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}
