//! The database: one writer and many readers on SQLite, one pool on a server database.
//!
//! How each kind is opened is [`connect`]; what its failures mean is [`failure`].

mod address;
mod backup;
mod batches;
mod connect;
mod dump;
mod failure;
mod fitness;
mod growth;
mod inspect;
mod lending;
mod pooled;
mod quick;
mod transaction;
mod turns;
mod typed;
mod writing;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sea_orm::{
    DbBackend, DbErr, EntityTrait, PartialModelTrait, QuerySelect, QueryTrait, RuntimeErr, Select,
    metric, sqlx,
};

pub(crate) use self::address::{Address, AddressError};
pub(crate) use self::backup::{claim_unused, is_marked, mark_backup, require_own, unmark_backup};
pub(crate) use self::batches::{Pace, in_batches};
use self::connect::Renewed;
pub(crate) use self::dump::Dumper;
pub(crate) use self::failure::{
    DbFailure, WRAPPINGS, is_away, is_of_pooler, is_unavailable, told_by_database, violates,
};
use self::failure::{is_refused_as_read_only, lost_a_race};
pub(crate) use self::fitness::ISOLATION;
pub(crate) use self::growth::{Replica, TableSize};
pub(crate) use self::inspect::{sqlite_file, sqlite_url};
use self::lending::Purpose;
pub(crate) use self::lending::Sighting;
use self::pooled::Pooled;
use self::quick::Quick;
pub(crate) use self::turns::Earlier;
use self::typed::Typed;
pub(crate) use self::typed::{Connection, Transaction};
use self::writing::FileId;
pub(crate) use self::writing::{Refused, Unwritable};
use migration::Migrations;

use crate::infra::metrics;
use crate::kernel::columns::FromColumns;
use crate::kernel::secret;

/// How often a transaction that lost to another is tried in all.
const ATTEMPTS_MAX: u32 = 4;
/// The longest pause before the second attempt; before each further one it is twice as long.
const PAUSE_MAX: Duration = Duration::from_millis(8);

fn measured(statement: &metric::Info<'_>) {
    metrics::statement_took(statement.elapsed);
}

/// Connections for reading and for writing. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Db(Arc<Pools>);

#[derive(Clone, Debug)]
struct Pools {
    reader: Connection,
    writer: Connection,
    /// On SQLite.
    file: Option<File>,
}

/// What a SQLite file takes besides.
#[derive(Clone, Debug)]
struct File {
    path: PathBuf,
    quick: Quick,
    renewed: Renewed,
    opened: Arc<Mutex<Option<FileId>>>,
}

impl Db {
    fn new(reader: Pooled, writer: Pooled, file: Option<File>) -> Self {
        Self(Arc::new(Pools { reader: Typed(reader), writer: Typed(writer), file }))
    }

