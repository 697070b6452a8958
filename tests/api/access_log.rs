//! One line of the log for each request.

use serde_json::{Value, json};

use crate::support::process::{Server, exchange};
use crate::support::{LOGIN, SECOND, TestDatabase};

const TARGET: &str = "portcullis::access";
/// What stands in documents and variables, and must not be logged.
const CANARY: &str = "canary7b1f";

fn server(database: &TestDatabase, setting: &str) -> Server {
    let flags = ["--log-format=json", setting];
    Server::start_with(&database.url, database.folder.path(), &flags, &[])
}

/// The lines so far, of which there must be so many in a moment: each is written beside its answer.
async fn lines(server: &Server, count: usize) -> Vec<Value> {
    let written = async {
        loop {
            let lines = server.logged(TARGET);
            if lines.len() >= count {
                return lines;
            }
            tokio::time::sleep(SECOND / 50).await;
        }
    };
    let lines = tokio::time::timeout(30 * SECOND, written).await.unwrap();
    assert_eq!(lines.len(), count, "{lines:#?}");
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn send(server: &Server, head: &str, body: &str) -> String {
    let request = format!(
        "{head} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\nconnection: close\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    exchange(server.port, &request).await.unwrap()
}

#[tokio::test]
async fn a_request_has_one_line_with_its_operation_its_caller_and_its_code() {
    let database = TestDatabase::create().await;
    let server = server(&database, "--access-log=on");
    let alice = server.register("alice").await;
    let access = alice["data"]["register"]["accessToken"].as_str().unwrap();
    let query = format!("query Mine {{ me {{ id {CANARY}: username }} }}");
    let me = server.call(&query, Value::Null, access).await.unwrap();
    let input = json!({ "identifier": CANARY, "password": CANARY });
    server.call(LOGIN, json!({ "input": input }), "").await.unwrap();
    server.call(&format!("{{ {CANARY} }}"), Value::Null, "").await.unwrap();
    let unknown = send(&server, &format!("GET /{CANARY}?a={CANARY}"), "").await;
    server.get("/.well-known/jwks.json").await;
    for probe in ["/healthz", "/readyz"] {
        assert_eq!(server.get(probe).await.0, 200);
    }

    let lines = lines(&server, 6).await;
    let told = |line: usize, field: &str| lines[line][field].clone();
    assert_eq!(told(0, "operation.type"), "mutation");
    assert_eq!(told(1, "operation.name"), "Mine");
    assert_eq!(told(1, "operation.type"), "query");
    assert_eq!(told(1, "user.id"), me["data"]["me"]["id"]);
    assert!(told(1, "session.id").as_str().unwrap().starts_with("session_"), "{lines:#?}");
    assert_eq!((told(1, "code"), told(1, "http.status")), (json!("OK"), json!(200)));
    assert_eq!(told(1, "http.route"), "/graphql");
    assert_eq!((told(2, "code"), told(2, "user.id")), (json!("INVALID_CREDENTIALS"), Value::Null));
    assert_eq!(told(3, "code"), "GRAPHQL_VALIDATION_FAILED");
    assert_eq!(told(3, "operation.type"), "none");
    assert_eq!((told(4, "http.status"), told(4, "http.route")), (json!(404), Value::Null));
    let id = told(4, "request.id");
    assert!(unknown.contains(&format!("x-request-id: {}\r\n", id.as_str().unwrap())), "{unknown}");
    assert_eq!(
        (told(5, "code"), told(5, "http.route")),
        (json!("OK"), json!("/.well-known/jwks.json"))
    );
    for line in &lines {
        assert!(line["duration_ms"].is_number() && line["level"] == "INFO", "{line}");
        assert_eq!(line["client.address"], Value::Null);
        assert!(!line.to_string().contains(CANARY), "{line}");
    }
}

#[tokio::test]
async fn the_name_of_an_operation_is_cut_and_the_address_told_if_that_is_set() {
    let database = TestDatabase::create().await;
    let server = server(&database, "--access-log=with-addresses");
    let name = "N".repeat(200);
    let query = format!("query {name} {{ viewer {{ __typename }} }}");
    server.call(&query, Value::Null, "").await.unwrap();
    let line = &lines(&server, 1).await[0];
    assert_eq!(line["operation.name"], "N".repeat(64));
    assert_eq!(line["client.address"], "127.0.0.1");
}

#[tokio::test]
async fn the_access_log_is_off_in_development() {
    let database = TestDatabase::create().await;
    let mut server = Server::start_with(&database.url, database.folder.path(), &[], &[]);
    server.call("{ viewer { __typename } }", Value::Null, "").await.unwrap();
    assert_eq!(server.get("/nowhere").await.0, 404);
    // All that it has to say is said by then.
    server.terminate();
    assert!(server.wait().success());
    assert_eq!(server.logged(TARGET), [""; 0]);
}
