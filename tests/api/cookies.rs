//! Cookie mode: browsers that keep the refresh token where no script can read it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use portcullis::app::App;
use serde_json::{Value, json};

use crate::support::{GRACE, LOGIN, PASSWORD, REGISTER, Reply, SECOND, TestApp, send};

const OWN: &str = "http://localhost:8000";
const FRIEND: &str = "--allowed-origins=https://app.example.com";
const REFRESH: &str = "mutation($token: String) { refreshToken(refreshToken: $token) { \
                       accessToken refreshToken } }";
const LOGOUT: &str = "mutation($token: String) { logout(refreshToken: $token) }";
const KEEPS: &str = "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=";
const GONE: &str =
    "__Host-portcullis_refresh=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";

/// One call with further headers.
async fn call(app: &App, headers: &[(&str, &str)], query: &str, variables: Value) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(app, request.body(Body::from(body)).unwrap()).await
}

/// A call of a page of our own origin, in cookie mode, whose browser holds `cookie`.
async fn browse(app: &App, cookie: &str, query: &str, variables: Value) -> Reply {
    let mut headers = vec![("portcullis-token-mode", "cookie"), ("origin", OWN)];
    if !cookie.is_empty() {
        headers.push(("cookie", cookie));
    }
    call(app, &headers, query, variables).await
}

fn credentials() -> Value {
    json!({ "input": { "identifier": "alice", "password": PASSWORD } })
}

/// What a reply sets the cookie of that name to.
fn set_cookie_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let values = headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let mut values = values.filter(|value| value.starts_with(name));
    let value = values.next().map(str::to_owned);
    assert!(values.next().is_none(), "one at most");
    value
}

/// What a reply sets the cookie of the refresh token to.
fn set_cookie(headers: &HeaderMap) -> Option<String> {
    set_cookie_of(headers, "__Host-portcullis_refresh=")
}

/// What a browser sends back, and how long it keeps it.
fn kept(reply: &Reply) -> (String, i64) {
    let set = set_cookie(&reply.headers).unwrap_or_else(|| panic!("no cookie: {}", reply.text));
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-portcullis_refresh=pcr_"), "{set}");
    let age = attributes.strip_prefix(KEEPS).unwrap_or_else(|| panic!("{set}"));
    (pair.to_owned(), age.parse().unwrap())
}

