//! Subscriptions against the real binary: what is told, to whom, for how long, and how much of it there may be.

use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use portcullis::{Clock, http};
use sea_orm::{ConnectionTrait, DbBackend};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;
use tower::ServiceExt;

use crate::cookies::{OWN, PROVE, browse, kept, sign_in};
use crate::support::process::{Server, code};
use crate::support::streaming::{Events, Socket};
use crate::support::{PASSWORD, TestApp, TestDatabase};

const SESSION: &str =
    "subscription { sessionEvents { type reason viewer { user { fullName role } } } }";
const AUDIT: &str = "subscription { auditEvents { type } }";
/// Within this time what one instance revokes counts on all others.
const EVERYWHERE: Duration = Duration::from_secs(5);

/// A user with their access token.
async fn register(server: &Server, name: &str) -> String {
    let registered = server.register(name).await;
    registered["data"]["register"]["accessToken"].as_str().unwrap().to_owned()
}

async fn mutate(server: &Server, access: &str, call: &str) -> Value {
    let answer = server.call(&format!("mutation {{ {call} }}"), json!({}), access).await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].clone()
}

async fn set_role(database: &TestDatabase, name: &str, role: &str) {
    let sql = format!("UPDATE users SET role = '{role}' WHERE username_key = '{name}'");
    database.connection().await.execute_unprepared(&sql).await.unwrap();
}

/// An admin, as who has just signed in.
async fn admin(server: &Server, database: &TestDatabase, name: &str) -> String {
    register(server, name).await;
    set_role(database, name, "ADMIN").await;
    let login = format!(
        "login(input: {{ identifier: \"{name}\", password: \"{PASSWORD}\" }}) {{ ... on AuthPayload {{ accessToken }} }}"
    );
    mutate(server, "", &login).await["login"]["accessToken"].as_str().unwrap().to_owned()
}

/// Changes something about a user, with this name.
async fn rename(server: &Server, access: &str, name: &str) {
    let call = format!("updateProfile(input: {{ fullName: \"{name}\" }}) {{ user {{ id }} }}");
    mutate(server, access, &call).await;
}

#[tokio::test]
async fn a_stream_tells_what_happens_to_its_caller_and_ends_with_the_session() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let access = register(&server, "alice").await;
    let mut socket = Socket::of(&server, &access).await;
    socket.subscribe("a", SESSION).await;
    socket.assert_quiet().await;
    let mut events = Events::of(&server, &access, SESSION).await;
    assert!(events.head().contains("200 OK"), "{}", events.head());
    assert!(events.head().contains("content-type: text/event-stream"), "{}", events.head());

    rename(&server, &access, "Alice A.").await;
    let user = json!({ "user": { "fullName": "Alice A.", "role": "USER" } });
    let told = json!({ "type": "USER_CHANGED", "reason": null, "viewer": user });
    let told = json!({ "data": { "sessionEvents": told } });
    assert_eq!(socket.answer("a").await, told);
    assert_eq!(events.next().await, ("next".to_owned(), told));

    mutate(&server, &access, "logout(input: {}) { sessionId }").await;
    let told = json!({ "type": "SESSION_ENDED", "reason": "SESSION_ENDED", "viewer": null });
    let told = json!({ "data": { "sessionEvents": told } });
    assert_eq!(socket.answer("a").await, told);
    socket.assert_complete("a").await;
    assert_eq!(events.next().await, ("next".to_owned(), told));
    assert_eq!(events.next().await, ("complete".to_owned(), Value::Null));
    events.rest().await;

    // Whoever it was is nobody now.
    socket.subscribe("a", SESSION).await;
    let refused = socket.hear().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("a")));
    assert_eq!(refused["payload"][0]["extensions"]["reason"], "SESSION_ENDED", "{refused}");
}

