//! Which pages of other origins may call, and what every response says to browsers.

use axum::body::Body;
use axum::http::Request;
use portcullis::app::App;

use crate::support::{Reply, TestApp, send};

const FRIENDS: &str = "--allowed-origins=https://app.example.com, http://localhost:3000";
const STRANGERS: [&str; 8] = [
    "https://evil.com",
    "https://app.example.com.evil.com",
    "https://xapp.example.com",
    "http://app.example.com",
    "https://app.example.com:8443",
    "https://APP.example.com",
    "null",
    "",
];

async fn ask(app: &App, method: &str, uri: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::from("{\"query\":\"{ __typename }\"}")).unwrap()).await
}

async fn preflight(app: &App, origin: &str) -> Reply {
    let asked = [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "content-type,portcullis-token-mode"),
    ];
    ask(app, "OPTIONS", "/graphql", &asked).await
}

async fn simple(app: &App, origin: &str) -> Reply {
    ask(app, "POST", "/graphql", &[("origin", origin), ("content-type", "application/json")]).await
}

fn cors_headers(reply: &Reply) -> usize {
    reply.headers.keys().filter(|name| name.as_str().starts_with("access-control-")).count()
}

#[tokio::test]
async fn pages_of_allowed_origins_may_call_with_credentials() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    for origin in ["https://app.example.com", "http://localhost:3000"] {
        let asked = preflight(&app.app, origin).await;
        assert_eq!((asked.status.as_u16(), asked.text.as_str()), (204, ""));
        assert_eq!(asked.headers["access-control-allow-methods"], "GET, POST");
        let allowed = asked.headers["access-control-allow-headers"].to_str().unwrap();
        for name in ["Content-Type", "Authorization", "Portcullis-Token-Mode", "traceparent"] {
            assert!(allowed.split(", ").any(|allowed| allowed == name), "{name}");
        }
        let called = simple(&app.app, origin).await;
        assert_eq!(called.code(), "NONE");
        let exposed = &called.headers["access-control-expose-headers"];
        assert_eq!(exposed, "X-Request-Id, Retry-After, WWW-Authenticate");
        for reply in [asked, called] {
            assert_eq!(reply.headers["access-control-allow-origin"], origin);
            assert_eq!(reply.headers["access-control-allow-credentials"], "true");
            assert_eq!(reply.headers["vary"], "Origin");
        }
    }
}

#[tokio::test]
async fn pages_of_all_origins_may_read_what_is_public() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    for uri in ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"] {
        for origin in STRANGERS.iter().chain(&["https://app.example.com"]) {
            let asked = [("origin", *origin), ("access-control-request-method", "GET")];
            let asked = ask(&app.app, "OPTIONS", uri, &asked).await;
            assert_eq!((asked.status.as_u16(), asked.text.as_str()), (204, ""), "{origin}");
            assert_eq!(asked.headers["access-control-allow-methods"], "GET");
            let read = ask(&app.app, "GET", uri, &[("origin", origin)]).await;
            assert_eq!(read.status.as_u16(), 200);
            for reply in [asked, read] {
                assert_eq!(reply.headers["access-control-allow-origin"], "*", "{uri}");
                assert!(!reply.headers.contains_key("access-control-allow-credentials"));
            }
        }
    }
    for uri in ["/.well-known/change-password", "/healthz", "/schema.graphql", "/.well-known/none"]
    {
        let read = ask(&app.app, "GET", uri, &[("origin", STRANGERS[0])]).await;
        assert_eq!(cors_headers(&read), 0, "{uri}");
    }
}

