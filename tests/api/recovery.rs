//! What links in mails do: verify an address, choose another password.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::json;

use crate::support::{PASSWORD, Reply, TestApp, call, dump, holding, send};

const OTHER: &str = "another horse battery";
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn request_reset(app: &TestApp, identifier: &str) -> Reply {
    let query = "mutation($identifier: String!) { requestPasswordReset(input: { identifier: $identifier }) { linkExpiresIn } }";
    app.call(query, json!({ "identifier": identifier }), None).await
}

const RESET: &str = "mutation($token: String!, $password: String!) { \
                     resetPassword(input: { token: $token, newPassword: $password }) { username } }";

async fn reset(app: &TestApp, token: &str, password: &str) -> Reply {
    app.call(RESET, json!({ "token": token, "password": password }), None).await
}

async fn verify(app: &TestApp, token: &str, username: Option<&str>) -> Reply {
    let query = "mutation($token: String!, $password: String!, $username: String) { \
                 verifyEmail(input: { token: $token, password: $password, username: $username }) { outcome } }";
    app.call(query, json!({ "token": token, "password": PASSWORD, "username": username }), None)
        .await
}

async fn request_verification(app: &TestApp, email: &str) -> Reply {
    let query = "mutation($email: String!) { requestEmailVerification(input: { email: $email }) { linkExpiresIn } }";
    app.call(query, json!({ "email": email }), None).await
}

/// The token of the newest mail by which alice may choose another password.
async fn reset_token(app: &TestApp) -> String {
    request_reset(app, "alice").await.data();
    app.mail("password-reset", "alice@example.com").await.token()
}

#[tokio::test]
async fn a_link_lets_its_reader_choose_another_password_once_and_signs_nobody_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let token = reset_token(&app).await;
    app.query("{ me { id } }", &alice.access).await.data();

    let done = reset(&app, &token, OTHER).await;
    assert_eq!(done.data(), json!({ "resetPassword": { "username": "alice" } }));
    let again = reset(&app, &token, "a third horse battery").await;
    assert_eq!(
        (again.code().as_str(), again.extension("reason")),
        ("INVALID_TOKEN", json!("USED"))
    );
    assert_eq!(app.query("{ me { id } }", &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    app.login("alice", OTHER).await.signed_in("login");
    app.mail("password-changed", "alice@example.com").await;
    assert!(app.audit_events().await.contains(&"PASSWORD_RESET".to_owned()));
    // Whoever reads the mail of an address owns it.
    assert_eq!(app.count("users WHERE email_verified = TRUE").await, 1);
}

#[tokio::test]
async fn of_twenty_uses_of_a_link_at_once_one_succeeds() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let token = reset_token(&app).await;
    let other = app.second_instance().await;
    let uses = (0..20).map(|number| {
        let (app, variables) = (
            if number % 2 == 0 { app.app.clone() } else { other.clone() },
            json!({ "token": token, "password": format!("{OTHER} {number}") }),
        );
        tokio::spawn(async move { call(&app, RESET, variables, None).await.code() })
    });
    let mut codes = Vec::new();
    for used in uses.collect::<Vec<_>>() {
        codes.push(used.await.unwrap());
    }
    codes.sort();
    assert_eq!(codes.iter().filter(|code| *code == "NONE").count(), 1, "{codes:?}");
    assert_eq!(codes.iter().filter(|code| *code == "INVALID_TOKEN").count(), 19, "{codes:?}");
}

#[tokio::test]
async fn a_link_ends_with_its_time_with_a_newer_one_and_with_another_password() {
    let app = TestApp::start().await;
    app.register("alice").await;
    // Until then a session voids nothing that was mailed: see pre_hijacking.rs.
    let to_verify = app.mail("verify-email", "alice@example.com").await.token();
    verify(&app, &to_verify, None).await.data();
    let token = reset_token(&app).await;
    app.clock.advance(30 * MINUTE);
    assert_eq!(reset(&app, &token, OTHER).await.code(), "INVALID_TOKEN", "too late");

    let (older, newer) = (reset_token(&app).await, reset_token(&app).await);
    assert_eq!(reset(&app, &older, OTHER).await.code(), "INVALID_TOKEN", "there is a newer one");
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    let change = format!(
        "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{OTHER}\" }}) {{ user {{ id }} }} }}"
    );
    app.query(&change, &alice.access).await.data();
    assert_eq!(reset(&app, &newer, OTHER).await.code(), "INVALID_TOKEN", "the password changed");
    app.app.purge().await.unwrap();
    app.clock.advance(2 * DAY);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("one_time_tokens").await, 0);
}

