//! What is known of a request before it is read: its id, its origin, its bearer token.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request};
use axum::http::header::{
    ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, HOST,
    REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING, USER_AGENT,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};
use axum::response::{IntoResponse, Response};
use secrecy::SecretString;
use tracing::Instrument;

use super::client_ip::{client_ip, is_trusted};
use super::framing::Ambiguous;
use super::observe::Watch;
use super::{Panicked, failure, refusal, tell_in};
use crate::config::{Config, Hsts};
use crate::graphql::cookie::{Cookie, Cookies, Repeated};
use crate::kernel::access::{Language, Origin, TokenMode};
use crate::kernel::clock::Clock;
use crate::kernel::id::{OrganizationId, uuid_v7};
use crate::kernel::request_id::RequestId;

/// Where a call in cookie mode acts.
pub(super) const ORGANIZATION: HeaderName = HeaderName::from_static("portcullis-organization");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What browsers may load and do for a response that is no page: nothing (HT-08).
const NO_CONTENT: &str =
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";
/// A longer header is refused unread (JW-09).
const AUTHORIZATION_LENGTH_MAX: usize = 8 * 1024;
const USER_AGENT_LENGTH_MAX: usize = 256;
/// No address here is nearly as long (RFC 9112 asks for 8,000).
const URI_LENGTH_MAX: usize = 8 * 1024;

/// Gives every request an id, which the log, the errors and the response share, and every response the
/// headers that all of them have; and watches what comes of it.
pub(super) async fn identify(
    config: &Config,
    mut request: Request,
    answer: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let (id, origin) = origin(config, &request);
    let watch = Watch::request(config, &origin, &request);
    let language = origin.language;
    request.extensions_mut().insert(watch.noted().clone());
    request.extensions_mut().insert(origin);
    #[cfg(not(feature = "otel"))]
    let span = tracing::info_span!("request", request.id = %id);
    #[cfg(feature = "otel")]
    let span = super::trace::begin(id, &request);
    let mut response = match check_head(&request) {
        Ok(()) => answer(request).instrument(span.clone()).await,
        Err(refused) => refused,
    };
    if response.extensions().get::<Panicked>().is_some() {
        let (parts, body) = failure(id).into_parts();
        response.headers_mut().extend(parts.headers);
        response.extensions_mut().extend(parts.extensions);
        *response.body_mut() = body;
    }
    tell_in(language, &mut response);
    #[cfg(feature = "otel")]
    super::trace::end(&span, &response, watch.noted().kind());
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(NO_CONTENT));
    if let Some(https_only) = https_only(config) {
        headers.insert(STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(https_only));
    }
    watch.end(&response);
    response
}

/// From where a request comes, and its id: that of a proxy of ours, or else one of our own. Nobody else
/// chooses what stands in the log and in the audit log.
fn origin(config: &Config, request: &Request) -> (RequestId, Origin) {
    let headers = request.headers();
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip());
    let proxy = peer.filter(|peer| is_trusted(*peer, &config.trusted_proxies));
    let given = proxy.and_then(|_proxy| given_id(headers));
    let id = given.unwrap_or_else(|| uuid_v7(Clock::system().now()).into());
    let language = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    let origin = Origin {
        ip: peer.map(|peer| client_ip(peer, headers, &config.trusted_proxies)),
        user_agent: headers.get(USER_AGENT).and_then(printable),
        request_id: Some(id),
        token_mode: TokenMode::Body,
        cookie_session: None,
        language: language.map(Language::accepted).unwrap_or_default(),
    };
    (id, origin)
}

/// The one id that a request came with.
fn given_id(headers: &HeaderMap) -> Option<RequestId> {
    let mut given = headers.get_all(REQUEST_ID).iter();
    match (given.next(), given.next()) {
        (Some(id), None) => RequestId::parse(id.to_str().ok()?),
        (None | Some(_), _) => None,
    }
}

