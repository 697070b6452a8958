//! Whether the process lives, and whether it should get requests. Why not, only the operator is told.

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::observe::Answered;
use crate::app::App;
use crate::graphql::error::Code;

/// Depends on nothing: an outage elsewhere is no reason to restart this process.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.is_ready().await {
        return "ok\n".into_response();
    }
    let code = Code::ServiceUnavailable;
    (code.status(), Extension(Answered(Some(code))), "unavailable\n").into_response()
}

/// The same for the operator, with the check that fails and what to do about it.
pub(super) async fn why_not_ready(State(app): State<App>) -> Response {
    match app.why_not_ready().await {
        None => "ok\n".into_response(),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}
