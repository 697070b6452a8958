//! A pool that says why it has no connection to give.
//!
//! A pool tries again while a server refuses for what may pass, as for too many connections, and says only
//! that its time was over; a single connection is told why. So one is opened beside the pool, after the wait
//! was in vain: one at a time, and not more often than every few seconds, since under overload everybody waits
//! in vain, and what overloads a server are connections.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sea_orm::sqlx::{self, Connection as _, MySqlConnection, PgConnection};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use tokio::sync::Mutex;
use url::Url;

use super::address::Address;
use super::connect::set_up_mysql;
use super::failure::is_pool_timeout;
use super::lending::{Lending, Purpose, Unprepared};
use super::transaction::AnyTransaction;
use super::turns::Turns;
use crate::infra::metrics::{self, PoolSize};

/// How long a server has to say it to somebody who has waited for the pool: those who ask whether the
/// database is there at all give up 4 s after they began, and the pool has had 3 s of them.
const ASKED_MAX: Duration = Duration::from_millis(800);
/// The same where nothing has begun yet.
const ASKED_AT_START_MAX: Duration = Duration::from_secs(3);
/// How long what was learned is told to others.
const LEARNED_FOR: Duration = Duration::from_secs(3);

/// What SeaORM runs statements on, whose errors say more.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    pub(super) pool: DatabaseConnection,
    /// Where it is the one connection that writes to a SQLite file.
    pub(super) turns: Option<Turns>,
    /// Where it is on a server.
    lending: Option<Lending>,
    learned: Arc<Mutex<Option<Learned>>>,
}

#[derive(Debug)]
struct Learned {
    at: Instant,
    reason: RuntimeErr,
}

/// How a transaction begins that will write to a SQLite file: the lock is taken before the first read, and never has to
/// be upgraded.
fn immediate() -> TransactionOptions {
    TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    }
}

