//! `/metrics`, and why this instance is not ready, on a listener of its own: whom it answers is for the network to say (HT-09).

use std::future::ready;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;

use super::connections::{Connections, Limits};
use super::health;
use crate::app::App;
use crate::graphql::lanes::Lanes;
use crate::infra::metrics::Exporter;

/// Connections of scrapers at once.
const CONNECTIONS_MAX: u32 = 16;
const UPKEEP_EVERY: Duration = Duration::from_secs(10);

/// Serves for ever.
pub(super) async fn serve(app: App, listener: TcpListener, exporter: Exporter, limits: Limits) {
    let shown = exporter.clone();
    let show = move |State(app): State<App>| ready(show(&app, &shown));
    let routes = Router::new()
        .route("/metrics", get(show))
        .route("/readyz", get(health::why_not_ready))
        .with_state(app.clone());
    let limits = Limits { connections: CONNECTIONS_MAX, per_address: CONNECTIONS_MAX, ..limits };
    let connections = Connections::new(routes, limits, &[], Lanes::default());
    tokio::join!(connections.accept(&listener), keep_up(&app, &exporter));
}

fn show(app: &App, exporter: &Exporter) -> impl IntoResponse + use<> {
    app.measure();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], exporter.render())
}

async fn keep_up(app: &App, exporter: &Exporter) {
    let mut every = tokio::time::interval(UPKEEP_EVERY);
    loop {
        every.tick().await;
        app.measure_waiting().await;
        exporter.upkeep();
    }
}
