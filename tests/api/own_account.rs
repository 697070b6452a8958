//! What people do with their own account.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use sea_orm::DbBackend;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{PASSWORD, SignedIn, TestApp, dump, holding, send};

const OTHER: &str = "another horse battery";
const FRESH: Duration = Duration::from_mins(5);
const ME: &str = "{ me { id } }";

#[tokio::test]
async fn proving_the_password_again_replaces_the_session_and_counts_as_a_sign_in() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(FRESH + Duration::from_secs(1));
    let refused = app.mutate(&alice, "exportMyData { export { ticket } }").await;
    assert_eq!(refused.code(), "STEP_UP_REQUIRED");
    assert_eq!(refused.extension("maxAgeSeconds"), 300);

    let wrong = app
        .mutate(
            &alice,
            "reauthenticate(input: { proof: { password: \"wrong horse\" } }) { expiresIn }",
        )
        .await;
    assert_eq!(wrong.code(), "INVALID_CREDENTIALS");
    let call = format!(
        "reauthenticate(input: {{ proof: {{ password: \"{PASSWORD}\" }} }}) {{ accessToken refreshToken user {{ id username }} }}"
    );
    let fresh = app.mutate(&alice, &call).await.signed_in("reauthenticate");
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&alice.refresh).await.code(), "INVALID_TOKEN");
    app.export(&fresh).await;
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 1);
    let events = app.audit_events().await;
    assert!(events.contains(&"REAUTHENTICATED".to_owned()), "{events:?}");
}

#[tokio::test]
async fn an_export_has_all_entries_however_many_there_are() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.mutate(&alice, "createTask(input: { title: \"A task\" }) { task { id } }").await.data();
    let id = match app.database.connection().await.get_database_backend() {
        DbBackend::Sqlite => "randomblob(16)",
        DbBackend::Postgres => "gen_random_uuid()",
        _ => "RANDOM_BYTES(16)",
    };
    let tasks = "owner_id, organization_id, title, is_done, created_at, updated_at";
    let events = "kind, outcome, actor_kind, actor_id, target_id, created_at, occurrences";
    // Around the size of a page, and beyond it.
    for (doublings, expected) in [(0, 1), (4, 16), (6, 1_024), (2, 4_096)] {
        for _ in 0..doublings {
            let sql = format!("INSERT INTO tasks (id, {tasks}) SELECT {id}, {tasks} FROM tasks");
            app.sql(&sql).await;
            let sql = format!(
                "INSERT INTO audit_events (id, {events}) SELECT {id}, {events} FROM audit_events \
                 WHERE kind = 'TASK_CREATED'"
            );
            app.sql(&sql).await;
        }
        let exported = app.export(&alice).await;
        let ids = |part: &str, kind: Option<&str>| {
            let entries = exported[part].as_array().unwrap().iter();
            let of_kind = entries.filter(|entry| kind.is_none_or(|kind| entry["type"] == kind));
            let ids = of_kind.map(|entry| entry["id"].as_str().unwrap().to_owned());
            ids.collect::<std::collections::HashSet<_>>().len()
        };
        assert_eq!(ids("tasks", None), expected);
        assert_eq!(ids("securityEvents", Some("TASK_CREATED")), expected);
    }
}

#[tokio::test]
async fn a_ticket_is_its_owners_for_a_minute_and_ends_with_the_session() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let issue = async |user: &SignedIn| {
        let issued = app.mutate(user, "exportMyData { export { ticket } }").await.data();
        issued["exportMyData"]["export"]["ticket"].as_str().unwrap().to_owned()
    };
    let ticket = issue(&alice).await;
    let fetched = app.fetch_export(&ticket).await;
    assert_eq!(fetched.json()["account"]["username"], "alice");
    assert_eq!(fetched.headers["cache-control"], "no-store");
    assert!(fetched.headers["content-disposition"].to_str().unwrap().starts_with("attachment"));
    for wrong in [
        "pce_",
        &alice.access,
        &alice.refresh,
        &ticket[..ticket.len() - 2],
        &ticket.replace("pce_", "pcd_"),
        &format!("pce_{}", "A".repeat(4_000)),
    ] {
        let refused = app.fetch_export(wrong).await;
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (401, "UNAUTHENTICATED"));
    }
    // It opens nothing else.
    assert_eq!(app.query(ME, &ticket).await.code(), "UNAUTHENTICATED");
    let bare = Request::get("/export").body(Body::empty()).unwrap();
    assert_eq!(send(&app.app, bare).await.extension("reason"), "MISSING_TOKEN");
    app.clock.advance(Duration::from_mins(1));
    assert_eq!(app.fetch_export(&ticket).await.code(), "UNAUTHENTICATED");

    let ticket = issue(&alice).await;
    app.mutate(&alice, "logout { sessionId }").await.data();
    assert_eq!(app.fetch_export(&ticket).await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn one_export_of_a_person_is_under_way_at_a_time() {
    let app = TestApp::start().await;
    let (alice, bob) = (app.register("alice").await, app.register("bob").await);
    let issued = app.mutate(&alice, "exportMyData { export { ticket } }").await.data();
    let ticket = issued["exportMyData"]["export"]["ticket"].as_str().unwrap().to_owned();
    let request = Request::get("/export")
        .header("host", "localhost")
        .header("authorization", format!("Bearer {ticket}"));
    let begun = request.body(Body::empty()).unwrap();
    let begun = portcullis::http::router(&app.app).oneshot(begun).await.unwrap();
    // Each transfer is an event, and what was refused is none.
    assert_eq!(app.count("audit_events WHERE kind = 'DATA_EXPORTED'").await, 1);
    let second = app.fetch_export(&ticket).await;
    assert_eq!(app.count("audit_events WHERE kind = 'DATA_EXPORTED'").await, 1);
    assert_eq!((second.status.as_u16(), second.code().as_str()), (429, "RATE_LIMITED"));
    assert_eq!(second.headers["retry-after"], "10");
    app.export(&bob).await;
    // Whoever does not take it to its end leaves the place.
    drop(begun);
    let again = async {
        while app.fetch_export(&ticket).await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), again).await.unwrap();
}

