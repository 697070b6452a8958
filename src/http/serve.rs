//! The socket: from the first request to a quiet end.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::router;
use crate::app::App;

/// How long requests in flight may take to finish once the process is told to stop (RE-01).
const DRAIN_MAX: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or Ctrl-C, then stops accepting, lets what runs finish, and returns.
pub(crate) async fn serve(app: App, listener: TcpListener) -> anyhow::Result<()> {
    let (stopping, drain) = oneshot::channel();
    let told = {
        let app = app.clone();
        async move {
            wait_for_signal().await;
            tracing::info!("stopping: requests in flight may finish");
            app.begin_stopping();
            let _ = stopping.send(());
        }
    };
    let routes = router(&app).into_make_service_with_connect_info::<SocketAddr>();
    let server = axum::serve(listener, routes).with_graceful_shutdown(told);
    let too_late = async {
        let _ = drain.await;
        tokio::time::sleep(DRAIN_MAX).await;
    };
    tokio::select! {
        outcome = server => outcome.context("the server failed")?,
        () = too_late => tracing::warn!("some requests did not finish in time"),
    }
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
