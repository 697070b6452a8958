//! The database schema of Portcullis, one migration a change.
//!
//! Migrations import no entities: they say what the schema was on their day, whatever the program
//! looks like later. A landed migration is never edited. Each runs on SQLite, PostgreSQL and
//! MySQL/MariaDB; there, where DDL cannot be rolled back, each is written so that its `up` may run
//! again when it was cut off.

mod column;
mod m20261123_000001_create_users;
mod m20261123_000002_create_sessions;
mod m20261123_000003_create_refresh_tokens;
mod m20261123_000004_create_keys;
mod m20261123_000005_create_audit_events;
mod m20261125_000006_add_key_times;
mod m20261125_000007_add_token_mode;
mod m20261125_000008_count_attempts;
mod m20261125_000009_count_audit_events;
mod m20261125_000010_create_audit_chain;
mod m20261125_000011_index_filtered_users;
mod m20261125_000012_create_outbox;
mod m20261125_000013_create_one_time_tokens;
mod m20261125_000014_add_device;
mod m20261125_000015_index_newest_tokens;
mod m20261125_000016_add_outbox_user;
mod m20261126_000017_add_user_grants;
mod m20261126_000018_create_organizations;
mod m20261126_000019_add_session_organization;
mod m20261126_000020_create_tasks;
mod m20261126_000021_add_audit_details;
mod m20261128_000022_keep_given_up_mail;
mod m20261128_000023_add_user_locale;
mod m20261128_000024_sign_audit_chain;
mod m20261128_000025_count_failed_proofs;
mod m20261128_000026_keep_used_links;
mod m20261128_000027_drop_tasks;
mod m20261129_000028_count_generations;
mod m20261129_000029_drop_session_organization;
mod m20261129_000030_add_user_avatar;
mod m20261129_000031_create_user_metadata;
mod m20261129_000032_index_token_purposes;
mod m20261130_000033_create_identities;
mod m20261130_000034_create_authenticators;
mod m20261130_000035_create_sign_in_challenges;
mod owned;

use std::collections::BTreeSet;

pub use self::owned::OwnedTable;
pub use sea_orm_migration::MigrationTrait;
use sea_orm_migration::migrator::MigratorTraitSelf;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{
    DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
};

/// How long an instance waits for another that is migrating, where the database lets us say.
const LOCK_WAIT_SECONDS: u32 = 60;
const RECORDS: &str = "seaql_migrations";

/// The records of an extension's migrations, whose names are its own affair.
const EXTENSION_RECORDS: &str = "portcullis_extension_migrations";

/// Migrations of one author, oldest first, and the table that records which were applied.
#[derive(Clone, Copy, Debug)]
struct Migrator {
    all: fn() -> Vec<Box<dyn MigrationTrait>>,
    records: &'static str,
}

impl MigratorTraitSelf for Migrator {
    /// In the order of their names, wherever a line was added.
    fn migrations(&self) -> Vec<Box<dyn MigrationTrait>> {
        let mut all = (self.all)();
        all.sort_by_key(|migration| migration.name().to_owned());
        all
    }

    fn migration_table_name(&self) -> DynIden {
        self.records.into_iden()
    }
}

/// Those of the server.
const OWN: Migrator = Migrator { all: own, records: RECORDS };

