//! `portcullis audit`.

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::output::{self, line};
use crate::app::App;
use crate::config::Config;
use crate::features::audit::{Head, NotedHead};
use crate::kernel::clock::Clock;

/// A hundred years.
const DAYS_MAX: i64 = 36_500;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Verify the audit log's chain of digests and print its head. Fails, and names the place, if an event was changed,
    /// removed, added or moved, or if something without SECRET_KEY pruned the chain or cut off its end. Store the head
    /// elsewhere: only a stored head reveals that somebody restored an older copy of the whole database
    Verify {
        /// A head from an earlier run, which must be in the chain or pruned
        #[arg(long, value_name = "LINK:DIGEST")]
        head: Option<Head>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Sign the log in its current state and record that in the log. Use this if `migrate up` stopped before it signed
    /// the log, or if you know why the signature is invalid. Copy the database first
    Sign,
    /// Remove old events from the beginning of the log; the rest stays verifiable. Removes nothing if the chain is
    /// broken
    Prune {
        /// The minimum age of the events to remove, as in 90d
        #[arg(long, value_name = "AGE", value_parser = days)]
        older_than: TimeDelta,
    },
}

pub(super) async fn run(verb: &Verb, config: Config) -> anyhow::Result<()> {
    let app = App::open(config, Clock::system()).await?;
    let outcome = act(verb, &app).await;
    app.close().await?;
    outcome
}

async fn act(verb: &Verb, app: &App) -> anyhow::Result<()> {
    match verb {
        Verb::Verify { head, json } => {
            let verified = app.chain.verify(head.as_ref()).await?;
            let (end, links) = (&verified.head, verified.links);
            if *json {
                return output::json(&json!({
                    "head": end.to_string(),
                    "seq": end.seq,
                    "links": links,
                    "unsealed": verified.unsealed,
                    "noted": verified.noted.map(|noted| match noted {
                        NotedHead::Linked => "linked",
                        NotedHead::Pruned => "pruned",
                    }),
                }));
            }
            line(format!("the chain is intact: {links} events up to link {}", end.seq))?;
            line(format!("head {end}"))?;
            if let Some((noted, head)) = verified.noted.zip(head.as_ref()) {
                line(match noted {
                    NotedHead::Linked => {
                        format!("the noted head is link {} of the chain", head.seq)
                    }
                    NotedHead::Pruned => format!("the noted head, link {}, was pruned", head.seq),
                })?;
            }
            Ok(line(format!("{} events are not sealed yet", verified.unsealed))?)
        }
        Verb::Sign => {
            let head = app.chain.sign_as_it_stands().await?;
            Ok(line(format!("signed the log: head {head}"))?)
        }
        Verb::Prune { older_than } => {
            let (before, count) = app.prune_audit(*older_than).await?;
            Ok(line(format!("removed {count} events from before {}", output::time(before)))?)
        }
    }
}

fn days(text: &str) -> anyhow::Result<TimeDelta> {
    let days: i64 = text
        .strip_suffix('d')
        .and_then(|days| days.parse().ok())
        .context("give a number of days, as in 90d")?;
    anyhow::ensure!((1..=DAYS_MAX).contains(&days), "give at least 1d and at most {DAYS_MAX}d");
    Ok(TimeDelta::days(days))
}