#[tokio::test]
async fn a_role_that_is_taken_between_two_events_ends_the_stream_before_the_second() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let boss = admin(&server, &database, "boss").await;
    let deputy = admin(&server, &database, "deputy").await;
    let deputy_id = server.call("{ me { id } }", json!({}), &deputy).await.unwrap();
    let deputy_id = deputy_id["data"]["me"]["id"].as_str().unwrap().to_owned();
    let about = "subscription { auditEvents(filter: { types: [PROFILE_UPDATED, ROLE_CHANGED] }) { type actor { username } } }";
    let mut socket = Socket::of(&server, &deputy).await;
    socket.subscribe("1", about).await;
    let mut events = Events::of(&server, &boss, about).await;
    socket.assert_quiet().await;

    rename(&server, &boss, "The Boss").await;
    let first = json!({ "type": "PROFILE_UPDATED", "actor": { "username": "boss" } });
    let first = json!({ "data": { "auditEvents": first } });
    assert_eq!(socket.answer("1").await, first);
    assert_eq!(events.next().await.1, first);

    let demote =
        format!("setUserRole(input: {{ id: \"{deputy_id}\", role: USER }}) {{ user {{ id }} }}");
    mutate(&server, &boss, &demote).await;
    let refused = socket.answer("1").await;
    assert_eq!(refused["data"], json!({ "auditEvents": null }), "{refused}");
    assert_eq!(code(&refused), "FORBIDDEN");
    socket.assert_complete("1").await;
    socket.assert_quiet().await;
    // Who still may see it is told.
    assert_eq!(events.next().await.1["data"]["auditEvents"]["type"], "ROLE_CHANGED");
}

#[tokio::test]
async fn what_another_instance_does_is_told_and_counts_within_five_seconds() {
    let database = TestDatabase::create().await;
    let (here, there) = (Server::start(&database), Server::start(&database));
    let boss = admin(&here, &database, "boss").await;
    let access = register(&here, "alice").await;
    let mut audit = Socket::of(&here, &boss).await;
    audit.subscribe("audit", AUDIT).await;
    let mut own = Socket::of(&here, &access).await;
    own.subscribe("own", SESSION).await;
    own.assert_quiet().await;
    let mut events = Events::of(&here, &access, SESSION).await;

    rename(&there, &access, "Elsewhere").await;
    let told = |answer: &Value| answer["data"]["sessionEvents"]["type"].clone();
    assert_eq!(told(&own.answer("own").await), "USER_CHANGED");
    assert_eq!(told(&events.next().await.1), "USER_CHANGED");
    while audit.answer("audit").await["data"]["auditEvents"]["type"] != "PROFILE_UPDATED" {}

    set_role(&database, "alice", "ADMIN").await;
    assert_eq!(told(&own.answer("own").await), "ROLE_CHANGED");
    assert_eq!(told(&events.next().await.1), "ROLE_CHANGED");

    let began = Instant::now();
    mutate(&there, &access, "revokeAllSessions { __typename }").await;
    assert_eq!(told(&own.answer("own").await), "SESSION_ENDED");
    assert_eq!(told(&events.next().await.1), "SESSION_ENDED");
    // A machine that is busy may be slow; a stream that nobody looks at goes on until its token expires.
    assert!(began.elapsed() < 4 * EVERYWHERE, "{:?}", began.elapsed());
}

/// The pieces of a stream of this process.
struct Pieces(Body);

