//! Cookie mode: in a browser the cookie is the session.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use portcullis::app::App;
use serde_json::{Value, json};

use crate::support::organizations::{act_in, found_organization, join_organization};
use crate::support::{LOGIN, PASSWORD, REGISTER, Reply, SECOND, TestApp, send};

pub(crate) const OWN: &str = "http://localhost:8000";
const FRIEND: &str = "--allowed-origins=https://app.example.com";
const ME: &str = "{ me { username } viewer { reason } }";
const EXCHANGE: &str = "mutation($token: String) { refreshToken(input: { refreshToken: $token }) { \
                        accessToken refreshToken expiresIn } }";
const LOGOUT: &str =
    "mutation($token: String) { logout(input: { refreshToken: $token }) { sessionId } }";
pub(crate) const PROVE: &str = "mutation($password: String!) { reauthenticate(input: { proof: { password: $password } }) { \
                     accessToken refreshToken } }";
const KEEPS: &str = "Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=";
const NAME: &str = "__Host-portcullis_session=";
const GONE: &str =
    "__Host-portcullis_session=; Path=/; Secure; HttpOnly; SameSite=Strict; Max-Age=0";
const DAY: i64 = 24 * 60 * 60;

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
pub(crate) async fn browse(app: &App, cookie: &str, query: &str, variables: Value) -> Reply {
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

/// What a reply sets the session's cookie to.
fn set_cookie(headers: &HeaderMap) -> Option<String> {
    set_cookie_of(headers, NAME)
}

/// What a browser sends back, and how long it keeps it.
pub(crate) fn kept(reply: &Reply) -> (String, i64) {
    let set = set_cookie(&reply.headers).unwrap_or_else(|| panic!("no cookie: {}", reply.text));
    let (pair, attributes) = set.split_once("; ").unwrap();
    assert!(pair.starts_with("__Host-portcullis_session=pcs_"), "{set}");
    let age = attributes.strip_prefix(KEEPS).unwrap_or_else(|| panic!("{set}"));
    (pair.to_owned(), age.parse().unwrap())
}

fn text(cookie: &str) -> &str {
    cookie.split_once('=').unwrap().1
}

/// Why the holder of a cookie counts as nobody; null for who is signed in.
async fn reason(app: &App, cookie: &str) -> Value {
    let reply = browse(app, cookie, "{ viewer { reason } }", json!({})).await;
    assert_eq!(set_cookie(&reply.headers), None, "reading sets no cookie");
    reply.data()["viewer"]["reason"].clone()
}

/// Alice's cookie after she has signed in with a browser.
pub(crate) async fn sign_in(app: &TestApp) -> String {
    app.register("alice").await;
    kept(&browse(&app.app, "", LOGIN, credentials()).await).0
}

#[tokio::test]
async fn the_cookie_is_the_session_and_no_token_leaves_the_server() {
    let app = TestApp::start().await;
    let input = json!({ "username": "alice", "email": "alice@example.com", "password": PASSWORD });
    let registered = browse(&app.app, "", REGISTER, json!({ "input": input })).await;
    let signed_in = browse(&app.app, "", LOGIN, credentials()).await;
    for (reply, field) in [(&registered, "register"), (&signed_in, "login")] {
        let payload = &reply.data()[field];
        assert_eq!(
            (&payload["accessToken"], &payload["refreshToken"]),
            (&Value::Null, &Value::Null)
        );
        assert!(!reply.text.contains("pcr_") && !reply.text.contains("pcs_"));
        let (cookie, age) = kept(reply);
        assert_eq!(age, 30 * DAY, "as long as the session may last");
        let me = browse(&app.app, &cookie, ME, json!({})).await;
        assert_eq!(
            me.data(),
            json!({ "me": { "username": "alice" }, "viewer": { "reason": null } })
        );
        assert_eq!(set_cookie(&me.headers), None);
        let update = "mutation { updateProfile(input: { fullName: \"Alice\" }) { user { id } } }";
        browse(&app.app, &cookie, update, json!({})).await.data();
    }
}

#[tokio::test]
async fn reading_with_a_cookie_never_changes_it_and_notes_its_use_once_a_minute() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let noted = "sessions WHERE token_mode = 'COOKIE' AND last_used_at > created_at";
    for seconds in [0, 30, 30] {
        app.clock.advance(SECOND * seconds);
        assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    }
    assert_eq!(app.count(noted).await, 0);
    app.clock.advance(SECOND);
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    while app.count(noted).await == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(app.count("sessions WHERE token_mode = 'COOKIE' AND generation = 1").await, 1);
}