#[tokio::test]
async fn a_link_is_good_for_one_thing_only() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let to_verify = app.mail("verify-email", "alice@example.com").await.token();
    let to_reset = reset_token(&app).await;
    assert_eq!(reset(&app, &to_verify, OTHER).await.code(), "INVALID_TOKEN");
    assert_eq!(verify(&app, &to_reset, None).await.code(), "INVALID_TOKEN");
    for token in [&to_verify, &to_reset] {
        let undo = format!(
            "mutation {{ undoEmailChange(input: {{ token: \"{token}\" }}) {{ outcome }} }}"
        );
        assert_eq!(app.call(&undo, json!({}), None).await.code(), "INVALID_TOKEN");
    }
    verify(&app, &to_verify, None).await.data();
    let again = verify(&app, &to_verify, None).await.data();
    assert_eq!(again["verifyEmail"]["outcome"], "DONE_BEFORE");
    reset(&app, &to_reset, OTHER).await.data();
}

#[tokio::test]
async fn a_password_that_is_refused_uses_no_link_up() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let token = reset_token(&app).await;
    for weak in ["short", "password1", "alice@example.com"] {
        let refused = reset(&app, &token, weak).await;
        assert_eq!(refused.extension("fields")[0]["path"], "input.newPassword", "{}", refused.text);
    }
    reset(&app, &token, OTHER).await.data();
}

#[tokio::test]
async fn who_is_unknown_or_shut_out_gets_the_same_answer_and_no_mail() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.register("carol").await;
    app.sql("UPDATE users SET is_active = FALSE WHERE username_key = 'carol'").await;
    app.sql("DELETE FROM outbox").await;
    let known = request_reset(&app, "ALICE@Example.com").await;
    for name in ["nobody", "carol", "no such@name", "", "nobody@example.com"] {
        let reply = request_reset(&app, name).await;
        assert_eq!((reply.status, &reply.text), (known.status, &known.text), "{name}");
    }
    let mails = app.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    // A link that was mailed before its account was shut opens nothing.
    let token = mails[0].token();
    app.sql("UPDATE users SET is_active = FALSE").await;
    assert_eq!(reset(&app, &token, OTHER).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn an_account_shut_by_guesses_is_opened_by_its_owner() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.sql("UPDATE users SET failed_logins = 100").await;
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    reset(&app, &reset_token(&app).await, OTHER).await.data();
    app.login("alice", OTHER).await.signed_in("login");
}

#[tokio::test]
async fn an_address_is_shown_to_be_its_owners_by_the_mail_of_the_registration() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let verified = async || {
        let me = app.query("{ me { emailVerified } }", &alice.access).await.data();
        me["me"]["emailVerified"].as_bool().unwrap()
    };
    assert!(!verified().await);
    let first = app.mail("verify-email", "alice@example.com").await.token();
    request_verification(&app, "Alice@example.com").await.data();
    let second = app.mail("verify-email", "alice@example.com").await.token();
    assert_eq!(verify(&app, &first, None).await.code(), "INVALID_TOKEN", "there is a newer one");
    verify(&app, &second, None).await.data();
    assert!(verified().await);

    // Nobody is written to who has nothing to show, with the same answer.
    let mails = app.mails().await.len();
    for email in ["alice@example.com", "nobody@example.com"] {
        let reply = request_verification(&app, email).await;
        assert_eq!(
            reply.data(),
            json!({ "requestEmailVerification": { "linkExpiresIn": 86_400 } })
        );
    }
    assert_eq!(app.mails().await.len(), mails);
    assert_eq!(request_verification(&app, "nowhere").await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn links_lead_to_the_configured_server_whatever_a_request_says() {
    let app = TestApp::start_with(&["--public-url=http://localhost:8000"]).await;
    app.register("alice").await;
    let body = json!({ "query": "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }" });
    let request = Request::post("http://evil.example/graphql")
        .header("content-type", "application/json")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "host=evil.example;proto=https")
        .header("user-agent", "http://evil.example/")
        .body(Body::from(body.to_string()))
        .unwrap();
    send(&app.app, request).await.data();
    let mail = app.mail("password-reset", "alice@example.com").await;
    let link = format!("http://localhost:8000/account/reset-password#{}", mail.token());
    assert!(mail.text.contains(&link), "{}", mail.text);
    assert!(!mail.text.contains("evil.example"), "{}", mail.text);
}

