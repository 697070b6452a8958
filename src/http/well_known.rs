//! What other programs read: the public keys, and the schema.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

use crate::app::App;
use crate::schema;

/// The keys that verify access tokens. Cached for as long as a new key is published before it
/// signs, and no longer (KY-01).
pub(super) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "public, max-age=900")], Json(app.keys.current().jwks()))
}

/// The schema with its access policy.
pub(super) async fn schema() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/graphql; charset=utf-8")], schema::sdl())
}
