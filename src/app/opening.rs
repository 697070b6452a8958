//! How the database is opened and brought up to date, and the secret that opens what is in it.

use std::sync::Arc;

use anyhow::{Context, bail};
use sea_orm::{DbErr, RuntimeErr};
use secrecy::ExposeSecret;

use super::secret::{self, existing_secret, master};
use crate::config::Config;
use crate::features::audit::Chain;
use crate::infra::db::{Db, Refused, Unwritable};
use crate::infra::keys::{Master, Sealed, rotation};
use crate::infra::private;
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;

/// Opens the database of `config`, with the folder it may live in.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Db> {
    let url = config.database.url.expose_secret();
    if url.starts_with("sqlite:") {
        private::create_folder(&config.data_dir).context("the data folder cannot be created")?;
    }
    let db = Db::connect(url, config.database.connections).await.map_err(|error| {
        match Unwritable::of_file(&error) {
            Some(why) => Refused(why).into(),
            None => anyhow::Error::from(error).context("the database cannot be reached"),
        }
    })?;
    match db.encoding().await? {
        Ok(_encoding) => Ok(db),
        Err(unfit) => {
            // The first error is the one to tell.
            let _second = db.close().await;
            Err(unfit.into())
        }
    }
}

/// The reason and the remedy instead of what a database says that takes no writes.
pub(super) async fn explained(error: anyhow::Error, db: &Db) -> anyhow::Error {
    if !error.chain().any(|cause| cause.is::<DbErr>() || cause.is::<RuntimeErr>()) {
        return error;
    }
    let unwritable = db.unwritable().await.ok().flatten();
    unwritable.map_or(error, |why| Refused(why).into())
}

/// Brings the schema up to date in development, and sees that it is.
pub(super) async fn prepare(config: &Config, db: &Db) -> anyhow::Result<()> {
    if config.is_development() {
        if config.extended.migrations.status(db.reader()).await?.applied.is_empty() {
            tracing::info!("the database is empty: creating its tables and keys");
        }
        migrate_up(config, db).await?;
    }
    let status = config.extended.migrations.status(db.reader()).await?;
    if status.is_too_new {
        return Err(migration::Error::Newer { unknown: status.unknown }.into());
    }
    if !status.pending.is_empty() {
        bail!("the schema of the database is not current: run `portcullis migrate up`");
    }
    if !status.unknown.is_empty() {
        tracing::info!("the database's schema is newer than this program and allows it to run");
    }
    extension_tables(config, db).await
}

/// Sees that the database has the tables of an extension's entities, with the columns that those declare: exports the
/// rows of nobody, which names all columns.
async fn extension_tables(config: &Config, db: &Db) -> anyhow::Result<()> {
    for holding in config.extended.holdings.iter() {
        let nobody = (holding.export)(db, UserId(uuid::Uuid::nil()), None).await;
        nobody
            .with_context(|| format!("the table of {} does not match its entity", holding.name))?;
    }
    Ok(())
}

/// The master secret and the audit log's chain, which is signed under it. Of a new database both are made.
pub(super) async fn first_secret(
    config: &Config,
    db: &Db,
    clock: &Clock,
) -> anyhow::Result<(Arc<Master>, Chain)> {
    // Asked before the secret is looked for: another instance makes the secret first.
    let has_keys = rotation::has_keys(db).await?;
    let master = Arc::new(master(config, &secret::master_secret(config, has_keys)?)?);
    let chain = Chain::new(db.clone(), clock.clone(), Arc::clone(&master));
    if !has_keys {
        // Before there are keys, so that a start that dies in between does it again.
        chain.sign_first().await?;
    }
    Ok((master, chain))
}

/// Connects with `MIGRATE_DATABASE_URL` if it is set, otherwise returns `db`. Fails if that is another database, or another
/// schema of it.
pub(crate) async fn changing_schema(config: &Config, db: &Db) -> anyhow::Result<Db> {
    const CONNECTIONS: u32 = 1;
    let Some(url) = &config.database.migrate_url else { return Ok(db.clone()) };
    let other = Db::connect(url.expose_secret(), CONNECTIONS).await;
    let other = other.context("the database of MIGRATE_DATABASE_URL cannot be reached")?;
    let migrations = config.extended.migrations;
    let same = migrations.status(db.reader()).await? == migrations.status(other.reader()).await?;
    if !same || db.location().await? != other.location().await? {
        bail!("MIGRATE_DATABASE_URL does not lead to the database and schema of DATABASE_URL");
    }
    Ok(other)
}

/// Applies the migrations that are pending. Signs the chain of the audit log when it gets a place for
/// that: see the migration.
pub(crate) async fn migrate_up(config: &Config, db: &Db) -> anyhow::Result<()> {
    let migrations = config.extended.migrations;
    let lacks_signature = migrations.status(db.reader()).await?.lacks_signature();
    changing_schema(config, db).await?.migrate_up(migrations).await?;
    // Where there are no keys yet, whoever makes them signs.
    if !lacks_signature || !rotation::has_keys(db).await? {
        return Ok(());
    }
    let unsigned = "the schema is current, but the audit log is not signed: run `portcullis audit \
                    sign` with the SECRET_KEY of the servers";
    let secret = existing_secret(config)?.context(unsigned)?;
    let (clock, master) = (Clock::system(), Arc::new(master(config, &secret)?));
    let keys = rotation::list(db.reader(), &master, clock.now()).await?;
    if keys.iter().any(|key| key.sealed == Sealed::Unknown) {
        bail!(unsigned);
    }
    Chain::new(db.clone(), clock, master).sign_first().await.context(unsigned)
}
