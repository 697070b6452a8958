//! A server that is still there when 32 bits of seconds are used up, and much later.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use crate::support::organizations::{found_organization, join_organization};
use crate::support::{LOGIN, PASSWORD, SECOND, SignedIn, TestApp, send, start_of_time};

const NEW_PASSWORD: &str = "another horse battery";
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// A server with its limits on, whose clock shows `time`.
async fn server_at(time: &str) -> TestApp {
    let app = TestApp::start_with(&["--rate-limits=on"]).await;
    let time: DateTime<Utc> = time.parse().unwrap();
    app.clock.advance((time - start_of_time()).to_std().unwrap());
    app.app.reload_keys().await.unwrap();
    app
}

/// The server's time, as the schema writes it.
fn now(app: &TestApp) -> String {
    text(app.clock.now())
}

fn text(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
}

async fn me(app: &TestApp, user: &SignedIn, selection: &str) -> Value {
    app.query(&format!("{{ me {{ {selection} }} }}"), &user.access).await.data()["me"].clone()
}

/// Registering, signing in, refreshing and signing in with a browser, whose sessions are listed.
async fn sign_in(app: &TestApp) -> SignedIn {
    let began = now(app);
    let alice = app.register("alice").await;
    app.clock.advance(HOUR);
    app.login("alice", "wrong horse battery").await;
    let alice = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    let seen = me(app, &alice, "createdAt sessions { edges { node { createdAt lastUsedAt } } }");
    let (seen, refreshed) = (seen.await, now(app));
    let session = &seen["sessions"]["edges"][0]["node"];
    assert_eq!(
        (&seen["createdAt"], &session["createdAt"], &session["lastUsedAt"]),
        (&json!(began), &json!(began), &json!(refreshed))
    );

    let payload = alice.access.split('.').nth(1).unwrap();
    let claims: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    assert_eq!(claims["iat"], json!(app.clock.now().timestamp()));
    app.clock.advance(Duration::from_mins(20));
    let expired = app.query("{ me { id } }", &alice.access).await;
    assert_eq!(expired.extension("reason"), "TOKEN_EXPIRED");

    let input = json!({ "input": { "identifier": "alice", "password": PASSWORD } });
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header("portcullis-token-mode", "cookie")
        .header("origin", "http://localhost:8000")
        .body(Body::from(json!({ "query": LOGIN, "variables": input }).to_string()))
        .unwrap();
    let browser = send(&app.app, request).await;
    browser.data();
    let cookie = browser.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.ends_with("; Max-Age=2592000"), "{cookie}");

    let alice = app.again("alice").await;
    assert_eq!(me(app, &alice, "lastLoginAt").await["lastLoginAt"], json!(now(app)));
    assert_eq!(me(app, &alice, "sessions { totalCount }").await["sessions"]["totalCount"], 3);
    alice
}

/// Another password, by the current one and by a link in a mail.
async fn change_password(app: &TestApp, alice: &SignedIn) -> SignedIn {
    let change = format!(
        "changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{NEW_PASSWORD}\" }}) {{ user {{ id }} }}"
    );
    app.mutate(alice, &change).await.data();
    app.login("alice", NEW_PASSWORD).await.signed_in("login");
    let ask =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    for (age, code) in [(29, "NONE"), (31, "INVALID_TOKEN")] {
        app.call(ask, json!({}), None).await.data();
        let token = app.mail("password-reset", "alice@example.com").await.token();
        app.clock.advance(Duration::from_mins(age));
        let reset = format!(
            "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{PASSWORD} again\" }}) {{ username }} }}"
        );
        assert_eq!(app.call(&reset, json!({}), None).await.code(), code, "after {age} minutes");
    }
    app.login("alice", &format!("{PASSWORD} again")).await.signed_in("login")
}

/// A permission that ends, an organization with a guest, a task, and lists by time.
async fn work(app: &TestApp, alice: &SignedIn, boss: &SignedIn) {
    let until = app.clock.now() + TimeDelta::minutes(2);
    let grant = format!(
        "grantPermission(input: {{ id: \"{}\", permission: USERS_READ, expiresAt: \"{}\" }}) {{ user {{ permissionGrants {{ expiresAt }} }} }}",
        alice.id,
        text(until)
    );
    let granted = app.mutate(boss, &grant).await.data();
    assert_eq!(
        granted["grantPermission"]["user"]["permissionGrants"][0]["expiresAt"],
        json!(text(until))
    );
    let newest = "{ users(first: 1) { edges { cursor node { username } } } }";
    let newest = app.query(newest, &alice.access).await.data()["users"]["edges"][0].clone();
    assert_eq!(newest["node"]["username"], "boss");
    let older =
        format!("{{ users(after: {}) {{ edges {{ node {{ username }} }} }} }}", newest["cursor"]);
    let older = app.query(&older, &alice.access).await.data();
    assert_eq!(older["users"]["edges"], json!([{ "node": { "username": "alice" } }]));
    app.clock.advance(Duration::from_mins(2));
    let over = app.query("{ users { totalCount } }", &alice.access).await;
    assert_eq!(over.code(), "FORBIDDEN");

    let organization = found_organization(app, alice).await;
    join_organization(app, alice, &organization, boss, "MEMBER").await;
    let task = "createTask(input: { title: \"Water the plants\" }) { task { createdAt } }";
    let task = app.mutate(alice, task).await.data();
    assert_eq!(task["createTask"]["task"]["createdAt"], json!(now(app)));
}

