//! Faults beneath the server, put there on purpose: no client learns what is inside, and nothing is
//! half done (LG-01).

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::audit::WITH_MORE;
use crate::authorization::{prepared, root_fields, stream_sample};
use crate::support::organizations::{act_in, found_organization};
use crate::support::{PASSWORD, Reply, SignedIn, TestApp, dump, send, tables};

/// What is only said inside: by SQL, by the libraries, by Rust.
const INTERNAL: [&str; 24] = [
    "sqlx",
    "sea_orm",
    "sea-orm",
    "dberr",
    "sqlite",
    "postgres",
    "mysql",
    "mariadb",
    "redis",
    "select ",
    "insert into",
    "no such",
    "relation ",
    "doesn't exist",
    "panicked",
    "some(",
    "err(",
    "audit_",
    "password_hash",
    "_key",
    "_at\"",
    "::",
    ".rs",
    "/tmp",
];

/// Looks through an error for what is inside.
fn assert_says_nothing(app: &TestApp, reply: &Reply, of: &str) {
    let headers = format!("{:?}", reply.headers.iter().collect::<Vec<_>>());
    let folder = app.database.folder.path().display().to_string();
    let (said, headers) = (reply.text.to_lowercase(), headers.to_lowercase());
    for internal in INTERNAL.iter().copied().chain([folder.as_str(), &app.database.url]) {
        assert!(!said.contains(internal), "{of} says {internal:?}: {}", reply.text);
        assert!(!headers.contains(internal), "{of} says {internal:?}: {headers}");
    }
    if reply.code() == "INTERNAL_SERVER_ERROR" {
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!(reply.extension("requestId"), json!(id), "{of}");
    }
}

async fn rename(app: &TestApp, from: &str, to: &str) {
    app.sql(&format!("ALTER TABLE \"{from}\" RENAME TO \"{to}\"")).await;
}

/// A call of a field that does what it is for, about users whom it concerns alone.
async fn call(
    app: &TestApp,
    operation: &str,
    field: &str,
    (target, boss): (&SignedIn, &SignedIn),
) -> String {
    let call = match operation {
        "subscription" => stream_sample(field),
        _ => prepared(app, field, target, boss).await,
    };
    let alone = target.username.replace("target", "");
    let call = call.replace("\"chosen", &format!("\"chosen{alone}"));
    let call = call.replace("\"fresh", &format!("\"fresh{alone}"));
    let call = call.replace("\"guest@", &format!("\"guest{alone}@"));
    format!("{operation} {{ {} }}", call.replace("\"other@", &format!("\"other{alone}@")))
}

#[tokio::test]
async fn without_any_one_table_every_field_fails_without_a_word_or_does_all_it_should() {
    let tables = tables(&TestApp::start().await.database.connection().await).await;
    let mut failures = 0;
    for table in tables {
        // Each with its own database, so that none of them grows large.
        let app = TestApp::start().await;
        let db = app.database.connection().await;
        let fields = root_fields();
        let fields = fields.iter().filter(|field| !WITH_MORE.contains(&field.name.as_str()));
        for (number, field) in fields.enumerate() {
            // Whoever signs out is no admin any more.
            let mut boss = app.admin(&format!("boss{number}")).await;
            if ["activeOrganization", "invitations"].contains(&field.name.as_str()) {
                boss = act_in(&app, &boss, &found_organization(&app, &boss).await).await;
            }
            let target = app.register(&format!("target{number}")).await;
            let query = call(&app, field.operation, &field.name, (&target, &boss)).await;
            let of = format!("{} without {table}", field.name);
            // Known in memory, so that the resolver is what meets the fault.
            app.query("{ me { id } }", &boss.access).await.data();
            let before = dump(&db).await;
            rename(&app, &table, "away").await;
            let reply = app.query(&query, &boss.access).await;
            rename(&app, "away", &table).await;
            match reply.code().as_str() {
                // Not needed for it, or known in memory.
                "NONE" => continue,
                "INTERNAL_SERVER_ERROR" => failures += 1,
                other => panic!("{of}: {other}"),
            }
            assert_says_nothing(&app, &reply, &of);
            assert_eq!(dump(&db).await, before, "{of} is half done");
            assert_eq!(app.query(&query, &boss.access).await.code(), "NONE", "{of}, and then with");
        }
    }
    assert!(failures > 20, "{failures}");
}

/// Answers each connection with the same bytes, whatever it is asked.
fn pretend_redis(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            // Whoever hung up needs no answer.
            let _ = stream.write_all(answer);
            if !answer.is_empty() {
                open.push(stream);
            }
        }
    });
    format!("--redis-url=redis://{address}")
}

#[tokio::test]
async fn whatever_redis_says_no_client_hears_it_and_the_limit_holds() {
    for answer in [
        &b""[..],
        b"-ERR secret internals of redis\r\n",
        b"+OK\r\n+OK\r\n$-1\r\n*3\r\n:1\r\n",
        b"\x00\xff nonsense \r\n\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ] {
        let app = TestApp::start_with(&["--rate-limits=on", &pretend_redis(answer)]).await;
        app.register("alice").await;
        for _ in 0..5 {
            let reply = app.login("alice", "not the password").await;
            assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{answer:?}");
            assert_says_nothing(&app, &reply, "a wrong password");
        }
        let reply = app.login("alice", PASSWORD).await;
        assert_eq!(reply.code(), "RATE_LIMITED", "{answer:?}");
        assert_says_nothing(&app, &reply, "a limit");
    }
}

/// A body that is nearly right: one that is, with something else in the middle of it.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let good = json!({
        "query": "mutation M($input: LoginInput!) { login(input: $input) { __typename } }",
        "operationName": "M",
        "variables": { "input": { "identifier": "alice", "password": PASSWORD } },
    });
    let good = good.to_string().into_bytes();
    let spliced = (0..good.len(), 0..40_usize, vec(any::<u8>(), 0..12)).prop_map(
        move |(at, skipped, inserted)| {
            let after = (at + skipped).min(good.len());
            [&good[..at], &inserted, &good[after..]].concat()
        },
    );
    let documents = "[{}()\"$@!:.a-z0-9 \n\\\\]{0,60}"
        .prop_map(|query| json!({ "query": query }).to_string().into_bytes());
    prop_oneof![vec(any::<u8>(), 0..200), spliced, documents]
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let names = [
        "authorization",
        "content-type",
        "accept",
        "origin",
        "cookie",
        "portcullis-token-mode",
        "x-request-id",
        "x-forwarded-for",
        "user-agent",
        "content-length",
        "transfer-encoding",
    ];
    let value = vec(prop_oneof![32..=126_u8, 128..=255_u8], 0..40);
    vec((proptest::sample::select(names.to_vec()), value), 0..4)
}

#[test]
fn no_input_makes_the_server_fail_or_tell() {
    let runtime = Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::start());
    runtime.block_on(app.register("alice"));
    let config = Config { cases: 500, failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&(body(), headers()), |(body, headers)| {
        let mut request = Request::post("/graphql");
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let sending = send(&app.app, request.body(Body::from(body)).unwrap());
        let sent = runtime
            .block_on(async { tokio::time::timeout(Duration::from_secs(20), sending).await });
        let reply = sent.unwrap();
        prop_assert!(reply.status.as_u16() < 500, "{reply:?}");
        if reply.json().get("errors").is_some_and(Value::is_array) {
            assert_says_nothing(&app, &reply, "a refusal");
        }
        Ok(())
    });
    outcome.unwrap();
}
