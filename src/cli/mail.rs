//! `portcullis mail`.

use anyhow::{bail, ensure};
use clap::Subcommand;
use serde_json::json;

use super::output::{self, line, time};
use crate::app::App;
use crate::config::Config;
use crate::features::undelivered;
use crate::infra::mail::Undelivered;
use crate::kernel::clock::Clock;
use crate::kernel::id::MailId;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// List the newest 1,000 undelivered mails with the reasons
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let the servers retry one undelivered mail, or all with `--all`
    Retry {
        /// The mail's id from `list`
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        #[arg(value_parser = id)]
        id: Option<MailId>,
        /// Retry all undelivered mails
        #[arg(long)]
        all: bool,
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
        Verb::List { json } => list(&app.outbox.list_undelivered().await?, *json),
        Verb::Retry { id, .. } => {
            if !app.outbox.is_on() {
                bail!("this server does not send mail: set SMTP_URL");
            }
            let count = undelivered::retry(&app.changes, &app.outbox, *id).await?;
            ensure!(count > 0 || id.is_none(), "no undelivered mail has this id");
            Ok(line(format!("the running servers retry {count} mails"))?)
        }
    }
}

fn list(mails: &[Undelivered], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&mails.iter().map(as_object).collect::<Vec<_>>());
    }
    let row = |mail: &Undelivered| {
        let (state, until) = (state(mail).to_owned(), time(mail.due_at));
        let kind = mail.kind.clone();
        let (to, failure) = (mail.recipient.clone(), mail.failure.clone());
        [mail.id.to_string(), kind, to, time(mail.created_at), state, until, failure]
    };
    let heading = ["ID", "KIND", "TO", "WRITTEN", "STATE", "NEXT OR KEPT UNTIL", "WHY"];
    Ok(output::table(heading, &mails.iter().map(row).collect::<Vec<_>>())?)
}

fn state(mail: &Undelivered) -> &'static str {
    if mail.given_up_at.is_some() { "given up" } else { "postponed" }
}

fn as_object(mail: &Undelivered) -> serde_json::Value {
    json!({
        "id": mail.id,
        "kind": mail.kind,
        "to": mail.recipient,
        "createdAt": time(mail.created_at),
        "attempts": mail.attempts,
        "state": state(mail),
        "failure": mail.failure,
        "givenUpAt": mail.given_up_at.map(time),
        "until": time(mail.due_at),
    })
}

fn id(text: &str) -> Result<MailId, &'static str> {
    MailId::parse(text).ok_or("this is not the id of a mail")
}
