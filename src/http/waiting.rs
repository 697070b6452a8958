//! What a server answers while it waits for its database: that it lives, and that it is not ready. Why not, only the
//! operator is told.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use serde_json::json;
use tokio::net::TcpListener;

use super::connections::{Connections, Limits};
use super::observe::Answered;
use super::{health, surround};
use crate::config::Config;
use crate::graphql::error::{Code, RETRY_AFTER_SECONDS};
use crate::graphql::lanes::Lanes;

/// Why a server waits. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reason(Arc<Mutex<String>>);

impl Reason {
    pub(crate) fn set(&self, reason: String) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }

    fn told(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Answers clients, and on a listener of its own the operator, until `work` is done.
pub(crate) async fn answer_during<T>(
    config: &Arc<Config>,
    listener: &TcpListener,
    operators: Option<&TcpListener>,
    reason: &Reason,
    work: impl Future<Output = T>,
) -> T {
    let limits = Limits::new(config.connections_per_address);
    let clients =
        Router::new().route("/healthz", get(health::live)).fallback(|| async { unavailable() });
    let clients = surround(clients, config);
    let clients = Connections::new(clients, limits, &config.trusted_proxies, Lanes::default());
    let told = |State(reason): State<Reason>| async move {
        (StatusCode::SERVICE_UNAVAILABLE, format!("it waits for its database: {}\n", reason.told()))
    };
    let routes = Router::new()
        .route("/healthz", get(health::live))
        .route("/readyz", get(told))
        .with_state(reason.clone());
    let operator = Connections::new(routes, limits, &[], Lanes::default());
    // Whoever has asked once is to come back to the server that has started.
    clients.keep_none_alive();
    operator.keep_none_alive();
    let operator = async {
        match operators {
            Some(listener) => operator.accept(listener).await,
            None => pending().await,
        }
    };
    tokio::select! {
        done = work => done,
        never = async { tokio::join!(clients.accept(listener), clients.relieve(), operator) } => {
            let _: ((), (), ()) = never;
            pending().await
        }
    }
}

fn unavailable() -> impl IntoResponse {
    let code = Code::ServiceUnavailable;
    let extensions = json!({ "code": code.as_str(), "retryAfter": RETRY_AFTER_SECONDS });
    let message = "Please try again in a moment.";
    let error = json!({ "errors": [{ "message": message, "extensions": extensions }] });
    let answered = Extension(Answered(Some(code)));
    (code.status(), [(RETRY_AFTER, RETRY_AFTER_SECONDS)], answered, axum::Json(error))
}
