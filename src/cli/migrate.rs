//! `portcullis migrate`.

use clap::Subcommand;

use super::output;
use crate::app;
use crate::config::Config;
use crate::infra::db::Db;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Apply the pending migrations
    Up,
    /// Revert the last migrations and delete the data in the tables and columns that they created
    Down {
        /// The number of migrations to revert
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// List the applied and the pending migrations. Fails if the schema is not current
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

pub(super) async fn run(verb: &Verb, config: &Config) -> anyhow::Result<()> {
    let db = app::connect(config).await?;
    let status = act(verb, config, &db).await;
    // Also after a failure: SQLite leaves no log behind when it is closed.
    db.close().await?;
    let status = status?;
    let printed = print(&status, matches!(verb, Verb::Status { json: true }));
    // The verdict stands whether or not anybody has read it.
    if matches!(verb, Verb::Status { .. }) && !status.is_current() {
        anyhow::bail!("the schema does not match this program");
    }
    printed
}

async fn act(verb: &Verb, config: &Config, db: &Db) -> anyhow::Result<migration::Status> {
    let migrations = config.extended.migrations;
    match verb {
        Verb::Up => app::migrate_up(config, db).await?,
        Verb::Down { steps } => db.migrate_down(migrations, *steps).await?,
        Verb::Status { .. } => {}
    }
    Ok(migrations.status(db.reader()).await?)
}

fn print(status: &migration::Status, as_json: bool) -> anyhow::Result<()> {
    let lists =
        [("applied", &status.applied), ("pending", &status.pending), ("unknown", &status.unknown)];
    if as_json {
        let lists = lists.map(|(state, names)| (state.to_owned(), names.as_slice().into()));
        return output::json(&serde_json::Map::from_iter(lists));
    }
    for (state, names) in lists {
        names.iter().try_for_each(|name| output::line(format!("{state}  {name}")))?;
    }
    Ok(())
}
