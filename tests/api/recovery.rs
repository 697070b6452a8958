//! What links in mails do: verify an address, choose another password.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{PASSWORD, REGISTER, Reply, TestApp, call, dump, holding, send};

const OTHER: &str = "another horse battery";
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn request_reset(app: &TestApp, identifier: &str) -> Reply {
    let query = "mutation($identifier: String!) { requestPasswordReset(identifier: $identifier) }";
    app.call(query, json!({ "identifier": identifier }), None).await
}

const RESET: &str = "mutation($token: String!, $password: String!) { \
                     resetPassword(token: $token, newPassword: $password) }";

async fn reset(app: &TestApp, token: &str, password: &str) -> Reply {
    app.call(RESET, json!({ "token": token, "password": password }), None).await
}

async fn verify(app: &TestApp, token: &str, username: Option<&str>) -> Reply {
    let query = "mutation($token: String!, $username: String) { \
                 verifyEmail(token: $token, username: $username) }";
    app.call(query, json!({ "token": token, "username": username }), None).await
}

async fn request_verification(app: &TestApp, email: &str) -> Reply {
    let query = "mutation($email: String!) { requestEmailVerification(email: $email) }";
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
    assert_eq!(done.data(), json!({ "resetPassword": true }));
    assert_eq!(reset(&app, &token, OTHER).await.code(), "INVALID_TOKEN");
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
    let token = reset_token(&app).await;
    app.clock.advance(30 * MINUTE);
    assert_eq!(reset(&app, &token, OTHER).await.code(), "INVALID_TOKEN", "too late");

    let (older, newer) = (reset_token(&app).await, reset_token(&app).await);
    assert_eq!(reset(&app, &older, OTHER).await.code(), "INVALID_TOKEN", "there is a newer one");
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    let change = format!(
        "mutation {{ changePassword(currentPassword: \"{PASSWORD}\", newPassword: \"{OTHER}\") }}"
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
        let undo = format!("mutation {{ undoEmailChange(token: \"{token}\") }}");
        assert_eq!(app.call(&undo, json!({}), None).await.code(), "INVALID_TOKEN");
    }
    verify(&app, &to_verify, None).await.data();
    assert_eq!(verify(&app, &to_verify, None).await.code(), "INVALID_TOKEN", "once");
    reset(&app, &to_reset, OTHER).await.data();
}

