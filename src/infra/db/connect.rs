//! Opening each kind of database, with the settings the rest of the program relies on.

use std::borrow::Cow;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPoolOptions};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{
    self, AssertSqlSafe, ConnectOptions as _, Connection as _, Executor, MySql, PgConnection,
    Postgres, Row, sqlite,
};
use sea_orm::{
    ConnAcquireErr, DatabaseConnection, DbErr, RuntimeErr, SqlxMySqlConnector,
    SqlxPostgresConnector, SqlxSqliteConnector,
};

use super::address::Address;
use super::failure::{self, lost_a_race, refusal};
use super::inspect::sqlite_options;
use super::lending::{Hosts, Lender, Lending, Options, Server};
use crate::infra::private;

/// How long a caller waits for a connection before it is told to come back (RE-05).
pub(super) const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long SQLite waits for another process that is writing.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is asked whether it is still there, before a new one is opened for
/// the same caller: that must be possible within the time above.
const IDLE_ANSWER_MAX: Duration = Duration::from_secs(1);
/// How often a SQLite file that others are opening is tried, and how long between two tries.
const SQLITE_OPEN_ATTEMPTS: u32 = 20;
const SQLITE_OPEN_PAUSE: Duration = Duration::from_millis(50);
/// How many symbolic links may lead to a SQLite file, as on Linux.
const LINKS_MAX: u32 = 40;
/// How long one statement may run on a server database, or wait for a lock there (GQ-13).
pub(super) const STATEMENT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a server database keeps a transaction, and its locks, whose client says nothing: it
/// may never learn that the client is gone. MySQL has no such setting.
const TRANSACTION_IDLE_MAX: Duration = Duration::from_secs(10);

/// A connection that may only read is given up when it is this old. While the database is read-only
/// all are, and still it is not asked for a new one more often than that.
const READ_ONLY_MAX: Duration = Duration::from_secs(1);

/// When all connections to a SQLite file were given up. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Renewed(Arc<Mutex<Option<Instant>>>);

impl Renewed {
    pub(super) fn now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection of this age was opened later.
    fn is_before(&self, age: Duration) -> bool {
        let renewed = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        renewed.is_none_or(|renewed| age < renewed.elapsed())
    }
}

/// The readers and the writer of a SQLite file.
///
/// SQLite allows one writer at a time. With one writing connection the others queue in the
/// process, in order, instead of polling the file's lock; readers never wait for it (WAL).
pub(super) async fn sqlite(
    url: &str,
    readers_max: u32,
    renewed: &Renewed,
) -> Result<(DatabaseConnection, DatabaseConnection), DbErr> {
    let file = options(url)?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(sqlite::SqliteJournalMode::Wal)
        .synchronous(sqlite::SqliteSynchronous::Full)
        // What is deleted is overwritten: a person's data is gone from the file (DP-01).
        .pragma("secure_delete", "ON")
        // Pages are copied aside for each savepoint. In files these would lie elsewhere, on a disk that may be full.
        .pragma("temp_store", "MEMORY")
        .busy_timeout(SQLITE_BUSY_TIMEOUT);
    create_private(file.get_filename())?;
    let pool = || {
        let renewed = renewed.clone();
        sqlite::SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).before_acquire(
            move |_, idle| {
                let is_good = renewed.is_before(idle.age);
                Box::pin(async move { Ok(is_good) })
            },
        )
    };
    // The writer first: it creates the file and switches it to WAL, which a reader may not.
    // Two processes that switch a new file at once do not wait for each other as SQLite
    // otherwise does: one is refused, and tries again.
    let open = || async {
        let writer =
            pool().max_connections(1).after_release(|writer, _| Box::pin(has_ended(writer)));
        let writer = writer.connect_with(file.clone());
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
    // A file that is gone later was moved away, and an empty one is no substitute for it.
    let file = file.create_if_missing(false);
    writer.set_connect_options(file.clone());
    let reader = pool()
        .max_connections(readers_max)
        .connect_with(file.read_only(true))
        .await
        .map_err(connect_error)?;
    Ok((
        SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
        SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
    ))
}

