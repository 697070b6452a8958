//! The HTTP shell: routes, and what every request passes through.

mod accept;
mod graphql;
mod health;
mod playground;
mod request;
mod serve;
mod well_known;

use std::any::Any;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;

pub(crate) use self::serve::serve;
use crate::app::App;
use crate::graphql::error::Code;

/// Every route of the server.
pub fn router(app: &App) -> Router {
    let mut router = Router::new()
        .route("/graphql", get(playground::page).post(graphql::execute))
        .route("/.well-known/jwks.json", get(well_known::jwks))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready));
    if app.config.introspection {
        router = router.route("/schema.graphql", get(well_known::schema));
    }
    router
        .fallback(|| async { refusal(StatusCode::NOT_FOUND, "There is nothing here") })
        .method_not_allowed_fallback(|| async {
            refusal(StatusCode::METHOD_NOT_ALLOWED, "This method is not supported here")
        })
        // The endpoint limits its body itself, while it streams.
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn(request::identify))
        .with_state(app.clone())
}

/// A refusal before GraphQL, in the shape of a GraphQL error.
fn refusal(status: StatusCode, message: &str) -> Response {
    let error = serde_json::json!({
        "errors": [{ "message": message, "extensions": { "code": Code::BadRequest.as_str() } }],
    });
    (status, axum::Json(error)).into_response()
}

/// What a panic leaves of a request. The panic's own text went to the log, and nowhere else.
fn panicked(_panic: Box<dyn Any + Send + 'static>) -> Response {
    tracing::error!("a request panicked");
    let error = serde_json::json!({
        "errors": [{
            "message": "Something went wrong on our side",
            "extensions": { "code": Code::InternalServerError.as_str() },
        }],
    });
    (StatusCode::INTERNAL_SERVER_ERROR, axum::Json(error)).into_response()
}