type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl Pooled {
    /// As many connections as `DATABASE_CONNECTIONS` says.
    pub(super) fn new(pool: DatabaseConnection) -> Self {
        Self { pool, turns: None, lending: None, learned: Arc::default() }
    }

    /// The same on a server.
    pub(super) fn server(pool: DatabaseConnection, lending: Lending) -> Self {
        Self { lending: Some(lending), ..Self::new(pool) }
    }

    pub(super) fn lending(&self) -> Option<&Lending> {
        self.lending.as_ref()
    }

    /// Its connections, for whoever takes them from it directly.
    pub(super) fn direct(&self) -> &DatabaseConnection {
        if let Some(lending) = &self.lending {
            lending.distrust();
        }
        &self.pool
    }

    /// The connection that writes to a SQLite file.
    pub(super) fn writer(pool: DatabaseConnection) -> Self {
        Self { turns: Some(Turns::default()), ..Self::new(pool) }
    }

    /// The transaction of a single statement on the writer of a SQLite file, which takes its turn like all others.
    async fn for_statement(&self) -> Result<Option<AnyTransaction>, DbErr> {
        match self.turns {
            Some(_) => self.begin(Purpose::Change).await.map(Some),
            None => Ok(None),
        }
    }

    /// Begins a transaction: on SQLite, if it is to write, when its turn has come.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<AnyTransaction, DbErr> {
        let asked_at = Instant::now();
        let begun = match (&self.turns, &self.lending) {
            (_, Some(lending)) => {
                let backend = self.pool.get_database_backend();
                lending.begin(purpose).await.map(|txn| AnyTransaction::Server(backend, txn))
            }
            (Some(turns), None) => {
                turns.begin(&self.pool, immediate()).await.map(AnyTransaction::Member)
            }
            // There a transaction that reads is a snapshot by itself.
            (None, None) => self.pool.begin().await.map(AnyTransaction::Own),
        };
        metrics::transaction_began(self.name(), asked_at.elapsed());
        self.explained(std::future::ready(begun)).await
    }

    /// What `work` has come to, with the reason if it was given no connection.
    pub(super) async fn explained<T>(
        &self,
        work: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        match work.await {
            Err(error) if is_pool_timeout(&error) => {
                metrics::pool_timed_out(self.name());
                Err(self.reason(error).await)
            }
            outcome => outcome,
        }
    }

    /// What the metrics call it.
    pub(super) fn name(&self) -> &'static str {
        match (self.pool.get_database_backend(), &self.turns) {
            (DbBackend::Sqlite, Some(_)) => "writer",
            (DbBackend::Sqlite, None) => "reader",
            _ => "shared",
        }
    }

    /// How many connections it has at this moment.
    pub(super) fn size(&self) -> PoolSize {
        let (open, idle, max) = match self.pool.get_database_backend() {
            DbBackend::Sqlite => sizes(self.pool.get_sqlite_connection_pool()),
            DbBackend::MySql => sizes(self.pool.get_mysql_connection_pool()),
            _ => sizes(self.pool.get_postgres_connection_pool()),
        };
        let idle = idle.saturating_add(self.lending.as_ref().map_or(0, Lending::kept));
        PoolSize { used: open.saturating_sub(idle), idle: idle.min(open), max }
    }

    /// Why there was no connection.
    pub(super) async fn reason(&self, error: DbErr) -> DbErr {
        let pooled = self.clone();
        // On its own, so that a caller who goes away does not have the next one ask at once again.
        let reason = tokio::spawn(async move {
            let mut learned = pooled.learned.lock().await;
            if let Some(Learned { at, reason }) = &*learned
                && at.elapsed() < LEARNED_FOR
            {
                return reason.clone();
            }
            let reason = pooled.ask().await;
            *learned = Some(Learned { at: Instant::now(), reason: reason.clone() });
            reason
        });
        // Which ends otherwise only with the process.
        reason.await.map_or(error, DbErr::Conn)
    }

    async fn ask(&self) -> RuntimeErr {
        let refused = match self.pool.get_database_backend() {
            // A file that cannot be opened is told at once.
            DbBackend::Sqlite => None,
            DbBackend::MySql => {
                let options = self.pool.get_mysql_connection_pool().connect_options();
                refusal(open_mysql(&options), ASKED_MAX).await
            }
            _ => {
                let options = self.pool.get_postgres_connection_pool().connect_options();
                refusal(PgConnection::connect_with(&options), ASKED_MAX).await
            }
        };
        let PoolSize { used, idle, max } = self.size();
        match (refused, &self.turns) {
            (Some(refused), _) => refused,
            (None, Some(_)) => internal(
                "the connection that writes is in use: a transaction takes long, here or in another \
                 process that has the file open",
            ),
            (None, None) if used + idle >= max => internal(format!(
                "all {max} connections of DATABASE_CONNECTIONS are in use: look for slow statements and locks in \
                 the database; if you find none, raise DATABASE_CONNECTIONS"
            )),
            (None, None) => internal("the database gave no connection in time, and does now"),
        }
    }
}

impl ConnectionTrait for Pooled {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    fn execute_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            match self.for_statement().await? {
                Some(txn) => {
                    let outcome = txn.execute_raw(statement).await;
                    txn.committed(outcome).await
                }
                None => match &self.lending {
                    Some(lending) => self.explained(lending.ask(statement)).await,
                    None => self.pool.execute_raw(statement).await,
                },
            }
        })
    }

    fn execute_unprepared<'a, 's, 'f>(&'a self, sql: &'s str) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        's: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            match self.for_statement().await? {
                Some(txn) => {
                    let outcome = txn.execute_unprepared(sql).await;
                    txn.committed(outcome).await
                }
                None => match &self.lending {
                    Some(lending) => {
                        let text = Statement::from_string(self.pool.get_database_backend(), sql);
                        let Unprepared(done) = self.explained(lending.ask(text)).await?;
                        Ok(done)
                    }
                    None => self.pool.execute_unprepared(sql).await,
                },
            }
        })
    }

    fn query_one_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Option<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            match self.for_statement().await? {
                Some(txn) => {
                    let outcome = txn.query_one_raw(statement).await;
                    txn.committed(outcome).await
                }
                None => match &self.lending {
                    Some(lending) => self.explained(lending.ask(statement)).await,
                    None => self.pool.query_one_raw(statement).await,
                },
            }
        })
    }

    fn query_all_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Vec<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        Box::pin(async move {
            match self.for_statement().await? {
                Some(txn) => {
                    let outcome = txn.query_all_raw(statement).await;
                    txn.committed(outcome).await
                }
                None => match &self.lending {
                    Some(lending) => self.explained(lending.ask(statement)).await,
                    None => self.pool.query_all_raw(statement).await,
                },
            }
        })
    }
}

