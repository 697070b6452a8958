//! `portcullis backup`.

use std::path::PathBuf;

use clap::Args;

use super::output::{line, time};
use crate::app;
use crate::config::Config;

/// How the head of a log begins that has no link.
const NO_LINK: &str = "0:";

#[derive(Args)]
pub(super) struct Backup {
    /// The new file, which only the user who runs this can read
    file: PathBuf,
}

pub(super) async fn run(args: &Backup, config: &Config) -> anyhow::Result<()> {
    let backup = app::back_up(config, &args.file).await?;
    let schema = backup.migrations.last().map_or("", String::as_str);
    line(format!("wrote {}: {} with the schema {schema}", args.file.display(), backup.product))?;
    line(format!("made at {}", time(backup.made_at)))?;
    line(match &backup.head {
        Some(head) if head.starts_with(NO_LINK) => {
            "its audit log has no sealed event yet, so it has no head".to_owned()
        }
        Some(head) => format!("head {head}"),
        None => "its schema is that of an earlier release, so this program does not know the head"
            .to_owned(),
    })?;
    if let Err(error) = config.extended.migrations.require_known(&backup.migrations) {
        line(format!("this program cannot restore it: {error}"))?;
    }
    Ok(line(
        "SECRET_KEY is not in it: keep a copy in another place. Without it, nobody can restore the backup",
    )?)
}