#[tokio::test]
async fn a_password_that_is_refused_uses_no_link_up() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let token = reset_token(&app).await;
    for weak in ["short", "password1", "alice@example.com"] {
        let refused = reset(&app, &token, weak).await;
        assert_eq!(refused.extension("fields")[0]["path"], "newPassword", "{}", refused.text);
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
        assert_eq!(reply.data(), json!({ "requestEmailVerification": true }));
    }
    assert_eq!(app.mails().await.len(), mails);
    assert_eq!(request_verification(&app, "nowhere").await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn links_lead_to_the_configured_server_whatever_a_request_says() {
    let app = TestApp::start_with(&["--public-url=http://localhost:8000"]).await;
    app.register("alice").await;
    let body = json!({ "query": "mutation { requestPasswordReset(identifier: \"alice\") }" });
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
    let link = format!("http://localhost:8000/link/reset-password#{}", mail.token());
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
async fn looking_at_a_link_does_nothing_and_tells_nobody() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let token = reset_token(&app).await;
    for method in ["GET", "HEAD", "GET"] {
        for page in ["verify-email", "reset-password", "undo-email-change", "accept-invitation"] {
            let uri = format!("/link/{page}?{token}");
            let request = Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
            let reply = send(&app.app, request).await;
            assert_eq!(reply.status, 200, "{page}");
            assert_eq!(reply.headers["referrer-policy"], "no-referrer");
            assert_eq!(reply.headers["cache-control"], "no-store");
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

// Registration where addresses are proven first.

async fn proving() -> TestApp {
    TestApp::start_with(&["--require-email-verification=true"]).await
}

async fn register(app: &TestApp, username: &str, email: &str) -> Reply {
    let query = REGISTER
        .replace("... on AuthPayload", "... on VerificationRequired { email } ... on AuthPayload");
    let input = json!({ "username": username, "email": email, "password": PASSWORD });
    app.call(&query, json!({ "input": input }), None).await
}

fn required(email: &str) -> Value {
    json!({ "register": { "email": email } })
}

#[tokio::test]
async fn an_account_is_made_when_its_address_is_proven() {
    let app = proving().await;
    assert_eq!(
        register(&app, "Alice", "Alice@example.com").await.data(),
        required("Alice@example.com")
    );
    assert_eq!(app.count("users").await, 0);
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let mail = app.mail("verify-email", "Alice@example.com").await;
    assert!(mail.text.contains("Hello Alice,"), "{}", mail.text);
    assert_eq!(verify(&app, &mail.token(), None).await.data(), json!({ "verifyEmail": true }));
    assert_eq!(verify(&app, &mail.token(), None).await.code(), "INVALID_TOKEN");
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    let me = app.query("{ me { username email emailVerified } }", &alice.access).await.data();
    let expected =
        json!({ "username": "Alice", "email": "Alice@example.com", "emailVerified": true });
    assert_eq!(me["me"], expected);
    assert_eq!(app.count("one_time_tokens").await, 0);
}

#[tokio::test]
async fn whether_an_address_has_an_account_only_mail_to_it_tells() {
    let app = proving().await;
    register(&app, "alice", "alice@example.com").await.data();
    let link = app.mail("verify-email", "alice@example.com").await.token();
    verify(&app, &link, None).await.data();

    let (taken, free) = (
        register(&app, "mallory", "alice@example.com").await,
        register(&app, "mallory", "carol@example.com").await,
    );
    assert_eq!(taken.text.replace("alice@", "carol@"), free.text);
    assert_eq!((taken.status, taken.headers.len()), (free.status, free.headers.len()));
    assert_eq!(app.count("one_time_tokens").await, 2, "both have written the same rows");
    let told = app.mail("already-registered", "alice@example.com").await;
    assert!(!told.text.contains("pco_") && told.text.contains("alice"), "{}", told.text);
    app.mail("verify-email", "carol@example.com").await;
    // A name that an account holds is told: it is public, and another must be chosen.
    let conflict = register(&app, "ALICE", "dave@example.com").await;
    assert_eq!(
        (conflict.code(), conflict.extension("field")),
        ("CONFLICT".into(), json!("username"))
    );
}

#[tokio::test]
async fn a_name_that_went_meanwhile_is_replaced_by_another_without_a_new_mail() {
    let app = proving().await;
    register(&app, "alice", "one@example.com").await.data();
    register(&app, "alice", "two@example.com").await.data();
    let one = app.mail("verify-email", "one@example.com").await.token();
    let two = app.mail("verify-email", "two@example.com").await.token();
    verify(&app, &one, None).await.data();
    let conflict = verify(&app, &two, None).await;
    assert_eq!(
        (conflict.code(), conflict.extension("field")),
        ("CONFLICT".into(), json!("username"))
    );
    assert_eq!(verify(&app, &two, Some("x")).await.code(), "BAD_USER_INPUT");
    assert_eq!(verify(&app, &two, Some("admin")).await.code(), "BAD_USER_INPUT");
    verify(&app, &two, Some("alice2")).await.data();
    app.login("alice2", PASSWORD).await.signed_in("login");
    app.login("two@example.com", PASSWORD).await.signed_in("login");
}

#[tokio::test]
async fn a_registration_can_be_mailed_again_and_is_forgotten_after_its_day() {
    let app = proving().await;
    register(&app, "alice", "alice@example.com").await.data();
    let first = app.mail("verify-email", "alice@example.com").await.token();
    app.clock.advance(23 * 60 * MINUTE);
    request_verification(&app, "alice@example.com").await.data();
    let second = app.mail("verify-email", "alice@example.com").await.token();
    assert_ne!(first, second);
    assert_eq!(verify(&app, &first, None).await.code(), "INVALID_TOKEN");
    // However often somebody asks for another mail.
    app.clock.advance(60 * MINUTE);
    assert_eq!(verify(&app, &second, None).await.code(), "INVALID_TOKEN");
    app.clock.advance(DAY);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("one_time_tokens").await, 0);
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn whoever_registers_with_anothers_address_has_nothing_when_its_owner_comes() {
    let app = proving().await;
    // Mallory's registration waits; then the owner of the address comes with their own.
    register(&app, "mallory", "alice@example.com").await.data();
    let mallorys = app.mail("verify-email", "alice@example.com").await.token();
    register(&app, "alice", "alice@example.com").await.data();
    let alices = app.mail("verify-email", "alice@example.com").await.token();
    assert_eq!(verify(&app, &mallorys, None).await.code(), "INVALID_TOKEN");
    verify(&app, &alices, None).await.data();
    assert_eq!(app.login("mallory", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    assert_eq!(app.count("users").await, 1);
}

// Who may register.

async fn invite(app: &TestApp, bearer: &str, email: &str, role: &str) -> Reply {
    let query = format!("mutation {{ inviteUser(email: \"{email}\", role: {role}) }}");
    app.query(&query, bearer).await
}

async fn accept(app: &TestApp, token: &str, username: &str) -> Reply {
    let query = "mutation($token: String!, $input: AcceptInvitationInput!) { \
        acceptUserInvitation(token: $token, input: $input) { accessToken refreshToken \
        user { id username role email emailVerified } } }";
    let input = json!({ "username": username, "password": PASSWORD, "fullName": "A Guest" });
    app.call(query, json!({ "token": token, "input": input }), None).await
}

/// An instance with an admin that lets nobody in by themselves.
async fn inviting() -> (TestApp, String) {
    let app = TestApp::start().await;
    app.admin("boss").await;
    let app = app.restarted_with(&["--registration=invite"]).await;
    let boss = app.login("boss", PASSWORD).await.signed_in("login");
    (app, boss.access)
}

#[tokio::test]
async fn whom_an_admin_invites_makes_an_account_with_the_role_that_was_promised() {
    let (app, boss) = inviting().await;
    let refused = app.try_register("alice", "alice@example.com", PASSWORD).await;
    assert_eq!(refused.code(), "FORBIDDEN");
    assert_eq!(invite(&app, &boss, "boss@example.com", "USER").await.code(), "CONFLICT");
    invite(&app, &boss, "Guest@example.com", "ADMIN").await.data();
    let mail = app.mail("invitation", "Guest@example.com").await;
    assert!(mail.text.contains("boss invites you"), "{}", mail.text);

    assert_eq!(accept(&app, &mail.token(), "boss").await.code(), "CONFLICT");
    assert_eq!(accept(&app, &mail.token(), "x").await.code(), "BAD_USER_INPUT");
    let reply = accept(&app, &mail.token(), "visitor").await;
    let user = &reply.data()["acceptUserInvitation"]["user"];
    assert_eq!(user["role"], "ADMIN");
    assert_eq!(
        (&user["email"], &user["emailVerified"]),
        (&json!("Guest@example.com"), &json!(true))
    );
    let guest = reply.signed_in("acceptUserInvitation");
    app.query("{ users { totalCount } }", &guest.access).await.data();
    assert_eq!(accept(&app, &mail.token(), "visitor2").await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn an_invitation_ends_with_its_time_with_a_newer_one_and_with_the_standing_of_who_invited() {
    let (app, boss) = inviting().await;
    invite(&app, &boss, "guest@example.com", "ADMIN").await.data();
    let first = app.mail("invitation", "guest@example.com").await.token();
    invite(&app, &boss, "guest@example.com", "ADMIN").await.data();
    let second = app.mail("invitation", "guest@example.com").await.token();
    assert_eq!(accept(&app, &first, "visitor").await.code(), "INVALID_TOKEN");
    app.sql("UPDATE users SET role = 'USER'").await;
    assert_eq!(accept(&app, &second, "visitor").await.code(), "INVALID_TOKEN");
    app.sql("UPDATE users SET role = 'ADMIN'").await;
    app.clock.advance(DAY);
    assert_eq!(accept(&app, &second, "visitor").await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn an_admin_by_invitation_is_known_as_the_work_of_who_invited_them() {
    let (app, boss) = inviting().await;
    invite(&app, &boss, "visitor@example.com", "ADMIN").await.data();
    let token = app.mail("invitation", "visitor@example.com").await.token();
    accept(&app, &token, "visitor").await.data();
    let by_boss = "audit_events WHERE kind = 'ROLE_CHANGED' AND actor_id = \
                   (SELECT id FROM users WHERE username_key = 'boss') AND target_id = \
                   (SELECT id FROM users WHERE username_key = 'visitor')";
    assert_eq!(app.count(by_boss).await, 1);

    // An admin who chooses another password has invited nobody who is not there yet.
    invite(&app, &boss, "late@example.com", "ADMIN").await.data();
    let token = app.mail("invitation", "late@example.com").await.token();
    let change = format!(
        "mutation {{ changePassword(currentPassword: \"{PASSWORD}\", newPassword: \"{OTHER}\") }}"
    );
    app.query(&change, &boss).await.data();
    assert_eq!(accept(&app, &token, "late").await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn a_closed_server_invites_nobody() {
    let (app, _) = inviting().await;
    let app = app.restarted_with(&["--registration=closed"]).await;
    let boss = app.login("boss", PASSWORD).await.signed_in("login");
    assert_eq!(invite(&app, &boss.access, "guest@example.com", "USER").await.code(), "FORBIDDEN");
    assert_eq!(app.try_register("a-b", "a@example.com", PASSWORD).await.code(), "FORBIDDEN");
}