#[tokio::test]
async fn a_cookie_is_over_when_it_idles_and_at_the_absolute_end() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let used = async || {
        let at = app.clock.now().format("%Y-%m-%d").to_string();
        let noted = format!("sessions WHERE token_mode = 'COOKIE' AND last_used_at >= '{at}'");
        while app.count(&noted).await == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    for _ in 0..4 {
        app.clock.advance(Duration::from_hours(6 * 24));
        assert_eq!(reason(&app.app, &cookie).await, Value::Null);
        used().await;
    }
    app.clock.advance(Duration::from_hours(6 * 24));
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED", "30 days after sign-in");

    let cookie = kept(&browse(&app.app, "", LOGIN, credentials()).await).0;
    app.clock.advance(Duration::from_hours(7 * 24));
    let idle = browse(&app.app, &cookie, "{ me { id } }", json!({})).await;
    assert_eq!(
        (idle.code(), idle.extension("reason")),
        ("UNAUTHENTICATED".into(), "SESSION_ENDED".into())
    );
    assert_eq!(set_cookie(&idle.headers), None, "it is left alone");
    assert!(!idle.headers["www-authenticate"].to_str().unwrap().contains("invalid_token"));
}

#[tokio::test]
async fn a_session_in_use_goes_on_however_short_the_idle_time_is() {
    let app = TestApp::start_with(&["--refresh-token-idle-seconds=30"]).await;
    let cookie = sign_in(&app).await;
    for _ in 0..20 {
        app.clock.advance(SECOND * 5);
        assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    }
    app.clock.advance(SECOND * 30);
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED");
}

#[tokio::test]
async fn a_dead_cookie_is_left_alone_and_a_new_sign_in_of_another_tab_with_it() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    app.sql("UPDATE sessions SET ended_at = created_at").await;
    app.clock.advance(SECOND * 5);
    for query in ["{ me { id } }", EXCHANGE, PROVE, "mutation { deleteAccount { deletedUserId } }"]
    {
        let reply = browse(&app.app, &cookie, query, json!({ "password": PASSWORD })).await;
        assert_eq!(
            (reply.code(), set_cookie(&reply.headers)),
            ("UNAUTHENTICATED".into(), None),
            "{query}"
        );
    }
    let out = browse(&app.app, &cookie, LOGOUT, json!({})).await;
    assert_eq!(
        (out.data()["logout"]["sessionId"].clone(), set_cookie(&out.headers)),
        (json!(null), None)
    );
    for nonsense in ["nonsense", "pcs_", &format!("pcs_{}", "A".repeat(126))] {
        let cookie = format!("{NAME}{nonsense}");
        assert_eq!(reason(&app.app, &cookie).await, "INVALID_TOKEN");
    }
    assert_eq!(reason(&app.app, "").await, "MISSING_TOKEN");
}

