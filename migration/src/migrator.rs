//! The migrations of one source, and how they are applied and taken back.

use std::time::Duration;

use sea_orm_migration::sea_orm::sqlx::error::DatabaseError;
use sea_orm_migration::sea_orm::sqlx::mysql::MySqlDatabaseError;
use sea_orm_migration::sea_orm::{
    ConnectionTrait, DbBackend, DbErr, RuntimeErr, Schema, TransactionTrait, sqlx,
};
use sea_orm_migration::{SchemaManager, SchemaManagerConnection, seaql_migrations};

use super::levels::{self, Levels};
use super::locked::LockedConnection;
use super::plan::{Plan, Planned};
use super::step::{Step, oldest_allowed};
use super::{Error, Status, own};

/// The records of an extension's migrations, whose names are its own affair.
pub(crate) const EXTENSION_RECORDS: &str = "portcullis_extension_migrations";
/// The maximum number of attempts to get the locks of one migration.
const ATTEMPTS_MAX: u32 = 12;
/// The pause between two attempts, for those who use the tables.
const ATTEMPT_PAUSE: Duration = Duration::from_secs(1);

/// Migrations of one source, the table that records which were applied, and the source's row in the table of levels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Migrator {
    all: fn() -> Vec<Step>,
    records: &'static str,
    source: &'static str,
}

impl Migrator {
    /// Those of the server.
    pub(crate) const SERVER: Self =
        Self { all: own, records: "seaql_migrations", source: "server" };

    pub(crate) fn of_extension(all: fn() -> Vec<Step>) -> Self {
        Self { all, records: EXTENSION_RECORDS, source: "extension" }
    }

    /// In the order of their names, wherever a line was added.
    fn steps(self) -> Vec<Step> {
        let mut all = (self.all)();
        all.sort_by(|one, other| one.name().cmp(other.name()));
        all
    }

    pub(crate) fn names(self) -> Vec<String> {
        self.steps().iter().map(|step| step.name().to_owned()).collect()
    }

    /// Adds what is applied, what is pending, and what somebody else has applied.
    pub(crate) async fn add_status(
        self,
        db: &impl ConnectionTrait,
        status: &mut Status,
    ) -> Result<(), DbErr> {
        let recorded = levels::recorded(db, self.records).await?;
        let known = self.names();
        let unknown: Vec<String> =
            recorded.iter().filter(|name| !known.contains(name)).cloned().collect();
        // Also before a newer migration is recorded: its level is raised before it begins.
        status.is_too_new |= match levels::read(db, self.source).await? {
            Some(levels) => levels.oldest_level_allowed > level(known.len()),
            None => !unknown.is_empty(),
        };
        let (applied, pending): (Vec<_>, Vec<_>) =
            known.into_iter().partition(|name| recorded.contains(name));
        status.applied.extend(applied);
        status.pending.extend(pending);
        status.unknown.extend(unknown);
        Ok(())
    }

    /// Adds what is pending, and what servers must know to run meanwhile. On a new database none run.
    pub(crate) async fn add_plan(
        self,
        db: &impl ConnectionTrait,
        plan: &mut Plan,
        is_new: bool,
    ) -> Result<(), DbErr> {
        let recorded = levels::recorded(db, self.records).await?;
        let steps = self.steps();
        let allowed = oldest_allowed(&steps);
        let is_pending = steps.iter().any(|step| !recorded.contains(step.name()));
        if is_pending && !recorded.is_empty() {
            let levels = levels::read(db, self.source).await?;
            plan.needs_stop |= levels.is_none_or(|levels| levels.level < allowed);
            let required = (allowed as usize).checked_sub(1).and_then(|at| steps.get(at));
            plan.required.extend(required.map(|step| step.name().to_owned()));
        }
        for step in steps.into_iter().filter(|step| !recorded.contains(step.name())) {
            plan.steps.push(Planned::of(&step, db, is_new).await?);
        }
        Ok(())
    }

    /// Applies up to `left` migrations, and returns how many more may be.
    pub(crate) async fn up(
        self,
        locked: &LockedConnection,
        left: u32,
        is_new: bool,
    ) -> Result<u32, Error> {
        let db = locked.executor();
        let recorded = levels::recorded(&db, self.records).await?;
        let steps = self.steps();
        let pending = (0..steps.len()).filter(|&at| !recorded.contains(steps[at].name()));
        let pending: Vec<usize> = pending.take(left as usize).collect();
        // A table of records that nothing will stand in is not made.
        let Some(&first) = pending.first() else { return Ok(left) };
        if let Some(later) = steps[first..].iter().find(|step| recorded.contains(step.name())) {
            let (pending, applied) = (steps[first].name().to_owned(), later.name().to_owned());
            return Err(Error::OutOfOrder { pending, applied });
        }
        self.install(&db).await?;
        // All of it at once, where that is a transaction.
        if is_new && pending.iter().all(|&at| takes_transaction(&steps[at], &db)) {
            let txn = db.begin().await?;
            for &at in &pending {
                self.apply(&(&txn).into(), &steps, at).await?;
            }
            txn.commit().await?;
            return Ok(left - level(pending.len()));
        }
        for &at in &pending {
            with_lock_retries(locked, || self.apply_whole(&db, &steps, at)).await?;
        }
        Ok(left - level(pending.len()))
    }