#[tokio::test]
async fn pages_of_other_origins_get_no_word_of_it() {
    let open = TestApp::start_with(&[FRIENDS]).await;
    let closed = TestApp::start().await;
    for (app, origin) in STRANGERS
        .iter()
        .map(|stranger| (&open, *stranger))
        .chain([(&closed, "https://app.example.com"), (&closed, "http://localhost:8000")])
    {
        let asked = preflight(&app.app, origin).await;
        assert_eq!(asked.status.as_u16(), 405, "{origin}");
        let called = simple(&app.app, origin).await;
        for reply in [asked, called] {
            assert_eq!(cors_headers(&reply), 0, "{origin}");
            assert_eq!(reply.headers["vary"], "Origin");
        }
    }
}

#[tokio::test]
async fn refusals_can_be_read_by_the_pages_that_may_call() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    let origin = ("origin", "https://app.example.com");
    for (method, uri) in [("POST", "/graphql"), ("GET", "/nowhere"), ("PUT", "/graphql")] {
        let reply = ask(&app.app, method, uri, &[origin]).await;
        assert!(reply.status.is_client_error());
        assert_eq!(reply.headers["access-control-allow-origin"], "https://app.example.com");
    }
}

#[tokio::test]
async fn every_response_has_the_headers_that_keep_browsers_safe() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    let secure = app.second_instance_with(&["--public-url=https://auth.example.com"]).await;
    let json = ("content-type", "application/json");
    let html = ("accept", "text/html");
    let (origin, asks) =
        (("origin", "https://app.example.com"), ("access-control-request-method", "POST"));
    for (method, uri, headers, status) in [
        ("POST", "/graphql", vec![json], 200),
        ("POST", "/graphql", vec![json, ("accept", "image/png")], 406),
        ("POST", "/graphql", vec![], 415),
        ("GET", "/graphql", vec![html], 307),
        ("GET", "/account/verify-email", vec![html], 200),
        ("GET", "/graphql", vec![], 400),
        ("GET", "/graphql?query=%7B__typename%7D", vec![], 200),
        ("PUT", "/graphql", vec![], 405),
        ("GET", "/nowhere", vec![], 404),
        ("GET", "/healthz", vec![], 200),
        ("GET", "/schema.graphql", vec![], 200),
        ("GET", "/.well-known/jwks.json", vec![], 200),
        ("OPTIONS", "/graphql", vec![origin, asks], 204),
        ("OPTIONS", "/graphql", vec![], 405),
    ] {
        for (instance, is_secure) in [(&app.app, false), (&secure, true)] {
            let reply = ask(instance, method, uri, &headers).await;
            let is = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap());
            let is_browser = headers.contains(&html);
            let is_page = status == 200 && is_browser;
            assert_eq!(reply.status.as_u16(), status, "{method} {uri}");
            assert_eq!(is("x-content-type-options"), Some("nosniff"));
            assert_eq!(is("referrer-policy"), Some("no-referrer"));
            let cached = match (method, uri.split_once('?').map_or(uri, |(path, _)| path)) {
                ("GET", "/graphql") if !is_browser => "private, no-store",
                ("GET", "/.well-known/jwks.json") => "public, max-age=300",
                ("GET", "/account/verify-email") => "no-cache",
                _ => "no-store",
            };
            assert_eq!(is("cache-control"), Some(cached), "{method} {uri}");
            let policy = is("content-security-policy").unwrap();
            for part in ["default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"] {
                assert!(policy.contains(part), "{method} {uri}: {policy}");
            }
            assert!(!policy.contains("unsafe"), "{method} {uri}: {policy}");
            assert_eq!(is("cross-origin-opener-policy"), is_page.then_some("same-origin"));
            let lasting = is_secure.then_some("max-age=63072000");
            assert_eq!(is("strict-transport-security"), lasting);
            assert_eq!((is("server"), is("x-powered-by")), (None, None));
            assert!(is("x-request-id").is_some());
        }
    }
}