/// Events of a time are found, in pages too; all of them are sealed, and verified.
async fn audit(app: &TestApp, boss: &SignedIn) {
    app.clock.advance(SECOND);
    let since = app.clock.now();
    app.app.write_refusals().await.unwrap();
    let of = |filter: &str| {
        let query = format!(
            "{{ auditEvents(first: 1, filter: {{ {filter} }}) {{ pageInfo {{ hasNextPage }} \
             edges {{ cursor node {{ createdAt }} }} }} }}"
        );
        async move { app.query(&query, &boss.access).await.data()["auditEvents"].clone() }
    };
    let (whole, minute) = (text(since), text(since - TimeDelta::minutes(1)));
    let none = of(&format!("from: \"{whole}\"")).await;
    assert_eq!(none["edges"], json!([]));
    let some = of(&format!("from: \"{minute}\", until: \"{whole}\"")).await;
    assert!(some["edges"][0]["node"]["createdAt"].as_str().unwrap() < whole.as_str());
    assert_eq!(some["pageInfo"]["hasNextPage"], true);
    let all = of("from: \"0001-01-01T00:00:00Z\", until: \"9999-12-31T23:59:59.999999Z\"").await;
    let next =
        format!("{{ auditEvents(after: {}) {{ edges {{ cursor }} }} }}", all["edges"][0]["cursor"]);
    let next = app.query(&next, &boss.access).await.data();
    assert!(next["auditEvents"]["edges"].as_array().unwrap().len() > 10);

    app.app.seal_audit().await.unwrap();
    let verified = app.cli(&["audit", "verify", "--json"]).await.json();
    assert_eq!(
        (verified["links"].as_i64(), verified["unsealed"].as_i64()),
        (Some(app.count("audit_events").await), Some(0))
    );
}

/// What has expired goes, the keys change, and nobody needs the machine's clock for it.
async fn keep_house(app: &TestApp, alice: &SignedIn) {
    let (sessions, events) = (app.count("sessions").await, app.count("audit_events").await);
    let second = app.second_instance_with(&["--jwt-algorithm=ES256"]).await;
    second.follow_algorithm().await.unwrap();
    second.show().await.unwrap();
    assert_eq!(app.app.show().await.unwrap(), 1, "the other instance");
    app.app.follow_unlocks().await.unwrap();

    app.clock.advance(31 * DAY);
    app.app.reload_keys().await.unwrap();
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    let purged = app.app.purge().await.unwrap();
    assert_eq!(i64::try_from(purged.sessions).unwrap(), sessions);
    assert_eq!(app.count("sessions").await, 0);

    app.clock.advance(60 * DAY);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("audit_events WHERE user_agent IS NOT NULL").await, 0);
    app.login("alice", &format!("{PASSWORD} again")).await.signed_in("login");
    assert!(app.count("audit_events").await > events);
}

#[tokio::test]
async fn an_account_lives_as_well_after_2038_and_after_2106_as_today() {
    for time in [
        "2026-11-28T00:00:00Z",
        // 2^31 seconds after 1970, while the account is made.
        "2038-01-19T03:14:07.999999Z",
        "2040-02-29T12:00:00Z",
        // 2^32 seconds.
        "2106-02-07T06:28:15.999999Z",
        "9990-01-01T00:00:00Z",
    ] {
        let app = server_at(time).await;
        let alice = Box::pin(sign_in(&app)).await;
        let alice = Box::pin(change_password(&app, &alice)).await;
        app.clock.advance(SECOND);
        let boss = app.admin("boss").await;
        Box::pin(work(&app, &alice, &boss)).await;
        Box::pin(audit(&app, &boss)).await;
        Box::pin(keep_house(&app, &alice)).await;
    }
}

#[tokio::test]
async fn guesses_are_slowed_down_after_2106_too() {
    let app = server_at("2106-02-08T00:00:00Z").await;
    app.register("alice").await;
    for _ in 0..5 {
        let wrong = app.login("alice", "wrong horse battery").await;
        assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    }
    assert_eq!(app.login("alice", PASSWORD).await.code(), "RATE_LIMITED");
    app.clock.advance(HOUR);
    app.login("alice", PASSWORD).await.signed_in("login");
}