#[tokio::test]
async fn only_the_call_that_ends_its_own_session_deletes_the_cookie() {
    let app = TestApp::start().await;
    app.register("alice").await;
    for ends in [
        "mutation { logout { sessionId } }",
        "mutation { revokeAllSessions { endedSessions } }",
        "mutation { deactivateAccount { user { id } } }",
        "mutation { deleteAccount { deletedUserId } }",
    ] {
        app.sql("UPDATE users SET is_active = TRUE, email_verified = TRUE").await;
        let cookie = kept(&browse(&app.app, "", LOGIN, credentials()).await).0;
        let over = browse(&app.app, &cookie, ends, json!({})).await;
        over.data();
        assert_eq!(set_cookie(&over.headers).as_deref(), Some(GONE), "{ends}");
        assert_eq!(over.headers["clear-site-data"], "\"cache\"");
        assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED");
    }
    app.register("alice").await;
    let (one, other) = (
        kept(&browse(&app.app, "", LOGIN, credentials()).await).0,
        kept(&browse(&app.app, "", LOGIN, credentials()).await).0,
    );
    let id = |reply: Reply| {
        let edges = reply.data()["me"]["sessions"]["edges"].clone();
        let own = edges.as_array().unwrap().iter().find(|edge| edge["node"]["current"] == true);
        own.unwrap()["node"]["id"].as_str().unwrap().to_owned()
    };
    let sessions = "{ me { sessions { edges { node { id current } } } } }";
    let own = id(browse(&app.app, &one, sessions, json!({})).await);
    let revoke =
        format!("mutation {{ revokeSession(input: {{ id: \"{own}\" }}) {{ session {{ id }} }} }}");
    let elsewhere = browse(&app.app, &other, &revoke, json!({})).await;
    elsewhere.data();
    assert_eq!(set_cookie(&elsewhere.headers), None, "that session was another's");
    let own = id(browse(&app.app, &other, sessions, json!({})).await);
    let revoke =
        format!("mutation {{ revokeSession(input: {{ id: \"{own}\" }}) {{ session {{ id }} }} }}");
    let here = browse(&app.app, &other, &revoke, json!({})).await;
    assert_eq!(set_cookie(&here.headers).as_deref(), Some(GONE));
}

#[tokio::test]
async fn a_proof_replaces_the_cookie_which_lingers_for_a_minute_at_its_old_level() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let delete =
        "mutation { changeEmail(input: { newEmail: \"new@example.com\" }) { linkExpiresIn } }";
    app.clock.advance(SECOND * 301);
    let stale = browse(&app.app, &cookie, delete, json!({})).await;
    assert_eq!(stale.code(), "STEP_UP_REQUIRED");

    let prove = async |cookie: &str| {
        let reply = browse(&app.app, cookie, PROVE, json!({ "password": PASSWORD })).await;
        assert_eq!(reply.data()["reauthenticate"]["accessToken"], Value::Null);
        kept(&reply)
    };
    let (proven, age) = prove(&cookie).await;
    assert_eq!(age, 30 * DAY - 301, "the end stays where it was");
    assert_ne!(proven, cookie);
    assert_eq!(app.count("sessions WHERE token_mode = 'COOKIE'").await, 1);
    browse(&app.app, &proven, delete, json!({})).await.data();
    assert_eq!(browse(&app.app, &cookie, delete, json!({})).await.code(), "STEP_UP_REQUIRED");
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    // What it is exchanged for has its level.
    let exchanged = browse(&app.app, &cookie, EXCHANGE, json!({})).await.data();
    let access = exchanged["refreshToken"]["accessToken"].as_str().unwrap().to_owned();
    assert_eq!(app.query(delete, &access).await.code(), "STEP_UP_REQUIRED");
    let left = &exchanged["refreshToken"]["expiresIn"];
    assert_eq!(left, &json!(60), "it ends when that does");

    let (converged, _) = prove(&cookie).await;
    assert_eq!(app.count("sessions WHERE generation = 2").await, 1);
    browse(&app.app, &converged, delete, json!({})).await.data();
    app.clock.advance(SECOND * 60);
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    app.clock.advance(SECOND);
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED");
    let late = browse(&app.app, &cookie, LOGOUT, json!({})).await;
    assert_eq!(late.data()["logout"]["sessionId"], json!(null), "it ends nothing any more");
    for cookie in [&proven, &converged] {
        assert_eq!(reason(&app.app, cookie).await, Value::Null);
    }
}

