//! What other programs read: the public keys, where they are, and the schema.

use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use serde_json::json;

use crate::app::App;
use crate::platform::keys::rotation::CACHED_SECONDS;
use crate::schema;

/// The keys that verify access tokens. Cached for less time than a new key is published before it
/// signs (KY-01).
pub(super) async fn jwks(State(app): State<App>) -> impl IntoResponse {
    (cached(), Json(app.keys.current().jwks(app.clock.now())))
}

/// Authorization server metadata (RFC 8414): who issues tokens, and where the keys are. There are no
/// OAuth endpoints to name, and lists without elements are left out (section 3.2).
///
/// `access_token_signing_alg_values_supported` is an addition of ours, in the manner of the
/// registered members for other kinds of token.
pub(super) async fn authorization_server(State(app): State<App>) -> impl IntoResponse {
    let mut metadata = json!({
        "issuer": app.config.jwt.issuer,
        "jwks_uri": format!("{}/.well-known/jwks.json", app.config.public_url),
    });
    let algorithms = app.keys.current().algorithms(app.clock.now());
    if !algorithms.is_empty() {
        metadata["access_token_signing_alg_values_supported"] = json!(algorithms);
    }
    (cached(), Json(metadata))
}

fn cached() -> [(axum::http::HeaderName, String); 1] {
    [(CACHE_CONTROL, format!("public, max-age={CACHED_SECONDS}"))]
}

/// The schema with its access policy.
pub(super) async fn schema() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/graphql; charset=utf-8")], schema::sdl())
}