#[tokio::test]
async fn changing_the_password_takes_the_current_one_and_ends_the_other_sessions() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let phone = app.again("alice").await;
    let change = |current: &str, new: &str| {
        format!(
            "changePassword(input: {{ currentPassword: \"{current}\", newPassword: \"{new}\" }}) {{ user {{ id }} }}"
        )
    };
    for (current, new, code) in [
        ("not the password", OTHER, "INVALID_CREDENTIALS"),
        (PASSWORD, "short", "BAD_USER_INPUT"),
        (PASSWORD, "alice@example.com", "BAD_USER_INPUT"),
    ] {
        assert_eq!(app.mutate(&alice, &change(current, new)).await.code(), code);
    }
    app.mutate(&alice, &change(PASSWORD, OTHER)).await.data();
    app.query(ME, &alice.access).await.data();
    assert_eq!(app.query(ME, &phone.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    app.login("alice", OTHER).await.signed_in("login");
    app.mail("password-changed", "alice@example.com").await;
}

#[tokio::test]
async fn a_profile_is_what_its_owner_wants_it_to_be() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    for (input, full_name) in [
        ("{ fullName: \"  Alice Liddell \" }", json!("Alice Liddell")),
        ("{ }", json!("Alice Liddell")),
        ("{ fullName: null }", Value::Null),
    ] {
        let call = format!("updateProfile(input: {input}) {{ user {{ fullName }} }}");
        let reply = app.mutate(&alice, &call).await.data();
        assert_eq!(reply["updateProfile"]["user"]["fullName"], full_name, "{input}");
        let me = app.query("{ me { fullName } }", &alice.access).await.data();
        assert_eq!(me["me"]["fullName"], full_name, "{input}");
    }
    let call = "updateProfile(input: { fullName: \"a\\u202eb\" }) { user { id } }";
    assert_eq!(app.mutate(&alice, call).await.code(), "BAD_USER_INPUT");
    let role = "updateProfile(input: { role: ADMIN }) { user { id } }";
    assert_eq!(app.mutate(&alice, role).await.code(), "GRAPHQL_VALIDATION_FAILED");
}

#[tokio::test]
async fn a_picture_is_an_https_address_that_everybody_sees_who_sees_the_user() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let update = async |value: Value| {
        let call = "mutation($input: UpdateProfileInput!) { updateProfile(input: $input) { user { \
                    avatarUrl } } }";
        let input = json!({ "input": { "avatarUrl": value } });
        app.call(call, input, Some(&alice.access)).await
    };
    let long = |length: usize| format!("https://example.com/{}", "x".repeat(length - 20));
    for (url, kept) in [
        ("https://example.com/a.png?s=1#x", json!("https://example.com/a.png?s=1#x")),
        (" HTTPS://Bücher.example/Ä ", json!("https://xn--bcher-kva.example/%C3%84")),
        ("https://example.com/a');x:url('b", json!("https://example.com/a%27%29;x:url%28%27b")),
        ("", Value::Null),
        (&long(2_048), json!(long(2_048))),
        ("https://[2001:db8::1]:8443/", json!("https://[2001:db8::1]:8443/")),
    ] {
        let reply = update(json!(url)).await.data();
        assert_eq!(reply["updateProfile"]["user"]["avatarUrl"], kept, "{url}");
        let me = app.query("{ me { avatarUrl } }", &alice.access).await.data();
        assert_eq!(me["me"]["avatarUrl"], kept, "{url}");
    }
    for (url, reason) in [
        ("http://example.com/a.png", "INVALID_FORMAT"),
        ("http://localhost/a.png", "INVALID_FORMAT"),
        ("data:image/png;base64,AA==", "INVALID_FORMAT"),
        ("javascript:alert(1)", "INVALID_FORMAT"),
        ("//example.com/a.png", "INVALID_FORMAT"),
        ("a.png", "INVALID_FORMAT"),
        ("https://", "INVALID_FORMAT"),
        ("https://alice@example.com/a.png", "INVALID_FORMAT"),
        ("https://:secret@example.com/a.png", "INVALID_FORMAT"),
        (&long(2_049), "TOO_LONG"),
        (&format!("https://example.com/{}", "Ä".repeat(400)), "TOO_LONG"),
    ] {
        let refused = update(json!(url)).await;
        assert_eq!(refused.refused_field(), ("input.avatarUrl".into(), reason.into()), "{url}");
    }
    let events = "audit_events WHERE kind = 'PROFILE_UPDATED'";
    let before = app.count(events).await;
    let other = "updateProfile(input: { fullName: \"Alice\" }) { user { avatarUrl } }";
    let reply = app.mutate(&alice, other).await.data();
    let kept = json!("https://[2001:db8::1]:8443/");
    assert_eq!(reply["updateProfile"]["user"]["avatarUrl"], kept, "what is not given stays");
    assert_eq!(app.count(events).await, before + 1);
    let reader = app.granted("reader", "USERS_READ").await;
    let query = "{ users { nodes { username avatarUrl } } }";
    let users = app.query(query, &reader.access).await.data()["users"]["nodes"].take();
    assert!(users.as_array().unwrap().contains(&json!({ "username": "alice", "avatarUrl": kept })));
    assert_eq!(update(Value::Null).await.data()["updateProfile"]["user"]["avatarUrl"], Value::Null);
}

