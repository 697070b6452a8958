//! An account's address: another one, and back.

use std::time::Duration;

use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp};

const OTHER: &str = "another horse battery";
const HOUR: Duration = Duration::from_hours(1);
const ME: &str = "{ me { id } }";

/// A user who has shown that their address is theirs.
async fn verified(app: &TestApp, username: &str) -> SignedIn {
    let user = app.register(username).await;
    let token = app.mail("verify-email", &format!("{username}@example.com")).await.token();
    app.use_link("verifyEmail", &token).await.data();
    user
}

#[tokio::test]
async fn an_address_changes_when_the_new_one_is_confirmed_and_changes_back_for_its_owner() {
    let app = TestApp::start().await;
    let alice = verified(&app, "alice").await;
    app.mutate(&alice, "changeEmail(input: { newEmail: \"New@example.org\" }) { linkExpiresIn }")
        .await
        .data();
    let email =
        async || app.query("{ me { email } }", &alice.access).await.data()["me"]["email"].clone();
    assert_eq!(email().await, "alice@example.com");

    let token = app.mail("confirm-email-change", "New@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    let again = app.use_link("verifyEmail", &token).await.data();
    assert_eq!(again["verifyEmail"]["outcome"], "DONE_BEFORE");
    assert_eq!(email().await, "New@example.org");
    app.mail("email-changed", "New@example.org").await;
    let told = app.mail("email-change-undo", "alice@example.com").await;
    assert!(told.text.contains("New@=E2=80=8Cexample.=E2=80=8Corg"), "{}", told.text);
    app.login("new@example.org", PASSWORD).await.signed_in("login");

    // Whoever has the account changes it once more; the first owner's link still leads back.
    let thief = app.again("alice").await;
    app.mutate(&thief, "changeEmail(input: { newEmail: \"thief@example.net\" }) { linkExpiresIn }")
        .await
        .data();
    let token = app.mail("confirm-email-change", "thief@example.net").await.token();
    app.use_link("verifyEmail", &token).await.data();
    let second = app.mail("email-change-undo", "New@example.org").await.token();
    for outcome in ["DONE", "DONE_BEFORE"] {
        let undone = app.use_link("undoEmailChange", &told.token()).await.data();
        assert_eq!(undone["undoEmailChange"]["outcome"], outcome);
    }
    assert_eq!(app.query(ME, &thief.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.use_link("undoEmailChange", &second).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("users WHERE email_key = 'alice@example.com'").await, 1);
    // The thief knows the password; its owner chooses another by mail. Nothing that the operator may be
    // talked into brings the old one back.
    app.sql("UPDATE users SET failed_logins = 0").await;
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let call =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    app.call(call, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let call = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{OTHER}\" }}) {{ username }} }}"
    );
    app.call(&call, json!({}), None).await.data();
    app.login("alice", OTHER).await.signed_in("login");
}

#[tokio::test]
async fn an_address_that_can_be_given_back_is_nobody_elses_meanwhile() {
    let app = TestApp::start().await;
    let alice = verified(&app, "alice").await;
    app.mutate(&alice, "changeEmail(input: { newEmail: \"thief@example.net\" }) { linkExpiresIn }")
        .await
        .data();
    let token = app.mail("confirm-email-change", "thief@example.net").await.token();
    app.use_link("verifyEmail", &token).await.data();
    let undo = app.mail("email-change-undo", "alice@example.com").await.token();

    let squatting = app.try_register("mallory", "alice@example.com", PASSWORD).await;
    assert_eq!(
        (squatting.code(), squatting.refused_field()),
        ("CONFLICT".into(), ("input.email".into(), "TAKEN".into()))
    );
    let mallory = verified(&app, "mallory").await;
    app.mutate(
        &mallory,
        "changeEmail(input: { newEmail: \"alice@example.com\" }) { linkExpiresIn }",
    )
    .await
    .data();
    let mails = app.mails().await;
    let to_alice = mails.iter().filter(|mail| mail.to == "alice@example.com");
    assert_eq!(to_alice.filter(|mail| mail.kind == "confirm-email-change").count(), 0);
    // Whoever is deleted takes nothing of another's along.
    app.mutate(&mallory, "deleteAccount { deletedUserId }").await.data();
    app.use_link("undoEmailChange", &undo).await.data();

    // After a day it is free.
    let boss = verified(&app, "boss").await;
    app.mutate(&boss, "changeEmail(input: { newEmail: \"boss@example.org\" }) { linkExpiresIn }")
        .await
        .data();
    let token = app.mail("confirm-email-change", "boss@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    app.clock.advance(24 * HOUR);
    app.try_register("other", "boss@example.com", PASSWORD).await.signed_in("register");
}

#[tokio::test]
async fn who_never_had_an_address_is_given_no_way_back_to_it() {
    let app = TestApp::start().await;
    // A slip of the finger: it is a stranger's.
    let alice = app.register("alice").await;
    app.mutate(&alice, "changeEmail(input: { newEmail: \"alice@example.org\" }) { linkExpiresIn }")
        .await
        .data();
    let token = app.mail("confirm-email-change", "alice@example.org").await.token();
    app.use_link("verifyEmail", &token).await.data();
    app.mail("email-changed", "alice@example.org").await;
    let told = app.mail("email-change-undo", "alice@example.com").await.text;
    assert!(!told.contains("pco_") && !told.contains("alice@example.org"), "{told}");
    assert!(told.contains("was changed on 2026-01-01"), "{told}");
}

#[tokio::test]
async fn a_change_of_address_waits_an_hour_and_ends_with_a_reset_or_with_all_sessions() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let asked = async |email: &str| {
        let alice = app.again("alice").await;
        app.mutate(
            &alice,
            &format!("changeEmail(input: {{ newEmail: \"{email}\" }}) {{ linkExpiresIn }}"),
        )
        .await
        .data();
        (alice, app.mail("confirm-email-change", email).await.token())
    };
    let (_, late) = asked("late@example.org").await;
    app.clock.advance(HOUR);
    assert_eq!(app.use_link("verifyEmail", &late).await.code(), "INVALID_TOKEN");

    let (alice, voided) = asked("voided@example.org").await;
    app.mutate(&alice, "revokeAllSessions { endedSessions }").await.data();
    assert_eq!(app.use_link("verifyEmail", &voided).await.code(), "INVALID_TOKEN");

    // When their owner ends one of them, or the others: it may have been asked for there.
    for call in [
        "revokeOtherSessions { endedSessions }",
        "revokeSession(input: { id: \"ID\" }) { session { id } }",
    ] {
        let (thief, voided) = asked("voided@example.org").await;
        let me = app.query("{ me { sessions { edges { node { id current } } } } }", &thief.access);
        let edges = me.await.data()["me"]["sessions"]["edges"].clone();
        let session = edges.as_array().unwrap().iter().find(|edge| edge["node"]["current"] == true);
        let id = session.unwrap()["node"]["id"].as_str().unwrap();
        let owner = app.again("alice").await;
        app.mutate(&owner, &call.replace("ID", id)).await.data();
        assert_eq!(app.query(ME, &thief.access).await.code(), "UNAUTHENTICATED", "{call}");
        assert_eq!(app.use_link("verifyEmail", &voided).await.code(), "INVALID_TOKEN", "{call}");
    }

    // When an admin ends them too, or shuts the account.
    let boss = app.admin("boss").await;
    for end in [
        "endUserSessions(input: { id: \"ID\" }) { endedSessions }",
        "deactivateUser(input: { id: \"ID\" }) { user { id } }",
    ] {
        let (alice, voided) = asked("voided@example.org").await;
        app.mutate(&boss, &end.replace("ID", &alice.id)).await.data();
        app.sql("UPDATE users SET is_active = TRUE").await;
        assert_eq!(app.use_link("verifyEmail", &voided).await.code(), "INVALID_TOKEN");
    }

    let (_, reset) = asked("reset@example.org").await;
    let call =
        "mutation { requestPasswordReset(input: { identifier: \"alice\" }) { linkExpiresIn } }";
    app.call(call, json!({}), None).await.data();
    let token = app.mail("password-reset", "alice@example.com").await.token();
    let call = format!(
        "mutation {{ resetPassword(input: {{ token: \"{token}\", newPassword: \"{PASSWORD}\" }}) {{ username }} }}"
    );
    app.call(&call, json!({}), None).await.data();
    assert_eq!(app.use_link("verifyEmail", &reset).await.code(), "INVALID_TOKEN");
    assert_eq!(app.count("users WHERE email_key = 'alice@example.com'").await, 1);
}

#[tokio::test]
async fn that_an_address_is_anothers_only_mail_to_it_tells() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.register("carol").await;
    let taken = app
        .mutate(&alice, "changeEmail(input: { newEmail: \"carol@example.com\" }) { linkExpiresIn }")
        .await;
    let free = app
        .mutate(&alice, "changeEmail(input: { newEmail: \"free@example.com\" }) { linkExpiresIn }")
        .await;
    assert_eq!((taken.status, &taken.text), (free.status, &free.text));
    let told = app.mail("already-registered", "carol@example.com").await;
    assert!(!told.text.contains("pco_"), "{}", told.text);

    // An address that somebody else registers before it is confirmed stays theirs.
    let link = app.mail("confirm-email-change", "free@example.com").await.token();
    app.try_register("dave", "free@example.com", PASSWORD).await.signed_in("register");
    assert_eq!(app.use_link("verifyEmail", &link).await.code(), "INVALID_TOKEN");
}

#[tokio::test]
async fn two_accounts_that_ask_for_one_address_do_not_void_each_other() {
    let app = TestApp::start().await;
    let (alice, mallory) = (app.register("alice").await, app.register("mallory").await);
    let ask = "changeEmail(input: { newEmail: \"new@example.org\" }) { linkExpiresIn }";
    app.mutate(&alice, ask).await.data();
    let alices = app.mail("confirm-email-change", "new@example.org").await.token();
    app.mutate(&mallory, ask).await.data();
    app.use_link("verifyEmail", &alices).await.data();
    assert_eq!(app.count("users WHERE email_key = 'new@example.org'").await, 1);
    let me = app.query("{ me { email } }", &alice.access).await.data();
    assert_eq!(me["me"]["email"], "new@example.org");
}
