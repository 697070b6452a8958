//! How accounts begin where an address is proven first, or somebody is invited.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{PASSWORD, REGISTER, Reply, TestApp};

const OTHER: &str = "another horse battery";
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

async fn verify(app: &TestApp, token: &str, username: Option<&str>) -> Reply {
    let query = "mutation($token: String!, $password: String!, $username: String) { \
                 verifyEmail(input: { token: $token, password: $password, username: $username }) { outcome } }";
    app.call(query, json!({ "token": token, "password": PASSWORD, "username": username }), None)
        .await
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
    assert!(mail.text.contains("Hello Alice@=E2=80=8Cexample.=E2=80=8Ccom,"), "{}", mail.text);
    for outcome in ["DONE", "DONE_BEFORE"] {
        let verified = verify(&app, &mail.token(), None).await;
        assert_eq!(verified.data(), json!({ "verifyEmail": { "outcome": outcome } }));
    }
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    let me = app.query("{ me { username email emailVerified } }", &alice.access).await.data();
    let expected =
        json!({ "username": "Alice", "email": "Alice@example.com", "emailVerified": true });
    assert_eq!(me["me"], expected);
    // Of the used link nothing is kept but that it is used.
    assert_eq!(app.count("one_time_tokens WHERE details IS NOT NULL").await, 0);
    app.clock.advance(DAY);
    app.app.purge().await.unwrap();
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
    let unused = "one_time_tokens WHERE used_at IS NULL";
    assert_eq!(app.count(unused).await, 2, "both have written the same rows");
    let told = app.mail("already-registered", "alice@example.com").await;
    assert!(!told.text.contains("pco_") && told.text.contains("alice"), "{}", told.text);
    app.mail("verify-email", "carol@example.com").await;
    // A name that an account holds is told: it is public, and another must be chosen.
    let conflict = register(&app, "ALICE", "dave@example.com").await;
    assert_eq!(
        (conflict.code(), conflict.refused_field()),
        ("CONFLICT".into(), ("input.username".into(), "TAKEN".into()))
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
        (conflict.code(), conflict.refused_field()),
        ("CONFLICT".into(), ("input.username".into(), "TAKEN".into()))
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
    let query = "mutation { requestEmailVerification(input: { email: \"alice@example.com\" }) { linkExpiresIn } }";
    app.call(query, json!({}), None).await.data();
    let second = app.mail("verify-email", "alice@example.com").await.token();
    assert_ne!(first, second);
    // However often somebody asks for another mail.
    app.clock.advance(60 * MINUTE);
    for link in [&first, &second] {
        assert_eq!(verify(&app, link, None).await.code(), "INVALID_TOKEN");
    }
    app.clock.advance(DAY);
    app.app.purge().await.unwrap();
    assert_eq!(app.count("one_time_tokens").await, 0);
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn names_that_are_taken_do_not_use_up_the_limit_of_an_address() {
    let app = TestApp::start_with(&["--require-email-verification=true", "--rate-limits=on"]).await;
    register(&app, "alice", "one@example.com").await.data();
    let token = app.mail("verify-email", "one@example.com").await.token();
    verify(&app, &token, None).await.data();
    for _ in 0..3 {
        assert_eq!(register(&app, "alice", "two@example.com").await.code(), "CONFLICT");
    }
    register(&app, "bob", "two@example.com").await.data();
}

/// What `usernameAvailability` says of a name, or the code it is refused with.
async fn available(app: &TestApp, username: &str) -> Value {
    let query =
        "query($name: String!) { usernameAvailability(username: $name) { available code } }";
    let reply = app.call(query, json!({ "name": username }), None).await;
    match reply.code().as_str() {
        "NONE" => reply.data()["usernameAvailability"].clone(),
        code => json!(code),
    }
}

#[tokio::test]
async fn whether_a_name_is_free_is_told_before_the_rest_is_typed() {
    let app = TestApp::start().await;
    app.register("alice").await;
    for (name, code) in [
        ("bob", Value::Null),
        ("Alice", json!("TAKEN")),
        ("a", json!("TOO_SHORT")),
        ("admin", json!("RESERVED")),
        ("a@b", json!("INVALID_FORMAT")),
    ] {
        let expected = json!({ "available": code.is_null(), "code": code });
        assert_eq!(available(&app, name).await, expected, "{name}");
    }
    let closed = app.second_instance_with(&["--registration=closed"]).await;
    let query = "{ usernameAvailability(username: \"bob\") { available } }";
    assert_eq!(crate::support::call(&closed, query, json!({}), None).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn tries_at_names_that_are_taken_use_up_no_registration() {
    let app = TestApp::start_with(&["--rate-limits=on"]).await;
    for name in ["one", "two", "three", "four"] {
        app.register(name).await;
    }
    for _ in 0..20 {
        let taken = app.try_register("ONE", "five@example.com", PASSWORD).await;
        assert_eq!(taken.refused_field(), ("input.username".into(), "TAKEN".into()));
    }
    app.register("five").await;
    assert_eq!(app.try_register("six", "six@example.com", PASSWORD).await.code(), "RATE_LIMITED");
    // And they do not go on for ever: twenty-six names were asked for by now.
    for _ in 26..60 {
        available(&app, "one").await;
    }
    assert_eq!(available(&app, "one").await, "RATE_LIMITED");
    app.clock.advance(MINUTE);
    assert_eq!(available(&app, "one").await["code"], "TAKEN");
}

// Who may register.

async fn invite(app: &TestApp, bearer: &str, email: &str, role: &str) -> Reply {
    let query = format!(
        "mutation {{ inviteUser(input: {{ email: \"{email}\", role: {role} }}) {{ linkExpiresIn }} }}"
    );
    app.query(&query, bearer).await
}

async fn accept(app: &TestApp, token: &str, username: &str) -> Reply {
    let query = "mutation($input: AcceptUserInvitationInput!) { acceptUserInvitation(input: $input) { ... on AuthPayload { \
        accessToken refreshToken user { id username role email emailVerified } } } }";
    let input = json!({ "token": token, "username": username, "password": PASSWORD, "fullName": "A Guest" });
    app.call(query, json!({ "input": input }), None).await
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
    assert!(mail.text.contains("boss@=E2=80=8Cexample.=E2=80=8Ccom invites you"), "{}", mail.text);

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
    let from_there = "audit_events WHERE kind = 'ROLE_CHANGED' AND \
                      (ip IS NOT NULL OR user_agent IS NOT NULL)";
    assert_eq!(app.count(from_there).await, 0, "the one was not where the other is");

    // An admin who chooses another password has invited nobody who is not there yet.
    invite(&app, &boss, "late@example.com", "ADMIN").await.data();
    let token = app.mail("invitation", "late@example.com").await.token();
    let change = format!(
        "mutation {{ changePassword(input: {{ currentPassword: \"{PASSWORD}\", newPassword: \"{OTHER}\" }}) {{ user {{ id }} }} }}"
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

/// A page shows the form that the server takes.
#[tokio::test]
async fn anybody_is_told_who_may_register_and_how() {
    let query = "{ config { registration verificationRequired features version \
                 password { lengthMin lengthMax } } }";
    let all = ["OPEN_REGISTRATION", "NEW_ACCOUNTS", "MAIL", "PASSKEYS"];
    for (mode, named, features) in [
        ("open", "OPEN", &all[..]),
        ("invite", "INVITE", &all[1..]),
        ("closed", "CLOSED", &all[2..]),
    ] {
        let setting = format!("--registration={mode}");
        let app = TestApp::start_with(&[&setting, "--password-min-length=12"]).await;
        let config = app.call(query, json!({}), None).await.data()["config"].clone();
        assert_eq!(config["registration"], named);
        assert_eq!(config["password"], json!({ "lengthMin": 12, "lengthMax": 128 }));
        assert_eq!(config["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(config["verificationRequired"], false);
        assert_eq!(config["features"], json!(features));

        let (eleven, twelve) = ("four_words_", "four_words__");
        for (password, code) in [(eleven, "BAD_USER_INPUT"), (twelve, "NONE")] {
            let input =
                json!({ "username": "alice", "email": "alice@example.com", "password": password });
            let reply = app.call(REGISTER, json!({ "input": input }), None).await;
            assert_eq!(reply.code(), if named == "OPEN" { code } else { "FORBIDDEN" }, "{mode}");
        }
    }
    for (setting, told) in [("off", "OFF"), ("admins", "ADMINS"), ("all", "ALL")] {
        let setting = format!("--require-second-factor={setting}");
        let app = TestApp::start_with(&[&setting]).await;
        let asked = "{ config { id secondFactorRequirement } signInProviders { id } }";
        let reply = app.call(asked, json!({}), None).await.data();
        assert_eq!(reply["config"], json!({ "id": "config", "secondFactorRequirement": told }));
    }
    let config = proving().await.call(query, json!({}), None).await.data()["config"].clone();
    assert_eq!(config["verificationRequired"], true);
}