impl Pieces {
    async fn open(app: &TestApp, headers: &[(&str, &str)]) -> Self {
        let mut request = Request::post("/graphql")
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept", "text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(json!({ "query": SESSION }).to_string())).unwrap();
        let mut pieces = Self(http::router(&app.app).oneshot(request).await.unwrap().into_body());
        assert_eq!(pieces.next().await.as_deref(), Some(":\n\n"));
        pieces
    }

    async fn next(&mut self) -> Option<String> {
        let piece = self.0.frame().await?.unwrap().into_data().unwrap();
        Some(String::from_utf8(piece.to_vec()).unwrap())
    }

    /// Fails unless all that comes is that the credential is over.
    async fn assert_expires(&mut self) {
        let last = self.next().await.unwrap();
        assert!(last.contains("TOKEN_EXPIRED") && !last.contains("USER_CHANGED"), "{last}");
        assert!(self.next().await.unwrap().starts_with("event: complete"));
        assert_eq!(self.next().await, None);
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_access_token_that_opened_it() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let bearer = format!("Bearer {}", alice.access);
    let mut pieces = Pieces::open(&app, &[("authorization", &bearer)]).await;
    app.clock.advance(Duration::from_mins(20));
    // Whatever happens next is told nobody any more.
    let again = app.again("alice").await;
    app.mutate(&again, "updateProfile(input: { fullName: \"A\" }) { user { id } }").await.data();
    pieces.assert_expires().await;
}

#[tokio::test]
async fn a_cookie_that_was_replaced_ends_its_streams_and_not_its_session() {
    let app = TestApp::start().await;
    let cookie = sign_in(&app).await;
    let headers =
        |cookie| [("portcullis-token-mode", "cookie"), ("origin", OWN), ("cookie", cookie)];
    let mut pieces = Pieces::open(&app, &headers(&cookie)).await;
    let proof = json!({ "password": PASSWORD });
    let (next, _) = kept(&browse(&app.app, &cookie, PROVE, proof).await);
    let rename = async |name: &str| {
        let call = format!(
            "mutation {{ updateProfile(input: {{ fullName: \"{name}\" }}) {{ user {{ id }} }} }}"
        );
        browse(&app.app, &next, &call, json!({})).await.data();
    };
    // It lingers.
    rename("A").await;
    let told = pieces.next().await.unwrap();
    assert!(told.contains("USER_CHANGED"), "{told}");
    app.clock.advance(Duration::from_secs(61));
    rename("B").await;
    pieces.assert_expires().await;
    Pieces::open(&app, &headers(&next)).await;
}

#[tokio::test]
async fn a_page_uses_its_cookie_only_if_its_origin_may() {
    let database = TestDatabase::create().await;
    let flags = ["--allowed-origins=https://app.example.com"];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let strange = [("origin", "https://evil.example.com")];
    assert_eq!(Socket::connect(&server, &strange).await.err(), Some(403));
    let cookie = json!({ "Portcullis-Token-Mode": "cookie" });
    for (headers, closed) in
        [(&[][..], Some(4403)), (&[("origin", "https://app.example.com")], None)]
    {
        let mut socket = Socket::connect(&server, headers).await.unwrap();
        socket.say(&json!({ "type": "connection_init", "payload": cookie })).await;
        match closed {
            Some(code) => assert_eq!(socket.closed().await, Some(code)),
            None => assert_eq!(socket.hear().await["type"], "connection_ack"),
        }
    }
}