#[tokio::test]
async fn a_changed_password_replaces_the_cookie() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let change = format!(
        "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"another horse battery\" }}) {{ user {{ id }} }} }}"
    );
    let changed = browse(&app.app, &cookie, &change, json!({})).await;
    changed.data();
    let next = kept(&changed).0;
    app.clock.advance(SECOND * 61);
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED", "whoever copied it");
    assert_eq!(reason(&app.app, &next).await, Value::Null);
}

#[tokio::test]
async fn another_instance_knows_a_proven_cookie_at_once() {
    let app = TestApp::start().await;
    let second = app.second_instance().await;
    let cookie = sign_in(&app).await;
    assert_eq!(reason(&second, &cookie).await, Value::Null);
    let proven = browse(&app.app, &cookie, PROVE, json!({ "password": PASSWORD })).await;
    assert_eq!(reason(&second, &kept(&proven).0).await, Value::Null);
    // One that is ahead of the database is worth nothing.
    app.sql("UPDATE sessions SET generation = 1").await;
    app.clock.advance(SECOND * 5);
    assert_eq!(reason(&second, &kept(&proven).0).await, "SESSION_ENDED");
}

#[tokio::test]
async fn a_sign_in_ends_the_session_of_the_cookie_it_came_with() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    app.register("bob").await;
    let bob = json!({ "input": { "identifier": "bob", "password": PASSWORD } });
    let wrong = json!({ "input": { "identifier": "bob", "password": "wrong" } });
    assert_eq!(browse(&app.app, &cookie, LOGIN, wrong).await.code(), "INVALID_CREDENTIALS");
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    let next = kept(&browse(&app.app, &cookie, LOGIN, bob).await).0;
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED");
    let input = json!({ "username": "carol", "email": "carol@example.com", "password": PASSWORD });
    let last = browse(&app.app, &next, REGISTER, json!({ "input": input })).await;
    assert_eq!(reason(&app.app, &next).await, "SESSION_ENDED");
    assert_eq!(reason(&app.app, &kept(&last).0).await, Value::Null);
    assert_eq!(app.count("sessions WHERE end_reason = 'REPLACED'").await, 2);
}

#[tokio::test]
async fn what_a_cookie_is_exchanged_for_is_for_other_services() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let exchanged = browse(&app.app, &cookie, EXCHANGE, json!({})).await;
    let payload = &exchanged.data()["refreshToken"];
    assert_eq!((&payload["refreshToken"], &payload["expiresIn"]), (&Value::Null, &json!(900)));
    assert_eq!(set_cookie(&exchanged.headers), None);
    let access = payload["accessToken"].as_str().unwrap();
    assert_eq!(app.query("{ me { id } }", access).await.code(), "NONE");
    for (query, code) in [
        ("mutation { deleteAccount { deletedUserId } }".to_owned(), "STEP_UP_REQUIRED"),
        (
            format!(
                "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"another horse battery\" }}) \
                 {{ user {{ id }} }} }}"
            ),
            "FORBIDDEN",
        ),
        (
            format!(
                "mutation {{ reauthenticate(input: {{ proof: {{ password: \"{PASSWORD}\" }} }}) {{ expiresIn }} }}"
            ),
            "FORBIDDEN",
        ),
        (
            "mutation { switchOrganization(input: { id: null }) { expiresIn } }".to_owned(),
            "FORBIDDEN",
        ),
        ("mutation { refreshToken { expiresIn } }".to_owned(), "INVALID_TOKEN"),
    ] {
        assert_eq!(app.query(&query, access).await.code(), code, "{query}");
    }
    for argument in ["refreshToken: \"x\"", "attempt: \"x\""] {
        let query = format!("mutation {{ refreshToken(input: {{ {argument} }}) {{ expiresIn }} }}");
        let refused = browse(&app.app, &cookie, &query, json!({})).await;
        assert_eq!(refused.code(), "BAD_USER_INPUT", "{argument}");
    }
    assert_ne!(
        app.query("mutation { logout { sessionId } }", access).await.data()["logout"]["sessionId"],
        json!(null)
    );
    assert_eq!(reason(&app.app, &cookie).await, "SESSION_ENDED");
}