fn own() -> Vec<Box<dyn MigrationTrait>> {
    vec![
        Box::new(m20261123_000001_create_users::Migration),
        Box::new(m20261123_000002_create_sessions::Migration),
        Box::new(m20261123_000003_create_refresh_tokens::Migration),
        Box::new(m20261123_000004_create_keys::Migration),
        Box::new(m20261123_000005_create_audit_events::Migration),
        Box::new(m20261125_000006_add_key_times::Migration),
        Box::new(m20261125_000007_add_token_mode::Migration),
        Box::new(m20261125_000008_count_attempts::Migration),
        Box::new(m20261125_000009_count_audit_events::Migration),
        Box::new(m20261125_000010_create_audit_chain::Migration),
        Box::new(m20261125_000011_index_filtered_users::Migration),
        Box::new(m20261125_000012_create_outbox::Migration),
        Box::new(m20261125_000013_create_one_time_tokens::Migration),
        Box::new(m20261125_000014_add_device::Migration),
        Box::new(m20261125_000015_index_newest_tokens::Migration),
        Box::new(m20261125_000016_add_outbox_user::Migration),
        Box::new(m20261126_000017_add_user_grants::Migration),
        Box::new(m20261126_000018_create_organizations::Migration),
        Box::new(m20261126_000019_add_session_organization::Migration),
        Box::new(m20261126_000020_create_tasks::Migration),
        Box::new(m20261126_000021_add_audit_details::Migration),
        Box::new(m20261128_000022_keep_given_up_mail::Migration),
        Box::new(m20261128_000023_add_user_locale::Migration),
        Box::new(m20261128_000024_sign_audit_chain::Migration),
        Box::new(m20261128_000025_count_failed_proofs::Migration),
        Box::new(m20261128_000026_keep_used_links::Migration),
        Box::new(m20261128_000027_drop_tasks::Migration),
        Box::new(m20261129_000028_count_generations::Migration),
        Box::new(m20261129_000029_drop_session_organization::Migration),
        Box::new(m20261129_000030_add_user_avatar::Migration),
        Box::new(m20261129_000031_create_user_metadata::Migration),
        Box::new(m20261129_000032_index_token_purposes::Migration),
        Box::new(m20261130_000033_create_identities::Migration),
        Box::new(m20261130_000034_create_authenticators::Migration),
        Box::new(m20261130_000035_create_sign_in_challenges::Migration),
    ]
}

/// The migrations of a program: the server's, and after them those of its extension.
///
/// Without an extension nothing is said of one that the database may have: the server's own program can be run beside.
#[derive(Clone, Copy, Debug, Default)]
pub struct Migrations {
    extension: Option<Migrator>,
}

/// Why the schema could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer version has been here; this one does not know what it did and leaves it alone.
    #[error(
        "the schema of the database is newer than this program: run the version that created {}",
        unknown.join(", ")
    )]
    Newer {
        /// The migrations this program does not know.
        unknown: Vec<String>,
    },
    /// What an extension made stands on the schema, and this program does not know it.
    #[error("an extension has changed this database: revert {} with its program first", applied.join(", "))]
    Extended {
        /// Its migrations.
        applied: Vec<String>,
    },
    /// Another process kept the lock for too long.
    #[error(
        "another process has been migrating this database for {LOCK_WAIT_SECONDS} s: wait until it has finished"
    )]
    Locked,
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbErr),
}

/// Where a database's schema stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// Known and applied, oldest first.
    pub applied: Vec<String>,
    /// Known and not yet applied, oldest first.
    pub pending: Vec<String>,
    /// Applied by a newer version of the program.
    pub unknown: Vec<String>,
}

impl Status {
    /// Whether the schema is exactly the one this program was written for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }

    /// Whether the chain of the audit log has no place for a signature yet: whoever applies what is
    /// pending signs it for the first time.
    #[must_use]
    pub fn lacks_signature(&self) -> bool {
        let signing = m20261128_000024_sign_audit_chain::Migration;
        self.pending.iter().any(|name| name == signing.name())
    }
}

impl Migrations {
    /// With an extension's. Their names decide the order.
    #[must_use]
    pub fn with(extension: fn() -> Vec<Box<dyn MigrationTrait>>) -> Self {
        Self { extension: Some(Migrator { all: extension, records: EXTENSION_RECORDS }) }
    }

    /// Applies what is pending, all of it or `steps` migrations, under a lock: however many instances
    /// start together, each migration runs once.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] when the schema is ahead of this program.
    pub async fn up(self, db: &DatabaseConnection, steps: Option<u32>) -> Result<(), Error> {
        // A start with nothing to do neither waits for the lock nor writes.
        if self.status(db).await?.is_current() {
            return Ok(());
        }
        let txn = lock(db).await?;
        let outcome = self.apply(&txn, steps).await;
        unlock(txn, outcome).await
    }