    /// Connects to `url`: `sqlite://path` (created when missing), `postgres://…`, or `mysql://…`
    /// (`mariadb://…` is the same).
    pub(crate) async fn connect(url: &str, connections_max: u32) -> Result<Self, DbErr> {
        if url.starts_with("sqlite:") {
            let renewed = Renewed::default();
            let pools = connect::sqlite(url, connections_max, &renewed).await?;
            let (mut reader, mut writer) = pools;
            reader.set_metric_callback(measured);
            writer.set_metric_callback(measured);
            let file = sqlite_file(url).map(|path| File {
                quick: Quick::new(&path),
                opened: Arc::new(Mutex::new(FileId::at(&path))),
                path,
                renewed,
            });
            return Ok(Self::new(Pooled::new(reader), Pooled::writer(writer), file));
        }
        let address = Address::parse(url).map_err(|error| {
            DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Configuration(error.into()).into()))
        })?;
        let opened = if url.starts_with("postgres") {
            Box::pin(connect::postgres(&address, connections_max)).await
        } else {
            Box::pin(connect::mysql(&address, connections_max)).await
        };
        let (pool, lending) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(Box::pin(pooled::reason_at_start(&address, error)).await),
        };
        let pool = Pooled::server(pool, lending);
        Ok(Self::new(pool.clone(), pool, None))
    }

    /// Connects to look only: a SQLite file stays as it is, and one that is missing stays missing.
    pub(crate) async fn connect_to_look(url: &str) -> Result<Self, DbErr> {
        const CONNECTIONS_MAX: u32 = 1;
        if !url.starts_with("sqlite:") {
            return Self::connect(url, CONNECTIONS_MAX).await;
        }
        let reader = Pooled::new(connect::sqlite_to_look(url).await?);
        Ok(Self::new(reader.clone(), reader, None))
    }

    /// All rows of a select that an index answers, outside any transaction: by the quickest way
    /// there is to this database.
    pub(crate) async fn read<E, R>(&self, select: Select<E>) -> Result<Vec<R>, DbErr>
    where
        E: EntityTrait,
        R: PartialModelTrait + FromColumns,
    {
        let select = R::select_cols(QuerySelect::select_only(select));
        if let Some(file) = &self.0.file
            && let Some(rows) = file.quick.all(&select.build(DbBackend::Sqlite))
        {
            return Ok(rows);
        }
        select.into_model::<R>().all(&self.0.reader).await
    }

    /// For statements that only read, outside any transaction.
    pub(crate) fn reader(&self) -> &Connection {
        &self.0.reader
    }

    /// For single statements that write; everything else goes through [`Db::begin`].
    pub(crate) fn writer(&self) -> &Connection {
        &self.0.writer
    }

    /// Applies the migrations that are pending.
    pub(crate) async fn migrate_up(&self, all: Migrations) -> Result<(), migration::Error> {
        self.explain_migration(all.up(self.0.writer.0.direct(), None).await).await
    }

    /// Takes these migrations back, which must be the last ones.
    pub(crate) async fn revert(
        &self,
        all: Migrations,
        names: &[String],
    ) -> Result<(), migration::Error> {
        self.explain_migration(all.revert(self.0.writer.0.direct(), names).await).await
    }

    async fn explain_migration(
        &self,
        outcome: Result<(), migration::Error>,
    ) -> Result<(), migration::Error> {
        match outcome {
            Err(migration::Error::Db(error)) => {
                Ok(self.0.writer.0.explained(std::future::ready(Err(error))).await?)
            }
            outcome => outcome,
        }
    }

    /// Begins a transaction that will write: READ COMMITTED, and on SQLite `BEGIN IMMEDIATE`, so
    /// that the lock is taken before the first read and never has to be upgraded.
    pub(crate) async fn begin(&self) -> Result<Transaction, DbErr> {
        self.0.writer.0.begin(Purpose::Change).await.map(Typed)
    }

    /// Begins a transaction that only reads, and to which nothing changes meanwhile.
    pub(crate) async fn snapshot(&self) -> Result<Transaction, DbErr> {
        self.0.reader.0.begin(Purpose::Snapshot).await.map(Typed)
    }

    /// Runs `attempt`, one whole transaction, again when the database chose it as the victim of
    /// a deadlock or a serialization failure, and once when it ran on a connection that may no longer write. `name` says
    /// in the metrics what was tried again.
    pub(crate) async fn retry<T, E, F>(
        &self,
        name: &'static str,
        attempt: impl Fn() -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>>,
        E: DbFailure,
    {
        let mut tries = 1;
        let is_worth_it = |error: &DbErr, tries| {
            tries < ATTEMPTS_MAX && lost_a_race(error)
                || tries == 1 && self.0.file.is_none() && is_refused_as_read_only(error)
        };
        loop {
            match attempt().await {
                Err(error) if error.db().is_some_and(|error| is_worth_it(error, tries)) => {
                    metrics::transaction_tried_again(name);
                    tracing::debug!(
                        transaction = name,
                        tries,
                        "a transaction lost a race and is tried again"
                    );
                    tokio::time::sleep(pause(tries)).await;
                    tries += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Tells the metrics how much of each pool is in use.
    pub(crate) fn measure(&self) {
        let (reader, writer) = (&self.0.reader.0, &self.0.writer.0);
        metrics::database_connections(writer.name(), &writer.size());
        // On a server database both are the same.
        if reader.name() != writer.name() {
            metrics::database_connections(reader.name(), &reader.size());
        }
    }

    /// The same database, read in the ordinary way only.
    #[cfg(test)]
    pub(crate) fn without_quick(&self) -> Self {
        let Pools { reader, writer, .. } = self.0.as_ref().clone();
        Self::new(reader.0, writer.0, None)
    }

    /// Whether the last quick read was one.
    #[cfg(test)]
    pub(crate) fn was_quick(&self) -> bool {
        self.0.file.as_ref().is_some_and(|file| file.quick.is_in_use())
    }

    /// Whether the database answers at all.
    pub(crate) async fn ping(&self) -> Result<(), DbErr> {
        let reader = &self.0.reader.0;
        reader.explained(reader.direct().ping()).await
    }

    /// What each of the hosts says it is that the database server may be on; nothing where there is one.
    pub(crate) async fn sightings(&self) -> Vec<Sighting> {
        match self.0.reader.0.lending() {
            Some(lending) => lending.sightings().await,
            None => Vec::new(),
        }
    }

    /// Has all connections to a SQLite file opened again, each before it is used the next time.
    fn renew(&self) {
        if let Some(file) = &self.0.file {
            file.renewed.now();
            file.quick.renew();
            if let Some(there) = FileId::at(&file.path) {
                *file.opened.lock().unwrap_or_else(PoisonError::into_inner) = Some(there);
            }
        }
    }

    /// Closes every connection, after what runs on them has ended.
    pub(crate) async fn close(self) -> Result<(), DbErr> {
        if let Some(file) = &self.0.file {
            file.quick.close();
        }
        self.0.reader.0.direct().clone().close().await?;
        self.0.writer.0.direct().clone().close().await
    }
}
/// A random time, so that those who met once do not meet again.
fn pause(tries: u32) -> Duration {
    let [random] = secret::random().unwrap_or([u8::MAX]);
    PAUSE_MAX * 2_u32.pow(tries - 1) * u32::from(random) / u32::from(u8::MAX)
}
