//! `/metrics`, on a listener of its own: whom it answers is for the network to say (HT-09).

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::connections::{Connections, Limits};
use crate::app::App;
use crate::graphql::lanes::Lanes;
use crate::infra::metrics::{self, Exporter};

/// Connections of scrapers at once.
const CONNECTIONS_MAX: u32 = 16;
const UPKEEP_EVERY: Duration = Duration::from_secs(10);

/// Serves for ever.
pub(super) async fn serve(app: App, listener: TcpListener, exporter: Exporter, limits: Limits) {
    let routes = Router::new().route("/metrics", get(show)).with_state((app, exporter.clone()));
    let limits = Limits { connections: CONNECTIONS_MAX, per_address: CONNECTIONS_MAX, ..limits };
    let connections = Connections::new(routes, limits, &[], Lanes::default());
    tokio::join!(connections.accept(listener), keep_up(&exporter));
}

async fn show(State((app, exporter)): State<(App, Exporter)>) -> impl IntoResponse {
    for pool in app.db.pools() {
        metrics::database_connections(pool.name, pool.used, pool.idle);
    }
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exporter.render())
}

async fn keep_up(exporter: &Exporter) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        exporter.upkeep();
    }
}
