//! `portcullis keys`.

use clap::Subcommand;
use serde_json::json;

use super::output::{self, line, time};
use crate::app::App;
use crate::config::Config;
use crate::features::keyring::{Keyring, Resealed};
use crate::infra::keys::rotation::{Described, KNOWN_HERE_SECONDS, Lead, RotationError};
use crate::kernel::clock::Clock;

#[derive(Subcommand)]
pub(super) enum Verb {
    /// List all keys with their states
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a signing key. The server publishes it immediately and signs with it after 15 minutes, when everybody who
    /// verifies tokens knows it. Earlier keys verify until their last token has expired
    Rotate {
        /// Sign with the key within seconds, in an emergency. Other services may refuse tokens until they read the new
        /// key
        #[arg(long)]
        now: bool,
        /// Add a key for refresh tokens instead, in use after 5 seconds. The previous one stays valid for the lifetime
        /// of a session; until then, you cannot add another one
        #[arg(long, conflicts_with = "now")]
        refresh: bool,
        /// Print the new key as JSON
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key immediately: within 5 seconds, no instance accepts its tokens. After a signing key, clients
    /// refresh their tokens and nobody is signed out. After a refresh key, users must sign in again if they have not
    /// refreshed since its replacement, or if their browser signed in before that
    Retire {
        /// The key's id from `list`
        kid: String,
    },
    /// Encrypt all keys and the seeds of one-time codes with SECRET_KEY, so that you can remove SECRET_KEY_PREVIOUS
    Reseal,
}

pub(super) async fn run(verb: &Verb, config: Config) -> anyhow::Result<()> {
    let app = App::open(config, Clock::system()).await?;
    let outcome = act(verb, &app).await;
    app.close().await?;
    outcome
}

async fn act(verb: &Verb, app: &App) -> anyhow::Result<()> {
    let keyring = &app.keyring;
    match verb {
        Verb::List { json } => list(keyring, *json).await,
        Verb::Rotate { refresh: true, json, now: _ } => rotate_refresh(app, *json).await,
        Verb::Rotate { refresh: false, now, json } => {
            let lead = if *now { Lead::Now } else { Lead::Published };
            let added = keyring.rotate(app.config.jwt_algorithm, lead).await?;
            if *json {
                return output::json(&json!({
                    "kid": added.kid,
                    "algorithm": added.algorithm.into_str(),
                    "signsFrom": time(added.signs_from),
                    "othersVerifyUntil": time(added.others_verify_until),
                }));
            }
            line(format!(
                "added {} ({}): it signs from {} on; the earlier keys verify until {}",
                added.kid,
                added.algorithm.into_str(),
                time(added.signs_from),
                time(added.others_verify_until),
            ))?;
            if *now {
                line("to withdraw a leaked key, run `portcullis keys retire` with its id")?;
            }
            Ok(())
        }
        Verb::Retire { kid } => {
            retire(app, kid).await?;
            Ok(line(format!(
                "withdrew {kid}: every instance refuses its tokens within {KNOWN_HERE_SECONDS} s; other services may \
                 accept them until they read the keys again"
            ))?)
        }
        Verb::Reseal => {
            let Resealed { keys, seeds } = keyring.reseal().await?;
            line(format!(
                "encrypted {keys} keys and {} seeds of one-time codes with SECRET_KEY: you can remove \
                 SECRET_KEY_PREVIOUS",
                seeds.sealed,
            ))?;
            if seeds.unreadable > 0 {
                line(format!(
                    "neither secret decrypts {} further seeds: the server refuses the codes of their users",
                    seeds.unreadable,
                ))?;
            }
            Ok(())
        }
    }
}

async fn rotate_refresh(app: &App, as_json: bool) -> anyhow::Result<()> {
    let added = app.keyring.rotate_refresh(app.config.lifetimes.absolute).await?;
    if as_json {
        return output::json(&json!({
            "kid": added.kid,
            "signsFrom": time(added.signs_from),
            "beforeVerifiesUntil": time(added.before_verifies_until),
        }));
    }
    Ok(line(format!(
        "added {}: it signs refresh tokens from {} on; the previous key verifies until {}",
        added.kid,
        time(added.signs_from),
        time(added.before_verifies_until),
    ))?)
}

/// Drops a key as soon as every instance knows the one that follows.
async fn retire(app: &App, kid: &str) -> Result<(), RotationError> {
    loop {
        match app.keyring.retire(kid).await {
            Err(RotationError::TooSoon { until }) => {
                let wait = (until - app.clock.now()).to_std().unwrap_or_default();
                eprintln!("waiting until every instance knows the next key");
                tokio::time::sleep(wait).await;
            }
            outcome => return outcome,
        }
    }
}

async fn list(keyring: &Keyring, as_json: bool) -> anyhow::Result<()> {
    let keys = keyring.list().await?;
    if as_json {
        let keys: Vec<_> = keys.iter().map(as_object).collect();
        return output::json(&keys);
    }
    let rows: Vec<_> = keys
        .iter()
        .map(|key| {
            let until = key.verifies_until.map_or_else(|| "-".to_owned(), time);
            let (purpose, algorithm) = (key.purpose.clone(), key.algorithm.clone());
            let state = key.state.into_str().to_owned();
            [key.kid.clone(), purpose, algorithm, state, time(key.signs_from), until]
        })
        .collect();
    let heading = ["KID", "PURPOSE", "ALGORITHM", "STATE", "SIGNS FROM", "VERIFIES UNTIL"];
    Ok(output::table(heading, &rows)?)
}

fn as_object(key: &Described) -> serde_json::Value {
    json!({
        "kid": key.kid,
        "purpose": key.purpose,
        "algorithm": key.algorithm,
        "state": key.state.into_str(),
        "createdAt": time(key.created_at),
        "signsFrom": time(key.signs_from),
        "verifiesUntil": key.verifies_until.map(time),
    })
}
