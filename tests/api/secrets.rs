//! Logs: no secret in them (LG-05), and nothing that a client could forge (LG-06).

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::process::{Server, exchange};
use crate::support::{LOGIN, REGISTER, TestDatabase, dump, holding};

/// What stands in every secret of these tests, and nowhere else.
const CANARY: &str = "canary7b1f";

/// One request with further headers; the answer as it came.
async fn send(server: &Server, headers: &str, body: &str) -> String {
    let request = format!(
        "POST /graphql?access_token={CANARY}-in-the-address HTTP/1.1\r\nhost: localhost\r\n\
         content-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\
         {headers}\r\n{body}",
        body.len()
    );
    exchange(server.port, &request).await.unwrap()
}

async fn run(server: &Server, headers: &str, query: &str, variables: Value) -> Value {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let answer = send(server, headers, &body).await;
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

fn credentials(password: &str) -> Value {
    json!({ "input": { "identifier": "alice", "password": password } })
}

const REFRESH: &str = "mutation($token: String) { refreshToken(input: { refreshToken: $token }) { \
                       accessToken refreshToken } }";

/// Uses every secret there is in every way: as it should be, and wrong. Returns those that the
/// server has made itself.
async fn use_every_secret(server: &Server, name: &str) -> Vec<String> {
    let password = format!("{CANARY} is the password");
    let input = json!({ "username": name, "email": format!("{name}@example.com"),
                        "password": password });
    let made = run(server, "", REGISTER, json!({ "input": input })).await;
    let pair = &made["data"]["register"];
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let (access, refresh) = (text(&pair["accessToken"]), text(&pair["refreshToken"]));
    run(server, "", LOGIN, credentials(&password)).await;
    run(server, "", LOGIN, credentials(&format!("{CANARY} is wrong"))).await;
    run(server, "", LOGIN, credentials(&CANARY.repeat(90))).await;
    run(server, "", LOGIN, json!({ "input": format!("{CANARY} is no map") })).await;
    run(server, "", LOGIN, json!({ "input": { "password": [{ "p": CANARY }] } })).await;
    for document in [
        format!("mutation {{ login(input: {{ identifier: \"alice\", password: \"{CANARY}\" }}) "),
        format!("mutation {{ login(input: {{ password: \"{CANARY}\" }}) {{ __typename }} }}"),
        format!("mutation {{ login(pass: \"{CANARY}\") {{ __typename }} }}"),
        format!(
            "mutation {{ logout(input: {{ refreshToken: \"pcr_{CANARY}\" }}) {{ sessionId }} }}"
        ),
        format!("{{ {CANARY} }}"),
    ] {
        run(server, "", &document, Value::Null).await;
    }
    send(server, "", &format!("{{\"query\": \"{{ me {{ id }} }}\", \"password\": {CANARY}")).await;

    let (signed, _) = access.rsplit_once('.').unwrap_or_default();
    let damaged = format!("{signed}.{CANARY}");
    for value in [
        format!("Bearer {access}"),
        format!("Bearer {damaged}"),
        format!("Bearer {CANARY}"),
        format!("Basic {CANARY}"),
        format!("Bearer {}", CANARY.repeat(900)),
    ] {
        run(server, &format!("authorization: {value}\r\n"), "{ me { id } }", Value::Null).await;
    }
    let rotated = run(server, "", REFRESH, json!({ "token": refresh })).await;
    let successor = text(&rotated["data"]["refreshToken"]["refreshToken"]);
    for token in [&refresh, &format!("pcr_{CANARY}"), &format!("pcr_{}", &CANARY.repeat(5)[..43])] {
        run(server, "", REFRESH, json!({ "token": token })).await;
    }
    let browser =
        format!("portcullis-token-mode: cookie\r\norigin: http://localhost:{}\r\n", server.port);
    for cookie in [format!("pcr_{CANARY}"), successor.clone()] {
        let headers = format!("{browser}cookie: __Host-portcullis_refresh={cookie}\r\n");
        run(server, &headers, "mutation { refreshToken { accessToken } }", Value::Null).await;
    }
    vec![access, refresh, successor]
}

/// A server whose own secrets have the canary too.
fn talkative(database: &TestDatabase, url: &str) -> Server {
    let secret = format!("{CANARY}-mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R");
    let redis = format!("redis://user:{CANARY}@{}/0", parrot());
    let variables =
        [("RUST_LOG", "trace"), ("SECRET_KEY", secret.as_str()), ("REDIS_URL", redis.as_str())];
    let flags = [
        "--log-format=json",
        "--access-log=with-addresses",
        "--env=development",
        "--trusted-proxies=127.0.0.1",
        "--rate-limits=on",
        "--metrics-listen=127.0.0.1:0",
    ];
    Server::start_with(url, database.folder.path(), &flags, &variables)
}

/// A Redis that refuses everything and repeats it, as a real one does of commands that it does not
/// know.
fn parrot() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut said = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut said) {
                let said = String::from_utf8_lossy(&said[..length]).replace("\r\n", " ");
                if write!(stream, "-ERR unknown command, with args beginning with: {said}\r\n")
                    .is_err()
                {
                    break;
                }
            }
        }
    });
    address
}