/// Two years, as the preload list wants it (HT-07). No other host is bound unless that is set (HT-11).
fn https_only(config: &Config) -> Option<&'static str> {
    if !config.public_url.starts_with("https:") {
        return None;
    }
    match config.hsts {
        Hsts::Host => Some("max-age=63072000"),
        Hsts::Subdomains => Some("max-age=63072000; includeSubDomains"),
        Hsts::Preload => Some("max-age=63072000; includeSubDomains; preload"),
        Hsts::Off => None,
    }
}

/// Refuses what a proxy in front may have read in another way than we do, and endless addresses.
fn check_head(request: &Request) -> Result<(), Response> {
    let headers = request.headers();
    if request.uri().path_and_query().is_some_and(|uri| uri.as_str().len() > URI_LENGTH_MAX) {
        return Err(refusal(StatusCode::URI_TOO_LONG, "The URL is too long."));
    }
    if request.extensions().get::<Ambiguous>().is_some() {
        let message = "Send either one Content-Length or Transfer-Encoding: chunked.";
        return Err(refusal(StatusCode::BAD_REQUEST, message));
    }
    if !has_host(request) {
        let message = "Send exactly one valid Host header.";
        return Err(refusal(StatusCode::BAD_REQUEST, message));
    }
    let mut encodings = headers.get_all(TRANSFER_ENCODING).iter();
    if !encodings.all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked")) {
        // Whoever is in front may understand the coding, and find another end of the body.
        let refused =
            refusal(StatusCode::BAD_REQUEST, "The only supported Transfer-Encoding is chunked.");
        return Err(([(CONNECTION, "close")], refused).into_response());
    }
    Ok(())
}

/// Whether it says which host it is for, once and clearly (RFC 9112, section 3.2). Before HTTP/1.1 none did.
fn has_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(host), None) => Authority::try_from(host.as_bytes()).is_ok_and(|host| is_host(&host)),
        (Some(_), Some(_)) => false,
    }
}

/// A name or an address, and a port if any; what may stand before them in a URI, with an @, does not belong here.
fn is_host(host: &Authority) -> bool {
    let rest = host.as_str().strip_prefix(host.host());
    rest.is_some_and(|port| matches!(port, "" | ":") || host.port_u16().is_some())
}

/// A header's text without control characters, cut to what is stored.
fn printable(value: &HeaderValue) -> Option<String> {
    let text = value.to_str().ok()?;
    Some(text.chars().filter(|c| !c.is_control()).take(USER_AGENT_LENGTH_MAX).collect())
}

/// The bearer token of a request (RFC 6750, section 2.1), if it has one.
///
/// Another scheme is as no header at all; two headers or an empty token are refused (JW-10).
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<SecretString>, Response> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let bad = |message| Err(refusal(StatusCode::BAD_REQUEST, message));
    if values.next().is_some() {
        return bad("Send only one Authorization header.");
    }
    if value.len() > AUTHORIZATION_LENGTH_MAX {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        return Err(refusal(status, "The Authorization header is too long."));
    }
    let Ok(text) = value.to_str() else {
        return bad("The Authorization header is not readable.");
    };
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Ok(None);
    }
    match token.trim_matches(' ') {
        "" => bad("The Authorization header has no token."),
        token => Ok(Some(token.into())),
    }
}

/// What a cookie of ours in a request holds.
pub(super) fn cookie(
    cookies: &Cookies,
    cookie: Cookie,
    headers: &HeaderMap,
) -> Result<Option<SecretString>, Response> {
    cookies.read(cookie, headers).map_err(|Repeated| {
        refusal(StatusCode::BAD_REQUEST, "Send each cookie of this server only once.")
    })
}

/// The organization that a call in cookie mode is to act in (RT-19).
pub(super) fn organization(headers: &HeaderMap) -> Result<Option<OrganizationId>, Response> {
    let mut values = headers.get_all(ORGANIZATION).iter();
    let named = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => value.to_str().ok().and_then(OrganizationId::parse),
        (Some(_), Some(_)) => None,
    };
    let message =
        "Portcullis-Organization must be the id of one organization, as in organization_….";
    named.map(Some).ok_or_else(|| refusal(StatusCode::BAD_REQUEST, message))
}

/// The id of a request, for an error that names it.
pub(super) fn id_of(origin: &Origin) -> RequestId {
    origin.request_id.unwrap_or_default()
}
