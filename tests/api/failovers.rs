//! Servers whose database is on one of several hosts, and servers that start while only a standby answers.
//!
//! They run on database servers of the tests' own, so with the suite on SQLite only. `.ci/failover` has a failover under
//! load.

use std::process::{Command, Output};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::support::process::{Server, code, exchange};
use crate::support::servers::{DatabaseServer, Kind, free_port};
use crate::support::{SECOND, named_server};

/// How long what should happen soon may take on a busy machine.
const SOON: Duration = Duration::from_secs(30);

async fn start(kind: Kind) -> Option<DatabaseServer> {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return None;
    }
    DatabaseServer::start(kind).await
}

/// The address of a database on either of two servers, which have the same user and name.
fn on_either(one: &DatabaseServer, other: &DatabaseServer) -> String {
    let (one, other) = (one.url(), other.address());
    let at = one.rfind('/').unwrap();
    format!("{},{other}{}", &one[..at], &one[at..])
}

fn run(verb: &str, url: &str) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([verb, &format!("--database-url={url}"), "--data-dir=data"])
        .current_dir(folder.path())
        .output()
        .unwrap()
}

async fn a_host_that_takes_no_writes_is_passed_over(kind: Kind) {
    let Some(standby) = start(kind).await else { return };
    let Some(mut primary) = start(kind).await else { return };
    standby.set_read_only(true).await;
    let url = on_either(&standby, &primary);
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&url, folder.path(), &[], &[]);
    assert_eq!(code(&server.register("alice").await), "NONE");

    let told = String::from_utf8(run("doctor", &url).stdout).unwrap();
    assert!(told.contains(&format!("{} is ", standby.address())), "{told}");
    assert!(told.contains(&format!("{} is a primary, and is used", primary.address())), "{told}");

    // The one that was chosen fails, and neither is right until it is back.
    primary.kill();
    let refused = server.register("bob").await;
    assert_eq!(code(&refused), "SERVICE_UNAVAILABLE", "{refused}");
    primary.restart().await;
    server.until_ready_is(200, SOON).await;
    assert_eq!(code(&server.register("bob").await), "NONE");
    let nothing = "postgres://127.0.0.1:1,127.0.0.1:2/db";
    let told = String::from_utf8(run("doctor", nothing).stdout).unwrap();
    assert!(told.contains("no host of the database takes writes: 127.0.0.1:1 cannot"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_with_postgresql_the_primary_is_used() {
    a_host_that_takes_no_writes_is_passed_over(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_hosts_with_mariadb_the_primary_is_used() {
    a_host_that_takes_no_writes_is_passed_over(Kind::MariaDb).await;
}

/// What is answered on a port: the head and the body.
async fn told(port: u16, path: &str) -> (String, String) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let answer = exchange(port, &request).await.unwrap_or_default();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    (head.to_owned(), body.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_during_a_failover_waits_for_the_primary_and_says_that_it_lives() {
    let Some(mut database) = start(Kind::Postgres).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (url, path) = (database.url(), folder.path().to_owned());
    drop(Server::start_with(&url, &path, &[], &[]));
    database.demote().await;
    let refused = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["--database-wait-seconds=0", "--listen=127.0.0.1:0"])
        .args([format!("--database-url={url}"), format!("--data-dir={}", path.display())])
        .current_dir(&path)
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("read-only standby"), "{said}");

    let (port, operator) = (free_port(), free_port());
    let flags = [
        "--database-wait-seconds=600".to_owned(),
        format!("--listen=127.0.0.1:{port}"),
        format!("--metrics-listen=127.0.0.1:{operator}"),
    ];
    let starting = thread::spawn(move || {
        let flags: Vec<_> = flags.iter().map(String::as_str).collect();
        Server::start_with(&url, &path, &flags, &[])
    });
    let began = std::time::Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(began.elapsed() < SOON && !starting.is_finished(), "nobody listens");
        tokio::time::sleep(SECOND / 10).await;
    }
    for port in [port, operator] {
        assert!(told(port, "/healthz").await.0.starts_with("HTTP/1.1 200"));
    }
    let (head, reason) = told(operator, "/readyz").await;
    assert!(
        head.starts_with("HTTP/1.1 503") && reason.contains("read-only standby"),
        "{head} {reason}"
    );
    for path in ["/readyz", "/graphql?query=%7B__typename%7D"] {
        let (head, body) = told(port, path).await;
        assert!(head.starts_with("HTTP/1.1 503") && head.contains("retry-after: 1"), "{head}");
        assert!(!body.contains("standby"), "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(code(&body), "SERVICE_UNAVAILABLE");
    }
    assert!(!starting.is_finished());
    database.run("SELECT pg_promote()").await;
    let server = starting.join().unwrap();
    server.until_ready_is(200, SOON).await;
    assert_eq!(code(&server.register("alice").await), "NONE");
}