#[tokio::test]
async fn no_other_host_is_bound_to_https_unless_that_is_set() {
    let app = TestApp::start().await;
    for (flags, expected) in [
        (&[][..], Some("max-age=63072000")),
        (&["--hsts=host"], Some("max-age=63072000")),
        (&["--hsts=subdomains"], Some("max-age=63072000; includeSubDomains")),
        (&["--hsts=preload"], Some("max-age=63072000; includeSubDomains; preload")),
        (&["--hsts=off"], None),
    ] {
        let flags = [&["--public-url=https://example.com"], flags].concat();
        let instance = app.second_instance_with(&flags).await;
        let reply = ask(&instance, "GET", "/healthz", &[]).await;
        let told = reply.headers.get("strict-transport-security");
        assert_eq!(told.map(|value| value.to_str().unwrap()), expected, "{flags:?}");
    }
}

#[tokio::test]
async fn pages_may_send_what_tracing_sends_and_what_is_set() {
    let app = TestApp::start_with(&[FRIENDS]).await;
    let further = app.second_instance_with(&["--allowed-headers=X-Tenant, x-client-version"]).await;
    for (instance, name, is_allowed) in [
        (&app.app, "sentry-trace", true),
        (&app.app, "baggage", true),
        (&app.app, "b3", true),
        (&app.app, "x-datadog-trace-id", true),
        (&app.app, "x-tenant", false),
        (&further, "x-tenant", true),
        (&further, "x-client-version", true),
        (&further, "sentry-trace", true),
        (&further, "*", false),
    ] {
        let asked = preflight(instance, "https://app.example.com").await;
        let allowed = asked.headers["access-control-allow-headers"].to_str().unwrap();
        let mut allowed = allowed.split(", ");
        assert_eq!(allowed.any(|allowed| allowed.eq_ignore_ascii_case(name)), is_allowed, "{name}");
    }
}

#[tokio::test]
async fn pages_inside_apps_may_call() {
    let origins = [
        "capacitor://localhost",
        "ionic://localhost",
        "tauri://localhost",
        "http://tauri.localhost",
        "app://com.example.app",
        "https://localhost",
        "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
    ];
    let allowed = format!("--allowed-origins={}", origins.join(","));
    let app = TestApp::start_with(&[&allowed]).await;
    for origin in origins {
        for reply in [preflight(&app.app, origin).await, simple(&app.app, origin).await] {
            assert_eq!(reply.headers["access-control-allow-origin"], origin);
        }
    }
    for stranger in ["capacitor://elsewhere", "capacitor://localhost:1", "tauri://", "null"] {
        assert_eq!(cors_headers(&simple(&app.app, stranger).await), 0, "{stranger}");
    }
}

#[tokio::test]
async fn a_path_of_the_public_url_is_in_links_and_not_in_routes() {
    let app = TestApp::start_with(&["--public-url=https://example.com/auth/"]).await;
    let json = ("content-type", "application/json");
    let cookie = ("portcullis-token-mode", "cookie");
    for (origin, status) in [("https://example.com", 200), ("https://example.com/auth", 403)] {
        let reply = ask(&app.app, "POST", "/graphql", &[json, cookie, ("origin", origin)]).await;
        assert_eq!(reply.status.as_u16(), status, "{origin}");
    }
    for place in ["", "/auth"] {
        let uri = format!("/.well-known/oauth-authorization-server{place}");
        let metadata = ask(&app.app, "GET", &uri, &[]).await.json();
        assert_eq!(metadata["issuer"], "https://example.com/auth");
        assert_eq!(metadata["jwks_uri"], "https://example.com/auth/.well-known/jwks.json");
    }
    assert_eq!(ask(&app.app, "GET", "/auth/graphql", &[json]).await.status.as_u16(), 404);
    let sent = ask(&app.app, "GET", "/graphql", &[("accept", "text/html")]).await;
    assert_eq!(sent.headers["location"], "playground/");
    app.register("alice").await;
    let mail = app.mail("verify-email", "alice@example.com").await;
    assert!(mail.text.contains("https://example.com/auth/account/verify-email#"), "{}", mail.text);
}