fn token(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

/// Alice's cookie after she has signed in with a browser.
async fn sign_in(app: &TestApp) -> String {
    app.register("alice").await;
    kept(&browse(&app.app, "", LOGIN, credentials()).await).0
}

#[tokio::test]
async fn the_token_is_in_the_cookie_and_nowhere_else() {
    let app = TestApp::start().await;
    let input = json!({ "username": "alice", "email": "alice@example.com", "password": PASSWORD });
    let registered = browse(&app.app, "", REGISTER, json!({ "input": input })).await;
    let (cookie, age) = kept(&registered);
    assert_eq!(age, 7 * 24 * 60 * 60);
    assert_eq!(registered.data()["register"]["refreshToken"], Value::Null);
    assert!(!registered.text.contains("pcr_"));

    let refreshed = browse(&app.app, &cookie, REFRESH, json!({})).await;
    let access = refreshed.data()["refreshToken"]["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(refreshed.data()["refreshToken"]["refreshToken"], Value::Null);
    assert_ne!(kept(&refreshed).0, cookie);
    assert_eq!(app.query("{ me { id } }", &access).await.code(), "NONE");

    let signed_in = browse(&app.app, "", LOGIN, credentials()).await;
    assert_eq!(signed_in.data()["login"]["refreshToken"], Value::Null);
    kept(&signed_in);
}

#[tokio::test]
async fn a_cookie_lives_as_long_as_its_token() {
    let app = TestApp::start().await;
    let mut cookie = sign_in(&app).await;
    let (day, mut age) = (24 * 60 * 60, 0);
    for _ in 0..4 {
        app.clock.advance(Duration::from_hours(6 * 24));
        let reply = browse(&app.app, &cookie, REFRESH, json!({})).await;
        (cookie, age) = kept(&reply);
    }
    assert_eq!(age, 6 * day, "30 days after sign-in it ends, whatever the idle lifetime");
    app.clock.advance(Duration::from_hours(6 * 24));
    let over = browse(&app.app, &cookie, REFRESH, json!({})).await;
    assert_eq!(
        (over.code(), set_cookie(&over.headers)),
        ("INVALID_TOKEN".into(), Some(GONE.into()))
    );
}

#[tokio::test]
async fn tabs_that_share_a_cookie_converge() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let (first, _) = kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
    app.clock.advance(GRACE);
    let (second, age) = kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
    assert_eq!(first, second);
    assert_eq!(age, 7 * 24 * 60 * 60 - 10, "what is left of it");
}

#[tokio::test]
async fn a_token_out_of_place_is_worth_nothing_and_loses_nothing() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let body = app.login("alice", PASSWORD).await.signed_in("login").refresh;
    let as_cookie = format!("__Host-portcullis_refresh={body}");
    for _ in 0..2 {
        assert_eq!(app.refresh(token(&cookie)).await.code(), "INVALID_TOKEN");
        let reply = browse(&app.app, &as_cookie, REFRESH, json!({})).await;
        assert_eq!(reply.code(), "INVALID_TOKEN");
        let out = app.call(LOGOUT, json!({ "token": token(&cookie) }), None).await;
        assert_eq!(out.data()["logout"], false);
        assert_eq!(browse(&app.app, &as_cookie, LOGOUT, json!({})).await.data()["logout"], false);
        app.clock.advance(GRACE + SECOND);
    }
    let (next, _) = kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
    app.refresh(&body).await.data();

    // Consumed, and past the grace: still no reuse.
    app.clock.advance(GRACE + SECOND);
    assert_eq!(app.refresh(token(&cookie)).await.code(), "INVALID_TOKEN");
    browse(&app.app, &as_cookie, REFRESH, json!({})).await;
    assert!(!app.audit_events().await.contains(&"REFRESH_REUSED".to_owned()));
    kept(&browse(&app.app, &next, REFRESH, json!({})).await);
}

#[tokio::test]
async fn an_argument_beside_the_cookie_is_refused() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    for query in [REFRESH, LOGOUT] {
        let reply = browse(&app.app, &cookie, query, json!({ "token": token(&cookie) })).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT");
        assert_eq!(reply.extension("fields")[0]["path"], "refreshToken");
        assert_eq!(set_cookie(&reply.headers), None);
    }
    kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
}

#[tokio::test]
async fn without_the_header_the_cookie_is_as_if_it_were_not_there() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let headers = [("cookie", cookie.as_str()), ("origin", OWN)];
    let refused = call(&app.app, &headers, REFRESH, json!({})).await;
    assert_eq!((refused.code(), set_cookie(&refused.headers)), ("INVALID_TOKEN".into(), None));
    let out = call(&app.app, &headers, LOGOUT, json!({})).await;
    assert_eq!((out.data(), set_cookie(&out.headers)), (json!({ "logout": false }), None));
    assert!(!out.headers.contains_key("clear-site-data"));
    let login = call(&app.app, &headers, LOGIN, credentials()).await;
    assert!(login.data()["login"]["refreshToken"].is_string());
    assert_eq!(set_cookie(&login.headers), None, "another site's form signs nobody in");
    kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
}

#[tokio::test]
async fn the_header_has_one_value() {
    let app = TestApp::start().await;
    for headers in [
        vec![("portcullis-token-mode", "Cookie")],
        vec![("portcullis-token-mode", "body")],
        vec![("portcullis-token-mode", "")],
        vec![("portcullis-token-mode", "cookie"), ("portcullis-token-mode", "cookie")],
    ] {
        let headers: Vec<_> = headers.into_iter().chain([("origin", OWN)]).collect();
        let reply = call(&app.app, &headers, "{ __typename }", json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST".into()));
    }
}

#[tokio::test]
async fn a_cookie_that_is_there_twice_is_refused() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let mode = [("portcullis-token-mode", "cookie"), ("origin", OWN)];
    let twice = format!("{cookie}; __Host-portcullis_refresh=x");
    let lines = [("cookie", cookie.as_str()), ("cookie", cookie.as_str())];
    for headers in [
        [mode[0], mode[1], ("cookie", &twice), ("accept", "*/*")],
        [mode[0], mode[1], lines[0], lines[1]],
    ] {
        let reply = call(&app.app, &headers, REFRESH, json!({})).await;
        assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST".into()));
    }
    kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
}

