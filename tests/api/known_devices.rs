//! Whoever has signed in before is no stranger: what strangers guess does not hold them up, and what they
//! guess is counted for themselves (BF-11).

use std::time::Duration;

use serde_json::{Value, json};

use crate::limits::{limited, login_from, send_from};
use crate::support::{PASSWORD, Reply, SECOND, SignedIn, TestApp};

const WRONG: &str = "not the password";
const LOGIN: &str = "mutation($input: LoginInput!) { login(input: $input) { \
                     ... on AuthPayload { accessToken refreshToken deviceToken \
                     user { id username } } } }";
const PROVE: &str =
    "reauthenticate(input: { proof: { password: \"correct horse battery\" } }) { expiresIn }";
const FAIL: &str = "reauthenticate(input: { proof: { password: \"guess\" } }) { expiresIn }";
const FAIL_TO_CHANGE: &str = "changePassword(input: { currentPassword: \"guess\", newPassword: \"another horse battery\" }) { user { id } }";

async fn login_on(app: &TestApp, device: Option<&str>, name: &str, password: &str) -> Reply {
    let input = json!({ "identifier": name, "password": password, "deviceToken": device });
    send_from(app, "192.0.2.1", LOGIN, json!({ "input": input })).await
}

/// The device token of a sign-in.
fn device(reply: &Reply) -> String {
    let token = reply.data()["login"]["deviceToken"].as_str().unwrap().to_owned();
    assert!(token.starts_with("pcd_"), "{token}");
    token
}

/// Waits for what is counted beside the answers.
async fn counted(app: &TestApp, condition: &str) {
    let counted = async {
        while app.count(condition).await == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), counted)
        .await
        .unwrap_or_else(|_| panic!("{condition}"));
}

