//! Pages of other origins: which may call at all (CORS), and which may use the cookie (CSRF).
//!
//! Origins are compared as a whole, byte by byte: scheme, host and port (CK-06).

use axum::extract::Request;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{refusal, refusal_with, well_known};
use crate::config::Config;
use crate::graphql::error::Code;

const TOKEN_MODE: HeaderName = HeaderName::from_static("portcullis-token-mode");
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What front ends send: what this server reads, and what GraphQL clients and tracing add (W3C, Sentry,
/// Zipkin, Jaeger, Datadog, New Relic, Elastic, Application Insights, AWS, Google Cloud).
const ALLOWED_HEADERS: &str = "Accept, Authorization, Content-Type, Portcullis-Token-Mode, \
    Portcullis-Organization, \
    Apollo-Require-Preflight, GraphQL-Require-Preflight, X-Apollo-Operation-Name, \
    X-Apollo-Operation-Id, ApolloGraphQL-Client-Name, ApolloGraphQL-Client-Version, \
    X-Requested-With, X-Request-Id, X-Correlation-Id, traceparent, tracestate, baggage, \
    sentry-trace, b3, X-B3-TraceId, X-B3-SpanId, X-B3-ParentSpanId, X-B3-Sampled, X-B3-Flags, \
    uber-trace-id, X-Datadog-Origin, X-Datadog-Parent-Id, X-Datadog-Sampling-Priority, \
    X-Datadog-Trace-Id, newrelic, elastic-apm-traceparent, Request-Id, Request-Context, \
    X-Amzn-Trace-Id, X-Cloud-Trace-Context";
/// What front ends may read of a response, beside its body.
const EXPOSED_HEADERS: HeaderValue =
    HeaderValue::from_static("X-Request-Id, Retry-After, WWW-Authenticate");

/// Documents that verifiers of tokens fetch, in browsers too. They say the same to everybody.
const FOR_ALL: [&str; 2] = [well_known::JWKS, well_known::METADATA];

/// Lets pages of `ALLOWED_ORIGINS` call, with credentials, and answers their preflights. Pages of other
/// origins get no header of CORS but for public documents, which all pages read, without credentials: only
/// there is a `*` (CK-07).
pub(super) async fn share(config: &Config, request: Request, next: Next) -> Response {
    if FOR_ALL.contains(&request.uri().path()) {
        return share_with_all(config, request, next).await;
    }
    let origin = single(request.headers(), &ORIGIN)
        .filter(|origin| config.allowed_origins.iter().any(|allowed| allowed == origin))
        .and_then(|origin| HeaderValue::from_str(origin).ok());
    let mut response = match origin {
        Some(_) if is_preflight(&request) => preflight(config, "GET, POST"),
        Some(_) | None => next.run(request).await,
    };
    let headers = response.headers_mut();
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
    }
    response
}

async fn share_with_all(config: &Config, request: Request, next: Next) -> Response {
    let mut response = match is_preflight(&request) {
        true => preflight(config, "GET"),
        false => next.run(request).await,
    };
    response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    response
}

fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

fn preflight(config: &Config, methods: &'static str) -> Response {
    let further = match config.allowed_headers.as_str() {
        "" => String::new(),
        names => format!(", {names}"),
    };
    let allowed = HeaderValue::try_from(format!("{ALLOWED_HEADERS}{further}"));
    let allowed = allowed.unwrap_or(HeaderValue::from_static(ALLOWED_HEADERS));
    let headers = [
        (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(methods)),
        (ACCESS_CONTROL_ALLOW_HEADERS, allowed),
        // As long as browsers accept; the list changes with a restart only.
        (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200")),
    ];
    (StatusCode::NO_CONTENT, headers).into_response()
}

/// How a caller shows which session is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// By tokens, if at all.
    Tokens,
    /// By the cookie.
    Cookie {
        /// Whether it is known that the page that calls may, so that mutations are as well.
        may_change: bool,
    },
}