#[tokio::test]
async fn only_pages_that_may_use_the_cookie_can() {
    let app = TestApp::start_with(&[FRIEND]).await;
    let mut cookie = sign_in(&app).await;
    for (headers, may) in [
        (vec![("origin", OWN)], true),
        (vec![("origin", "https://app.example.com")], true),
        (vec![("origin", "http://127.0.0.1:8000"), ("host", "127.0.0.1:8000")], true),
        (vec![("origin", "http://[::1]:8000"), ("host", "[::1]:8000")], true),
        (vec![("sec-fetch-site", "same-origin")], true),
        (vec![], false),
        (vec![("origin", "null")], false),
        (vec![("origin", "")], false),
        (vec![("origin", ""), ("sec-fetch-site", "same-origin")], false),
        (vec![("origin", OWN), ("origin", OWN)], false),
        (vec![("origin", "https://evil.com")], false),
        (vec![("origin", "https://evil.com"), ("sec-fetch-site", "same-origin")], false),
        (vec![("origin", "https://app.example.com.evil.com")], false),
        (vec![("origin", "https://xapp.example.com")], false),
        (vec![("origin", "https://APP.example.com")], false),
        (vec![("origin", "http://app.example.com")], false),
        (vec![("origin", "https://app.example.com:8443")], false),
        (vec![("origin", "https://app.example.com/")], false),
        (vec![("origin", "https://localhost:8000")], false),
        (vec![("origin", "http://localhost:8001"), ("host", "localhost:8000")], false),
        (vec![("origin", "http://evil.com:8000"), ("host", "evil.com:8000")], false),
        (vec![("origin", "http://localhost.evil.com"), ("host", "localhost.evil.com")], false),
        (vec![("sec-fetch-site", "same-site")], false),
        (vec![("sec-fetch-site", "cross-site")], false),
        (vec![("sec-fetch-site", "none")], false),
    ] {
        let mut all = vec![("portcullis-token-mode", "cookie"), ("cookie", cookie.as_str())];
        all.extend(headers.iter().copied());
        let refreshed = call(&app.app, &all, REFRESH, json!({})).await;
        let sessions = app.count("sessions").await;
        let signed_in = call(&app.app, &all, LOGIN, credentials()).await;
        if may {
            cookie = kept(&refreshed).0;
            kept(&signed_in);
            continue;
        }
        for reply in [&refreshed, &signed_in] {
            assert_eq!(
                (reply.status.as_u16(), reply.code(), set_cookie(&reply.headers)),
                (403, "FORBIDDEN".into(), None),
                "{headers:?}"
            );
        }
        assert_eq!(app.count("sessions").await, sessions);
    }
    kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
    app.app.write_refusals().await.unwrap();
    assert!(app.count("audit_events WHERE kind = 'ACCESS_DENIED' AND actor_id IS NULL").await > 0);
}

#[tokio::test]
async fn no_form_gets_as_far_as_the_cookie() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let mutation = "mutation { refreshToken { accessToken } }";
    let body = json!({ "query": mutation }).to_string();
    for media in [
        "",
        "text/plain",
        "text/plain;x=application/json",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json;charset=utf-7",
    ] {
        let request = Request::post("/graphql")
            .header("content-type", media)
            .header("cookie", &cookie)
            .header("origin", OWN)
            .header("portcullis-token-mode", "cookie");
        let reply = send(&app.app, request.body(Body::from(body.clone())).unwrap()).await;
        assert_eq!((reply.status.as_u16(), set_cookie(&reply.headers)), (415, None), "{media}");
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri("/graphql?query=mutation%7BrefreshToken%7BaccessToken%7D%7D&_method=POST")
            .header("cookie", &cookie)
            .header("origin", OWN)
            .header("portcullis-token-mode", "cookie");
        let reply = send(&app.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), set_cookie(&reply.headers)), (405, None), "{method}");
    }
    assert_eq!(app.count("refresh_tokens WHERE consumed_at IS NOT NULL").await, 0);
}

