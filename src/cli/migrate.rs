//! `portcullis migrate`.

use clap::Subcommand;

use super::output;
use crate::app;
use crate::config::Config;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Apply what is pending
    Up,
    /// Take back the last migrations, with the data in what they made
    Down {
        /// How many
        #[arg(long, default_value_t = 1)]
        steps: u32,
    },
    /// Show what is applied and what is pending; fails when the schema is not current
    Status,
}

pub(super) async fn run(verb: &Verb, config: &Config) -> anyhow::Result<()> {
    let db = app::connect(config).await?;
    match verb {
        Verb::Up => migration::up(db.writer(), None).await?,
        Verb::Down { steps } => migration::down(db.writer(), *steps).await?,
        Verb::Status => {}
    }
    let status = migration::status(db.reader()).await?;
    let lists =
        [("applied", &status.applied), ("pending", &status.pending), ("unknown", &status.unknown)];
    for (state, names) in lists {
        for name in names {
            output::line(format!("{state}  {name}"))?;
        }
    }
    db.close().await?;
    if matches!(verb, Verb::Status) && !status.is_current() {
        anyhow::bail!("the schema is not the one this program was written for");
    }
    Ok(())
}