#[tokio::test]
async fn a_call_acts_in_the_organization_that_it_names() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let alice = app.again("alice").await;
    let (alpha, beta) =
        (found_organization(&app, &alice).await, found_organization(&app, &alice).await);
    let bob = app.register("bob").await;
    let foreign = found_organization(&app, &bob).await;
    let within = async |organization: &str, query: &str| {
        let headers = [
            ("portcullis-token-mode", "cookie"),
            ("origin", OWN),
            ("cookie", cookie.as_str()),
            ("portcullis-organization", organization),
        ];
        call(&app.app, &headers, query, json!({})).await
    };
    let active = "{ activeOrganization { id } }";
    for _ in 0..2 {
        for organization in [&alpha, &beta] {
            let reply = within(organization, active).await;
            assert_eq!(reply.data()["activeOrganization"]["id"], json!(organization));
            let create =
                "mutation { createTask(input: { title: \"T\" }) { task { organization { id } } } }";
            let made = within(organization, create).await.data();
            assert_eq!(made["createTask"]["task"]["organization"]["id"], json!(organization));
        }
        let none = browse(&app.app, &cookie, active, json!({})).await;
        assert_eq!(none.data()["activeOrganization"], Value::Null);
    }
    let exchanged = within(&beta, "mutation { refreshToken { accessToken } }").await.data();
    let access = exchanged["refreshToken"]["accessToken"].as_str().unwrap();
    let reply = app.query(active, access).await;
    assert_eq!(reply.data()["activeOrganization"]["id"], json!(beta));

    // No membership is never "no organization".
    let unknown = "organization_00000000-0000-7000-8000-000000000000";
    for organization in [&foreign, unknown] {
        let refused = within(organization, active).await;
        assert_eq!(
            (refused.code(), refused.extension("reason")),
            ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
        );
        let out = within(organization, "{ viewer { user { id } reason } }").await.data();
        assert_eq!(out["viewer"], json!({ "user": null, "reason": "NOT_A_MEMBER" }));
    }
    let sign_in_again = format!(
        "mutation {{ login(input: {{ identifier: \"alice\", password: \"{PASSWORD}\" }}) {{ __typename }} }}"
    );
    let replaced = kept(&browse(&app.app, "", LOGIN, credentials()).await).0;
    let headers = [
        ("portcullis-token-mode", "cookie"),
        ("origin", OWN),
        ("cookie", replaced.as_str()),
        ("portcullis-organization", foreign.as_str()),
    ];
    kept(&call(&app.app, &headers, &sign_in_again, json!({})).await);
    assert_eq!(reason(&app.app, &replaced).await, "SESSION_ENDED");
    let out = within(&foreign, "mutation { logout { sessionId } }").await;
    assert_ne!(out.data()["logout"]["sessionId"], json!(null), "who cannot act there can sign out");
    assert_eq!(set_cookie(&out.headers).as_deref(), Some(GONE));
    for bad in ["", "alpha", &alice.id, &format!("{alpha}, {beta}")] {
        assert_eq!(within(bad, active).await.status.as_u16(), 400, "{bad}");
    }
    let bearer = format!("Bearer {}", alice.access);
    let beside = [("authorization", bearer.as_str()), ("portcullis-organization", alpha.as_str())];
    assert_eq!(call(&app.app, &beside, active, json!({})).await.status.as_u16(), 400);
}

