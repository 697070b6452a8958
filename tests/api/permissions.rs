//! Permissions: granted one by one, decided from current data, never beyond what the granter holds.

use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::support::{PASSWORD, SignedIn, TestApp};

const USERS: &str = "{ users { totalCount } }";

fn grant(user: &SignedIn, permission: &str) -> String {
    format!(
        "grantPermission(input: {{ id: \"{}\", permission: {permission} }}) {{ user {{ permissionGrants {{ permission }} }} }}",
        user.id
    )
}

fn grant_until(user: &SignedIn, permission: &str, expires_at: &str) -> String {
    grant(user, permission).replace(" })", &format!(", expiresAt: \"{expires_at}\" }})"))
}

fn revoke(user: &SignedIn, permission: &str) -> String {
    grant(user, permission).replace("grantPermission", "revokePermission")
}

fn about(mutation: &str, user: &SignedIn) -> String {
    format!("{mutation}(input: {{ id: \"{}\" }}) {{ __typename }}", user.id)
}

/// What an access token says, to whoever reads it.
fn claims(access: &str) -> Value {
    let payload = access.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn in_minutes(app: &TestApp, minutes: i64) -> String {
    (app.clock.now() + chrono::TimeDelta::minutes(minutes)).to_rfc3339()
}

#[tokio::test]
async fn a_permission_counts_from_the_next_request_until_it_is_revoked() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    assert_eq!(app.query(USERS, &alice.access).await.code(), "FORBIDDEN");

    app.mutate(&boss, &grant(&alice, "USERS_READ")).await.data();
    assert_eq!(app.query(USERS, &alice.access).await.data()["users"]["totalCount"], 2);
    let me = "{ me { permissions permissionGrants { permission expiresAt } } }";
    let me = app.query(me, &alice.access).await.data()["me"].clone();
    assert_eq!(me["permissions"], json!(["USERS_READ"]));
    assert_eq!(me["permissionGrants"], json!([{ "permission": "USERS_READ", "expiresAt": null }]));

    app.mutate(&boss, &revoke(&alice, "USERS_READ")).await.data();
    assert_eq!(app.query(USERS, &alice.access).await.code(), "FORBIDDEN");
    let events = app.audit_events().await;
    let count = |kind: &str| events.iter().filter(|event| *event == kind).count();
    assert_eq!((count("PERMISSION_GRANTED"), count("PERMISSION_REVOKED")), (1, 1));
}

#[tokio::test]
async fn a_permission_ends_when_it_was_given_to() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    app.mutate(&boss, &grant_until(&alice, "USERS_READ", &in_minutes(&app, 2))).await.data();
    app.query(USERS, &alice.access).await.data();

    app.clock.advance(Duration::from_micros(119_999_999));
    app.query(USERS, &alice.access).await.data();
    app.clock.advance(Duration::from_micros(1));
    assert_eq!(app.query(USERS, &alice.access).await.code(), "FORBIDDEN");
    let me = app.query("{ me { permissionGrants { permission } } }", &alice.access).await.data();
    assert_eq!(me["me"]["permissionGrants"], json!([]));

    for past in [in_minutes(&app, 0), in_minutes(&app, -1)] {
        let refused = app.mutate(&boss, &grant_until(&alice, "USERS_READ", &past)).await;
        assert_eq!(refused.extension("fields")[0]["path"], "input.expiresAt");
    }
}

#[tokio::test]
async fn tokens_carry_what_their_user_may_do_for_other_services() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let all = claims(&boss.access)["permissions"].clone();
    assert!(all.as_array().unwrap().contains(&json!("USERS_WRITE")), "{all}");
    let scope = claims(&boss.access)["scope"].as_str().unwrap().to_owned();
    assert!(scope.split(' ').any(|scope| scope == "tasks:read_all"), "an extension's too: {scope}");
    assert_eq!(scope.split(' ').count(), all.as_array().unwrap().len());

    let alice = app.register("alice").await;
    assert_eq!(claims(&alice.access)["permissions"], json!([]));
    assert_eq!(claims(&alice.access).get("scope"), None, "a scope is never empty");
    app.mutate(&boss, &grant(&alice, "AUDIT_READ")).await.data();
    app.mutate(&boss, &grant_until(&alice, "USERS_READ", &in_minutes(&app, 1))).await.data();
    let refreshed = app.refresh(&alice.refresh).await.signed_in("refreshToken");
    let expected = json!(["USERS_READ", "AUDIT_READ"]);
    assert_eq!(claims(&refreshed.access)["permissions"], expected);
    assert_eq!(claims(&refreshed.access)["scope"], "users:read audit:read");

    app.clock.advance(Duration::from_mins(1));
    let alice = app.login("alice", PASSWORD).await.signed_in("login");
    assert_eq!(claims(&alice.access)["permissions"], json!(["AUDIT_READ"]));
}