    /// Applies one, in a transaction where that holds it.
    async fn apply_whole(
        self,
        db: &SchemaManagerConnection<'_>,
        steps: &[Step],
        at: usize,
    ) -> Result<(), DbErr> {
        if !takes_transaction(&steps[at], db) {
            // An older server stops being ready before a migration that it would not survive.
            let before = levels_after(&steps[..at]);
            let oldest_level_allowed = oldest_allowed(&steps[..=at]);
            let raised = Levels { oldest_level_allowed, ..before };
            levels::write(db, self.source, raised).await?;
            let applied = self.apply(db, steps, at).await;
            if applied.as_ref().is_err_and(is_lock_timeout) {
                levels::write(db, self.source, before).await?;
            }
            return applied;
        }
        let txn = db.begin().await?;
        self.apply(&(&txn).into(), steps, at).await?;
        txn.commit().await
    }

    async fn apply(
        self,
        db: &SchemaManagerConnection<'_>,
        steps: &[Step],
        at: usize,
    ) -> Result<(), DbErr> {
        steps[at].migration.up(&manager(db)).await?;
        // The record comes last: without it all is done again.
        levels::write(db, self.source, levels_after(&steps[..=at])).await?;
        levels::record(db, self.records, steps[at].name()).await
    }

    /// Takes up to `left` migrations back, and returns how many more may be.
    pub(crate) async fn down(self, locked: &LockedConnection, left: u32) -> Result<u32, Error> {
        let db = locked.executor();
        let recorded = levels::recorded(&db, self.records).await?;
        let steps = self.steps();
        let applied = (0..steps.len()).rev().filter(|&at| recorded.contains(steps[at].name()));
        let applied: Vec<usize> = applied.take(left as usize).collect();
        for &at in &applied {
            with_lock_retries(locked, || self.take_back_whole(&db, &steps, at)).await?;
        }
        Ok(left - level(applied.len()))
    }

    async fn take_back_whole(
        self,
        db: &SchemaManagerConnection<'_>,
        steps: &[Step],
        at: usize,
    ) -> Result<(), DbErr> {
        if !takes_transaction(&steps[at], db) {
            // The record goes first: what is left when this is cut off is pending, and made again.
            levels::forget(db, self.records, steps[at].name()).await?;
            return self.take_back(db, steps, at).await;
        }
        let txn = db.begin().await?;
        self.take_back(&(&txn).into(), steps, at).await?;
        txn.commit().await
    }

    async fn take_back(
        self,
        db: &SchemaManagerConnection<'_>,
        steps: &[Step],
        at: usize,
    ) -> Result<(), DbErr> {
        steps[at].migration.down(&manager(db)).await?;
        levels::write(db, self.source, levels_after(&steps[..at])).await?;
        levels::forget(db, self.records, steps[at].name()).await
    }

    async fn install(self, db: &impl ConnectionTrait) -> Result<(), DbErr> {
        let schema = Schema::new(db.get_database_backend());
        let mut table = schema.create_table_from_entity(seaql_migrations::Entity);
        table.table(self.records).if_not_exists();
        db.execute(&table).await.map(drop)
    }
}

fn levels_after(steps: &[Step]) -> Levels {
    Levels { level: level(steps.len()), oldest_level_allowed: oldest_allowed(steps) }
}

fn level(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A manager on the same connection.
fn manager<'a>(db: &'a SchemaManagerConnection<'_>) -> SchemaManager<'a> {
    match db {
        SchemaManagerConnection::Connection(connection) => SchemaManager::new(*connection),
        SchemaManagerConnection::Transaction(txn) => SchemaManager::new(*txn),
        SchemaManagerConnection::OwnedTransaction(txn) => SchemaManager::new(txn),
    }
}

/// On PostgreSQL a migration is a transaction, unless it builds what cannot be built in one. On SQLite all of them are
/// one, and MySQL commits each change of the schema at once.
fn takes_transaction(step: &Step, db: &impl ConnectionTrait) -> bool {
    db.get_database_backend() == DbBackend::Postgres
        && step.migration.use_transaction() != Some(false)
}

/// Retries an attempt that timed out waiting for a lock, or lost it to another.
async fn with_lock_retries<F>(
    locked: &LockedConnection,
    attempt: impl Fn() -> F,
) -> Result<(), Error>
where
    F: Future<Output = Result<(), DbErr>>,
{
    let mut tries = 1;
    loop {
        locked.require_lock().await?;
        match attempt().await {
            Err(error) if tries < ATTEMPTS_MAX && is_lock_timeout(&error) => {
                locked.pause(ATTEMPT_PAUSE).await?;
                tries += 1;
            }
            outcome => return Ok(outcome?),
        }
    }
}

/// Whether a lock on a table was not given in time, or given to another in a deadlock.
fn is_lock_timeout(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) =
        error
    else {
        return false;
    };
    let sqlx::Error::Database(cause) = &**cause else { return false };
    let cause: &dyn DatabaseError = &**cause;
    match cause.try_downcast_ref::<MySqlDatabaseError>() {
        Some(cause) => matches!(cause.number(), 1205 | 1213),
        None => cause.code().is_some_and(|code| matches!(&*code, "55P03" | "40P01")),
    }
}
