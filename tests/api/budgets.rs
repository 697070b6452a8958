//! What one account may change, and how it leaves room for others.

use std::sync::Arc;
use std::time::Duration;

use crate::authorization::sample;
use crate::limits::{limited, login_from};
use crate::support::sdl;
use crate::support::{PASSWORD, SignedIn, TestApp};

const BUDGET: &str = "@rateLimit(name: \"changes.user\", max: 300, windowSeconds: 60, by: [USER])";

async fn rename(app: &TestApp, user: &SignedIn, number: u32) -> String {
    let call =
        format!("updateProfile(input: {{ fullName: \"Number {number}\" }}) {{ user {{ id }} }}");
    app.mutate(user, &call).await.code()
}

/// How many changes are admitted until one is not.
async fn use_up(app: &TestApp, user: &SignedIn) -> u32 {
    let mut admitted = 0;
    while rename(app, user, admitted).await == "NONE" {
        admitted += 1;
    }
    admitted
}

#[tokio::test]
async fn one_account_changes_so_much_a_minute_and_leaves_others_theirs() {
    let app = limited().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let again = app.login("alice", PASSWORD).await.signed_in("login");
    assert_eq!(use_up(&app, &alice).await, 100);
    let events = app.count("audit_events WHERE kind = 'PROFILE_UPDATED'").await;
    assert_eq!(events, 100);
    let refused = app.mutate(&again, "createTask(input: { title: \"x\" }) { task { id } }").await;
    assert_eq!(refused.code(), "RATE_LIMITED");
    assert_eq!(refused.extension("retryAfter"), 1);
    assert_eq!(refused.headers["retry-after"], "1");
    assert_eq!(app.query("{ me { id } }", &alice.access).await.code(), "NONE", "reading is free");
    assert_eq!(rename(&app, &bob, 0).await, "NONE");

    // Five a second, however they are written.
    app.clock.advance(Duration::from_secs(2));
    let one = |alias: u32| {
        format!("a{alias}: createTask(input: {{ title: \"t\" }}) {{ task {{ id }} }} ")
    };
    let five: String = (0..5).map(one).collect();
    assert_eq!(app.mutate(&alice, &five).await.code(), "NONE");
    assert_eq!(app.mutate(&alice, &five).await.code(), "NONE");
    assert_eq!(app.mutate(&alice, &five).await.code(), "RATE_LIMITED");
    assert_eq!(app.count("tasks").await, 10);
}

#[tokio::test]
async fn nothing_holds_up_who_defends_themselves() {
    let app = limited().await;
    let boss = app.admin("boss").await;
    let alice = app.register("alice").await;
    use_up(&app, &boss).await;
    let sdl = sdl();
    let mutations = sdl.split("type Mutation {").nth(1).unwrap().split("\n}").next().unwrap();
    let mut free = Vec::new();
    for field in mutations.split("\n\t\"\"\"\n").filter(|part| part.contains("@auth")) {
        let name: String =
            field.trim_start().chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let name = name.as_str();
        if field.contains(BUDGET) {
            assert_eq!(
                app.mutate(&boss, &sample(name, &alice)).await.code(),
                "RATE_LIMITED",
                "{name}"
            );
        } else {
            free.push(name.to_owned());
        }
    }
    free.sort();
    let expected = [
        "changePassword",
        "deactivateAccount",
        "deactivateUser",
        "deleteAccount",
        "deletePasskey",
        "endUserSessions",
        "finishReauthentication",
        "reauthenticate",
        "regenerateRecoveryCodes",
        "removeMember",
        "revokeAllSessions",
        "revokeInvitation",
        "revokeOtherSessions",
        "revokePermission",
        "revokeSession",
        "revokeUserInvitation",
        "setPassword",
        "startReauthentication",
        "unlinkIdentity",
    ];
    assert_eq!(free, expected);
    for call in [
        sample("deactivateUser", &alice),
        sample("endUserSessions", &alice),
        "revokeOtherSessions { endedSessions }".to_owned(),
        format!(
            "reauthenticate(input: {{ proof: {{ password: \"{PASSWORD}\" }} }}) {{ expiresIn }}"
        ),
    ] {
        app.mutate(&boss, &call).await.data();
    }
    let boss = login_from(&app, "192.0.2.9", "boss", PASSWORD).await.signed_in("login");
    app.mutate(&boss, "revokeAllSessions { endedSessions }").await.data();
}

