//! Documents that the operator has registered: named by their ids, and with `DOCUMENTS=trusted` the only ones that run.

use std::collections::BTreeMap;
use std::fs;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use axum::http::Request;
use portcullis::app::App;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::form_urlencoded::Serializer;

use crate::support::{Reply, TestApp, send, skip};

const ME: &str = "query Me($with: Boolean = true) { me { username @include(if: $with) } }";
const LEAVE: &str = "mutation { logout { sessionId } }";

/// An instance that has these documents registered, as `me` and `leave`.
pub(crate) async fn registered() -> (TestApp, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    fs::write(&file, json!({ "me": ME, "leave": LEAVE }).to_string()).unwrap();
    (TestApp::start_with(&[&format!("--documents-file={}", file.display())]).await, folder)
}

async fn post(app: &App, body: Value, bearer: &str) -> Reply {
    let request = Request::post("/graphql").header("content-type", "application/json");
    let request = request.header("authorization", format!("Bearer {bearer}"));
    send(app, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get(app: &TestApp, parts: &[(&str, &str)], bearer: &str) -> Reply {
    let address = Serializer::new(String::new()).extend_pairs(parts).finish();
    let request = Request::get(format!("/graphql?{address}"));
    let request = request.header("authorization", format!("Bearer {bearer}"));
    send(&app.app, request.body(Body::empty()).unwrap()).await
}

fn sha256_hex(text: &str) -> String {
    let digest = digest(&SHA256, text.as_bytes());
    digest.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

fn by_hash(hash: &str) -> Value {
    json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } })
}

