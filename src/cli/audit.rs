//! `portcullis audit`.

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::output::{self, line};
use crate::app::App;
use crate::config::Config;
use crate::platform::clock::Clock;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Follow the chain of digests over the audit log, and print its head. Fails, and says where,
    /// when an event was changed, removed, added or moved. Note the head elsewhere: only that shows
    /// when the end was cut off, or the whole chain made anew
    Verify {
        /// A head that was noted earlier, and must be part of the chain
        #[arg(long, value_name = "DIGEST")]
        head: Option<String>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove old events from the beginning of the log; the rest can still be verified
    Prune {
        /// How old, as in 90d
        #[arg(long, value_name = "AGE", value_parser = days)]
        older_than: TimeDelta,
    },
}

pub(super) async fn run(verb: &Verb, config: Config) -> anyhow::Result<()> {
    let app = App::build(config, Clock::system()).await?;
    let outcome = act(verb, &app).await;
    app.close().await?;
    outcome
}

async fn act(verb: &Verb, app: &App) -> anyhow::Result<()> {
    match verb {
        Verb::Verify { head, json } => {
            let verified = app.chain.verify(head.as_deref()).await?;
            let (head, links) = (verified.head, verified.links);
            if *json {
                return output::json(&json!({
                    "head": head.hex(),
                    "seq": head.seq,
                    "links": links,
                    "unsealed": verified.unsealed,
                }));
            }
            line(format!("the chain is whole: {links} events up to link {}", head.seq))?;
            line(format!("head {}", head.hex()))?;
            Ok(line(format!("{} events are not sealed yet", verified.unsealed))?)
        }
        Verb::Prune { older_than } => {
            let before = app.clock.now() - *older_than;
            let count = app.chain.prune(before).await?;
            Ok(line(format!("removed {count} events from before {}", output::time(before)))?)
        }
    }
}

fn days(text: &str) -> anyhow::Result<TimeDelta> {
    let days = text.strip_suffix('d').and_then(|days| days.parse().ok()).filter(|days| *days > 0);
    days.filter(|days| *days <= 36_500).map(TimeDelta::days).context("give days, as in 90d")
}