#[tokio::test]
async fn links_lead_to_a_front_ends_own_pages() {
    let page = "--reset-password-url=https://app.example.com/reset?token={token}&x=1";
    let app = TestApp::start_with(&[page]).await;
    app.register("alice").await;
    request_reset(&app, "alice").await.data();
    let mail = app.mail("password-reset", "alice@example.com").await;
    let token = mail.token();
    // As quoted-printable has it, in which most mails are sent.
    let link = format!("https://app.example.com/reset?token={token}&x=1");
    let text = mail.text.replace("=3D", "=");
    assert!(text.contains(&link), "{text}");
}

#[tokio::test]
async fn password_managers_are_led_to_where_a_password_is_changed() {
    let own = "http://localhost:8000/account/password";
    let link = "http://localhost:8000/account/reset-password";
    let theirs = "https://app.example.com/reset";
    let reset = "--reset-password-url=https://app.example.com/reset?token={token}";
    let change = "--change-password-url=https://app.example.com/me#password";
    for (flags, expected) in [
        (vec![], own),
        (vec![reset], theirs),
        (vec![reset, change], "https://app.example.com/me#password"),
        (vec!["--change-password-url="], own),
        (vec!["--account-pages=off"], link),
    ] {
        let app = TestApp::start_with(&flags).await;
        for method in ["GET", "HEAD"] {
            let request = Request::builder().method(method).uri("/.well-known/change-password");
            let reply = send(&app.app, request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, 302, "{flags:?}");
            assert_eq!(reply.headers["location"], expected, "{flags:?}");
        }
        // By this, managers know that the server does not lead just anything somewhere.
        let none =
            "/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200";
        let none = Request::get(none).body(Body::empty()).unwrap();
        assert_eq!(send(&app.app, none).await.status, 404);
    }
}

#[tokio::test]
async fn looking_at_a_link_does_nothing_and_tells_nobody() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let token = reset_token(&app).await;
    for method in ["GET", "HEAD", "GET"] {
        for page in [
            "verify-email",
            "reset-password",
            "undo-email-change",
            "accept-invitation",
            "accept-organization-invitation",
            "finish-registration",
        ] {
            let uri = format!("/account/{page}?{token}");
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            let reply = send(&app.app, request).await;
            assert_eq!(reply.status, 200, "{page}");
            assert_eq!(reply.headers["referrer-policy"], "no-referrer");
            assert_eq!(reply.headers["cache-control"], "no-cache");
            assert!(!reply.text.contains(token.as_str()), "{page}");
            let policy = reply.headers["content-security-policy"].to_str().unwrap();
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
        }
    }
    reset(&app, &token, OTHER).await.data();
}

#[tokio::test]
async fn no_token_is_in_the_database_that_sends_it() {
    let app = TestApp::start().await;
    app.register("alice").await;
    request_reset(&app, "alice").await.data();
    let stored = dump(&app.database.connection().await).await;
    assert_eq!(holding(&stored, "password-reset"), ["outbox"]);
    assert_eq!(holding(&stored, "pco_"), [""; 0]);
    assert_eq!(app.mail("password-reset", "alice@example.com").await.token().len(), 47);
}