#[tokio::test]
async fn a_document_is_named_by_its_id_or_its_hash() {
    let (app, _folder) = registered().await;
    let alice = app.register("alice").await;
    let hash = sha256_hex(ME);
    let prefixed = format!("sha256:{hash}");
    for body in [
        json!({ "documentId": "me" }),
        json!({ "documentId": "me", "operationName": "Me", "variables": { "with": true } }),
        json!({ "documentId": prefixed }),
        json!({ "documentId": "me", "query": "" }),
        json!({ "extensions": by_hash(&hash) }),
        json!({ "query": ME, "extensions": by_hash(&hash) }),
    ] {
        let reply = post(&app.app, body.clone(), &alice.access).await;
        assert_eq!(reply.data(), json!({ "me": { "username": "alice" } }), "{body}");
    }
    let without = [("documentId", "me"), ("variables", r#"{"with":false}"#)];
    assert_eq!(get(&app, &without, &alice.access).await.data(), json!({ "me": {} }));
    let by_hash = [("extensions", &*by_hash(&hash).to_string())];
    let reply = get(&app, &by_hash, &alice.access).await;
    assert_eq!(reply.data()["me"]["username"], "alice");
    assert_eq!(reply.headers["cache-control"], "private, no-store");
    assert_eq!(get(&app, &[("documentId", "leave")], &alice.access).await.status.as_u16(), 405);
}

#[tokio::test]
async fn an_id_that_is_not_registered_has_the_client_send_the_document() {
    let (app, _folder) = registered().await;
    let alice = app.register("alice").await;
    let other = sha256_hex("{ __typename }");
    for body in [
        json!({ "documentId": "you" }),
        json!({ "documentId": "" }),
        json!({ "documentId": format!("sha256:{other}") }),
        json!({ "extensions": by_hash(&other) }),
        json!({ "extensions": { "persistedQuery": {} } }),
    ] {
        let reply = post(&app.app, body.clone(), &alice.access).await;
        assert_eq!(reply.code(), "PERSISTED_QUERY_NOT_FOUND", "{body}: {}", reply.text);
        assert_eq!(reply.json()["errors"][0]["message"], "PersistedQueryNotFound");
        assert_eq!(reply.status.as_u16(), 200);
    }
    let both = json!({ "documentId": "me", "query": ME });
    assert_eq!(post(&app.app, both, &alice.access).await.status.as_u16(), 400);
}

#[tokio::test]
async fn a_server_that_trusts_registered_documents_runs_no_others() {
    let (app, _folder) = registered().await;
    let trusting = app.second_instance_with(&["--documents=trusted"]).await;
    let alice = app.register("alice").await.access;
    let ask = async |body: Value, bearer: &str| post(&trusting, body, bearer).await;
    assert_eq!(ask(json!({ "documentId": "me" }), &alice).await.code(), "NONE");
    assert_eq!(ask(json!({ "query": ME }), &alice).await.code(), "NONE");
    let spaced = format!("{ME} ");
    for other in ["{ me { id } }", "{", "{ __schema { types { name } } }", &spaced] {
        for (bearer, code) in [(&*alice, "FORBIDDEN"), ("dead", "UNAUTHENTICATED")] {
            let reply = ask(json!({ "query": other }), bearer).await;
            assert_eq!(reply.code(), code, "{other}: {}", reply.text);
            assert!(reply.json().get("data").is_none(), "{}", reply.text);
        }
    }
    let boss = app.admin("boss").await.access;
    trusting.write_refusals().await.unwrap();
    let denied = "{ auditEvents(filter: { types: [ACCESS_DENIED] }) { nodes { occurrences } } }";
    let denied = app.query(denied, &boss).await.data();
    assert_eq!(denied["auditEvents"]["nodes"][0]["occurrences"], 4);
    let reply = ask(json!({ "query": "{ me { id } }" }), &boss).await;
    assert_eq!(reply.code(), "NONE", "{}", reply.text);
}

/// The documents of a JSON object.
fn texts(json: &str) -> Vec<String> {
    let documents: BTreeMap<String, String> = serde_json::from_str(json).unwrap();
    documents.into_values().collect()
}

#[tokio::test]
async fn the_pages_of_a_server_work_where_only_registered_documents_run() {
    let (app, _folder) = registered().await;
    let trusting = app.second_instance_with(&["--documents=trusted"]).await;
    let without = app.second_instance_with(&["--documents=trusted", "--playground=off"]).await;
    let of_account = texts(include_str!("../../web/account/documents.json"));
    let of_playground =
        portcullis_web::operations().map(|json| texts(str::from_utf8(json).unwrap()));
    let Some(of_playground) = of_playground else {
        skip("the playground is not in this build, which needs Node");
        return;
    };
    assert!(of_account.len() > 10 && of_playground.len() > 20);
    let ask = async |app: &App, text: &str| {
        let request = Request::post("/graphql").header("content-type", "application/json");
        send(app, request.body(Body::from(json!({ "query": text }).to_string())).unwrap()).await
    };
    for text in of_account.iter().chain(&of_playground) {
        // It is valid, but for the variables that a page sends with it.
        let reply = ask(&trusting, text).await;
        let lacks_variables = reply.text.contains("Variable \\\"$");
        assert!(!reply.text.contains("registered documents"), "{text}: {}", reply.text);
        assert!(lacks_variables || !reply.code().starts_with("GRAPHQL_"), "{text}: {}", reply.text);
        let reply = ask(&trusting, &format!("{text} ")).await;
        assert!(reply.text.contains("runs only registered documents"), "{text}: {}", reply.text);
    }
    let registration = of_playground.iter().find(|text| text.contains("register(")).unwrap();
    assert_eq!(ask(&without, registration).await.code(), "FORBIDDEN");
    assert_ne!(ask(&without, &of_account[0]).await.code(), "FORBIDDEN");
}

#[tokio::test]
async fn no_server_starts_with_a_document_that_it_would_refuse() {
    let app = TestApp::start().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("documents.json");
    let flag = format!("--documents-file={}", file.display());
    for (documents, told) in [
        (r#"{"a": "{ nothing }"}"#, r#"the invalid document "a": Unknown field "nothing""#),
        (r#"{"a": "{"}"#, r#"the invalid document "a""#),
        (r#"{"a": 1}"#, r#"DOCUMENTS_FILE has no text for the document "a""#),
        ("[]", "DOCUMENTS_FILE must be a map"),
        ("", "DOCUMENTS_FILE is not valid JSON"),
    ] {
        fs::write(&file, documents).unwrap();
        let outcome = app.cli(&[&flag, "serve"]).await;
        assert_ne!(outcome.status, 0);
        assert!(outcome.stderr.contains(told), "{documents}: {}", outcome.stderr);
    }
    let outcome = app.cli(&["--documents=trusted", "serve"]).await;
    assert!(outcome.stderr.contains("set DOCUMENTS_FILE"), "{}", outcome.stderr);
}
