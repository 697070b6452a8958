//! Whose address the sessions and the audit have.

use std::net::SocketAddr;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::Request;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::json;

use crate::support::{LOGIN, PASSWORD, TestApp, send};

const SOMEBODY: &str = "203.0.113.7:50000";
const PROXY: &str = "[::ffff:10.1.2.3]:50000";

/// Signs alice in from `peer` with further headers, and says which address the session has; the
/// audit has the same.
async fn signed_in_from(app: &TestApp, peer: &str, headers: &[(&str, &str)]) -> String {
    let input = json!({ "identifier": "alice", "password": PASSWORD });
    let body = json!({ "query": LOGIN, "variables": { "input": input } }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let peer: SocketAddr = peer.parse().unwrap();
    let request = request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap();
    app.sql("DELETE FROM sessions").await;
    app.sql("DELETE FROM audit_events").await;
    send(&app.app, request).await.data();
    let db = app.database.connection().await;
    let sql = "SELECT sessions.ip AS session_ip, audit_events.ip AS event_ip \
               FROM sessions JOIN audit_events ON audit_events.kind = 'SIGNED_IN'";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    let (session, event): (String, String) =
        (row.try_get("", "session_ip").unwrap(), row.try_get("", "event_ip").unwrap());
    assert_eq!(session, event);
    session
}

#[tokio::test]
async fn no_header_of_a_stranger_says_where_they_are() {
    for (flag, peer, address) in [
        ("--trusted-proxies=", PROXY, "10.1.2.3"),
        ("--trusted-proxies=10.0.0.0/8, 192.0.2.1", SOMEBODY, "203.0.113.7"),
    ] {
        let app = TestApp::start_with(&[flag]).await;
        app.register("alice").await;
        for (name, value) in [
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-for", "198.51.100.4, 10.0.0.1"),
            ("x-real-ip", "198.51.100.4"),
            ("forwarded", "for=198.51.100.4"),
            ("cf-connecting-ip", "198.51.100.4"),
            ("true-client-ip", "198.51.100.4"),
            ("x-forwarded-host", "198.51.100.4"),
        ] {
            assert_eq!(signed_in_from(&app, peer, &[(name, value)]).await, address, "{name}");
        }
    }
}

#[tokio::test]
async fn a_trusted_proxy_says_where_its_client_is() {
    let app = TestApp::start_with(&["--trusted-proxies=10.0.0.0/8, 192.0.2.1"]).await;
    app.register("alice").await;
    let chain = [("x-forwarded-for", "6.6.6.6, 198.51.100.4"), ("x-forwarded-for", "192.0.2.1")];
    assert_eq!(signed_in_from(&app, PROXY, &chain).await, "198.51.100.4");
    for (name, value) in [("x-real-ip", "198.51.100.4"), ("forwarded", "for=198.51.100.4")] {
        assert_eq!(signed_in_from(&app, PROXY, &[(name, value)]).await, "10.1.2.3", "{name}");
    }
}

#[tokio::test]
async fn the_host_that_a_request_names_chooses_nothing() {
    let app = TestApp::start_with(&["--trusted-proxies=10.0.0.0/8"]).await;
    let request = Request::get("/.well-known/oauth-authorization-server")
        .header("host", "evil.example")
        .header("x-forwarded-host", "evil.example")
        .header("x-forwarded-proto", "gopher")
        .header("forwarded", "host=evil.example")
        .extension(ConnectInfo(PROXY.parse::<SocketAddr>().unwrap()));
    let metadata = send(&app.app, request.body(Body::empty()).unwrap()).await.json();
    assert_eq!(metadata["issuer"], "http://localhost:8000");
    assert_eq!(metadata["jwks_uri"], "http://localhost:8000/.well-known/jwks.json");
}

/// The id of a request that came with some, as the answer has it; the audit log has the same.
async fn id_of(app: &TestApp, peer: &str, given: &[&str]) -> String {
    let input = json!({ "identifier": "alice", "password": PASSWORD });
    let body = json!({ "query": LOGIN, "variables": { "input": input } }).to_string();
    let mut request = Request::post("/graphql").header("content-type", "application/json");
    for id in given {
        request = request.header("x-request-id", *id);
    }
    let peer: SocketAddr = peer.parse().unwrap();
    let request = request.extension(ConnectInfo(peer)).body(Body::from(body)).unwrap();
    app.sql("DELETE FROM audit_events").await;
    let reply = send(&app.app, request).await;
    let id = reply.headers["x-request-id"].to_str().unwrap().to_owned();
    let db = app.database.connection().await;
    let sql = "SELECT request_id FROM audit_events WHERE kind = 'SIGNED_IN'";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get::<String>("", "request_id").unwrap(), id);
    id
}

#[tokio::test]
async fn only_a_trusted_proxy_gives_a_request_its_id() {
    let app = TestApp::start_with(&["--trusted-proxies=10.0.0.0/8"]).await;
    app.register("alice").await;
    let longest = "a".repeat(64);
    for given in ["0a1b2c3d4e5f60718293a4b5c6d7e8f9", "Root-1.2_3", &longest] {
        assert_eq!(id_of(&app, PROXY, &[given]).await, given);
        let own = id_of(&app, SOMEBODY, &[given]).await;
        assert!(uuid::Uuid::try_parse(&own).is_ok() && own != given, "{own}");
    }
    let too_long = "a".repeat(65);
    for refused in [&["a b"][..], &["a=1"], &["a\"}"], &[""], &[&too_long], &["a", "b"]] {
        let own = id_of(&app, PROXY, refused).await;
        assert!(uuid::Uuid::try_parse(&own).is_ok(), "{refused:?}: {own}");
    }
}