/// One reader of a SQLite file that leaves no trace.
///
/// Without a log beside it nobody has the file open, and SQLite would make the log only to read. So
/// it is told that the file does not change.
pub(super) async fn sqlite_to_look(url: &str) -> Result<DatabaseConnection, DbErr> {
    let file = options(url)?;
    let mut log = file.get_filename().as_os_str().to_owned();
    log.push("-wal");
    let is_open = Path::new(&log).exists();
    let file = file.read_only(true).immutable(!is_open).busy_timeout(SQLITE_BUSY_TIMEOUT);
    let pool = sqlite::SqlitePoolOptions::new().acquire_timeout(ACQUIRE_TIMEOUT).max_connections(1);
    let reader = pool.connect_with(file).await.map_err(connect_error)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(reader))
}

fn options(url: &str) -> Result<sqlite::SqliteConnectOptions, DbErr> {
    let unnamed = || Err(sqlx::Error::Configuration("the URL does not name a SQLite file".into()));
    sqlite_options(url).unwrap_or_else(unnamed).map_err(connect_error)
}

/// Makes the file before SQLite does, which would let everybody read it. SQLite gives its other
/// files the mode of this one. Where links lead to a file that is not there yet, SQLite would make
/// it at their end, and so does this.
fn create_private(path: &Path) -> Result<(), DbErr> {
    let mut path = Cow::Borrowed(path);
    for _ in 0..LINKS_MAX {
        let Ok(target) = fs::read_link(&path) else { break };
        path = Cow::Owned(path.parent().unwrap_or(Path::new("")).join(target));
    }
    match private::to_write().create_new(true).open(&path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(connect_error(error.into())),
        _ => Ok(()),
    }
}

/// Whether no transaction is left open on the writer; if one is, the pool replaces it.
///
/// A full disk makes SQLite end a transaction by itself (RE-10). The rollback that follows then
/// fails, and sqlx goes on counting an open one: the next would begin as a savepoint, and once
/// that is rolled back, which leaves a savepoint open, whatever comes after is acknowledged and
/// never committed.
async fn has_ended(writer: &mut sqlite::SqliteConnection) -> Result<bool, sqlx::Error> {
    // Answered after the rollback, which nobody waits for, has been tried.
    writer.ping().await?;
    Ok(!writer.is_in_transaction())
}

/// Whether a connection still answers, and well, within so long; if not, the pool drops it.
///
/// sqlx asks that too, but waits for ever. A connection that went silent, because a machine lost
/// its power or something between has forgotten it, would keep its place in the pool for as long
/// as the system tries to reach the other end, which is a quarter of an hour. What can still
/// happen is that it goes silent while sqlx asks once more, right after us: that cannot be
/// switched off, and such a place is lost for that quarter of an hour. sqlx logs the error.
async fn answers_within(
    limit: Duration,
    answer: impl Future<Output = Result<bool, sqlx::Error>>,
) -> Result<bool, sqlx::Error> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(failure::spoken),
        Err(_elapsed) => Err(io::Error::from(ErrorKind::TimedOut).into()),
    }
}

/// Whether a connection answers and may write, or is new.
///
/// What it may do was decided when it was opened: by settings of the database or of the role, and by
/// the server it leads to. Those change, and the connection does not.
async fn is_good_postgres(
    connection: &mut PgConnection,
    age: Duration,
) -> Result<bool, sqlx::Error> {
    // On for a standby as well.
    let answer = connection.fetch_one("SHOW transaction_read_only").await?;
    Ok(answer.try_get::<String, _>(0)? == "off" || age < READ_ONLY_MAX)
}

/// The same for MySQL and MariaDB.
async fn is_good_mysql(
    connection: &mut MySqlConnection,
    age: Duration,
) -> Result<bool, sqlx::Error> {
    // A number, or on newer versions of MariaDB a word.
    let answer = connection.fetch_one("SELECT @@read_only NOT IN ('0', 'OFF')").await?;
    if answer.try_get::<i64, _>(0)? == 0 || age < READ_ONLY_MAX {
        return Ok(true);
    }
    // Some users may write nevertheless. Who may not is told so before the table is looked for.
    let tried = connection.execute("UPDATE instances SET seen_at = seen_at WHERE 1 = 0").await;
    let is_refused = tried.is_err_and(|error| refusal(&connect_error(error)).is_some());
    Ok(!is_refused)
}