#[tokio::test]
async fn signing_out_ends_the_session_and_empties_the_browser() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    for cookie in [cookie.as_str(), "", "__Host-portcullis_refresh=nonsense"] {
        let out = browse(&app.app, cookie, LOGOUT, json!({})).await;
        assert_eq!(out.data()["logout"], cookie.contains("pcr_"));
        assert_eq!(set_cookie(&out.headers).as_deref(), Some(GONE));
        assert_eq!(out.headers["clear-site-data"], "\"cache\"");
    }
    let after = browse(&app.app, &cookie, REFRESH, json!({})).await;
    assert_eq!(
        (after.code(), set_cookie(&after.headers)),
        ("INVALID_TOKEN".into(), Some(GONE.into()))
    );
}

#[tokio::test]
async fn a_stolen_cookie_ends_the_session_and_is_forgotten() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let (next, _) = kept(&browse(&app.app, &cookie, REFRESH, json!({})).await);
    app.clock.advance(GRACE + SECOND);
    for cookie in [&cookie, &next] {
        let reply = browse(&app.app, cookie, REFRESH, json!({})).await;
        assert_eq!(reply.code(), "INVALID_TOKEN");
        assert_eq!(set_cookie(&reply.headers).as_deref(), Some(GONE));
    }
    assert!(app.audit_events().await.contains(&"REFRESH_REUSED".to_owned()));
}

#[tokio::test]
async fn a_browser_that_has_signed_in_is_known_after_it_signed_out() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let signed_in = browse(&app.app, "", LOGIN, credentials()).await;
    let refresh = kept(&signed_in).0;
    let device = set_cookie_of(&signed_in.headers, "__Host-portcullis_device=").unwrap();
    let (device, attributes) = device.split_once("; ").unwrap();
    assert!(device.starts_with("__Host-portcullis_device=pcd_"), "{device}");
    assert_eq!(attributes.strip_prefix(KEEPS).unwrap(), (30 * 24 * 60 * 60).to_string());
    assert!(!signed_in.text.contains("pcd_"));

    let both = format!("{refresh}; {device}");
    let refreshed = browse(&app.app, &both, REFRESH, json!({})).await;
    assert_eq!(set_cookie_of(&refreshed.headers, "__Host-portcullis_device="), None);
    let out = browse(&app.app, &kept(&refreshed).0, LOGOUT, json!({})).await;
    assert_eq!(set_cookie(&out.headers).as_deref(), Some(GONE));
    assert_eq!(set_cookie_of(&out.headers, "__Host-portcullis_device="), None);

    // No password of strangers opens the account any more; that device is none.
    app.sql("UPDATE users SET failed_logins = 100").await;
    let refused = browse(&app.app, "", LOGIN, credentials()).await;
    assert_eq!(refused.code(), "INVALID_CREDENTIALS");
    let again = browse(&app.app, device, LOGIN, credentials()).await;
    assert_eq!(again.code(), "NONE");
    // Another one from now on: failures of before are not this browser's.
    assert_ne!(set_cookie_of(&again.headers, device), set_cookie_of(&signed_in.headers, device));

    let query = "mutation { login(input: { identifier: \"alice\", password: \"x\", \
                 deviceToken: \"pcd_\" }) { __typename } }";
    let both = browse(&app.app, device, query, json!({})).await;
    assert_eq!(both.extension("fields")[0]["path"], "input.deviceToken");
    let twice = browse(&app.app, &format!("{device}; {device}"), LOGIN, credentials()).await;
    assert_eq!(twice.status, 400);
    // Without cookie mode the cookie is none.
    let headers = [("cookie", device)];
    assert_eq!(call(&app.app, &headers, LOGIN, credentials()).await.code(), "INVALID_CREDENTIALS");
}
