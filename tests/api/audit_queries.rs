//! Reading the audit log: all of it for admins, one's own for everybody.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::organizations::{found_organization, join_organization};
use crate::support::{PASSWORD, SignedIn, TestApp};

const EVENT: &str = "type outcome actorType actor { username } target ip userAgent requestId";

/// The events of a connection.
fn nodes(connection: &Value) -> Vec<Value> {
    let edges = connection["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

fn types(connection: &Value) -> Vec<String> {
    nodes(connection).iter().map(|node| node["type"].as_str().unwrap().to_owned()).collect()
}

async fn events(app: &TestApp, arguments: &str, bearer: &SignedIn) -> Value {
    let query = format!(
        "{{ auditEvents{arguments} {{ edges {{ cursor node {{ id {EVENT} }} }} \
         pageInfo {{ hasNextPage hasPreviousPage endCursor }} }} }}"
    );
    app.query(&query, &bearer.access).await.data()["auditEvents"].clone()
}

/// Moves on, so that the order of events is that of their times.
fn later(app: &TestApp) {
    app.clock.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn admins_read_all_events_by_type_actor_target_and_time() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    later(&app);
    let boss = app.admin("boss").await;
    later(&app);
    let since = app.clock.now();
    let shut = format!(
        "mutation {{ deactivateUser(input: {{ id: \"{}\" }}) {{ user {{ id }} }} }}",
        alice.id
    );
    app.query(&shut, &boss.access).await.data();
    later(&app);
    app.login("alice", PASSWORD).await;
    app.app.write_refusals().await.unwrap();

    let newest = nodes(&events(&app, "(first: 2)", &boss).await);
    assert_eq!(
        (&newest[0]["type"], &newest[0]["outcome"]),
        (&json!("SIGN_IN_REFUSED"), &json!("REFUSED"))
    );
    assert_eq!((&newest[0]["actor"], &newest[0]["target"]), (&Value::Null, &json!(alice.id)));
    assert_eq!(
        (&newest[1]["type"], &newest[1]["actor"]["username"]),
        (&json!("USER_DEACTIVATED"), &json!("boss"))
    );

    let (a, b) = (&alice.id, &boss.id);
    for (filter, expected) in [
        ("types: [REGISTERED]".to_owned(), vec!["REGISTERED", "REGISTERED"]),
        ("types: []".to_owned(), vec![]),
        (format!("actorId: \"{b}\", targetId: \"{a}\""), vec!["USER_DEACTIVATED"]),
        (
            format!("targetId: \"{a}\", from: \"{}\"", since.to_rfc3339()),
            vec!["SIGN_IN_REFUSED", "USER_DEACTIVATED"],
        ),
        (
            format!("actorId: \"{b}\", until: \"{}\", types: [REGISTERED]", since.to_rfc3339()),
            vec!["REGISTERED"],
        ),
    ] {
        let found = types(&events(&app, &format!("(filter: {{ {filter} }})"), &boss).await);
        assert_eq!(found, expected, "{filter}");
    }
    let bad = "{ auditEvents(filter: { actorId: \"x\" }) { edges { cursor } } }";
    assert_eq!(app.query(bad, &boss.access).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn pages_of_events_lead_through_all_of_them_either_way() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    for name in ["alice", "bob", "carol"] {
        // Two events at the same time each: the id decides.
        app.register(name).await;
        later(&app);
    }
    let whole = nodes(&events(&app, "", &boss).await);
    assert_eq!(i64::try_from(whole.len()).unwrap(), app.count("audit_events").await);
    for (size, cursor, flag) in
        [("first", "after", "hasNextPage"), ("last", "before", "hasPreviousPage")]
    {
        let (mut seen, mut place) = (Vec::new(), String::new());
        loop {
            let page = events(&app, &format!("({size}: 3{place})"), &boss).await;
            let mut part = nodes(&page);
            let edges = page["edges"].as_array().unwrap();
            let edge = if size == "first" { edges.last() } else { edges.first() };
            place = format!(", {cursor}: {}", edge.unwrap()["cursor"]);
            if size == "first" {
                seen.append(&mut part);
            } else {
                part.append(&mut seen);
                seen = part;
            }
            if page["pageInfo"][flag] == json!(false) {
                break;
            }
        }
        assert_eq!(seen, whole, "by {size}");
    }
    let stray = "{ auditEvents(after: \"stray\") { edges { cursor } } }";
    assert_eq!(app.query(stray, &boss.access).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn users_read_their_own_events_and_not_who_or_where_an_admin_was() {
    let app = TestApp::start().await;
    let (alice, boss) = (app.register("alice").await, app.admin("boss").await);
    later(&app);
    let raise = format!(
        "mutation {{ setUserRole(input: {{ id: \"{}\", role: ADMIN }}) {{ user {{ id }} }} }}",
        alice.id
    );
    app.query(&raise, &boss.access).await.data();
    later(&app);

    let query = format!("{{ me {{ securityEvents {{ edges {{ node {{ {EVENT} }} }} }} }} }}");
    let own = app.query(&query, &alice.access).await.data()["me"]["securityEvents"].clone();
    assert_eq!(own["edges"].as_array().unwrap().len(), 3, "and none of the admin's own: {own}");
    let raised = &nodes(&own)[0];
    assert_eq!((&raised["type"], &raised["actorType"]), (&json!("ROLE_CHANGED"), &json!("USER")));
    for hidden in ["actor", "ip", "userAgent", "requestId"] {
        assert_eq!(raised[hidden], Value::Null, "{hidden}");
    }
    let mine = &nodes(&own)[1];
    assert_eq!(mine["actor"]["username"], "alice");
    assert!(mine["requestId"].is_string());
}

#[tokio::test]
async fn an_event_tells_what_was_given_or_taken_and_in_which_organization() {
    let app = TestApp::start().await;
    let (boss, alice, bob) =
        (app.admin("boss").await, app.register("alice").await, app.register("bob").await);
    let id = &bob.id;
    for call in [
        format!(
            "grantPermission(input: {{ id: \"{id}\", permission: USERS_READ, \
             expiresAt: \"2026-01-01T01:00:00+00:00\" }}) {{ user {{ permissionGrants {{ permission }} }} }}"
        ),
        format!(
            "revokePermission(input: {{ id: \"{id}\", permission: USERS_READ }}) {{ user {{ permissionGrants {{ permission }} }} }}"
        ),
        format!("setUserRole(input: {{ id: \"{id}\", role: ADMIN }}) {{ user {{ id }} }}"),
    ] {
        app.mutate(&boss, &call).await.data();
    }
    let acme = found_organization(&app, &alice).await;
    join_organization(&app, &alice, &acme, &bob, "MEMBER").await;
    let member = format!("organizationId: \"{acme}\", userId: \"{id}\"");
    let set =
        format!("setMemberRole(input: {{ {member}, role: ADMIN }}) {{ membership {{ role }} }}");
    app.mutate(&alice, &set).await.data();
    app.mutate(
        &alice,
        &format!("transferOwnership(input: {{ {member} }}) {{ organization {{ id }} }}"),
    )
    .await
    .data();
    let remove = format!(
        "removeMember(input: {{ organizationId: \"{acme}\", userId: \"{}\" }}) {{ deletedMembershipId }}",
        alice.id
    );
    app.mutate(&bob, &remove).await.data();

    let query =
        "{ auditEvents(first: 100) { edges { node { type target organization detail } } } }";
    let events = app.query(query, &boss.access).await.data();
    let events = nodes(&events["auditEvents"]);
    for (kind, target, organization, detail) in [
        ("PERMISSION_GRANTED", id, None, "USERS_READ until 2026-01-01T01:00:00Z"),
        ("PERMISSION_REVOKED", id, None, "USERS_READ"),
        ("ROLE_CHANGED", id, None, "ADMIN"),
        ("MEMBER_INVITED", &acme, None, "MEMBER"),
        ("ORGANIZATION_JOINED", &acme, None, "MEMBER"),
        ("MEMBER_ROLE_CHANGED", id, Some(&acme), "ADMIN"),
        ("OWNERSHIP_TRANSFERRED", id, Some(&acme), "OWNER"),
        ("MEMBER_REMOVED", &alice.id, Some(&acme), "ADMIN"),
    ] {
        let event = events.iter().find(|event| event["type"] == kind).unwrap();
        let expected = json!({
            "type": kind, "target": target, "organization": organization, "detail": detail
        });
        assert_eq!(*event, expected);
    }
    let plain = events.iter().find(|event| event["type"] == "REGISTERED").unwrap();
    assert_eq!((&plain["organization"], &plain["detail"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn nobody_reads_another_users_events_on_any_path() {
    let app = TestApp::start().await;
    let (alice, boss) = (app.register("alice").await, app.admin("boss").await);
    let events = "securityEvents(first: 1) { edges { cursor } }";
    for path in [
        format!("{{ user(id: \"{}\") {{ {events} }} }}", alice.id),
        format!("{{ users {{ edges {{ node {{ {events} }} }} }} }}"),
        format!(
            "{{ auditEvents(filter: {{ actorId: \"{}\" }}) {{ edges {{ node {{ actor {{ {events} }} }} }} }} }}",
            alice.id
        ),
    ] {
        assert_eq!(app.query(&path, &boss.access).await.code(), "FORBIDDEN", "{path}");
    }
    app.query(&format!("{{ me {{ {events} }} }}"), &boss.access).await.data();
    assert_eq!(
        app.query("{ auditEvents { edges { cursor } } }", &alice.access).await.code(),
        "FORBIDDEN"
    );
}