/// A pool on PostgreSQL, and how its connections are lent.
pub(super) async fn postgres(
    address: &Address,
    connections_max: u32,
) -> Result<(DatabaseConnection, Lending), DbErr> {
    let options = |url: &str| Ok(PgConnectOptions::from_str(url)?.disable_statement_logging());
    let hosts = Arc::new(Hosts::<Postgres>::of(address, options).map_err(connect_error)?);
    let wanted = Arc::clone(&hosts);
    let is_to_write = hosts.are_to_write();
    let pool = PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            let wanted = Arc::clone(&wanted);
            Box::pin(async move {
                set_up_postgres(connection).await?;
                require(wanted.is_wanted(connection).await?)
            })
        })
        .test_before_acquire(false)
        .before_acquire(move |idle, of| {
            Box::pin(answers_within(IDLE_ANSWER_MAX, async move {
                Ok(is_good_postgres(idle, of.age).await? || !is_to_write)
            }))
        })
        .after_release(|used, _| {
            let answer = async { used.ping().await.map(|()| true) };
            Box::pin(answers_within(ACQUIRE_TIMEOUT, answer))
        });
    let pool = pool.connect_with(first(&hosts).await?).await.map_err(acquire_error)?;
    let lending = Lending::Postgres(Lender::of(pool.clone(), hosts));
    Ok((SqlxPostgresConnector::from_sqlx_postgres_pool(pool), lending))
}

/// A pool on MySQL or MariaDB, whose every connection is set up alike, whatever the server's own
/// defaults are, and how its connections are lent.
pub(super) async fn mysql(
    address: &Address,
    connections_max: u32,
) -> Result<(DatabaseConnection, Lending), DbErr> {
    let options = |url: &str| Ok(MySqlConnectOptions::from_str(url)?.disable_statement_logging());
    let hosts = Arc::new(Hosts::<MySql>::of(address, options).map_err(connect_error)?);
    let wanted = Arc::clone(&hosts);
    let is_to_write = hosts.are_to_write();
    let pool = MySqlPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            let wanted = Arc::clone(&wanted);
            Box::pin(async move {
                set_up_mysql(connection).await?;
                require(wanted.is_wanted(connection).await?)
            })
        })
        .test_before_acquire(false)
        .before_acquire(move |idle, of| {
            Box::pin(answers_within(IDLE_ANSWER_MAX, async move {
                Ok(is_good_mysql(idle, of.age).await? || !is_to_write)
            }))
        })
        .after_release(|used, _| Box::pin(answers_within(ACQUIRE_TIMEOUT, roll_back(used))));
    let pool = pool.connect_with(first(&hosts).await?).await.map_err(acquire_error)?;
    let lending = Lending::MySql(Lender::of(pool.clone(), hosts));
    Ok((SqlxMySqlConnector::from_sqlx_mysql_pool(pool), lending))
}

/// How the first connection is opened.
async fn first<D: Server>(hosts: &Hosts<D>) -> Result<Options<D>, DbErr> {
    if !hosts.is_one() {
        hosts.find().await?;
    }
    let none = || connect_error(sqlx::Error::Configuration("the URL names no host".into()));
    hosts.chosen().cloned().ok_or_else(none)
}

/// Has the pool give up a connection to a host that is not what is wanted, and try again.
fn require(is_wanted: bool) -> Result<(), sqlx::Error> {
    match is_wanted {
        true => Ok(()),
        false => Err(io::Error::other("this host is not the one that is wanted").into()),
    }
}

/// No transaction keeps its locks for ever, and no statement runs for ever. Set by a statement: a pooler in between
/// refuses, or drops, what is set when a connection is opened.
async fn set_up_postgres(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let settings = format!(
        "SET statement_timeout = {}; SET idle_in_transaction_session_timeout = {}",
        STATEMENT_TIMEOUT.as_millis(),
        TRANSACTION_IDLE_MAX.as_millis()
    );
    connection.execute(AssertSqlSafe(settings)).await?;
    Ok(())
}

