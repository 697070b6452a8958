//! The error catalogue: every code is emitted by something, and the reference lists no other.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::Request;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis::app::App;
use serde_json::json;

use crate::documents::registered;
use crate::support::{PASSWORD, TestApp, send, send_as_it_is};

#[tokio::test]
async fn every_code_of_the_catalogue_is_emitted_and_no_other() {
    let app = TestApp::start().await;
    let boss = app.admin("boss").await;
    let alice = app.register("alice").await;
    let get = Request::get("/graphql").body(Body::empty()).unwrap();
    let conflict =
        format!("mutation {{ deleteUser(input: {{ id: \"{}\" }}) {{ deletedUserId }} }}", boss.id);

    let mut codes = BTreeSet::new();
    for (reply, code) in [
        (send(&app.app, get).await, "BAD_REQUEST"),
        (app.query("{", &alice.access).await, "GRAPHQL_PARSE_FAILED"),
        (app.query("{ nothing }", &alice.access).await, "GRAPHQL_VALIDATION_FAILED"),
        (app.query(&"{a".repeat(40), &alice.access).await, "DOCUMENT_LIMIT"),
        (persisted(&app.app).await, "PERSISTED_QUERY_NOT_SUPPORTED"),
        (persisted(&registered().await.0.app).await, "PERSISTED_QUERY_NOT_FOUND"),
        (app.query("{ users(first: -1) { totalCount } }", &boss.access).await, "BAD_USER_INPUT"),
        (app.query("{ me { id } }", "nonsense").await, "UNAUTHENTICATED"),
        (app.login("nobody", PASSWORD).await, "INVALID_CREDENTIALS"),
        (app.refresh("nonsense").await, "INVALID_TOKEN"),
        (app.query("{ users { totalCount } }", &alice.access).await, "FORBIDDEN"),
        (Box::pin(stale()).await, "STEP_UP_REQUIRED"),
        (
            app.query(
                "mutation { deleteUser(input: { id: \"x\" }) { deletedUserId } }",
                &boss.access,
            )
            .await,
            "NOT_FOUND",
        ),
        (app.query(&conflict, &boss.access).await, "CONFLICT"),
        (Box::pin(limited()).await, "RATE_LIMITED"),
        (unsettled(&app, &alice.refresh).await, "SERVICE_UNAVAILABLE"),
        (broken(&app).await, "INTERNAL_SERVER_ERROR"),
    ] {
        assert_eq!(reply.code(), code, "{}", reply.text);
        codes.insert(code.to_owned());
    }
    assert_eq!(codes, documented());
}

/// A document that is named by its hash.
async fn persisted(app: &App) -> crate::support::Reply {
    let body = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "ab" } } });
    let request = Request::post("/graphql").header("content-type", "application/json");
    send(app, request.body(Body::from(body.to_string())).unwrap()).await
}

/// A sign-in that is too long ago.
async fn stale() -> crate::support::Reply {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    app.clock.advance(std::time::Duration::from_secs(301));
    app.query("mutation { deleteAccount { deletedUserId } }", &alice.access).await
}

/// One registration too many.
async fn limited() -> crate::support::Reply {
    let app = TestApp::start_with(&["--rate-limits=on"]).await;
    for number in 0..5 {
        app.register(&format!("user{number}")).await;
    }
    app.try_register("another", "another@example.com", PASSWORD).await
}

/// A token that names the refresh key after the newest, which may be on its way here.
async fn unsettled(app: &TestApp, token: &str) -> crate::support::Reply {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(token.trim_start_matches("pcr_")).unwrap();
    bytes[1] += 1;
    let unread = format!("pcr_{}", BASE64_URL_SAFE_NO_PAD.encode(bytes));
    // The keys were read so long ago that the next one may have been made since.
    app.clock.advance(std::time::Duration::from_secs(6));
    let query = format!(
        "mutation {{ refreshToken(input: {{ refreshToken: \"{unread}\" }}) {{ expiresIn }} }}"
    );
    let request = Request::post("/graphql").header("content-type", "application/json");
    let body = Body::from(json!({ "query": query }).to_string());
    let reply = send_as_it_is(&app.app, request.body(body).unwrap()).await;
    assert_eq!(reply.extension("retryAfter"), json!(1));
    assert_eq!(reply.headers["retry-after"], "1");
    reply
}

/// A database that does not have what it should. Nothing of that reaches the client.
async fn broken(app: &TestApp) -> crate::support::Reply {
    app.sql("ALTER TABLE users RENAME TO users_away").await;
    let reply = app.login("alice", PASSWORD).await;
    let id = reply.headers["x-request-id"].to_str().unwrap();
    assert_eq!(reply.extension("requestId"), json!(id));
    for internal in ["users", "SELECT", "sqlx", "DbErr", "table"] {
        assert!(!reply.text.contains(internal), "{internal}: {}", reply.text);
    }
    reply
}

fn documented() -> BTreeSet<String> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/errors.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page.split("\n## Codes\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}