#[tokio::test]
async fn who_leaves_an_organization_acts_there_no_more() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let (alice, bob) = (app.again("alice").await, app.register("bob").await);
    let organization = found_organization(&app, &bob).await;
    join_organization(&app, &bob, &organization, &alice, "MEMBER").await;
    let headers = [
        ("portcullis-token-mode", "cookie"),
        ("origin", OWN),
        ("cookie", cookie.as_str()),
        ("portcullis-organization", organization.as_str()),
    ];
    let active = "{ activeOrganization { id } }";
    assert_eq!(call(&app.app, &headers, active, json!({})).await.code(), "NONE");
    let token = act_in(&app, &alice, &organization).await;
    assert_eq!(app.query(active, &token.access).await.code(), "NONE");
    let leave =
        format!("leaveOrganization(input: {{ id: \"{organization}\" }}) {{ deletedMembershipId }}");
    app.mutate(&alice, &leave).await.data();
    for reply in
        [call(&app.app, &headers, active, json!({})).await, app.query(active, &token.access).await]
    {
        assert_eq!(
            (reply.code(), reply.extension("reason")),
            ("FORBIDDEN".into(), "NOT_A_MEMBER".into())
        );
    }
    assert_eq!(app.query(active, &alice.access).await.code(), "NONE", "that one acts in none");
}

#[tokio::test]
async fn a_token_and_a_cookie_together_are_refused() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let alice = app.again("alice").await;
    let bearer = format!("Bearer {}", alice.access);
    let headers = [
        ("portcullis-token-mode", "cookie"),
        ("origin", OWN),
        ("cookie", cookie.as_str()),
        ("authorization", bearer.as_str()),
    ];
    let refused = call(&app.app, &headers, "{ __typename }", json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (400, "BAD_REQUEST".into()));
}

#[tokio::test]
async fn a_credential_out_of_place_is_worth_nothing_and_loses_nothing() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let body = app.again("alice").await;
    app.clock.advance(SECOND * 11);
    let as_token = text(&cookie).replace("pcs_", "pcr_");
    for token in [text(&cookie), &as_token] {
        assert_eq!(app.refresh(token).await.code(), "INVALID_TOKEN");
        let out = app.call(LOGOUT, json!({ "token": token }), None).await;
        assert_eq!(out.data()["logout"]["sessionId"], json!(null));
        assert_eq!(app.query("{ me { id } }", token).await.code(), "UNAUTHENTICATED");
    }
    for value in [body.refresh.clone(), body.refresh.replace("pcr_", "pcs_"), body.access.clone()] {
        assert_eq!(reason(&app.app, &format!("{NAME}{value}")).await, "INVALID_TOKEN");
    }
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
    app.refresh(&body.refresh).await.data();
}

#[tokio::test]
async fn without_the_header_the_cookie_is_as_if_it_were_not_there() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let headers = [("cookie", cookie.as_str()), ("origin", OWN)];
    let me = call(&app.app, &headers, "{ me { id } }", json!({})).await;
    assert_eq!(me.extension("reason"), "MISSING_TOKEN");
    let refused = call(&app.app, &headers, EXCHANGE, json!({})).await;
    assert_eq!((refused.code(), set_cookie(&refused.headers)), ("INVALID_TOKEN".into(), None));
    let out = call(&app.app, &headers, LOGOUT, json!({})).await;
    assert_eq!(
        (out.data(), set_cookie(&out.headers)),
        (json!({ "logout": { "sessionId": null } }), None)
    );
    assert!(!out.headers.contains_key("clear-site-data"));
    let login = call(&app.app, &headers, LOGIN, credentials()).await;
    assert!(login.data()["login"]["refreshToken"].is_string());
    assert_eq!(set_cookie(&login.headers), None, "another site's form signs nobody in");
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
}

