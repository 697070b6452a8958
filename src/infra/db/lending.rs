//! The connections to a server database, as they are lent to who asks it something.
//!
//! sqlx asks a connection whether it is good before it hands it out, and again when it comes back, which takes longer than
//! most statements where the database is some way off. So a connection that was found good is trusted for a second: it
//! stays here, and is lent again without a question. Then it goes back to sqlx's pool, which asks.
//!
//! What happens to a trusted connection meanwhile shows when it is used. One that says nothing, or is broken, is given up
//! for another one that is asked first: where a transaction begins, and for a statement that only reads. One that may no
//! longer write is refused what it writes, and its transaction runs again ([`Db::retry`](super::Db::retry)). Either
//! ends the trust in all others.

mod hosts;
mod lent;
mod server;

use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::pool::PoolConnection;
use sea_orm::sqlx::{self, MySql, Pool, Postgres};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, Statement};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use self::hosts::Sighting;
pub(super) use self::hosts::{Hosts, Options};
use self::lent::Lent;
pub(super) use self::server::{Server, Told, Unprepared};
use super::connect::{ACQUIRE_TIMEOUT, STATEMENT_TIMEOUT};
use super::failure::ends_connection;

/// How long somebody waits for a connection before another host is looked for.
const DOUBTED_AFTER: Duration = Duration::from_millis(300);
/// For how long a connection that was found good is taken to be.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// How long a trusted connection may take to begin a transaction, which needs no lock.
const BEGIN_MAX: Duration = Duration::from_secs(1);
/// How long it may take to read, before another connection is asked the same.
const READ_MAX: Duration = Duration::from_secs(2);
/// How long it may take for anything else. By then the server has given up.
const WRITE_MAX: Duration = STATEMENT_TIMEOUT.saturating_add(Duration::from_secs(1));

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To write, in READ COMMITTED.
    Change,
    /// To read what was there when it began.
    Snapshot,
}

/// The connections to the server that there is. Clones share them.
#[derive(Clone, Debug)]
pub(super) enum Lending {
    Postgres(Lender<Postgres>),
    MySql(Lender<MySql>),
}

/// A connection on which a transaction is open.
#[derive(Debug)]
pub(crate) struct Borrowed(On);

#[derive(Debug)]
enum On {
    Postgres(Open<Postgres>),
    MySql(Open<MySql>),
}

impl Lending {
    /// Begins a transaction.
    pub(super) async fn begin(&self, purpose: Purpose) -> Result<Borrowed, DbErr> {
        // Without the boxes, the type of each caller's future would hold that of all this.
        Ok(Borrowed(match self {
            Self::Postgres(lender) => On::Postgres(Box::pin(lender.begin(purpose)).await?),
            Self::MySql(lender) => On::MySql(Box::pin(lender.begin(purpose)).await?),
        }))
    }

    /// Runs one statement by itself.
    pub(super) async fn ask<T: Told>(&self, statement: Statement) -> Result<T, DbErr> {
        match self {
            Self::Postgres(lender) => lender.ask(&statement).await,
            Self::MySql(lender) => lender.ask(&statement).await,
        }
    }

    /// Gives all connections that nobody has in hand back to the pool, which asks them before it hands them out.
    pub(super) fn distrust(&self) {
        match self {
            Self::Postgres(lender) => lender.distrust(),
            Self::MySql(lender) => lender.distrust(),
        }
    }

    /// What each of the hosts says it is.
    pub(super) async fn sightings(&self) -> Vec<Sighting> {
        match self {
            Self::Postgres(Lender(shared)) if !shared.hosts.is_one() => {
                shared.hosts.sightings().await
            }
            Self::MySql(Lender(shared)) if !shared.hosts.is_one() => shared.hosts.sightings().await,
            Self::Postgres(_) | Self::MySql(_) => Vec::new(),
        }
    }

    /// How many connections are kept here, which the pool takes to be in use.
    pub(super) fn kept(&self) -> u32 {
        let kept = match self {
            Self::Postgres(lender) => lender.trusted().len(),
            Self::MySql(lender) => lender.trusted().len(),
        };
        u32::try_from(kept).unwrap_or(u32::MAX)
    }
}