#[tokio::test]
async fn guesses_by_strangers_hold_up_neither_a_session_nor_a_device() {
    let app = limited().await;
    app.register("alice").await;
    let first = login_on(&app, None, "alice", PASSWORD).await;
    let (alice, device) = (first.signed_in("login"), device(&first));
    // From everywhere, the owner's own address among it, and by both of the account's names.
    for number in 0..10 {
        for name in ["alice", "alice@example.com"] {
            for ip in [format!("198.51.100.{number}"), "192.0.2.1".to_owned()] {
                login_from(&app, &ip, name, WRONG).await;
            }
        }
    }
    assert_eq!(login_on(&app, None, "alice", PASSWORD).await.code(), "RATE_LIMITED");

    app.mutate(&alice, PROVE).await.data();
    let again = login_on(&app, Some(&device), "alice@example.com", PASSWORD).await;
    again.signed_in("login");
    let other = login_on(&app, None, "alice", PASSWORD).await;
    assert_eq!(other.code(), "RATE_LIMITED", "to strangers nothing has changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_failures_by_strangers_shut_out_strangers_alone() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let first = login_on(&app, None, "alice", PASSWORD).await;
    let (alice, known) = (first.signed_in("login"), device(&first));
    for number in 0..100 {
        let name = ["alice", "alice@example.com"][number % 2];
        assert_eq!(app.login(name, WRONG).await.code(), "INVALID_CREDENTIALS");
    }
    counted(&app, "users WHERE failed_logins = 100").await;
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");

    app.mutate(&alice, PROVE).await.data();
    let next = login_on(&app, Some(&known), "alice", PASSWORD).await;
    assert_eq!(next.code(), "NONE");
    assert_ne!(device(&next), known);
    // It took nothing back: that is for another password, or the operator.
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let change = "changePassword(input: { currentPassword: \"correct horse battery\", \
                  newPassword: \"another horse battery\" }) { user { id } }";
    app.mutate(&next.signed_in("login"), change).await.data();
    app.login("alice", "another horse battery").await.signed_in("login");
}

#[tokio::test]
async fn guesses_at_the_username_and_at_the_address_count_for_one_account() {
    let app = limited().await;
    app.register("alice").await;
    for name in ["alice", "nobody"] {
        for number in 0..5 {
            let reply = login_from(&app, &format!("192.0.2.{number}"), name, WRONG).await;
            assert_eq!(reply.code(), "INVALID_CREDENTIALS");
        }
    }
    let known = login_from(&app, "192.0.2.77", "alice@example.com", PASSWORD).await;
    let unknown = login_from(&app, "192.0.2.78", "nobody@example.com", PASSWORD).await;
    // The answer is that of an account that there is not: nobody learns whose an address is.
    let without_id = |reply: &Reply| {
        let mut body: Value = serde_json::from_str(&reply.text).unwrap();
        body["errors"][0]["extensions"]["requestId"].take();
        (reply.status, body)
    };
    assert_eq!(known.code(), "INVALID_CREDENTIALS");
    assert_eq!(without_id(&known), without_id(&unknown));
    app.clock.advance(SECOND * 30);
    login_from(&app, "192.0.2.77", "alice@example.com", PASSWORD).await.signed_in("login");
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_failures_make_a_device_unknown_and_cost_strangers_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.register("bob").await;
    let known = device(&login_on(&app, None, "alice", PASSWORD).await);
    let of_bob = device(&login_on(&app, None, "bob", PASSWORD).await);
    app.sql("UPDATE users SET failed_logins = 100").await;
    for token in [&of_bob, "pcd_", "", &known.replace("pcd_", "pcr_"), &alice.refresh] {
        let reply = login_on(&app, Some(token), "alice", PASSWORD).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{token}");
    }
    for failures in 1..=9 {
        let reply = login_on(&app, Some(&known), "alice", WRONG).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS");
        counted(&app, &format!("sessions WHERE failed_proofs = {failures}")).await;
    }
    let next = device(&login_on(&app, Some(&known), "alice", PASSWORD).await);
    login_on(&app, Some(&known), "alice", WRONG).await;
    counted(&app, "sessions WHERE failed_proofs = 10").await;
    let reply = login_on(&app, Some(&known), "alice", PASSWORD).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS");
    login_on(&app, Some(&next), "alice", PASSWORD).await.signed_in("login");
    assert_eq!(app.count("users WHERE failed_logins = 100").await, 2);

    // Known as long as the session it came with could have lasted.
    app.clock.advance(Duration::from_hours(30 * 24));
    let reply = login_on(&app, Some(&next), "alice", PASSWORD).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn a_device_is_unknown_after_another_password_was_chosen_by_mail() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let known = device(&login_on(&app, None, "alice", PASSWORD).await);
    app.call(
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }",
        json!({}),
        None,
    )
    .await;
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let reset = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{WRONG}\" }}) {{ username }} }}"
    );
    app.call(&reset, json!({}), None).await.data();
    app.sql("UPDATE users SET failed_logins = 100").await;
    let reply = login_on(&app, Some(&known), "alice", WRONG).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn ten_wrong_passwords_end_the_session_they_come_from_and_no_other() {
    for flags in [&["--rate-limits=on"][..], &[]] {
        let app = TestApp::start_with(flags).await;
        let alice = app.register("alice").await;
        let other = app.login("alice", PASSWORD).await.signed_in("login");
        for number in 0..10 {
            let call = [FAIL, FAIL_TO_CHANGE][number % 2];
            assert_eq!(app.mutate(&alice, call).await.code(), "INVALID_CREDENTIALS");
        }
        let ended = app.mutate(&alice, PROVE).await;
        assert_eq!(ended.extension("reason"), "SESSION_ENDED");
        assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
        let kind = "audit_events WHERE kind = 'SESSION_ENDED_BY_FAILURES'";
        assert_eq!(app.count(kind).await, 1);
        assert_eq!(app.count("users WHERE failed_logins = 0").await, 1, "no strangers' failures");
        app.mutate(&other, PROVE).await.data();
        app.login("alice", PASSWORD).await.signed_in("login");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_guesses_with_a_session_at_once_no_more_than_ten_are_tried() {
    let app = std::sync::Arc::new(limited().await);
    let alice = std::sync::Arc::new(app.register("alice").await);
    let guess = |app: std::sync::Arc<TestApp>, alice: std::sync::Arc<SignedIn>| async move {
        app.mutate(&alice, FAIL).await.code()
    };
    let guesses: Vec<_> =
        (0..50).map(|_| tokio::spawn(guess(app.clone(), alice.clone()))).collect();
    let mut tried = 0;
    for guess in guesses {
        tried += u32::from(guess.await.unwrap() == "INVALID_CREDENTIALS");
    }
    assert_eq!(tried, 10);
}

#[tokio::test]
async fn whoever_knows_the_password_does_not_sign_in_without_end_either() {
    let app = limited().await;
    app.register("alice").await;
    let mut known = device(&login_on(&app, None, "alice", PASSWORD).await);
    // Each sign-in makes another session and another device; the user stays the same.
    for _ in 0..12 {
        known = device(&login_on(&app, Some(&known), "alice", PASSWORD).await);
    }
    let mut alice = app.login("alice", PASSWORD).await.signed_in("login");
    let mut proofs = 0;
    let prove = "reauthenticate(input: { proof: { password: \"correct horse battery\" } }) { accessToken refreshToken user { id username } }";
    loop {
        let reply = app.mutate(&alice, prove).await;
        if reply.code() == "RATE_LIMITED" {
            break;
        }
        alice = reply.signed_in("reauthenticate");
        proofs += 1;
    }
    assert_eq!(proofs, 8, "both count for the user");
}

#[tokio::test]
async fn a_device_is_unknown_once_its_session_was_ended_against_it() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let owners = login_on(&app, None, "alice", PASSWORD).await;
    let thiefs = login_on(&app, None, "alice", PASSWORD).await;
    let (kept, lost) = (device(&owners), device(&thiefs));
    let owner = owners.signed_in("login");
    // Signing out ends the session, and the device stays known.
    app.mutate(&thiefs.signed_in("login"), "logout { sessionId }").await.data();
    let change = "changePassword(input: { currentPassword: \"correct horse battery\", \
                  newPassword: \"another horse battery\" }) { user { id } }";
    app.mutate(&owner, change).await.data();
    app.sql("UPDATE users SET failed_logins = 100").await;
    let refused = login_on(&app, Some(&lost), "alice", "another horse battery").await;
    assert_eq!(refused.code(), "INVALID_CREDENTIALS");
    login_on(&app, Some(&kept), "alice", "another horse battery").await.signed_in("login");
}
