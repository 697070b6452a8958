//! The database schema of Portcullis, one migration a change.
//!
//! Migrations import no entities: they say what the schema was on their day, whatever the program
//! looks like later. A landed migration is never edited. Each runs on SQLite, PostgreSQL and
//! MySQL/MariaDB; there, where DDL cannot be rolled back, each is written so that its `up` may run
//! again when it was cut off.

mod column;
mod levels;
mod locked;
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
mod m20261130_000036_create_schema_levels;
mod m20261130_000037_create_jobs;
mod m20261130_000038_index_ended_sessions;
mod m20261130_000039_seal_events_in_place;
mod migrator;
mod owned;
mod plan;
mod step;

use self::locked::{LOCK_WAIT_SECONDS, LockedConnection};
use self::migrator::Migrator;
pub use self::owned::OwnedTable;
pub use self::plan::{Plan, Planned};
pub use self::step::{Step, TableChange};
pub use sea_orm_migration::MigrationTrait;
use sea_orm_migration::prelude::*;
use sea_orm_migration::sea_orm::{DatabaseConnection, Statement};

/// Those of the server.
fn own() -> Vec<Step> {
    vec![
        Step::new(m20261123_000001_create_users::Migration),
        Step::new(m20261123_000002_create_sessions::Migration),
        Step::new(m20261123_000003_create_refresh_tokens::Migration),
        Step::new(m20261123_000004_create_keys::Migration),
        Step::new(m20261123_000005_create_audit_events::Migration).holds_audit_log(),
        Step::new(m20261125_000006_add_key_times::Migration),
        Step::new(m20261125_000007_add_token_mode::Migration),
        Step::new(m20261125_000008_count_attempts::Migration),
        Step::new(m20261125_000009_count_audit_events::Migration).holds_audit_log(),
        Step::new(m20261125_000010_create_audit_chain::Migration).holds_audit_log(),
        Step::new(m20261125_000011_index_filtered_users::Migration),
        Step::new(m20261125_000012_create_outbox::Migration),
        Step::new(m20261125_000013_create_one_time_tokens::Migration),
        Step::new(m20261125_000014_add_device::Migration),
        Step::new(m20261125_000015_index_newest_tokens::Migration),
        Step::new(m20261125_000016_add_outbox_user::Migration),
        Step::new(m20261126_000017_add_user_grants::Migration),
        Step::new(m20261126_000018_create_organizations::Migration),
        Step::new(m20261126_000019_add_session_organization::Migration),
        Step::new(m20261126_000020_create_tasks::Migration),
        Step::new(m20261126_000021_add_audit_details::Migration).holds_audit_log(),
        Step::new(m20261128_000022_keep_given_up_mail::Migration),
        Step::new(m20261128_000023_add_user_locale::Migration),
        Step::new(m20261128_000024_sign_audit_chain::Migration).holds_audit_log(),
        Step::new(m20261128_000025_count_failed_proofs::Migration),
        Step::new(m20261128_000026_keep_used_links::Migration),
        Step::new(m20261128_000027_drop_tasks::Migration),
        Step::new(m20261129_000028_count_generations::Migration),
        Step::new(m20261129_000029_drop_session_organization::Migration),
        Step::new(m20261129_000030_add_user_avatar::Migration),
        Step::new(m20261129_000031_create_user_metadata::Migration),
        Step::new(m20261129_000032_index_token_purposes::Migration),
        Step::new(m20261130_000033_create_identities::Migration),
        Step::new(m20261130_000034_create_authenticators::Migration),
        Step::new(m20261130_000035_create_sign_in_challenges::Migration),
        Step::new(m20261130_000036_create_schema_levels::Migration),
        Step::new(m20261130_000037_create_jobs::Migration)
            .expands()
            .change(TableChange::Table("jobs")),
        Step::new(m20261130_000038_index_ended_sessions::Migration)
            .expands()
            .change(TableChange::IndexOnline("sessions")),
        Step::new(m20261130_000039_seal_events_in_place::Migration)
            .change(TableChange::Rows("audit_events"))
            .change(TableChange::Index("audit_events")),
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
        "the schema of the database is newer than this program allows: run the version that created it{}",
        listed(unknown)
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
    /// Somebody else has applied or reverted migrations since these were chosen.
    #[error(
        "another process has changed the schema meanwhile, and nothing was reverted: run this command again"
    )]
    Changed,
    /// The connection that held the lock was lost, or each statement has another one.
    #[error(
        "the connection to the database does not keep the lock of migrations: connect to the database itself with \
         MIGRATE_DATABASE_URL, not through a pooler in transaction mode"
    )]
    LostLock,
    /// A migration has a smaller name than one that was applied, so nobody can say what the schema is after both.
    #[error(
        "the migration {pending} must have a greater name than {applied}, which was applied before it"
    )]
    OutOfOrder {
        /// The migration that cannot be applied.
        pending: String,
        /// The last one that was.
        applied: String,
    },
    /// The database refused.
    #[error("{0}")]
    Db(#[from] DbErr),
}