#[tokio::test]
async fn a_domain_shares_the_cookie_with_its_hosts() {
    let flags = ["--public-url=https://auth.example.com", "--cookie-domain=example.com"];
    let app = TestApp::start_with(&flags).await;
    app.register("alice").await;
    let page = [("portcullis-token-mode", "cookie"), ("origin", "https://auth.example.com")];
    let signed_in = call(&app.app, &page, LOGIN, credentials()).await;
    let set = set_cookie_of(&signed_in.headers, "__Secure-portcullis_session=").unwrap();
    let (pair, attributes) = set.split_once("; ").unwrap();
    let expected = "Path=/; Secure; HttpOnly; SameSite=Lax; Domain=example.com; Max-Age=2592000";
    assert_eq!(attributes, expected);
    let with = async |cookie: &str| {
        let headers = [page[0], page[1], ("cookie", cookie)];
        call(&app.app, &headers, "{ viewer { reason } }", json!({})).await.data()["viewer"]["reason"].clone()
    };
    assert_eq!(with(pair).await, Value::Null);
    assert_eq!(with(&pair.replace("__Secure-", "__Host-")).await, "MISSING_TOKEN");
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
    let twice = format!("{cookie}; {NAME}x");
    let lines = [("cookie", cookie.as_str()), ("cookie", cookie.as_str())];
    for query in ["{ me { id } }", "mutation { logout { sessionId } }"] {
        for headers in [
            [mode[0], mode[1], ("cookie", &twice), ("accept", "*/*")],
            [mode[0], mode[1], lines[0], lines[1]],
        ] {
            let reply = call(&app.app, &headers, query, json!({})).await;
            assert_eq!((reply.status.as_u16(), reply.code()), (400, "BAD_REQUEST".into()));
        }
    }
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
}

/// What a page, or a server that renders one, may do with the cookie.
#[derive(Clone, Copy, PartialEq, Eq)]
enum May {
    All,
    Read,
    Nothing,
}

/// Headers, and what is allowed with them.
fn cases() -> Vec<(Vec<(&'static str, &'static str)>, May)> {
    use May::{All, Nothing, Read};
    vec![
        (vec![("origin", OWN)], All),
        (vec![("origin", OWN), ("sec-fetch-site", "same-origin")], All),
        (vec![("origin", "https://app.example.com")], All),
        (vec![("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")], All),
        (vec![("origin", "http://127.0.0.1:8000"), ("host", "127.0.0.1:8000")], All),
        (vec![("origin", "http://[::1]:8000"), ("host", "[::1]:8000")], All),
        (vec![("sec-fetch-site", "same-origin")], All),
        (vec![], Read),
        (vec![("host", "evil.com")], Read),
        (vec![("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")], Nothing),
        (vec![("origin", OWN), ("sec-fetch-site", "cross-site")], Nothing),
        (vec![("origin", "null")], Nothing),
        (vec![("origin", "null"), ("sec-fetch-site", "same-origin")], Nothing),
        (vec![("origin", "")], Nothing),
        (vec![("origin", ""), ("sec-fetch-site", "same-origin")], Nothing),
        (vec![("origin", OWN), ("origin", OWN)], Nothing),
        (vec![("origin", "https://evil.com")], Nothing),
        (vec![("origin", "https://evil.com"), ("sec-fetch-site", "same-origin")], Nothing),
        (vec![("origin", "https://app.example.com.evil.com")], Nothing),
        (vec![("origin", "https://xapp.example.com")], Nothing),
        (vec![("origin", "https://APP.example.com")], Nothing),
        (vec![("origin", "http://app.example.com")], Nothing),
        (vec![("origin", "https://app.example.com:8443")], Nothing),
        (vec![("origin", "https://app.example.com/")], Nothing),
        (vec![("origin", "https://localhost:8000")], Nothing),
        (vec![("origin", "http://localhost:8001"), ("host", "localhost:8000")], Nothing),
        (vec![("origin", "http://evil.com:8000"), ("host", "evil.com:8000")], Nothing),
        (vec![("origin", "http://localhost.evil.com"), ("host", "localhost.evil.com")], Nothing),
        (vec![("origin", OWN), ("sec-fetch-site", "Cross-Site")], Nothing),
        (vec![("origin", OWN), ("sec-fetch-site", "cross-site, cross-site")], Nothing),
        (
            vec![("origin", OWN), ("sec-fetch-site", "x"), ("sec-fetch-site", "same-origin")],
            Nothing,
        ),
        (vec![("sec-fetch-site", "same-site")], Nothing),
        (vec![("sec-fetch-site", "cross-site")], Nothing),
        (vec![("sec-fetch-site", "none")], Nothing),
        (vec![("sec-fetch-site", "")], Nothing),
        (vec![("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")], Nothing),
    ]
}

