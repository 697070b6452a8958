//! `portcullis audit`.

use anyhow::Context;
use chrono::TimeDelta;
use clap::Subcommand;
use serde_json::json;

use super::output::{self, line};
use crate::app::App;
use crate::config::Config;
use crate::features::audit::{Head, Noted};
use crate::kernel::clock::Clock;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// Follow the chain of digests over the audit log, and print its head. Fails, and says where,
    /// when an event was changed, removed, added or moved, or when something without SECRET_KEY has
    /// pruned the chain or cut its end off. Note the head elsewhere: only that shows when somebody
    /// has put back an older copy of the whole database
    Verify {
        /// A head that was noted earlier, and must be in the chain or pruned
        #[arg(long, value_name = "LINK:DIGEST")]
        head: Option<Head>,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Sign the log as it stands, and write that into it: after `migrate up` was stopped before it had
    /// signed, or when you know why the signature does not hold. Keep a copy of the database first
    Sign,
    /// Remove old events from the beginning of the log; the rest can still be verified. Removes
    /// nothing when the chain is broken
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
            let verified = app.chain.verify(head.as_ref()).await?;
            let (end, links) = (&verified.head, verified.links);
            if *json {
                return output::json(&json!({
                    "head": end.to_string(),
                    "seq": end.seq,
                    "links": links,
                    "unsealed": verified.unsealed,
                    "noted": verified.noted.map(|noted| match noted {
                        Noted::Linked => "linked",
                        Noted::Pruned => "pruned",
                    }),
                }));
            }
            line(format!("the chain is whole: {links} events up to link {}", end.seq))?;
            line(format!("head {end}"))?;
            if let Some((noted, head)) = verified.noted.zip(head.as_ref()) {
                line(match noted {
                    Noted::Linked => format!("the noted head is link {} of the chain", head.seq),
                    Noted::Pruned => format!("the noted head, link {}, was pruned", head.seq),
                })?;
            }
            Ok(line(format!("{} events are not sealed yet", verified.unsealed))?)
        }
        Verb::Sign => {
            let head = app.chain.sign_as_it_stands().await?;
            Ok(line(format!("signed; head {head}"))?)
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
