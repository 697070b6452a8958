//! Whether the process lives, and whether it should get requests. Neither says anything else.

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};

use super::observe::Answered;
use crate::app::App;
use crate::graphql::error::Code;
use crate::infra::metrics::Operation;

/// Depends on nothing: an outage elsewhere is no reason to restart this process.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

pub(super) async fn ready(State(app): State<App>) -> Response {
    if app.is_ready().await {
        return "ok\n".into_response();
    }
    let code = Code::ServiceUnavailable;
    let answered = Answered { operation: Operation::None, code: Some(code) };
    (code.status(), Extension(answered), "unavailable\n").into_response()
}