#[tokio::test]
async fn whoever_breaks_the_protocol_is_told_how_by_the_code_of_the_close() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let access = register(&server, "alice").await;
    let init = json!({ "type": "connection_init" });
    let call = json!({ "type": "subscribe", "id": "1", "payload": { "query": SESSION } });
    let both = json!({ "type": "connection_init", "payload": {
        "authorization": format!("Bearer {access}"), "portcullis-token-mode": "cookie" } });
    for (said, closed) in [
        (vec![json!("what")], 4400),
        (vec![json!({ "type": "what" })], 4400),
        (vec![call.clone()], 4401),
        (vec![init.clone(), init.clone()], 4429),
        (vec![both], 4400),
    ] {
        let mut socket = Socket::connect(&server, &[]).await.unwrap();
        for message in &said {
            socket.say(message).await;
        }
        assert_eq!(socket.closed().await, Some(closed), "{said:?}");
    }
    let mut socket = Socket::of(&server, &access).await;
    socket.say(&call).await;
    socket.say(&call).await;
    assert_eq!(socket.closed().await, Some(4409));
    let mut socket = Socket::of(&server, &access).await;
    socket.send(Message::binary(b"{}".as_slice())).await;
    assert_eq!(socket.closed().await, Some(4400));
    let mut socket = Socket::of(&server, &access).await;
    socket.subscribe("1", &format!("{SESSION}{}", " ".repeat(16 * 1024))).await;
    assert_eq!(socket.closed().await, Some(4400));
    // As many as one connection may have, and one more.
    let flags = ["--streams-per-user=100"];
    let wide = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let mut socket = Socket::of(&wide, &access).await;
    for id in 0..20 {
        socket.subscribe(&id.to_string(), SESSION).await;
    }
    socket.assert_quiet().await;
    socket.subscribe("20", SESSION).await;
    let refused = socket.hear().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
    socket.assert_quiet().await;
    // Whoever closes is answered.
    socket.send(Message::Close(None)).await;
    assert_eq!(socket.closed().await, None);
    let other = [("sec-websocket-protocol", "graphql-ws")];
    assert_eq!(Socket::connect(&server, &other).await.err(), Some(400));
    let mut silent = Socket::connect(&server, &[]).await.unwrap();
    assert_eq!(silent.closed().await, Some(4408));
}

#[tokio::test]
async fn what_is_no_subscription_is_refused_and_the_connection_goes_on() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let access = register(&server, "alice").await;
    let mut socket = Socket::of(&server, &access).await;
    for (query, expected) in [
        ("{ me { id } }", "BAD_REQUEST"),
        ("mutation { revokeAllSessions { __typename } }", "BAD_REQUEST"),
        ("subscription { sessionEvents { nothing } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { sessionEvents { type } auditEvents { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { sessionEvents @skip(if: true) { type } }", "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { sessionEvents { type }", "GRAPHQL_PARSE_FAILED"),
        (AUDIT, "FORBIDDEN"),
    ] {
        socket.subscribe("1", query).await;
        let refused = socket.hear().await;
        assert_eq!(refused["type"], "error", "{query}: {refused}");
        assert_eq!(refused["payload"][0]["extensions"]["code"], expected, "{query}");
    }
    // A fragment of the root is no field.
    let fragment =
        "subscription { ...Session } fragment Session on Subscription { sessionEvents { type } }";
    socket.subscribe("2", fragment).await;
    socket.assert_quiet().await;
    socket.say(&json!({ "type": "complete", "id": "2" })).await;
    // What is completed by the client can begin again under the same id.
    socket.subscribe("1", SESSION).await;
    socket.say(&json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("1", SESSION).await;
    socket.assert_quiet().await;
    rename(&server, &access, "Once").await;
    socket.answer("1").await;
    socket.assert_quiet().await;
}

#[tokio::test]
async fn there_are_as_many_streams_as_may_be_and_each_that_ends_makes_room() {
    let database = TestDatabase::create().await;
    let flags = ["--streams-max=5", "--streams-per-user=2", "--streams-per-address=4"];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let access = register(&server, "alice").await;
    let mut socket = Socket::of(&server, &access).await;
    socket.subscribe("1", SESSION).await;
    socket.subscribe("2", SESSION).await;
    socket.assert_quiet().await;
    socket.subscribe("3", SESSION).await;
    let refused = socket.hear().await;
    assert_eq!(refused["payload"][0]["extensions"]["code"], "RATE_LIMITED", "{refused}");
    let mut events = Events::of(&server, &access, SESSION).await;
    assert_eq!(code(&events.next().await.1), "RATE_LIMITED");
    drop(events);
    socket.say(&json!({ "type": "complete", "id": "1" })).await;
    socket.subscribe("3", SESSION).await;
    socket.assert_quiet().await;

    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(Socket::connect(&server, &[]).await.unwrap());
    }
    assert_eq!(Socket::connect(&server, &[]).await.err(), Some(429));
    let limited = Events::of(&server, &access, SESSION).await;
    assert!(limited.head().contains("429"), "{}", limited.head());
    // Requests that are no streams have connections of their own.
    assert_eq!(server.get("/healthz").await.0, 200);
    drop(held);
    let began = Instant::now();
    while Socket::connect(&server, &[]).await.is_err() {
        assert!(began.elapsed() < 4 * EVERYWHERE);
    }
}

