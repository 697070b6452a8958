//! What other programs read: the public keys, where they are, and the schema.

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde_json::json;
use tokio::time::timeout;

use super::identity::Identity;
use super::{answer, graphql};
use crate::app::App;
use crate::graphql::error::ApiError;
use crate::graphql::rule::Rule;
use crate::infra::keys::rotation::CACHED_SECONDS;
use crate::kernel::access::Origin;

/// Where the public keys are.
pub(super) const JWKS: &str = "/.well-known/jwks.json";
/// Where the metadata is.
pub(super) const METADATA: &str = "/.well-known/oauth-authorization-server";

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
        "jwks_uri": format!("{}{JWKS}", app.config.public_url),
    });
    let algorithms = app.keys.current().algorithms(app.clock.now());
    if !algorithms.is_empty() {
        metadata["access_token_signing_alg_values_supported"] = json!(algorithms);
    }
    (cached(), Json(metadata))
}

/// Where password managers send people to change a password (W3C, "A Well-Known URL for Changing
/// Passwords").
pub(super) async fn change_password(State(app): State<App>) -> impl IntoResponse {
    (StatusCode::FOUND, [(LOCATION, app.config.change_password_url.clone())])
}

/// The pages that may use the passkeys of this domain (WebAuthn Level 3, section 5.11).
pub(super) async fn webauthn(State(app): State<App>) -> Response {
    match &app.config.relying_party {
        Some(party) => (cached(), Json(json!({ "origins": party.origins }))).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn cached() -> [(HeaderName, String); 1] {
    [(CACHE_CONTROL, format!("public, max-age={CACHED_SECONDS}"))]
}

/// The schema with its access policy.
pub(super) async fn schema(State(app): State<App>) -> impl IntoResponse {
    (SDL, app.sdl.whole())
}

const SDL: [(HeaderName, &str); 1] = [(CONTENT_TYPE, "application/graphql; charset=utf-8")];

/// The same as far as the caller may use it: what introspection lists to the same caller.
pub(super) async fn own_schema(
    State(app): State<App>,
    Extension(origin): Extension<Origin>,
    headers: HeaderMap,
) -> Result<Response, Response> {
    let identity = Identity::read(&app, origin, &headers)?;
    let failed = |error| answer::refused(&app, error, &identity.origin);
    // By keys that may have been dropped nothing is decided (KY-03).
    if !app.keys.are_fresh() {
        return Err(failed(ApiError::overdue()));
    }
    let authenticating = app.sessions.authenticate(identity.shown(), identity.organization);
    let authenticating = timeout(graphql::ANSWER_MAX, authenticating).await;
    let authentication = authenticating
        .map_err(|_elapsed| failed(ApiError::overdue()))?
        .map_err(|error| failed(error.into()))?;
    let rules = Rule::shown_to(&authentication, app.clock.now());
    let mut response = (SDL, app.sdl.own(&rules)).into_response();
    let headers = response.headers_mut();
    // What is not to be stored is not to be mixed up either, by whatever stores it all the same.
    for name in ["Authorization", "Cookie", "Portcullis-Organization", "Portcullis-Token-Mode"] {
        headers.append(VARY, HeaderValue::from_static(name));
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(challenge) = identity.challenge(&authentication) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    Ok(response)
}