/// READ COMMITTED, so that a transaction sees what was committed while it waited for a lock and
/// locks no gaps; values that do not fit are refused instead of cut; no statement runs for ever.
pub(super) async fn set_up_mysql(connection: &mut MySqlConnection) -> Result<(), sqlx::Error> {
    let version = connection.fetch_one("SELECT VERSION()").await?;
    // MariaDB counts seconds and stops any statement, MySQL milliseconds and stops queries only.
    let timeout = if version.try_get::<String, _>(0)?.contains("MariaDB") {
        format!(
            "max_statement_time = {}, SESSION idle_transaction_timeout = {}",
            STATEMENT_TIMEOUT.as_secs(),
            TRANSACTION_IDLE_MAX.as_secs()
        )
    } else {
        format!("max_execution_time = {}", STATEMENT_TIMEOUT.as_millis())
    };
    let settings = format!(
        "SET SESSION {timeout}, SESSION innodb_lock_wait_timeout = {}, \
         SESSION sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')",
        STATEMENT_TIMEOUT.as_secs()
    );
    connection
        .execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED, READ WRITE")
        .await?;
    connection.execute(AssertSqlSafe(settings)).await?;
    Ok(())
}

/// Ends what is open, and thereby asks whether the server still answers.
///
/// A caller who goes away while its transaction begins leaves one that sqlx does not know of. What
/// the next writes in a single statement would be part of it, neither committed nor unlocked.
async fn roll_back(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    connection.execute("ROLLBACK").await.map(|_| true)
}

/// As SeaORM says it.
fn acquire_error(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        error => connect_error(error),
    }
}

fn connect_error(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(error.into()))
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::super::{Db, is_unavailable};
    use super::*;

    async fn insert(db: &Db, bytes: u32) -> (super::super::Transaction, Result<(), DbErr>) {
        let txn = db.begin().await.unwrap();
        let sql = format!("INSERT INTO notes VALUES (zeroblob({bytes}))");
        let inserted = txn.execute_unprepared(&sql).await.map(|_| ());
        (txn, inserted)
    }

    async fn count(db: &impl ConnectionTrait) -> i64 {
        let count = Statement::from_string(DbBackend::Sqlite, "SELECT COUNT(*) FROM notes");
        db.query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    }

    #[tokio::test]
    async fn nothing_changes_within_a_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.writer().execute_unprepared("CREATE TABLE notes (note BLOB)").await.unwrap();
        let snapshot = db.snapshot().await.unwrap();
        assert_eq!(count(&snapshot).await, 0);
        let (txn, inserted) = insert(&db, 1).await;
        inserted.unwrap();
        txn.commit().await.unwrap();
        assert_eq!((count(&snapshot).await, count(db.reader()).await), (0, 1));
    }

    #[tokio::test]
    async fn no_connection_outlives_a_file_that_could_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let url = |name: &str| format!("sqlite://{}/{name}.db", folder.path().display());
        let rename = |from: &str, to: &str| {
            let path = |name: &str| folder.path().join(format!("{name}.db"));
            fs::rename(path(from), path(to)).unwrap();
        };
        let other = Db::connect(&url("other"), 2).await.unwrap();
        other.writer().execute_unprepared("CREATE TABLE notes (note BLOB)").await.unwrap();
        insert(&other, 1).await.0.commit().await.unwrap();
        other.close().await.unwrap();
        let db = Db::connect(&url("test"), 2).await.unwrap();
        db.writer().execute_unprepared("CREATE TABLE notes (note BLOB)").await.unwrap();
        rename("test", "gone");
        for log in ["test.db-wal", "test.db-shm"] {
            fs::remove_file(folder.path().join(log)).unwrap();
        }
        assert_eq!(count(db.reader()).await, 0, "what is open stays open");

        db.renew();
        assert!(db.begin().await.is_err() && !folder.path().join("test.db").exists());
        rename("other", "test");
        assert_eq!((count(db.reader()).await, count(db.writer()).await), (1, 1));
    }

    #[tokio::test]
    async fn what_follows_a_transaction_that_sqlite_itself_has_ended_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.writer().execute_unprepared("CREATE TABLE notes (note BLOB)").await.unwrap();
        // No page more than there are: as full as a disk can be.
        db.writer().execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();

        let (txn, full) = insert(&db, 100_000).await;
        assert!(is_unavailable(&full.unwrap_err()));
        drop(txn);
        let (txn, inserted) = insert(&db, 1).await;
        inserted.unwrap();
        drop(txn); // Rolled back, for whatever reason.
        let (txn, inserted) = insert(&db, 1).await;
        inserted.unwrap();
        txn.commit().await.unwrap();

        assert_eq!(count(db.reader()).await, 1);
    }
}
