//! `portcullis restore`.

use std::path::PathBuf;

use anyhow::bail;
use clap::Args;

use super::output::{self, line};
use crate::app::{self, Existing, Revived};
use crate::config::Config;

#[derive(Args)]
pub(super) struct Restore {
    /// A file that `portcullis backup` wrote
    file: PathBuf,
    /// Replace the SQLite database that DATABASE_URL names, which deletes everything in it
    #[arg(long)]
    replace: bool,
    /// Do not ask before replacing. Production requires an answer or this flag
    #[arg(long, requires = "replace")]
    yes: bool,
    /// Keep the sessions, the links in mails and the keys of the backup. Sessions that have ended since, links that were
    /// used and keys that were withdrawn are valid again
    #[arg(long)]
    keep_sessions: bool,
}

pub(super) async fn run(args: &Restore, config: &Config) -> anyhow::Result<()> {
    let existing = if args.replace { Existing::Replaced } else { Existing::Refused };
    let revived = if args.keep_sessions { Revived::Kept } else { Revived::Ended };
    if args.replace && !config.is_development() && !args.yes {
        let question = "This deletes everything in the database that is there now. Go on?";
        if !output::confirm(question)? {
            bail!("nothing was restored: answer the question with y, or add --yes");
        }
    }
    let restored = app::restore(config, &args.file, existing, revived).await?;
    line(format!("restored {}", args.file.display()))?;
    line(format!("head {}", restored.head))?;
    line(match restored.sessions {
        Some(ended) => format!(
            "ended {ended} sessions, voided the links in mails except those that undo a change of address, and made \
             all keys anew"
        ),
        None => "its sessions, links and keys are valid again, also those that had ended since"
            .to_owned(),
    })?;
    Ok(line("before you start the servers, run `portcullis audit verify` and `portcullis doctor`")?)
}
