//! The real binary, killed under load: what it acknowledged is there when it comes back.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{LOGIN, PASSWORD, REGISTER, TestDatabase};

struct Server {
    process: Child,
    port: u16,
}

impl Server {
    /// Starts the binary on a free port and waits until it says which.
    fn start(database: &TestDatabase) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(["--listen=127.0.0.1:0", "--argon2-memory-kib=64", "--argon2-iterations=1"])
            .arg(format!("--database-url={}", database.url))
            .arg(format!("--data-dir={}", database.folder.path().display()))
            .current_dir(database.folder.path())
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(log.read_line(&mut line).unwrap() > 0, "the server ended before it listened");
            if let Some((_, port)) = line.trim_end().rsplit_once("http://127.0.0.1:") {
                break port.parse().unwrap();
            }
        };
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || log.lines().for_each(drop));
        Self { process, port }
    }

    /// Kills it, as dropping it does: a test that fails leaves no server behind.
    fn kill(self) {
        drop(self);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// One call over a connection of its own; `None` when the server is gone before it has answered.
async fn call(port: u16, query: &str, variables: Value) -> Option<Value> {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// What a client was told: the name it registered, and the last refresh token it was given.
type Ledger = Arc<Mutex<Vec<(String, String)>>>;

async fn register_and_refresh(port: u16, name: String, ledger: Ledger) -> Option<()> {
    let input =
        json!({ "username": name, "email": format!("{name}@example.com"), "password": PASSWORD });
    let registered = call(port, REGISTER, json!({ "input": input })).await?;
    let mut token = registered["data"]["register"]["refreshToken"].as_str()?.to_owned();
    ledger.lock().unwrap().push((name.clone(), token.clone()));
    loop {
        let query = "mutation($t: String) { refreshToken(refreshToken: $t) { refreshToken } }";
        let refreshed = call(port, query, json!({ "t": token })).await?;
        refreshed["data"]["refreshToken"]["refreshToken"].as_str()?.clone_into(&mut token);
        ledger.lock().unwrap().push((name.clone(), token.clone()));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_kill_under_load() {
    let database = TestDatabase::create().await;
    let ledger = Ledger::default();
    for round in 0..3 {
        let server = Server::start(&database);
        let clients: Vec<_> = (0..8)
            .map(|client| {
                let name = format!("user{round}x{client}");
                tokio::spawn(register_and_refresh(server.port, name, Arc::clone(&ledger)))
            })
            .collect();
        // Killed in the middle: once this round has acknowledged a few dozen calls.
        let enough = ledger.lock().unwrap().len() + 60;
        while ledger.lock().unwrap().len() < enough {
            tokio::task::yield_now().await;
        }
        server.kill();
        for client in clients {
            client.await.unwrap();
        }
    }

    let server = Server::start(&database);
    let told = ledger.lock().unwrap().clone();
    let last: std::collections::HashMap<_, _> = told.iter().cloned().collect();
    assert!(last.len() >= 3, "each round acknowledged a registration");
    for (name, token) in last {
        let input = json!({ "identifier": name, "password": PASSWORD });
        let signed_in = call(server.port, LOGIN, json!({ "input": input })).await.unwrap();
        assert!(signed_in["errors"].is_null(), "{name}: {signed_in}");
        // The client's retry: its last token is live, or was rotated within the grace.
        let query = "mutation($t: String) { refreshToken(refreshToken: $t) { refreshToken } }";
        let refreshed = call(server.port, query, json!({ "t": token })).await.unwrap();
        let rotated = refreshed["data"]["refreshToken"]["refreshToken"].as_str();
        assert!(rotated.is_some(), "{name}: {refreshed}");
    }
    server.kill();
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_the_server_finishes_what_it_began_and_exits_well() {
    let database = TestDatabase::create().await;
    let mut server = Server::start(&database);
    let ledger = Ledger::default();
    let clients: Vec<_> = (0..4)
        .map(|client| {
            let name = format!("user{client}");
            tokio::spawn(register_and_refresh(server.port, name, Arc::clone(&ledger)))
        })
        .collect();
    while ledger.lock().unwrap().len() < 40 {
        tokio::task::yield_now().await;
    }

    let id = server.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    for client in clients {
        client.await.unwrap();
    }
    assert!(server.process.wait().unwrap().success());
}
