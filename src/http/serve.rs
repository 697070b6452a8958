//! The socket: from the first request to a quiet end.

use std::future::pending;
use std::time::Duration;

use tokio::net::TcpListener;

use super::connections::{Connections, Limits};
use super::{metrics, router};
use crate::app::App;
use crate::platform::metrics::Exporter;

/// How long requests in flight may take to finish once the process is told to stop (RE-01).
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Serves, on a listener of their own the metrics too, until SIGTERM or Ctrl-C. Then it stops
/// accepting, lets what runs finish, and returns.
pub(crate) async fn serve(
    app: App,
    listener: TcpListener,
    scraped: Option<(TcpListener, Exporter)>,
) -> anyhow::Result<()> {
    let limits = Limits::default();
    let connections = Connections::new(router(&app), limits);
    let metrics = async {
        match scraped {
            Some((listener, exporter)) => {
                metrics::serve(app.clone(), listener, exporter, limits).await;
            }
            None => pending().await,
        }
    };
    tokio::select! {
        () = connections.accept(listener) => {}
        () = metrics => {}
        () = wait_for_signal() => {}
    }
    tracing::info!("stopping: requests in flight may finish");
    app.begin_stopping();
    if tokio::time::timeout(DRAIN_MAX, connections.drain()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    app.leave().await;
    app.record_stop().await;
    app.close().await
}

async fn wait_for_signal() {
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
        _ = interrupt => {}
        () = terminate => {}
    }
}