#[tokio::test]
async fn an_account_is_deactivated_and_deleted_by_its_owner_but_not_the_last_admins() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    for call in ["deactivateAccount { user { id } }", "deleteAccount { deletedUserId }"] {
        assert_eq!(app.mutate(&boss, call).await.code(), "CONFLICT", "{call}");
    }
    let (alice, carol) = (app.register("alice").await, app.register("carol").await);
    let refused = app.mutate(&alice, "deactivateAccount { user { id } }").await;
    assert_eq!(refused.code(), "CONFLICT", "the address may be somebody else's");
    let link = app.mail("verify-email", "alice@example.com").await.token();
    app.use_link("verifyEmail", &link).await.data();
    app.mutate(&alice, "deactivateAccount { user { id } }").await.data();
    assert_eq!(app.query(ME, &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.login("alice", PASSWORD).await.code(), "INVALID_CREDENTIALS");
    app.mutate(&carol, "deleteAccount { deletedUserId }").await.data();
    assert_eq!(app.query(ME, &carol.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(app.refresh(&carol.refresh).await.code(), "INVALID_TOKEN");
    app.mail("account-deleted", "carol@example.com").await;
    app.register("carol").await;
    assert_eq!(app.query(ME, &carol.access).await.code(), "UNAUTHENTICATED", "somebody else");
}

#[tokio::test]
async fn of_a_deleted_account_nothing_is_left_but_its_bare_id() {
    let app = TestApp::start().await;
    let from = |query: String, bearer: Option<&str>| {
        let mut request = Request::post("/graphql")
            .header("content-type", "application/json")
            .header("user-agent", "Quaint-Browser/7");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        request.body(Body::from(json!({ "query": query }).to_string())).unwrap()
    };
    let register = format!(
        "mutation {{ register(input: {{ username: \"quaintname\", email: \"quaint@example.com\", \
         password: \"{PASSWORD}\", fullName: \"Quaint Person\" }}) {{ ... on AuthPayload {{ \
         accessToken refreshToken user {{ id username }} }} }} }}"
    );
    let quaint = send(&app.app, from(register, None)).await.signed_in("register");
    let change =
        "mutation { changeEmail(input: { newEmail: \"quaint2@example.com\" }) { linkExpiresIn } }"
            .to_owned();
    send(&app.app, from(change, Some(&quaint.access))).await.data();
    app.login("quaintname", "wrong horse battery").await;
    app.app.write_refusals().await.unwrap();
    let delete = "mutation { deleteAccount { deletedUserId } }".to_owned();
    send(&app.app, from(delete, Some(&quaint.access))).await.data();
    app.mails().await;

    let db = app.database.connection().await;
    let stored = dump(&db).await;
    assert_eq!(holding(&stored, "USER_DELETED"), ["audit_events"]);
    assert_eq!(holding(&stored, "quaint"), [""; 0]);
    if app.database.url.starts_with("sqlite:") {
        app.sql("PRAGMA wal_checkpoint(TRUNCATE)").await;
        let path = app.database.url.trim_start_matches("sqlite://");
        let bytes = std::fs::read(path).unwrap().to_ascii_lowercase();
        let left = bytes.windows(6).filter(|bytes| bytes == b"quaint").count();
        assert_eq!(left, 0, "in the file");
    }
}

#[tokio::test]
async fn an_export_holds_what_is_kept_and_no_secret() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.register("carol").await;
    let exported = app.export(&alice).await;
    assert_eq!(exported["account"]["email"], "alice@example.com");
    assert_eq!(exported["sessions"].as_array().unwrap().len(), 1);
    let mut events: Vec<_> = exported["securityEvents"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["type"].as_str().unwrap())
        .collect();
    events.sort_unstable();
    assert_eq!(events, ["DATA_EXPORTED", "REGISTERED", "SIGNED_IN"]);
    let text = exported.to_string();
    for secret in ["argon2", "pcr_", "carol", &alice.refresh] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
