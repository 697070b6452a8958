//! `portcullis serve`.

use std::error::Error;
use std::net::SocketAddr;
use std::path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use super::{environment, output};
use crate::app::App;
use crate::config::{Config, Warning};
use crate::http::{self, Reason};
use crate::infra::causes::causes;
use crate::infra::db::{Refused, is_away};
use crate::infra::mail::Delivery;
use crate::infra::metrics::{self, Exporter};
use crate::infra::supervisor;
use crate::kernel::clock::Clock;

/// How long a server that starts waits before it asks for its database again.
const AWAY_PAUSE: Duration = Duration::from_secs(1);
/// How much longer the supervisor is then asked to wait for the start: one attempt takes several seconds.
const AWAY_LONGER: Duration = Duration::from_mins(1);

pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    if config.is_development() && !config.listen.ip().is_loopback() {
        tracing::warn!("A DEVELOPMENT INSTANCE IS OPEN TO THE NETWORK: do not put real data in it");
    }
    for Warning { message, advice } in &config.warnings {
        tracing::warn!("{message}: {advice}");
    }
    for name in config.overrides() {
        tracing::warn!("{name} shows more than a production instance should");
    }
    if config.mail.is_none() {
        tracing::warn!("SMTP_URL is not set: the server does not mail users about their accounts");
    }
    if !config.is_development() {
        tracing::info!("registration is {}", config.registration.admission.into_str());
    }
    if let Some(reason) = http::missing_pages() {
        tracing::warn!("the account pages and the playground are not in this build: {reason}");
        if let links = config.links_without_pages()
            && !links.is_empty()
        {
            tracing::warn!(
                "links in mails lead to pages that this build lacks: set {}",
                links.join(", ")
            );
        }
    }
    if config.takes_a_proxy_for_everybody() {
        tracing::warn!(
            "TRUSTED_PROXIES is not set: all clients behind a proxy count as one address and share its limits"
        );
    }
    // From here on what happens is counted.
    let scraped = match config.metrics_listen {
        Some(address) => Some(listen_for_scrapers(address).await?),
        None => None,
    };
    let (app, listener) = build(&config, scraped.as_ref().map(|(listener, _)| listener)).await?;
    if app.db.is_being_restored().await? {
        bail!(
            "a backup was restored into this database and not to the end, so sessions and keys that had ended may be valid \
             again: make an empty database, and run `portcullis restore` again"
        );
    }
    if app.db.is_backup().await? {
        bail!(
            "the file in DATABASE_URL is a backup, so sessions and keys that had ended may be valid again: restore it into \
             another file with `portcullis restore`"
        );
    }
    // Nobody is let in before somebody can answer.
    let listener = match listener {
        Some(listener) => listener,
        None => listen(&config).await?,
    };
    app.follow_algorithm().await?;
    app.record_start().await?;
    app.limits.look_for_redis().await;
    app.spawn_housekeeping();
    let address = listener.local_addr()?;
    if config.is_development() {
        greet(&config, address.port())?;
    }
    tracing::info!("listening on http://{address}");
    supervisor::spawn_sign_of_life();
    supervisor::is_ready();
    http::serve(app, listener, scraped).await
}

/// Makes the server. Waits for a database that does not answer, since machines of one place start in any order, and for one
/// that is a standby, as during a failover. Then there is a listener already, on which clients are told to come back.
async fn build(
    config: &Config,
    operators: Option<&TcpListener>,
) -> anyhow::Result<(App, Option<TcpListener>)> {
    let began = Instant::now();
    let is_worth_it = |error: &anyhow::Error| {
        began.elapsed() + AWAY_PAUSE < config.database.wait && error.chain().any(may_pass)
    };
    let error = match attempt(config).await {
        Ok(app) => return Ok((app, None)),
        Err(error) if is_worth_it(&error) => error,
        Err(error) => return Err(error),
    };
    let seconds = config.database.wait.as_secs();
    let why = causes(error.as_ref());
    tracing::warn!("the server waits up to {seconds} s for its database: {why}");
    let reason = Reason::default();
    reason.set(why);
    let listener = listen(config).await?;
    let further = async {
        loop {
            supervisor::needs(AWAY_LONGER);
            tokio::time::sleep(AWAY_PAUSE).await;
            match attempt(config).await {
                Err(error) if is_worth_it(&error) => reason.set(causes(error.as_ref())),
                outcome => return outcome,
            }
        }
    };
    let shared = Arc::new(config.clone());
    let further = http::answer_during(&shared, &listener, operators, &reason, further);
    let app = tokio::select! {
        app = further => app?,
        _signal = pin!(http::wait_for_signal()) => {
            bail!("the server was told to stop while it waited for its database")
        }
    };
    Ok((app, Some(listener)))
}

/// A server whose database takes writes.
async fn attempt(config: &Config) -> anyhow::Result<App> {
    let app = App::build(config.clone(), Clock::system()).await?;
    match app.require_writing().await {
        Ok(()) => Ok(app),
        Err(error) => {
            // The first error is the one to tell.
            let _second = app.close().await;
            Err(error)
        }
    }
}

/// Whether what a start failed for may pass by itself.
fn may_pass(cause: &(dyn Error + 'static)) -> bool {
    cause.downcast_ref().is_some_and(is_away)
        || cause.downcast_ref().is_some_and(|Refused(why)| why.may_pass())
}

async fn listen(config: &Config) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(config.listen).await;
    listener.with_context(|| format!("cannot listen on {}", config.listen))
}

/// Binds the listener of the metrics, and installs what counts.
async fn listen_for_scrapers(address: SocketAddr) -> anyhow::Result<(TcpListener, Exporter)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (METRICS_LISTEN)"))?;
    tracing::info!("metrics are at http://{}/metrics", listener.local_addr()?);
    Ok((listener, metrics::install()?))
}

/// Said at each start in development.
fn greet(config: &Config, port: u16) -> anyhow::Result<()> {
    let program = environment::invocation();
    let data = path::absolute(&config.data_dir).context("DATA_DIR is not a usable path")?;
    let mail = match config.mail.as_ref().map(|mail| &mail.delivery) {
        Some(Delivery::Folder(folder)) => path::absolute(folder)?.display().to_string(),
        Some(Delivery::Smtp(_)) => "goes to the server in SMTP_URL".to_owned(),
        None => "is not sent".to_owned(),
    };
    let limits = match config.rates {
        Some(_) => "on, as in production; RATE_LIMITS=off turns them off for your tests",
        None => "off; RATE_LIMITS=on turns them on",
    };
    let greeting = format!(
        "Portcullis is ready.\n\
         \n  Start here      http://localhost:{port}/\
         \n  Create an admin {program} admin create --username NAME --email ADDRESS\
         \n  Data            {}\
         \n  Mail            {mail}\
         \n  Limits          {limits}\n",
        data.display()
    );
    // A server runs whether or not anybody reads this.
    let _unread = output::line(greeting);
    Ok(())
}
