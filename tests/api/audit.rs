//! The audit log: what is written, and that nothing is changed without it.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::authorization::{prepared, root_fields};
use crate::support::{GRACE, PASSWORD, SECOND, TestApp, dump};

const WRONG: &str = "not the password at all";

/// Kind, outcome, target and count of each event about a refusal, in alphabetical order.
async fn refusals(app: &TestApp) -> Vec<(String, bool, i64)> {
    app.app.write_refusals().await.unwrap();
    let db = app.database.connection().await;
    let sql = "SELECT kind, target_id IS NULL AS nobody, occurrences FROM audit_events \
               WHERE outcome = 'REFUSED' ORDER BY kind, nobody";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let rows = db.query_all_raw(statement).await.unwrap();
    rows.iter()
        .map(|row| {
            let has_target = match row.try_get::<bool>("", "nobody") {
                Ok(nobody) => !nobody,
                Err(_integer) => row.try_get::<i64>("", "nobody").unwrap() == 0,
            };
            (row.try_get("", "kind").unwrap(), has_target, row.try_get("", "occurrences").unwrap())
        })
        .collect()
}

fn refused(kind: &str, has_target: bool, occurrences: i64) -> (String, bool, i64) {
    (kind.to_owned(), has_target, occurrences)
}

#[tokio::test]
async fn a_refused_sign_in_names_the_account_if_there_is_one_and_never_what_was_typed() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.login("alice", PASSWORD).await.data();
    assert_eq!(refusals(&app).await, []);

    for _ in 0..3 {
        assert_eq!(app.login("alice", WRONG).await.code(), "INVALID_CREDENTIALS");
        assert_eq!(app.login("hunter2-as-a-name", WRONG).await.code(), "INVALID_CREDENTIALS");
    }
    app.sql("UPDATE users SET is_active = FALSE WHERE username_key = 'alice'").await;
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    let expected = [refused("SIGN_IN_REFUSED", true, 4), refused("SIGN_IN_REFUSED", false, 3)];
    assert_eq!(refusals(&app).await, expected);
}

#[tokio::test]
async fn a_refused_role_is_written_with_its_caller_and_a_missing_token_is_not() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let users = "{ users { totalCount } }";
    assert_eq!(app.call(users, json!({}), None).await.code(), "UNAUTHENTICATED");
    assert_eq!(refusals(&app).await, []);

    assert_eq!(app.query(users, &alice.access).await.code(), "FORBIDDEN");
    assert_eq!(refusals(&app).await, [refused("ACCESS_DENIED", false, 1)]);
    let complete = "audit_events WHERE kind = 'ACCESS_DENIED' AND actor_kind = 'USER' AND \
                    actor_id = (SELECT id FROM users) AND session_hash IS NOT NULL AND \
                    request_id IS NOT NULL";
    assert_eq!(app.count(complete).await, 1);
}

#[tokio::test]
async fn a_refused_refresh_is_written_and_a_reuse_only_as_what_it_is() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let unknown = format!("pcr_{}", "A".repeat(43));
    assert_eq!(app.refresh(&unknown).await.code(), "INVALID_TOKEN");
    app.clock.advance(GRACE + SECOND);
    app.refresh(&alice.refresh).await.data();
    assert_eq!(refusals(&app).await, [refused("REFRESH_REFUSED", false, 1)]);

    app.clock.advance(std::time::Duration::from_mins(1));
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    let expected = [refused("REFRESH_REFUSED", false, 1), refused("REFRESH_REUSED", true, 1)];
    assert_eq!(refusals(&app).await, expected);
}

/// What is in every table but those of the audit log, as text.
async fn contents(app: &TestApp) -> BTreeMap<String, String> {
    let mut contents = dump(&app.database.connection().await).await;
    contents.retain(|table, _| !table.starts_with("audit_"));
    contents
}

/// What takes a provider, an authenticator or a proof with two factors: `identities.rs`, `passkeys/` and `second_factors.rs` try it
/// with one.
pub(crate) const WITH_MORE: [&str; 15] = [
    "startPasskeySignIn",
    "finishPasskeySignIn",
    "startPasskeyProof",
    "finishPasskeyRegistration",
    "disableTotp",
    "disableSecondFactor",
    "regenerateRecoveryCodes",
    "startSignIn",
    "finishSignIn",
    "startIdTokenSignIn",
    "signInWithIdToken",
    "startLink",
    "finishLink",
    "startReauthentication",
    "finishReauthentication",
];
/// A successful refresh is the one change that is a metric and no event: a session makes hundreds a
/// day, and each says only that it goes on.
/// And a ticket for an export is none: fetching it is one. What begins a factor is none before it counts, nor is what a passkey is
/// called.
const WITHOUT_EVENT: [&str; 5] = [
    "exportMyData",
    "refreshToken",
    "renamePasskey",
    "startPasskeyRegistration",
    "startTotpEnrollment",
];
/// What changes nothing but for the event.
const WITHOUT_CHANGE: [&str; 2] = ["exportMyData", "switchOrganization"];

#[tokio::test]
async fn every_mutation_that_changes_anything_writes_an_event_with_it_or_changes_nothing() {
    let mutations: Vec<String> = root_fields()
        .into_iter()
        .filter(|field| field.operation == "mutation")
        .map(|field| field.name)
        .filter(|name| !WITH_MORE.contains(&name.as_str()))
        .collect();
    assert!(mutations.len() >= 8);
    for name in mutations {
        let app = TestApp::start().await;
        let (target, boss) = (app.register("target").await, app.admin("boss").await);
        let call = prepared(&app, &name, &target, &boss).await;
        app.clock.advance(GRACE + SECOND);
        let call = format!("mutation {{ {call} }}");
        let (before, events) = (contents(&app).await, app.count("audit_events").await);

        // A change whose event cannot be written is taken back: they are one transaction.
        if !WITHOUT_EVENT.contains(&name.as_str()) {
            app.sql("ALTER TABLE audit_events RENAME TO audit_away").await;
            let failed = app.query(&call, &boss.access).await;
            assert_eq!(failed.code(), "INTERNAL_SERVER_ERROR", "{name}: {}", failed.text);
            assert_eq!(contents(&app).await, before, "{name} without its event");
            app.sql("ALTER TABLE audit_away RENAME TO audit_events").await;
        }

        app.query(&call, &boss.access).await.data();
        if !WITHOUT_CHANGE.contains(&name.as_str()) {
            let after = contents(&app).await;
            assert_ne!(after, before, "{name}: write a call that changes something");
        }
        let is_written = app.count("audit_events").await > events;
        assert_ne!(is_written, WITHOUT_EVENT.contains(&name.as_str()), "{name} and its event");
    }
}