/// How the caller shows which session is theirs, and whether it may do so.
///
/// The cookie is read and set in cookie mode only, which takes a header that no form and no link can
/// send, and an origin that may: so neither another site's page nor its form can use a visitor's
/// session (CK-04) or sign a visitor in (CK-05). A caller that names neither origin nor site is no browser with a page, but
/// may be a server that renders one with the cookie of its visitor: that may read.
pub(super) fn mode(config: &Config, headers: &HeaderMap) -> Result<Mode, Response> {
    if !headers.contains_key(TOKEN_MODE) {
        return Ok(Mode::Tokens);
    }
    if single(headers, &TOKEN_MODE) != Some("cookie") {
        let message = "The only valid Portcullis-Token-Mode is cookie.";
        return Err(refusal(StatusCode::BAD_REQUEST, message));
    }
    let forbidden = |message| Err(refusal_with(Code::Forbidden, StatusCode::FORBIDDEN, message));
    let site = headers.contains_key(SEC_FETCH_SITE).then(|| single(headers, &SEC_FETCH_SITE));
    let may_change = match (headers.contains_key(ORIGIN), site) {
        (_, Some(Some("cross-site"))) => {
            return forbidden(
                "Pages of other sites cannot use cookie mode, because browsers do not keep this server's \
                 cookies for \
                 them. Serve both below one domain, or use tokens.",
            );
        }
        // Browsers say one of these, once.
        (true, Some(site)) if !matches!(site, Some("same-origin" | "same-site")) => false,
        (true, _) => {
            single(headers, &ORIGIN).is_some_and(|origin| is_allowed(config, headers, origin))
        }
        (false, Some(site)) => site == Some("same-origin"),
        (false, None) => return Ok(Mode::Cookie { may_change: false }),
    };
    match may_change {
        true => Ok(Mode::Cookie { may_change }),
        false => forbidden("Pages of this origin must not use cookie mode: see ALLOWED_ORIGINS."),
    }
}

/// Refuses what a page of another origin, which may not call here, has a browser send by GET: unlike a POST of JSON
/// a browser sends that without asking first. Nobody would read the answer, but the server would work for it.
pub(super) fn check_page(config: &Config, headers: &HeaderMap) -> Result<(), Response> {
    let site = headers.contains_key(SEC_FETCH_SITE).then(|| single(headers, &SEC_FETCH_SITE));
    let may_ask = match (headers.contains_key(ORIGIN), site) {
        (true, _) => {
            single(headers, &ORIGIN).is_some_and(|origin| is_allowed(config, headers, origin))
        }
        // A person who types an address sends `none`.
        (false, Some(site)) => matches!(site, Some("same-origin" | "none")),
        (false, None) => true,
    };
    if may_ask {
        return Ok(());
    }
    let message = "Pages of this origin must not send queries by GET: see ALLOWED_ORIGINS.";
    Err(refusal_with(Code::Forbidden, StatusCode::FORBIDDEN, message))
}

fn is_allowed(config: &Config, headers: &HeaderMap, origin: &str) -> bool {
    origin == config.public_origin
        || config.allowed_origins.iter().any(|allowed| allowed == origin)
        || (config.is_development() && is_own_loopback(headers, origin))
}

/// Whether a page of this very server calls, which a developer may reach by several names. Only by
/// names of this machine: any other could be pointed here by whoever owns it.
fn is_own_loopback(headers: &HeaderMap, origin: &str) -> bool {
    let Some(host) = single(headers, &HOST) else { return false };
    let name = host.rsplit_once(':').map_or(host, |(name, _port)| name);
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") && origin == format!("http://{host}")
}

/// The value of a header that is there once and readable.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: [(&str, &str); 2] =
        [("origin", "http://localhost:8000"), ("host", "localhost:8000")];

    fn asked(flags: &[&str], headers: &[(&str, &str)]) -> Result<Mode, StatusCode> {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let config = Config::new(&crate::cli::settings(&flags).unwrap()).unwrap();
        let asked = [("portcullis-token-mode", "cookie")];
        let headers = asked.iter().chain(headers).map(|(name, value)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        });
        mode(&config, &headers.collect()).map_err(|refused| refused.status())
    }

    #[test]
    fn in_production_the_host_of_a_request_vouches_for_nothing() {
        let elsewhere = "--public-url=https://auth.example.com";
        let secret = "--secret-key=mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R";
        let production = ["--env=production", elsewhere, secret];
        let development = ["--env=development", elsewhere];
        assert_eq!(asked(&development, &OWN), Ok(Mode::Cookie { may_change: true }));
        assert_eq!(asked(&production, &OWN), Err(StatusCode::FORBIDDEN));
        let own = [("origin", "https://auth.example.com")];
        assert_eq!(asked(&production, &own), Ok(Mode::Cookie { may_change: true }));
    }
}
