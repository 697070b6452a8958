//! Where people are signed in: what they see of it, and end.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{LOGIN, PASSWORD, SignedIn, TestApp, send};

const HOUR: Duration = Duration::from_hours(1);
const ME: &str = "{ me { id } }";

const SESSIONS: &str = "{ me { sessions { totalCount pageInfo { hasNextPage endCursor } edges { \
    cursor node { id createdAt lastUsedAt expiresAt endedAt ip userAgent device browser current } } } } }";

async fn sessions(app: &TestApp, user: &SignedIn) -> Vec<Value> {
    let me = app.query(SESSIONS, &user.access).await.data();
    let edges = me["me"]["sessions"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"].clone()).collect()
}

#[tokio::test]
async fn people_see_where_they_are_signed_in_and_end_what_they_choose() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(HOUR);
    let query = format!(
        "mutation {{ login(input: {{ identifier: \"alice\", password: \"{PASSWORD}\" }}) {{ ... on \
         AuthPayload {{ accessToken refreshToken user {{ id username }} }} }} }}"
    );
    let request = Request::post("/graphql")
        .header("content-type", "application/json")
        .header(
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; rv:146.0) Gecko/20100101 Firefox/146.0",
        )
        .body(Body::from(json!({ "query": query }).to_string()))
        .unwrap();
    let laptop = send(&app.app, request).await.signed_in("login");
    app.clock.advance(Duration::from_mins(5));
    let alice = app.refresh(&alice.refresh).await.signed_in("refreshToken");

    let seen = sessions(&app, &alice).await;
    assert_eq!(seen.len(), 2);
    assert_eq!(seen[0]["device"], "Firefox on Windows");
    assert_eq!(seen[0]["browser"], "Firefox");
    assert_eq!((&seen[0]["current"], &seen[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!(seen[0]["createdAt"], "2026-01-01T01:00:00.000000Z");
    assert_eq!(seen[1]["lastUsedAt"], "2026-01-01T01:05:00.000000Z");
    // A week after its last use; endedAt is of those that are over.
    assert_eq!(seen[0]["expiresAt"], "2026-01-08T01:00:00.000000Z");
    assert_eq!(seen[1]["expiresAt"], "2026-01-08T01:05:00.000000Z");
    assert_eq!(seen[0]["endedAt"], json!(null));

    // Another's does not exist, nor does one that is over.
    let carol = app.register("carol").await;
    let foreign = format!(
        "revokeSession(input: {{ id: \"{}\" }}) {{ session {{ id endedAt }} }}",
        seen[0]["id"].as_str().unwrap()
    );
    for id in [foreign.as_str(), "revokeSession(input: { id: \"nonsense\" }) { session { id } }"] {
        assert_eq!(app.mutate(&carol, id).await.code(), "NOT_FOUND", "{id}");
    }
    app.query(ME, &laptop.access).await.data();
    let revoked = app.mutate(&alice, &foreign).await.data();
    let expected = json!({ "id": seen[0]["id"], "endedAt": "2026-01-01T01:05:00.000000Z" });
    assert_eq!(revoked["revokeSession"]["session"], expected);
    assert_eq!(app.query(ME, &laptop.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.mutate(&alice, &foreign).await.code(), "NOT_FOUND");
    assert_eq!(sessions(&app, &alice).await.len(), 1);
    // Nobody reads another's, not even an admin.
    let boss = app.admin("boss").await;
    let of_alice = format!("{{ user(id: \"{}\") {{ sessions {{ totalCount }} }} }}", alice.id);
    assert_eq!(app.query(&of_alice, &boss.access).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn the_other_sessions_or_all_of_them_end_at_once() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let mut signed_in = Vec::new();
    for _ in 0..4 {
        signed_in.push(app.again("alice").await);
    }
    let here = &signed_in[0];
    let ended = app.mutate(here, "revokeOtherSessions { endedSessions }").await.data();
    assert_eq!(ended, json!({ "revokeOtherSessions": { "endedSessions": 4 } }));
    app.query(ME, &here.access).await.data();
    for other in &signed_in[1..] {
        assert_eq!(app.query(ME, &other.access).await.code(), "UNAUTHENTICATED");
    }
    app.again("alice").await;
    let ended =
        app.mutate(here, "revokeAllSessions { user { username } endedSessions }").await.data();
    let told = json!({ "user": { "username": "alice" }, "endedSessions": 2 });
    assert_eq!(ended, json!({ "revokeAllSessions": told }));
    assert_eq!(app.query(ME, &here.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&here.refresh).await.code(), "INVALID_TOKEN");

    let boss = app.admin("boss").await;
    let alice = app.again("alice").await;
    let end = format!("endUserSessions(input: {{ id: \"{}\" }}) {{ endedSessions }}", alice.id);
    let ended = app.mutate(&boss, &end).await.data();
    assert_eq!(ended, json!({ "endUserSessions": { "endedSessions": 1 } }));
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    let nobody = "endUserSessions(input: { id: \"user_01930000-0000-7000-8000-000000000000\" }) { endedSessions }";
    assert_eq!(app.mutate(&boss, nobody).await.code(), "NOT_FOUND");
}

#[tokio::test]
async fn sessions_come_in_pages_from_either_end() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for _ in 0..4 {
        app.clock.advance(Duration::from_secs(1));
        app.again("alice").await;
    }
    let page = async |window: &str| {
        let query = format!(
            "{{ me {{ sessions({window}) {{ totalCount pageInfo {{ hasNextPage hasPreviousPage \
             startCursor endCursor }} edges {{ node {{ createdAt }} }} }} }} }}"
        );
        app.query(&query, &alice.access).await.data()["me"]["sessions"].clone()
    };
    let seconds = |page: &Value| -> Vec<String> {
        let edges = page["edges"].as_array().unwrap().iter();
        edges.map(|edge| edge["node"]["createdAt"].as_str().unwrap()[17..19].to_owned()).collect()
    };
    let first = page("first: 2").await;
    assert_eq!(
        (seconds(&first), &first["totalCount"]),
        (vec!["04".into(), "03".into()], &json!(5))
    );
    let cursor = first["pageInfo"]["endCursor"].as_str().unwrap();
    let rest = page(&format!("first: 10, after: \"{cursor}\"")).await;
    assert_eq!(seconds(&rest), ["02", "01", "00"]);
    assert_eq!(rest["pageInfo"]["hasPreviousPage"], true);
    assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    let cursor = rest["pageInfo"]["startCursor"].as_str().unwrap();
    let back = page(&format!("last: 1, before: \"{cursor}\"")).await;
    assert_eq!(seconds(&back), ["03"]);
    assert_eq!(seconds(&page("last: 2").await), ["01", "00"]);
    assert_eq!(seconds(&page("first: 0").await), [""; 0]);
    let query = "{ me { sessions(first: 101) { totalCount } } }";
    assert_eq!(app.query(query, &alice.access).await.code(), "BAD_USER_INPUT");
}

#[tokio::test]
async fn of_more_than_a_hundred_sessions_the_oldest_make_room() {
    let app = TestApp::start().await;
    let first = app.register("alice").await;
    app.clock.advance(Duration::from_millis(5));
    let second = app.again("alice").await;
    for _ in 0..99 {
        app.clock.advance(Duration::from_millis(5));
        app.again("alice").await;
    }
    assert_eq!(app.count("sessions").await, 100);
    assert_eq!(app.query(ME, &first.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&first.refresh).await.code(), "INVALID_TOKEN");
    app.query(ME, &second.access).await.data();
}

#[tokio::test]
async fn a_sign_in_from_a_new_kind_of_device_is_told() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.clock.advance(HOUR);
    let login = async |user_agent: &str| {
        app.clock.advance(Duration::from_secs(1));
        let input = json!({ "identifier": "alice", "password": PASSWORD });
        let body = json!({ "query": LOGIN, "variables": { "input": input } });
        let request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("user-agent", user_agent)
            .body(Body::from(body.to_string()))
            .unwrap();
        send(&app.app, request).await.signed_in("login");
        app.mails().await.iter().filter(|mail| mail.kind == "new-sign-in").count()
    };
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:146.0) Firefox/146.0").await, 1);
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Firefox/147.0").await, 1);
    assert_eq!(login("Mozilla/5.0 (Windows NT 10.0; rv:147.0) Firefox/147.0").await, 2);
    assert_eq!(login("Mozilla/5.0 (X11; Linux x86_64; rv:147.0) Firefox/147.0").await, 2);
    assert!(
        app.mail("new-sign-in", "alice@example.com").await.text.contains("(Firefox on Windows)")
    );
}

#[tokio::test]
async fn a_session_that_ends_within_a_document_does_nothing_after_it() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let query = "mutation { revokeAllSessions { endedSessions } changeEmail(input: { newEmail: \"thief@example.net\" }) { linkExpiresIn } }";
    assert_eq!(app.query(query, &alice.access).await.code(), "UNAUTHENTICATED");
    let boss = app.admin("boss").await;
    let query = format!(
        "mutation {{ revokeAllSessions {{ endedSessions }} setUserRole(input: {{ id: \"{}\", role: ADMIN }}) {{ user {{ id }} }} }}",
        alice.id
    );
    assert_eq!(app.query(&query, &boss.access).await.code(), "UNAUTHENTICATED");
    let phone = app.again("alice").await;
    for call in [
        "updateProfile(input: { fullName: \"Thief\" }) { user { id } }",
        "revokeOtherSessions { endedSessions }",
        "exportMyData { export { ticket } }",
        "changePassword(input: { currentPassword: \"correct horse battery\", newPassword: \"another horse\" }) { user { id } }",
    ] {
        let alice = app.again("alice").await;
        let query = format!("mutation {{ logout {{ sessionId }} {call} }}");
        let reply = app.query(&query, &alice.access).await;
        assert_eq!(reply.code(), "UNAUTHENTICATED", "{call}: {}", reply.text);
        app.query(ME, &phone.access).await.data();
    }
    app.again("alice").await;
    assert_eq!(app.count("users WHERE full_name IS NOT NULL").await, 0);
    assert_eq!(app.count("one_time_tokens WHERE purpose = 'EMAIL_CHANGE'").await, 0);
    assert_eq!(app.count("users WHERE role = 'ADMIN'").await, 1);
}