    async fn apply(self, txn: &DatabaseTransaction, steps: Option<u32>) -> Result<(), Error> {
        self.refuse_newer(txn).await?;
        let mut left = steps;
        for migrator in self.in_order() {
            let (_, pending, _) = migrator.status(txn).await?;
            // A table of records that nothing will stand in is not made.
            if !pending.is_empty() {
                migrator.up(txn, left).await?;
            }
            let applied = count(&pending);
            left = left.map(|left| left.saturating_sub(applied));
        }
        Ok(())
    }

    /// Takes back the last `steps` migrations, with the data in what they made, under the same lock.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] when the schema is ahead of this program, [`Error::Extended`] when an extension stands on it.
    pub async fn down(self, db: &DatabaseConnection, steps: u32) -> Result<(), Error> {
        let txn = lock(db).await?;
        let outcome = self.take_back(&txn, steps).await;
        unlock(txn, outcome).await
    }

    async fn take_back(self, txn: &DatabaseTransaction, steps: u32) -> Result<(), Error> {
        self.refuse_newer(txn).await?;
        if self.extension.is_none() {
            let applied: Vec<_> = recorded(txn, EXTENSION_RECORDS).await?.into_iter().collect();
            if !applied.is_empty() {
                return Err(Error::Extended { applied });
            }
        }
        let mut left = steps;
        for migrator in self.in_order().rev() {
            let (applied, _, _) = migrator.status(txn).await?;
            if !applied.is_empty() {
                migrator.down(txn, Some(left)).await?;
            }
            left = left.saturating_sub(count(&applied));
        }
        Ok(())
    }

    /// Reads where the schema stands; writes nothing, not even the table of records.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn status(self, db: &impl ConnectionTrait) -> Result<Status, DbErr> {
        let mut status = Status { applied: Vec::new(), pending: Vec::new(), unknown: Vec::new() };
        for migrator in self.in_order() {
            let (applied, pending, unknown) = migrator.status(db).await?;
            status.applied.extend(applied);
            status.pending.extend(pending);
            status.unknown.extend(unknown);
        }
        Ok(status)
    }

    fn in_order(self) -> impl DoubleEndedIterator<Item = Migrator> {
        [OWN].into_iter().chain(self.extension)
    }

    async fn refuse_newer(self, txn: &DatabaseTransaction) -> Result<(), Error> {
        let unknown = self.status(txn).await?.unknown;
        if unknown.is_empty() { Ok(()) } else { Err(Error::Newer { unknown }) }
    }
}

impl Migrator {
    /// What is applied, what is pending, and what somebody else has applied.
    async fn status(
        self,
        db: &impl ConnectionTrait,
    ) -> Result<(Vec<String>, Vec<String>, Vec<String>), DbErr> {
        let recorded = recorded(db, self.records).await?;
        let known: Vec<String> =
            self.migrations().iter().map(|migration| migration.name().to_owned()).collect();
        let unknown = recorded.iter().filter(|name| !known.contains(name)).cloned().collect();
        let (applied, pending) = known.into_iter().partition(|name| recorded.contains(name));
        Ok((applied, pending, unknown))
    }
}

fn count(names: &[String]) -> u32 {
    <u32 as TryFrom<usize>>::try_from(names.len()).unwrap_or(u32::MAX)
}