#[tokio::test]
async fn only_pages_that_may_use_the_cookie_can() {
    use May::{All, Nothing};
    let app = TestApp::start_with(&[FRIEND]).await;
    let cookie = sign_in(&app).await;
    for (headers, may) in cases() {
        let mut all = vec![("portcullis-token-mode", "cookie"), ("cookie", cookie.as_str())];
        all.extend(headers.iter().copied());
        let read = call(&app.app, &all, "{ me { username } }", json!({})).await;
        let (sessions, named) =
            (app.count("sessions").await, app.count("users WHERE full_name = 'X'").await);
        let update = "mutation { updateProfile(input: { fullName: \"X\" }) { user { id } } }";
        let updated = call(&app.app, &all, update, json!({})).await;
        // Without the cookie of who is signed in already.
        let strange: Vec<_> = all.iter().copied().filter(|(name, _)| *name != "cookie").collect();
        let signed_in = call(&app.app, &strange, LOGIN, credentials()).await;
        if may == Nothing {
            assert_eq!(
                (read.status.as_u16(), read.code()),
                (403, "FORBIDDEN".into()),
                "{headers:?}"
            );
        } else {
            assert_eq!(read.data()["me"]["username"], "alice", "{headers:?}");
        }
        if may == All {
            assert_eq!(updated.code(), "NONE", "{headers:?}");
            kept(&signed_in);
            app.sql("UPDATE users SET full_name = NULL").await;
            continue;
        }
        for reply in [&updated, &signed_in] {
            let told = (reply.code(), set_cookie(&reply.headers));
            assert_eq!(told, ("FORBIDDEN".into(), None), "{headers:?}");
        }
        assert_eq!(app.count("sessions").await, sessions);
        assert_eq!(app.count("users WHERE full_name = 'X'").await, named);
    }
    app.app.write_refusals().await.unwrap();
    assert!(app.count("audit_events WHERE kind = 'ACCESS_DENIED' AND actor_id IS NULL").await > 0);
}

#[tokio::test]
async fn no_form_gets_as_far_as_the_cookie() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    for query in ["mutation { logout { sessionId } }", "{ me { id } }"] {
        let body = json!({ "query": query }).to_string();
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
    }
    for method in ["GET", "HEAD", "PUT", "DELETE"] {
        let request = Request::builder()
            .method(method)
            .uri("/graphql?query=mutation%7Blogout%7BsessionId%7D%7D&_method=POST")
            .header("cookie", &cookie)
            .header("origin", OWN)
            .header("portcullis-token-mode", "cookie");
        let reply = send(&app.app, request.body(Body::empty()).unwrap()).await;
        assert_eq!((reply.status.as_u16(), set_cookie(&reply.headers)), (405, None), "{method}");
    }
    assert_eq!(reason(&app.app, &cookie).await, Value::Null);
}

#[tokio::test]
async fn a_browser_that_has_signed_in_is_known_after_it_signed_out() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let signed_in = browse(&app.app, "", LOGIN, credentials()).await;
    let session = kept(&signed_in).0;
    let device = set_cookie_of(&signed_in.headers, "__Host-portcullis_device=").unwrap();
    let (device, attributes) = device.split_once("; ").unwrap();
    assert!(device.starts_with("__Host-portcullis_device=pcd_"), "{device}");
    assert_eq!(attributes.strip_prefix(KEEPS).unwrap(), (30 * DAY).to_string());
    assert!(!signed_in.text.contains("pcd_"));

    let both = format!("{session}; {device}");
    let out = browse(&app.app, &both, LOGOUT, json!({})).await;
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