#[tokio::test]
async fn who_does_not_read_is_dropped_and_nobody_waits_for_them() {
    let database = TestDatabase::create().await;
    let flags = ["--metrics-listen=127.0.0.1:0"];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let boss = admin(&server, &database, "boss").await;
    let aliases: Vec<_> = (0..15).map(|i| format!("a{i}: userAgent")).collect();
    let aliases = aliases.join(" ");
    let query = format!(
        "subscription {{ auditEvents(filter: {{ types: [PROFILE_UPDATED] }}) {{ {aliases} }} }}"
    );
    let mut stuck = Socket::of(&server, &boss).await;
    stuck.subscribe("1", &query).await;
    let stuck_events = Events::of(&server, &boss, &query).await;
    let mut other = Socket::of(&server, &boss).await;
    other
        .subscribe(
            "1",
            "subscription { auditEvents(filter: { types: [PROFILE_UPDATED] }) { type } }",
        )
        .await;
    other.assert_quiet().await;

    // Some 4 MB for who does not read them, more than the system holds for anybody.
    let db = database.connection().await;
    for round in 0..10 {
        let ids = (0..100).map(|i| uuid::Uuid::from_u128((1 << 70) + round * 100 + i));
        let ids = ids.map(|id| match db.get_database_backend() {
            DbBackend::Postgres => format!("SELECT CAST('{id}' AS uuid) AS id"),
            _ => format!("SELECT x'{}' AS id", id.simple()),
        });
        let sql = format!(
            "INSERT INTO audit_events (id, created_at, kind, outcome, actor_kind, user_agent, occurrences) \
             SELECT ids.id, now.t, 'PROFILE_UPDATED', 'DONE', 'SYSTEM', '{}', 1 \
             FROM (SELECT MAX(created_at) AS t FROM audit_events) now CROSS JOIN ({}) ids",
            "x".repeat(256),
            ids.collect::<Vec<_>>().join(" UNION ALL ")
        );
        db.execute_unprepared(&sql).await.unwrap();
    }
    for _ in 0..1_000 {
        other.answer("1").await;
    }
    let cut = "portcullis_connections_cut_total{reason=\"slow_reader\"}";
    let began = Instant::now();
    while server.metrics().await[cut] < 2.0 {
        assert!(began.elapsed() < Duration::from_mins(2), "they are kept");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(stuck.closed().await, None);
    let kept = stuck_events.rest().await;
    assert!(!kept.contains("complete") && kept.len() < 3_000_000, "{}", kept.len());
    other.assert_quiet().await;
}

#[tokio::test]
async fn a_stream_that_has_nothing_to_tell_says_so_before_a_proxy_gives_it_up() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let bearer = format!("Bearer {}", alice.access);
    let mut pieces = Pieces::open(&app, &[("authorization", &bearer)]).await;
    for _ in 0..2 {
        let began = Instant::now();
        assert_eq!(pieces.next().await.as_deref(), Some(":\n\n"));
        assert!(began.elapsed() > Duration::from_secs(19), "{:?}", began.elapsed());
        assert!(began.elapsed() < Duration::from_secs(55), "{:?}", began.elapsed());
    }
}