async fn recorded(db: &impl ConnectionTrait, records: &str) -> Result<BTreeSet<String>, DbErr> {
    let schema = match db.get_database_backend() {
        DbBackend::Sqlite => "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ",
        DbBackend::Postgres => {
            "SELECT 1 FROM information_schema.tables \
             WHERE table_schema = current_schema() AND table_name = "
        }
        _ => {
            "SELECT 1 FROM information_schema.tables \
             WHERE table_schema = database() AND table_name = "
        }
    };
    let exists = db.query_one_raw(sql(db, format!("{schema}'{records}'"))).await?.is_some();
    if !exists {
        return Ok(BTreeSet::new());
    }
    let rows = db.query_all_raw(sql(db, format!("SELECT version FROM {records}"))).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

/// Takes the lock and returns the one connection that holds it, inside a transaction.
///
/// On SQLite the transaction is the lock. On PostgreSQL the lock belongs to the transaction, and
/// is named after the schema, so that two schemas of one database do not wait for each other. On
/// MySQL DDL commits whatever is open, but connection and lock stay.
async fn lock(db: &DatabaseConnection) -> Result<DatabaseTransaction, Error> {
    let options = match db.get_database_backend() {
        DbBackend::Sqlite => TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Exclusive),
            ..TransactionOptions::default()
        },
        // A stricter level would end the wait with a view of the schema from before it.
        _ => TransactionOptions {
            isolation_level: Some(IsolationLevel::ReadCommitted),
            ..TransactionOptions::default()
        },
    };
    let txn = db.begin_with_options(options).await?;
    match txn.get_database_backend() {
        DbBackend::Postgres => {
            let wait = format!("SET LOCAL statement_timeout = '{LOCK_WAIT_SECONDS}s'");
            txn.execute_unprepared(&wait).await?;
            let name = "hashtext('portcullis migrations ' || current_schema())";
            txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock({name})")).await?;
        }
        DbBackend::MySql => lock_mysql(&txn).await?,
        _ => {}
    }
    Ok(txn)
}

/// Takes the lock of the connection. What the connection otherwise allows a statement is lifted
/// meanwhile: waiting for the lock, and a change of a large table, take their time.
async fn lock_mysql(txn: &DatabaseTransaction) -> Result<(), Error> {
    let timeout = statement_timeout(txn).await?;
    let lift = format!("SET @portcullis_timeout = @@SESSION.{timeout}, SESSION {timeout} = 0");
    txn.execute_unprepared(&lift).await?;
    let take =
        format!("SELECT GET_LOCK(CONCAT('portcullis ', MD5(database())), {LOCK_WAIT_SECONDS})");
    let row = txn.query_one_raw(sql(txn, take)).await?;
    let taken: Option<i64> =
        row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    if taken == Some(1) {
        return Ok(());
    }
    restore_timeout(txn, timeout).await?;
    Err(Error::Locked)
}

async fn unlock_mysql(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    let release = "SELECT RELEASE_LOCK(CONCAT('portcullis ', MD5(database())))".to_owned();
    txn.query_one_raw(sql(txn, release)).await?;
    restore_timeout(txn, statement_timeout(txn).await?).await
}

async fn restore_timeout(txn: &DatabaseTransaction, timeout: &str) -> Result<(), DbErr> {
    let restore = format!("SET SESSION {timeout} = @portcullis_timeout");
    txn.execute_unprepared(&restore).await.map(drop)
}

/// The variable that limits how long a statement runs, which MariaDB and MySQL name differently.
async fn statement_timeout(txn: &DatabaseTransaction) -> Result<&'static str, DbErr> {
    let row = txn.query_one_raw(sql(txn, "SELECT VERSION()".to_owned())).await?;
    let version: String = row.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    Ok(if version.contains("MariaDB") { "max_statement_time" } else { "max_execution_time" })
}

async fn unlock(txn: DatabaseTransaction, outcome: Result<(), Error>) -> Result<(), Error> {
    let unlocked = match txn.get_database_backend() {
        DbBackend::MySql => unlock_mysql(&txn).await,
        _ => Ok(()),
    };
    match outcome {
        Ok(()) => {
            unlocked?;
            Ok(txn.commit().await?)
        }
        // What went wrong first is what to tell.
        Err(error) => {
            txn.rollback().await?;
            Err(error)
        }
    }
}

fn sql(db: &impl ConnectionTrait, text: String) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}
