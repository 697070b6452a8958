//! The playground: GraphiQL for browsers at `/playground/`, where GET `/graphql` sends them; and nothing
//! there for anybody else.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use portcullis_playground::{File, MISSING, file};

use super::refusal;
use crate::app::App;

const PAGE: &str = "/playground/";
/// From `/graphql` and `/playground`, also when a proxy has taken a path away that browsers see.
const PAGE_FROM_ROOT: &str = "playground/";
const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
/// The least that the page must load and run: nothing from elsewhere, and no script but its own. Its
/// editor writes styles of its own, and cannot be told a nonce.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self'; connect-src 'self'; \
                      worker-src 'self'; form-action 'none'; frame-ancestors 'none'; \
                      base-uri 'none'; object-src 'none'";

/// Why there is no page, for the log.
pub(crate) fn missing() -> Option<&'static str> {
    MISSING
}

pub(super) fn routes(router: Router<App>) -> Router<App> {
    router
        .route("/playground", get(|| async { Redirect::permanent(PAGE_FROM_ROOT) }))
        .route(PAGE, get(|headers: HeaderMap| async move { send(&headers, "index.html") }))
        .route("/playground/{*name}", get(asset))
}

/// Whether a browser that opens `/graphql` means the page.
pub(super) fn is_meant(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|accept| accept.contains("text/html"))
}

pub(super) fn redirect() -> Response {
    Redirect::temporary(PAGE_FROM_ROOT).into_response()
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    send(&headers, &name)
}

fn send(headers: &HeaderMap, name: &str) -> Response {
    if let Some(reason) = MISSING
        && name == "index.html"
    {
        return explain(reason);
    }
    let Some(file) = file(name) else {
        return refusal(StatusCode::NOT_FOUND, "There is nothing at this address.");
    };
    // Compressed is how the files are there. Whoever does not say what they take, takes anything
    // (RFC 9110, section 12.5.3); each browser says that it takes this.
    let encodings = headers.get(ACCEPT_ENCODING).map(|value| value.to_str().unwrap_or_default());
    let takes_gzip = encodings.is_none_or(|taken| taken.contains("gzip") || taken.contains('*'));
    if file.is_gzip && !takes_gzip {
        return refusal(
            StatusCode::NOT_ACCEPTABLE,
            "The server sends this only with gzip compression.",
        );
    }
    (described(file), file.bytes).into_response()
}

fn described(file: &File) -> HeaderMap {
    let kept = match file.is_immutable() {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_TYPE, file.media_type()),
        (CACHE_CONTROL, kept),
        (VARY, "accept-encoding"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if file.is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

/// What stands in the place of the page in a build without it.
fn explain(reason: &str) -> Response {
    // It comes from the build, and not from here.
    let reason = reason.replace('&', "&amp;").replace('<', "&lt;");
    Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Portcullis</title>\
         <h1>The playground is not in this build</h1><p>The reason: {reason}.</p>\
         <p>With Node (20.19 or newer of 20, or 22.12 or newer) and npm on the PATH, run <code>touch \
         playground/build.rs</code> and build again. Any GraphQL client works with \
         <code>/graphql</code> meanwhile.</p>"
    ))
    .into_response()
}
