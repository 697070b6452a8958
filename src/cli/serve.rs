//! `portcullis serve`.

use std::net::SocketAddr;
use std::path;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use tokio::net::TcpListener;

use super::{environment, output};
use crate::app::App;
use crate::config::{Config, Warning};
use crate::http;
use crate::infra::causes::causes;
use crate::infra::db::is_away;
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
    if config.playground
        && let Some(reason) = http::missing_playground()
    {
        tracing::info!("the playground is not in this build: {reason}");
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
    // Nobody is let in before somebody can answer.
    let app = build(&config).await?;
    if app.db.is_being_restored().await? {
        bail!(
            "a backup was restored into this database and not to the end, so sessions and keys that had ended may be valid \
             again: make an empty database, and run `portcullis restore` again"
        );
    }
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    app.require_writing().await?;
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

/// Waits for a database that does not answer, since machines of one place start in any order.
async fn build(config: &Config) -> anyhow::Result<App> {
    let began = Instant::now();
    let mut stop = pin!(http::wait_for_signal());
    let mut has_warned = false;
    loop {
        let error = match App::build(config.clone(), Clock::system()).await {
            Ok(app) => return Ok(app),
            Err(error) => error,
        };
        let is_away = error.chain().any(|cause| cause.downcast_ref().is_some_and(is_away));
        if !is_away || began.elapsed() + AWAY_PAUSE >= config.database.wait {
            return Err(error);
        }
        if !has_warned {
            let seconds = config.database.wait.as_secs();
            tracing::warn!(
                "the server waits up to {seconds} s for its database: {}",
                causes(error.as_ref())
            );
            has_warned = true;
        }
        supervisor::needs(AWAY_LONGER);
        tokio::select! {
            () = tokio::time::sleep(AWAY_PAUSE) => {}
            _signal = &mut stop => bail!("the server was told to stop while it waited for its database"),
        }
    }
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