/// The reason why no pool could be opened on the server at an address.
pub(super) async fn reason_at_start(address: &Address, error: DbErr) -> DbErr {
    // Of several hosts each has been asked already.
    let Some(url) = address.only().filter(|_| is_pool_timeout(&error)).map(Url::as_str) else {
        return error;
    };
    let refused = if url.starts_with("postgres") {
        refusal(PgConnection::connect(url), ASKED_AT_START_MAX).await
    } else {
        let open = async { open_mysql(&url.parse()?).await };
        refusal(open, ASKED_AT_START_MAX).await
    };
    refused.map_or(error, DbErr::Conn)
}

/// Why a server lets nobody in, if so.
async fn refusal<C: sqlx::Connection>(
    open: impl Future<Output = Result<C, sqlx::Error>>,
    within: Duration,
) -> Option<RuntimeErr> {
    let opened = async { open.await?.close().await };
    match tokio::time::timeout(within, opened).await {
        Ok(Ok(())) => None,
        Ok(Err(refused)) => Some(RuntimeErr::SqlxError(refused.into())),
        Err(_elapsed) => Some(internal("the database server does not answer")),
    }
}

/// As the pool opens one, which may be refused what it sets.
async fn open_mysql(
    options: &sqlx::mysql::MySqlConnectOptions,
) -> Result<MySqlConnection, sqlx::Error> {
    let mut connection = MySqlConnection::connect_with(options).await?;
    set_up_mysql(&mut connection).await?;
    Ok(connection)
}

/// How many connections are open, how many of them idle, and how many there may be.
fn sizes<D: sqlx::Database>(pool: &sqlx::Pool<D>) -> (u32, u32, u32) {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    (pool.size(), idle, pool.options().get_max_connections())
}

fn internal(reason: impl Into<String>) -> RuntimeErr {
    RuntimeErr::Internal(reason.into())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
    use sea_orm::{ConnAcquireErr, SqlxPostgresConnector};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::infra::causes::causes;

    /// A pool on a server that gives this answer to each who comes, and how many have come.
    async fn over(answer: &'static [u8]) -> (Pooled, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let came = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&came);
        tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((mut socket, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                let _startup = socket.read(&mut [0; 1024]).await;
                let _told = socket.write_all(answer).await;
                open.push(socket);
            }
        });
        let mode = sqlx::postgres::PgSslMode::Disable;
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let pool = PgPoolOptions::new().connect_lazy_with(options.username("app").ssl_mode(mode));
        let pool = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
        (Pooled::new(pool), came)
    }

    fn timed_out() -> DbErr {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
    }

    #[tokio::test]
    async fn however_many_wait_in_vain_one_connection_learns_why() {
        let refusal = b"E\0\0\0\x32SFATAL\0VFATAL\0C53300\0Mtoo many connections!!\0\0";
        let (pooled, came) = over(refusal).await;
        // One of them goes away at once.
        drop(tokio::time::timeout(Duration::from_millis(1), pooled.reason(timed_out())).await);
        let mut waiting = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let pooled = pooled.clone();
            waiting.spawn(async move { pooled.reason(timed_out()).await });
        }
        for reason in waiting.join_all().await {
            assert_eq!(causes(&reason), "too many connections!!");
        }
        assert_eq!(came.load(Ordering::SeqCst), 1);
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_is_not_waited_for() {
        let (pooled, _came) = over(b"").await;
        let began = Instant::now();
        let reason = pooled.reason(timed_out()).await;
        assert_eq!(causes(&reason), "the database server does not answer");
        assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    }
}