#[cfg(unix)]
#[tokio::test]
async fn told_to_stop_the_server_ends_its_streams_and_does_not_wait_for_their_clients() {
    let database = TestDatabase::create().await;
    let mut server = Server::start(&database);
    let access = register(&server, "alice").await;
    let mut socket = Socket::of(&server, &access).await;
    socket.subscribe("1", SESSION).await;
    socket.assert_quiet().await;
    let events = Events::of(&server, &access, SESSION).await;
    server.terminate();
    assert_eq!(socket.closed().await, Some(1001));
    // Not complete: another instance may go on.
    assert!(!events.rest().await.contains("complete"));
    assert!(server.wait().success());
}

#[tokio::test]
async fn a_killed_server_breaks_its_streams_off_and_they_begin_again_elsewhere() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let access = register(&server, "alice").await;
    let mut socket = Socket::of(&server, &access).await;
    socket.subscribe("1", SESSION).await;
    socket.assert_quiet().await;
    let events = Events::of(&server, &access, SESSION).await;
    let boss = admin(&server, &database, "boss").await;
    let other = register(&server, "other").await;
    let elsewhere = Server::start(&database);
    server.kill();
    assert_eq!(socket.closed().await, None);
    assert!(!events.rest().await.contains("complete"));

    // What happens while nobody listens.
    mutate(&elsewhere, &other, "logout(input: {}) { sessionId }").await;
    rename(&elsewhere, &access, "Meanwhile").await;
    let next = Server::start(&database);
    let mut audit = Socket::of(&next, &boss).await;
    audit.subscribe("1", "subscription { auditEvents { id type } }").await;
    audit.assert_quiet().await;
    // A session that has ended is told so again, and for the rest the stream tells the state that a query shows.
    let mut socket = Socket::of(&next, &other).await;
    socket.subscribe("1", SESSION).await;
    assert_eq!(socket.hear().await["payload"][0]["extensions"]["reason"], "SESSION_ENDED");
    let mut socket = Socket::of(&next, &access).await;
    socket.subscribe("1", SESSION).await;
    socket.assert_quiet().await;
    let name = next.call("{ me { fullName } }", json!({}), &access).await.unwrap();
    assert_eq!(name["data"]["me"]["fullName"], "Meanwhile", "{name}");
    rename(&next, &access, "Again").await;
    let told = socket.answer("1").await;
    assert_eq!(told["data"]["sessionEvents"]["viewer"]["user"]["fullName"], "Again", "{told}");

    // The audit events of that time are in the query or in the stream.
    let last = audit.answer("1").await["data"]["auditEvents"].clone();
    let missed = "{ auditEvents(first: 20) { nodes { id type } } }";
    let missed = next.call(missed, json!({}), &boss).await.unwrap()["data"]["auditEvents"].clone();
    let missed = missed["nodes"].as_array().unwrap().clone();
    for kind in ["SIGNED_OUT", "PROFILE_UPDATED"] {
        assert!(missed.iter().chain([&last]).any(|event| event["type"] == kind), "{missed:?}");
    }
}

#[tokio::test]
async fn a_permission_that_comes_to_its_end_ends_the_stream_that_it_opened() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let boss = admin(&server, &database, "boss").await;
    let access = register(&server, "alice").await;
    let id = server.call("{ me { id } }", json!({}), &access).await.unwrap();
    let id = id["data"]["me"]["id"].as_str().unwrap().to_owned();
    let until = (Clock::system().now() + Duration::from_secs(12)).to_rfc3339();
    let grant = format!(
        "grantPermission(input: {{ id: \"{id}\", permission: AUDIT_READ, expiresAt: \"{until}\" }}) {{ user {{ id }} }}"
    );
    mutate(&server, &boss, &grant).await;
    let mut socket = Socket::of(&server, &access).await;
    let quiet = "subscription { auditEvents(filter: { types: [USER_DELETED] }) { type } }";
    socket.subscribe("audit", quiet).await;
    socket.assert_quiet().await;
    assert_eq!(code(&socket.answer("audit").await), "FORBIDDEN");
    socket.assert_complete("audit").await;
}