#[tokio::test]
async fn a_change_that_changes_nothing_writes_nothing() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let made = app
        .mutate(&alice, "createOrganization(input: { name: \"Acme\" }) { organization { id } }")
        .await
        .data();
    let id = made["createOrganization"]["organization"]["id"].as_str().unwrap().to_owned();
    let task =
        app.mutate(&alice, "createTask(input: { title: \"x\" }) { task { id } }").await.data();
    let task = task["createTask"]["task"]["id"].as_str().unwrap().to_owned();
    app.mutate(&alice, "updateProfile(input: { fullName: \"Alice\" }) { user { id } }")
        .await
        .data();
    app.mutate(&alice, &format!("switchOrganization(input: {{ id: \"{id}\" }}) {{ expiresIn }}"))
        .await
        .data();
    let before = app.count("audit_events").await;
    for call in [
        "updateProfile(input: { fullName: \"Alice\" }) { user { id } }".to_owned(),
        "updateProfile(input: {}) { user { id } }".to_owned(),
        format!(
            "updateOrganization(input: {{ id: \"{id}\", name: \"Acme\" }}) {{ organization {{ id }} }}"
        ),
        format!(
            "setMemberRole(input: {{ organizationId: \"{id}\", userId: \"{}\", role: OWNER }}) {{ membership {{ id }} }}",
            alice.id
        ),
        format!(
            "transferOwnership(input: {{ organizationId: \"{id}\", userId: \"{}\" }}) {{ organization {{ id }} }}",
            alice.id
        ),
        format!("switchOrganization(input: {{ id: \"{id}\" }}) {{ expiresIn }}"),
        format!("updateTask(input: {{ id: \"{task}\", isDone: false }}) {{ task {{ id }} }}"),
        "revokeOtherSessions { endedSessions }".to_owned(),
        "keepLeftovers { hadLeftovers }".to_owned(),
        "dropLeftovers { hadLeftovers }".to_owned(),
    ] {
        // What is not theirs where they act now does not exist.
        let code = app.mutate(&alice, &call).await.code();
        assert!(["NONE", "NOT_FOUND"].contains(&code.as_str()), "{call}: {code}");
    }
    app.mutate(&alice, "switchOrganization(input: { id: null }) { expiresIn }").await.data();
    app.mutate(&alice, "switchOrganization(input: { id: null }) { expiresIn }").await.data();
    assert_eq!(app.count("audit_events").await, before + 1);
}

/// A flood of one account's changes, which wait for each other, leaves the database to others. On SQLite, where one
/// connection writes, it shows only that none is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_of_changes_by_one_account_holds_nobody_else_up() {
    let app = Arc::new(TestApp::start().await);
    let (alice, bob) = (Arc::new(app.register("alice").await), app.register("bob").await);
    let flood: Vec<_> = (0..300)
        .map(|number| {
            let (app, alice) = (Arc::clone(&app), Arc::clone(&alice));
            tokio::spawn(async move { rename(&app, &alice, number).await })
        })
        .collect();
    let (mut done, mut later) = (0, 0);
    for number in 0..20 {
        assert_eq!(rename(&app, &bob, number).await, "NONE");
    }
    for change in flood {
        match change.await.unwrap().as_str() {
            "NONE" => done += 1,
            "SERVICE_UNAVAILABLE" => later += 1,
            other => panic!("{other}"),
        }
    }
    assert!(done >= 4, "{done} done, {later} told to come back");
    let renamed = "audit_events WHERE kind = 'PROFILE_UPDATED'";
    assert_eq!(app.count(renamed).await, done + 20);
}
