//! Pages of this server's own, which run only what they carry.

use axum::http::HeaderName;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};

use super::{failure, request};
use crate::infra::causes::causes;
use crate::kernel::access::Origin;
use crate::kernel::secret;

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
/// What no page of this server needs.
const NOTHING_ELSE: &str = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";

/// A page whose scripts and styles carry a nonce, with what its policy allows besides: its directives, and its HTML.
pub(super) fn with_nonce(
    origin: &Origin,
    build: impl FnOnce(&str) -> (String, String),
) -> Response {
    let nonce = match secret::random::<16>() {
        Ok(bytes) => secret::base64url(bytes),
        Err(error) => {
            tracing::error!(error = %causes(&error), "cannot render a page");
            return failure(request::id_of(origin));
        }
    };
    let (allowed, page) = build(&nonce);
    let policy = format!("{NOTHING_ELSE}; {allowed}");
    let headers =
        [(CONTENT_SECURITY_POLICY, policy), (CROSS_ORIGIN_OPENER_POLICY, "same-origin".to_owned())];
    (headers, Html(page)).into_response()
}

/// A text as it stands in HTML, within an attribute as well.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_ends_neither_an_attribute_nor_an_element() {
        assert_eq!(escaped("\"><script>&'"), "&quot;&gt;&lt;script&gt;&amp;'");
    }
}