impl Borrowed {
    /// Runs a statement in the transaction.
    pub(super) async fn ask<T: Told>(&self, statement: Statement) -> Result<T, DbErr> {
        match &self.0 {
            On::Postgres(open) => open.0.lock().await.ask(&statement).await.map_err(T::failed),
            On::MySql(open) => open.0.lock().await.ask(&statement).await.map_err(T::failed),
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        let committed = match self.0 {
            On::Postgres(open) => Box::pin(open.0.into_inner().commit()).await,
            On::MySql(open) => Box::pin(open.0.into_inner().commit()).await,
        };
        committed.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        let undone = match self.0 {
            On::Postgres(open) => Box::pin(open.0.into_inner().rollback()).await,
            On::MySql(open) => Box::pin(open.0.into_inner().rollback()).await,
        };
        undone.map_err(|error| DbErr::Query(RuntimeErr::SqlxError(error.into())))
    }
}

/// Lends the connections of a pool, of which nobody else takes any while others wait.
pub(super) struct Lender<D: Server>(Arc<Shared<D>>);

struct Shared<D: Server> {
    pool: Pool<D>,
    hosts: Arc<Hosts<D>>,
    /// As many as the pool has connections, so that who waits is served in turn.
    places: Arc<Semaphore>,
    trusted: Mutex<Vec<Trusted<D>>>,
    runtime: Handle,
}

impl<D: Server> Drop for Shared<D> {
    fn drop(&mut self) {
        // A connection goes back to its pool by a task, which only a runtime can have.
        let _runtime = self.runtime.enter();
        self.trusted.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

struct Trusted<D: Server> {
    connection: PoolConnection<D>,
    asked_at: Instant,
}

impl<D: Server> Lender<D> {
    pub(super) fn of(pool: Pool<D>, hosts: Arc<Hosts<D>>) -> Self {
        let max = usize::try_from(pool.options().get_max_connections()).unwrap_or(usize::MAX);
        let places = Arc::new(Semaphore::new(max.min(Semaphore::MAX_PERMITS)));
        let shared = Arc::new(Shared {
            pool,
            hosts,
            places,
            trusted: Mutex::default(),
            runtime: Handle::current(),
        });
        let owned = Arc::downgrade(&shared);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(TRUSTED_FOR).await;
                let Some(shared) = owned.upgrade() else { return };
                // Dropped, they go back to the pool.
                Self(shared).trusted().retain(|kept| kept.asked_at.elapsed() < TRUSTED_FOR);
            }
        });
        Self(shared)
    }

    async fn begin(&self, purpose: Purpose) -> Result<Open<D>, DbErr> {
        let mut lent = self.lend().await?;
        let mut begun = if lent.is_trusted {
            let begun = timeout(BEGIN_MAX, lent.begin(purpose)).await;
            begun.unwrap_or_else(|_elapsed| Err(silent()))
        } else {
            lent.begin(purpose).await
        };
        if begun.is_err() && lent.is_trusted {
            lent = self.another(lent).await?;
            begun = lent.begin(purpose).await;
        }
        match begun {
            Ok(()) => Ok(Open(tokio::sync::Mutex::new(lent))),
            Err(error) => Err(DbErr::Query(RuntimeErr::SqlxError(error.into()))),
        }
    }

    async fn ask<T: Told>(&self, statement: &Statement) -> Result<T, DbErr> {
        let mut lent = self.lend().await?;
        if !lent.is_trusted {
            return lent.ask(statement).await.map_err(T::failed);
        }
        let only_reads = statement.sql.starts_with("SELECT");
        let max = if only_reads { READ_MAX } else { WRITE_MAX };
        let outcome = timeout(max, lent.ask(statement)).await;
        match outcome.unwrap_or_else(|_elapsed| Err(silent())) {
            Err(error) if only_reads && ends_connection(&error) => {
                self.another(lent).await?.ask(statement).await.map_err(T::failed)
            }
            outcome => outcome.map_err(T::failed),
        }
    }

