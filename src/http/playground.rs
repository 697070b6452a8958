//! GET `/graphql`: GraphiQL for browsers, and nothing for anybody else.

use async_graphql::http::GraphiQLSource;
use axum::Extension;
use axum::http::header::{ACCEPT, ALLOW, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{Html, IntoResponse, Response};

use super::{failure, refusal, request};
use crate::platform::access::Client;
use crate::platform::secret::{self, CryptoError};

const CROSS_ORIGIN_OPENER_POLICY: HeaderName =
    HeaderName::from_static("cross-origin-opener-policy");
/// Where the page loads GraphiQL from.
const CDN: &str = "https://unpkg.com";

pub(super) async fn page(Extension(client): Extension<Client>, headers: HeaderMap) -> Response {
    let is_browser = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|accept| accept.contains("text/html"));
    if is_browser {
        return match graphiql() {
            Ok(page) => page,
            Err(error) => {
                tracing::error!(%error, "the playground cannot be shown");
                failure(&request::id_of(&client).to_string())
            }
        };
    }
    let status = StatusCode::METHOD_NOT_ALLOWED;
    let mut response = refusal(status, "Send operations by POST");
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// The page, and the least a browser must load and run for it: the scripts that bear this
/// response's nonce, styles (GraphiQL writes some of its own), and calls to this server.
fn graphiql() -> Result<Response, CryptoError> {
    let nonce = secret::base64url(secret::random::<16>()?);
    let page = GraphiQLSource::build().endpoint("/graphql").title("Portcullis").finish();
    let page = page
        .replace("<script", &format!("<script nonce=\"{nonce}\""))
        // It would tell other servers of this one.
        .replace("<meta name=\"referrer\" content=\"origin\">", "");
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline' {CDN}; \
         font-src data: {CDN}; img-src data: https://graphql.org; connect-src 'self'; \
         form-action 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'"
    );
    let headers =
        [(CONTENT_SECURITY_POLICY, policy), (CROSS_ORIGIN_OPENER_POLICY, "same-origin".to_owned())];
    Ok((headers, Html(page)).into_response())
}