#[tokio::test]
async fn nobody_grants_or_revokes_what_they_do_not_hold() {
    let app = TestApp::start().await;
    let (boss, lead, alice) =
        (app.admin("boss").await, app.register("lead").await, app.register("alice").await);
    let refused = app.mutate(&lead, &grant(&alice, "USERS_READ")).await;
    assert_eq!(refused.code(), "FORBIDDEN");

    app.mutate(&boss, &grant(&lead, "PERMISSIONS_GRANT")).await.data();
    app.mutate(&boss, &grant_until(&lead, "USERS_READ", &in_minutes(&app, 3))).await.data();
    let (until, beyond) = (in_minutes(&app, 3), in_minutes(&app, 4));
    for (call, code) in [
        (grant(&alice, "USERS_WRITE"), "FORBIDDEN"),
        (grant(&lead, "USERS_WRITE"), "FORBIDDEN"),
        // For longer than they hold it: not even to themselves.
        (grant(&alice, "USERS_READ"), "FORBIDDEN"),
        (grant(&lead, "USERS_READ"), "FORBIDDEN"),
        (grant_until(&alice, "USERS_READ", &beyond), "FORBIDDEN"),
        (grant_until(&alice, "USERS_READ", &until), "NONE"),
        (grant(&alice, "PERMISSIONS_GRANT"), "NONE"),
        (revoke(&alice, "AUDIT_READ"), "FORBIDDEN"),
        (revoke(&alice, "USERS_READ"), "NONE"),
        // Who may do more is nobody they change anything about.
        (revoke(&boss, "USERS_READ"), "FORBIDDEN"),
    ] {
        assert_eq!(app.mutate(&lead, &call).await.code(), code, "{call}");
    }
    app.mutate(&boss, &grant(&alice, "AUDIT_READ")).await.data();
    assert_eq!(app.mutate(&lead, &revoke(&alice, "PERMISSIONS_GRANT")).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn a_lower_role_takes_what_was_granted_with_it() {
    let app = TestApp::start().await;
    let (boss, other) = (app.admin("boss").await, app.admin("other").await);
    for permission in ["USERS_READ", "PERMISSIONS_GRANT"] {
        app.mutate(&boss, &grant(&boss, permission)).await.data();
    }
    let demote = format!(
        "setUserRole(input: {{ id: \"{}\", role: USER }}) {{ user {{ permissions }} }}",
        boss.id
    );
    let demoted = app.mutate(&other, &demote).await.data();
    assert_eq!(demoted["setUserRole"]["user"]["permissions"], json!([]));
    assert_eq!(app.query(USERS, &boss.access).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn who_may_change_users_changes_nobody_who_may_do_more() {
    let app = TestApp::start().await;
    let (boss, lead) = (app.admin("boss").await, app.granted("lead", "USERS_WRITE").await);
    let (alice, auditor) =
        (app.register("alice").await, app.granted("auditor", "AUDIT_READ").await);
    for mutation in ["deactivateUser", "reactivateUser", "endUserSessions", "deleteUser"] {
        let call = |user| about(mutation, user);
        assert_eq!(app.mutate(&lead, &call(&boss)).await.code(), "FORBIDDEN", "{mutation}");
        assert_eq!(app.mutate(&lead, &call(&auditor)).await.code(), "FORBIDDEN", "{mutation}");
        assert_eq!(app.mutate(&lead, &call(&alice)).await.code(), "NONE", "{mutation}");
    }
    // And raises nobody above themselves.
    let role =
        format!("setUserRole(input: {{ id: \"{}\", role: ADMIN }}) {{ user {{ id }} }}", lead.id);
    assert_eq!(app.mutate(&lead, &role).await.code(), "FORBIDDEN");
    let invite = |role: &str| {
        format!(
            "inviteUser(input: {{ email: \"{role}@example.com\", role: {role} }}) {{ linkExpiresIn }}"
        )
    };
    assert_eq!(app.mutate(&lead, &invite("ADMIN")).await.code(), "FORBIDDEN");
    assert_eq!(app.mutate(&lead, &invite("USER")).await.code(), "NONE");
}

#[tokio::test]
async fn who_reads_the_audit_log_sees_no_accounts_by_it() {
    let app = TestApp::start().await;
    let auditor = app.granted("auditor", "AUDIT_READ").await;
    let events = "{ auditEvents { edges { node { type actor { username email } } } } }";
    let events = app.query(events, &auditor.access).await.data()["auditEvents"]["edges"].clone();
    let actors = events.as_array().unwrap().iter().map(|edge| &edge["node"]["actor"]);
    let seen: Vec<_> = actors.filter(|actor| !actor.is_null()).collect();
    assert!(
        !seen.is_empty() && seen.iter().all(|actor| actor["username"] == "auditor"),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_change_that_changes_nothing_shows_nothing_either() {
    let app = TestApp::start().await;
    let (boss, clerk) = (app.admin("boss").await, app.register("clerk").await);
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    for permission in ["USERS_WRITE", "PERMISSIONS_GRANT", "TASKS_WRITE_ALL"] {
        app.mutate(&boss, &grant(&clerk, permission)).await.data();
    }
    app.mutate(&boss, &grant(&alice, "TASKS_WRITE_ALL")).await.data();
    app.mutate(&boss, &about("deactivateUser", &bob)).await.data();
    let task =
        app.mutate(&alice, "createTask(input: { title: \"Secret\" }) { task { id } }").await.data();
    let task = task["createTask"]["task"]["id"].as_str().unwrap().to_owned();
    let nothing = [
        about("reactivateUser", &alice),
        about("deactivateUser", &bob),
        grant(&alice, "TASKS_WRITE_ALL"),
        revoke(&alice, "USERS_WRITE"),
        format!("updateTask(input: {{ id: \"{task}\", }}) {{ task {{ title }} }}"),
        format!("updateTask(input: {{ id: \"{task}\", isDone: false }}) {{ task {{ title }} }}"),
    ];
    for call in &nothing {
        let reply = app.mutate(&clerk, call).await;
        assert_eq!(reply.code(), "CONFLICT", "{call}");
        assert!(!reply.text.contains("alice@") && !reply.text.contains("Secret"), "{call}");
        // Who may read it has nothing to be kept from.
        app.mutate(&boss, call).await.data();
    }
    let own = format!("reactivateUser(input: {{ id: \"{}\" }}) {{ user {{ email }} }}", clerk.id);
    app.mutate(&clerk, &own).await.data();

    let change =
        format!("updateTask(input: {{ id: \"{task}\", isDone: true }}) {{ task {{ title }} }}");
    assert_eq!(app.mutate(&clerk, &change).await.data()["updateTask"]["task"]["title"], "Secret");
}

#[tokio::test]
async fn who_may_not_see_actors_does_not_find_events_by_them() {
    let app = TestApp::start().await;
    let (boss, clerk) = (app.admin("boss").await, app.register("clerk").await);
    app.mutate(&boss, &grant(&clerk, "AUDIT_READ")).await.data();
    let by = |id: &str| {
        format!(
            "{{ auditEvents(filter: {{ actorId: \"{id}\" }}) {{ edges {{ node {{ id }} }} }} }}"
        )
    };
    for id in [boss.id.as_str(), "user_01890000-0000-7000-8000-000000000000"] {
        assert_eq!(app.query(&by(id), &clerk.access).await.code(), "FORBIDDEN");
    }
    app.query(&by(&clerk.id), &clerk.access).await.data();
    app.query(&by(&boss.id), &boss.access).await.data();
    app.mutate(&boss, &grant(&clerk, "USERS_READ")).await.data();
    app.query(&by(&boss.id), &clerk.access).await.data();
}

#[tokio::test]
async fn shutting_others_out_and_letting_them_in_takes_a_recent_sign_in() {
    let app = TestApp::start().await;
    let (boss, alice) = (app.admin("boss").await, app.register("alice").await);
    app.clock.advance(Duration::from_secs(301));
    let calls = ["deactivateUser", "reactivateUser"].map(|name| about(name, &alice));
    let end = format!("endUserSessions(input: {{ id: \"{}\" }}) {{ endedSessions }}", alice.id);
    for call in calls.iter().chain([&end]) {
        assert_eq!(app.mutate(&boss, call).await.code(), "STEP_UP_REQUIRED", "{call}");
    }
    let boss = app.login("boss", PASSWORD).await.signed_in("login");
    for call in calls.iter().chain([&end]) {
        app.mutate(&boss, call).await.data();
    }
}
