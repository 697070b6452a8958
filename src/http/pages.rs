//! The files of the pages for browsers, as they stand in the binary, and what stands in their place in a build without them.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use portcullis_web::{File, MISSING, file};

use super::inline::escaped;
use super::refusal;
use crate::app::App;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
/// The least that the account pages must load and run: nothing from elsewhere, and no script and no style but their own files.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                                 img-src 'self' data:; connect-src 'self'; form-action 'none'; \
                                 frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

/// Why there are no pages, for the log and for `doctor`.
pub(crate) fn missing() -> Option<&'static str> {
    MISSING
}

/// What all pages load.
pub(super) fn routes(router: Router<App>) -> Router<App> {
    router.route("/assets/{name}", get(asset)).route(
        "/licenses.md",
        get(|headers: HeaderMap| async move { send(&headers, "licenses.md") }),
    )
}

/// Whether somebody asks for a page, as browsers do.
pub(super) fn is_meant(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    accepted.any(|accept| accept.contains("text/html"))
}

async fn asset(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    match &app.config.pages.logo {
        Some(logo) if logo.name == name => {
            let headers = described(logo.media_type, "public, max-age=31536000, immutable");
            (headers, logo.bytes.to_vec()).into_response()
        }
        _ => send(&headers, &format!("assets/{name}")),
    }
}

fn send(headers: &HeaderMap, name: &str) -> Response {
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
    (encoded(file), file.bytes).into_response()
}

fn encoded(file: &File) -> HeaderMap {
    let kept = match file.is_immutable() {
        true => "public, max-age=31536000, immutable",
        false => "no-cache",
    };
    let mut headers = described(file.media_type(), kept);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if file.is_gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers
}

fn described(media_type: &'static str, kept: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, kept),
        (CONTENT_SECURITY_POLICY, POLICY),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
}

/// The text of a page; `None` in a build without pages.
pub(super) fn text(name: &str) -> Option<&'static str> {
    file(name).and_then(|file| std::str::from_utf8(file.bytes).ok())
}

/// A page with its policy.
pub(super) fn page(text: String, policy: &'static str) -> Response {
    let mut headers = described("text/html; charset=utf-8", "no-cache");
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(VARY, HeaderValue::from_static("accept-language"));
    (headers, text).into_response()
}

/// What stands in the place of a page in a build without pages, and what to do instead.
pub(super) fn explain(instead: &str) -> Response {
    // It comes from the build, and not from here.
    let reason = escaped(MISSING.unwrap_or_default());
    let text = Html(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Portcullis</title>\
         <h1>This build has no pages</h1><p>The reason: {reason}.</p>\
         <p>With Node (20.19 or newer of 20, or 22.12 or newer) and npm on the PATH, run <code>touch \
         web/build.rs</code> and build again. {instead}</p>"
    ));
    (described("text/html; charset=utf-8", "no-cache"), text).into_response()
}