fn listed(unknown: &[String]) -> String {
    if unknown.is_empty() { String::new() } else { format!(" ({})", unknown.join(", ")) }
}

/// Where a database's schema stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Known and applied, oldest first.
    pub applied: Vec<String>,
    /// Known and not yet applied, oldest first.
    pub pending: Vec<String>,
    /// Applied by a newer version of the program.
    pub unknown: Vec<String>,
    /// Whether what a newer version has applied forbids this one to run.
    pub is_too_new: bool,
}

impl Status {
    /// Whether the schema is exactly the one this program was written for.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.pending.is_empty() && self.unknown.is_empty()
    }

    /// Whether this program may run: nothing is missing, and what a newer version has added is allowed by it.
    #[must_use]
    pub fn is_compatible(&self) -> bool {
        self.pending.is_empty() && !self.is_too_new
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
    pub fn with(extension: fn() -> Vec<Step>) -> Self {
        Self { extension: Some(Migrator::of_extension(extension)) }
    }

    /// Fails if some of these migrations are not known here: what they made would be another's to understand.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] with those that are not.
    pub fn require_known(self, names: &[String]) -> Result<(), Error> {
        let known: Vec<_> = self.in_order().flat_map(Migrator::names).collect();
        let unknown: Vec<_> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
        if unknown.is_empty() { Ok(()) } else { Err(Error::Newer { unknown }) }
    }

    /// Applies what is pending, all of it or `steps` migrations, under a lock: however many instances
    /// start together, each migration runs once. A separate connection to the database of `db` does the work.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] when the schema is ahead of this program, unless nothing is pending and it allows the program.
    pub async fn up(self, db: &DatabaseConnection, steps: Option<u32>) -> Result<(), Error> {
        // A start with nothing to do neither waits for the lock nor writes.
        if self.status(db).await?.is_compatible() {
            return Ok(());
        }
        let locked = LockedConnection::open(db).await?;
        let outcome = self.apply(&locked, steps).await;
        locked.close(outcome).await
    }

    async fn apply(self, locked: &LockedConnection, steps: Option<u32>) -> Result<(), Error> {
        let status = self.status(&locked.executor()).await?;
        if status.is_compatible() {
            return Ok(());
        }
        // Nobody uses a database that is empty.
        let is_new = status.applied.is_empty();
        refuse_newer(status)?;
        let mut left = steps.unwrap_or(u32::MAX);
        for migrator in self.in_order() {
            left = migrator.up(locked, left, is_new).await?;
        }
        Ok(())
    }

    /// Takes back the last `steps` migrations, with the data in what they made, under the same lock.
    ///
    /// # Errors
    ///
    /// [`Error::Newer`] when the schema is ahead of this program, [`Error::Extended`] when an extension stands on it.
    pub async fn down(self, db: &DatabaseConnection, steps: u32) -> Result<(), Error> {
        self.take_back(db, |applied| Ok(last(applied, steps).len())).await
    }

    /// The same of these migrations, and of no others.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] when they are not the last ones that were applied, and those of [`Migrations::down`].
    pub async fn revert(self, db: &DatabaseConnection, names: &[String]) -> Result<(), Error> {
        self.take_back(db, |applied| match applied.ends_with(names) {
            true => Ok(names.len()),
            false => Err(Error::Changed),
        })
        .await
    }

    /// Reads where the schema stands, of which this program may take something back.
    ///
    /// # Errors
    ///
    /// Those of [`Migrations::down`].
    pub async fn revertible(self, db: &impl ConnectionTrait) -> Result<Status, Error> {
        let status = self.status(db).await?;
        if !status.unknown.is_empty() {
            return Err(Error::Newer { unknown: status.unknown });
        }
        if self.extension.is_none() {
            let records = levels::recorded(db, migrator::EXTENSION_RECORDS).await?;
            if !records.is_empty() {
                return Err(Error::Extended { applied: records.into_iter().collect() });
            }
        }
        Ok(status)
    }

    /// Takes back as many as `count` makes of what is applied while the lock is held.
    async fn take_back(
        self,
        db: &DatabaseConnection,
        count: impl Fn(&[String]) -> Result<usize, Error>,
    ) -> Result<(), Error> {
        let locked = LockedConnection::open(db).await?;
        let outcome = self.take_back_under(&locked, count).await;
        locked.close(outcome).await
    }

    async fn take_back_under(
        self,
        locked: &LockedConnection,
        count: impl Fn(&[String]) -> Result<usize, Error>,
    ) -> Result<(), Error> {
        let applied = self.revertible(&locked.executor()).await?.applied;
        let mut left: u32 = count(&applied)?.try_into().unwrap_or(u32::MAX);
        for migrator in self.in_order().rev() {
            left = migrator.down(locked, left).await?;
        }
        Ok(())
    }

    /// Reads where the schema stands; writes nothing, not even the table of records.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn status(self, db: &impl ConnectionTrait) -> Result<Status, DbErr> {
        let mut status = Status::default();
        for migrator in self.in_order() {
            migrator.add_status(db, &mut status).await?;
        }
        Ok(status)
    }

    /// What `up` would do to this database, and what that means for programs that run on it.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn plan(self, db: &impl ConnectionTrait) -> Result<Plan, DbErr> {
        let is_new = self.status(db).await?.applied.is_empty();
        let mut plan = Plan { is_new, ..Plan::default() };
        for migrator in self.in_order() {
            migrator.add_plan(db, &mut plan, is_new).await?;
        }
        Ok(plan)
    }

    fn in_order(self) -> impl DoubleEndedIterator<Item = Migrator> {
        [Migrator::SERVER].into_iter().chain(self.extension)
    }
}

/// The level of this program: how many migrations of the server it knows.
#[must_use]
pub fn level() -> usize {
    own().len()
}

/// Whether what a migration created holds events of the audit log, or what they are verified by.
#[must_use]
pub fn holds_audit_log(name: &str) -> bool {
    own().iter().any(|step| step.name() == name && step.holds_audit_log)
}

/// The last of these names, as many as there are.
#[must_use]
pub fn last(names: &[String], count: u32) -> &[String] {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    &names[names.len().saturating_sub(count)..]
}

/// Fails if the schema has migrations that this program does not know.
fn refuse_newer(status: Status) -> Result<(), Error> {
    let unknown = status.unknown;
    if unknown.is_empty() { Ok(()) } else { Err(Error::Newer { unknown }) }
}

fn sql(db: &impl ConnectionTrait, text: impl Into<String>) -> Statement {
    Statement::from_string(db.get_database_backend(), text)
}
