//! The socket: from the first request to a quiet end.

use std::future::pending;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::runtime::Builder;

use super::connections::{Connections, Limits};
use super::{metrics, router};
use crate::app::App;
use crate::infra::metrics::Exporter;
use crate::infra::supervisor;

/// How long requests in flight may take to finish once the process is told to stop (RE-01).
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// How long it may take to end after that, before the process is ended whatever it does.
const END_MAX: Duration = Duration::from_secs(5);

/// Serves, on a listener of their own the metrics too, until SIGTERM or Ctrl-C. Then it stops
/// accepting, after SIGTERM not before load balancers had time to notice, lets what runs finish, and
/// returns.
pub(crate) async fn serve(
    app: App,
    listener: TcpListener,
    scraped: Option<(TcpListener, Exporter)>,
) -> anyhow::Result<()> {
    insist_on_ending(app.config.shutdown_delay)
        .context("the thread that enforces the shutdown cannot be started")?;
    let limits = Limits::new(app.config.connections_per_address);
    if !app.streams.allow_at_most(limits.streams) {
        tracing::warn!(
            "the limit of open files allows {} concurrent connections for streams, fewer than STREAMS_MAX",
            limits.streams
        );
    }
    let connections =
        Connections::new(router(&app), limits, &app.config.trusted_proxies, app.lanes.clone());
    let metrics = async {
        match scraped {
            Some((listener, exporter)) => {
                metrics::serve(app.clone(), listener, exporter, limits).await;
            }
            None => pending().await,
        }
    };
    tokio::select! {
        () = connections.accept(&listener) => {}
        () = connections.relieve() => {}
        () = metrics => {}
        () = leave_rotation(&app, &connections) => {}
    }
    tracing::info!("stopping: requests in flight may finish");
    app.streams.stop();
    let drained = async { tokio::join!(connections.drain(), app.streams.drain()) };
    if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    app.leave().await;
    app.record_stop().await;
    app.close().await
}

/// Returns when the server is to accept no more. From the signal on it is not ready and keeps no connection open
/// after an answer, so that most clients reconnect elsewhere before it ends.
async fn leave_rotation(app: &App, connections: &Connections) {
    let signal = wait_for_signal().await;
    app.announce_stop();
    supervisor::is_stopping();
    connections.keep_none_alive();
    let delay = app.config.shutdown_delay;
    if signal == Signal::Terminate && !delay.is_zero() {
        tracing::info!("the server stops in {} s: /readyz answers 503 until then", delay.as_secs());
        tokio::time::sleep(delay).await;
    }
}

/// Ends the process when it has not ended by itself some time after it was told to, or is told again.
///
/// This takes a thread and a runtime that do nothing else: should every thread that answers requests
/// be stuck, none of them would hear the signal.
fn insist_on_ending(delay: Duration) -> std::io::Result<()> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let wait = async move {
        wait_for_signal().await;
        tokio::select! {
            () = tokio::time::sleep(delay + DRAIN_MAX + END_MAX) => {
                tracing::error!("stopping takes too long: the process ends now");
            }
            _ = wait_for_signal() => tracing::warn!("received a second signal to stop: the process ends now"),
        }
        std::process::exit(1);
    };
    thread::Builder::new().name("end".to_owned()).spawn(move || runtime.block_on(wait))?;
    Ok(())
}

/// How a process is told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// By somebody at a terminal, who waits.
    Interrupt,
    /// By what supervises it.
    Terminate,
}

/// Returns when the process is told to stop.
pub(crate) async fn wait_for_signal() -> Signal {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    let terminate = async {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut signal) => signal.recv().await,
            Err(_unsupported) => std::future::pending().await,
        };
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        _ = interrupt => Signal::Interrupt,
        () = terminate => Signal::Terminate,
    }
}