    /// Whatever is free: first of all a connection that is trusted.
    async fn lend(&self) -> Result<Lent<D>, DbErr> {
        let until = tokio::time::Instant::now() + ACQUIRE_TIMEOUT;
        let place = Arc::clone(&self.0.places).acquire_owned();
        let place = match tokio::time::timeout_at(until, place).await {
            Ok(Ok(place)) => place,
            Ok(Err(_closed)) => return Err(refused(ConnAcquireErr::ConnectionClosed)),
            Err(_elapsed) => return Err(refused(ConnAcquireErr::Timeout)),
        };
        let trusted = self.trusted().pop();
        let is_trusted = trusted.as_ref().is_some_and(|kept| kept.asked_at.elapsed() < TRUSTED_FOR);
        let (connection, asked_at) = match trusted.filter(|_| is_trusted) {
            Some(Trusted { connection, asked_at }) => (connection, asked_at),
            None => match tokio::time::timeout_at(until, self.acquire()).await {
                Ok(Ok(connection)) => (connection, Instant::now()),
                Ok(Err(sqlx::Error::PoolTimedOut)) | Err(_) => {
                    return Err(refused(ConnAcquireErr::Timeout));
                }
                Ok(Err(sqlx::Error::PoolClosed)) => {
                    return Err(refused(ConnAcquireErr::ConnectionClosed));
                }
                Ok(Err(error)) => return Err(DbErr::Conn(RuntimeErr::SqlxError(error.into()))),
            },
        };
        Ok(Lent::new((connection, asked_at), is_trusted, self.clone(), place))
    }

    /// A connection of the pool. While there is none to the chosen host, the others are looked at.
    async fn acquire(&self) -> Result<PoolConnection<D>, sqlx::Error> {
        let Shared { pool, hosts, .. } = &*self.0;
        if hosts.is_one() {
            return pool.acquire().await;
        }
        loop {
            let place = hosts.place();
            let acquired = tokio::select! {
                acquired = pool.acquire() => acquired,
                () = self.find_another(place) => continue,
            };
            match acquired {
                Err(error) if !matches!(error, sqlx::Error::PoolClosed) => {
                    self.find().await;
                    if hosts.place() == place {
                        return Err(error);
                    }
                }
                acquired => return acquired,
            }
        }
    }

    /// Returns when another host than the one at this place is chosen.
    async fn find_another(&self, place: usize) {
        loop {
            tokio::time::sleep(DOUBTED_AFTER).await;
            self.find().await;
            if self.0.hosts.place() != place {
                return;
            }
        }
    }

    /// Looks for the host that is wanted. Where there is none the pool says why the chosen one is not.
    async fn find(&self) {
        let Shared { pool, hosts, .. } = &*self.0;
        if hosts.find().await.is_ok()
            && let Some(options) = hosts.chosen()
        {
            pool.set_connect_options(options.clone());
        }
    }

    /// A connection that was asked first, instead of a trusted one.
    async fn another(&self, lent: Lent<D>) -> Result<Lent<D>, DbErr> {
        drop(lent);
        self.distrust();
        self.lend().await
    }

    fn distrust(&self) {
        self.trusted().clear();
    }

    fn trusted(&self) -> MutexGuard<'_, Vec<Trusted<D>>> {
        self.0.trusted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// Derived, it would ask that of the kind of server.
impl<D: Server> Clone for Lender<D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<D: Server> fmt::Debug for Lender<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lender").field(&self.0.pool).finish()
    }
}

/// A transaction. Dropped, it changes nothing.
struct Open<D: Server>(tokio::sync::Mutex<Lent<D>>);

impl<D: Server> fmt::Debug for Open<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Open")
    }
}

fn silent() -> sqlx::Error {
    io::Error::new(ErrorKind::TimedOut, "the connection to the database server went silent").into()
}

fn refused(why: ConnAcquireErr) -> DbErr {
    DbErr::ConnectionAcquire(why)
}