/// The address with a password, where the server asks for none.
fn with_password(url: &str) -> String {
    match url.strip_prefix("postgres://root@") {
        Some(rest) => format!("postgres://root:{CANARY}@{rest}"),
        None => url.to_owned(),
    }
}

/// The secret part of each token, which of an access token is the signature, and the canary.
fn secret_parts(made: &[String]) -> Vec<String> {
    let parts = made.iter().map(|token| token.rsplit('.').next().unwrap_or(token).to_owned());
    parts.filter(|part| part.len() > 20).chain([CANARY.to_owned()]).collect()
}

#[tokio::test]
async fn no_secret_is_logged_printed_measured_or_stored() {
    let database = TestDatabase::create().await;
    let mut server = talkative(&database, &with_password(&database.url));
    let made = use_every_secret(&server, "alice").await;
    assert!(made.iter().all(|token| token.len() > 20), "{made:?}");
    let db = database.connection().await;
    let stored = dump(&db).await;
    // What fails deep inside is told to the log with its cause.
    db.execute_unprepared("ALTER TABLE users RENAME TO away").await.unwrap();
    use_every_secret(&server, "bob").await;
    db.execute_unprepared("ALTER TABLE away RENAME TO users").await.unwrap();
    let metrics = server.metrics().await;
    server.terminate();
    assert!(server.wait().success());

    let log = server.logged("");
    assert!(!server.logged("a resolver failed").is_empty());
    assert!(!server.logged("Redis is away").is_empty());
    for secret in secret_parts(&made) {
        let found: Vec<_> = log.iter().filter(|line| line.contains(&secret)).collect();
        assert!(found.is_empty(), "{secret} is logged: {found:#?}");
        assert!(!server.printed().iter().any(|line| line.contains(&secret)), "{secret}");
        assert!(!metrics.keys().any(|name| name.contains(&secret)), "{secret}");
        assert_eq!(holding(&stored, &secret), [""; 0], "{secret}");
    }
}

/// Ends a line, colours a terminal, reverses a text, closes a JSON object.
const FORGED: &str = "x\u{1b}[31m\u{2028}\u{202e}\u{7f}\"}\\r\\n{\"level\":\"INFO\"}";

async fn forge(server: &Server) {
    let line = "\r\n2026-01-01T00:00:00Z  INFO forged";
    for text in [FORGED, line] {
        let input = json!({ "username": text, "email": format!("{text}@example.com"),
                            "password": "correct horse battery" });
        run(server, "", REGISTER, json!({ "input": input })).await;
        run(server, "", LOGIN, json!({ "input": { "identifier": text, "password": text } })).await;
        let body = json!({ "query": text, "operationName": text, "variables": { text: text } });
        send(server, "", &body.to_string()).await;
        let body = json!({ "query": "query A { me { id } }", "operationName": text });
        send(server, "", &body.to_string()).await;
    }
    // A line's end would end the header, and \u{7f} the connection.
    let forged = FORGED.replace(['\u{1b}', '\u{7f}'], "\t");
    for name in ["user-agent", "x-request-id", "origin", "x-forwarded-for", "authorization"] {
        run(server, &format!("{name}: {forged}\r\n"), "{ me { id } }", Value::Null).await;
    }
    exchange(server.port, &format!("GET /{forged} HTTP/1.1\r\nhost: a\r\n\r\n")).await;
}

#[tokio::test]
async fn each_line_of_a_json_log_is_one_object_whatever_clients_send() {
    let database = TestDatabase::create().await;
    let server = talkative(&database, &database.url);
    forge(&server).await;
    for line in server.logged("") {
        let parsed: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"));
        assert!(parsed["timestamp"].is_string() && parsed["level"].is_string(), "{line}");
        assert!(!line.contains(|c: char| c.is_control()), "{line:?}");
    }
}

#[tokio::test]
async fn no_line_of_a_text_log_is_a_clients() {
    let database = TestDatabase::create().await;
    let folder = database.folder.path();
    let flags =
        ["--rust-log=debug", "--access-log=on", "--env=development", "--trusted-proxies=127.0.0.1"];
    let server = Server::start_with(&database.url, folder, &flags, &[]);
    forge(&server).await;
    let lines = server.logged("");
    assert!(lines.len() > 1);
    for line in lines {
        assert!(line.starts_with("20") && !line.contains("forged"), "{line:?}");
        let is_forged = |c: char| c.is_control() || "\u{2028}\u{202e}".contains(c);
        assert!(!line.contains(is_forged), "{line:?}");
    }
}
