//! The real binary, killed under load: what it acknowledged is there when it comes back.

use std::time::Duration;

use crate::support::load::Load;
use crate::support::process::{Server, code, exchange};
use crate::support::{TestDatabase, assert_whole};

/// How soon a server has heard a signal, on a machine that is very slow.
#[cfg(unix)]
const STOP_MAX: Duration = Duration::from_mins(1);
/// How often an instance is killed; `CRASH_ROUNDS` says otherwise.
const ROUNDS: usize = 3;

#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
fn rounds() -> usize {
    std::env::var("CRASH_ROUNDS").map_or(ROUNDS, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_kills_under_load() {
    let database = TestDatabase::create().await;
    let mut instances = vec![Server::start(&database), Server::start(&database)];
    let load = Load::start(&instances, 6);
    for round in 0..rounds() {
        // Killed in the middle: once this round has acknowledged a few dozen calls.
        load.go_on_for(60).await;
        instances.remove(round % 2).kill();
        // Every third time both, so that nothing but the database remembers anything.
        if round % 3 == 2 {
            instances.remove(0).kill();
        } else {
            load.go_on_for(20).await; // The other goes on alone.
        }
        while instances.len() < 2 {
            instances.insert(round % 2 % (instances.len() + 1), Server::start(&database));
        }
        load.redirect(&instances);
    }
    load.go_on_for(60).await;

    let ledger = load.stop().await;
    ledger.assert_told_only(&["NONE", "GONE", "SERVICE_UNAVAILABLE"]);
    eprintln!("{:?}", ledger.codes());
    assert_whole(&database.connection().await).await;
    for instance in &instances {
        ledger.assert_kept(instance).await;
    }
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_the_server_finishes_what_it_began_and_exits_well() {
    let database = TestDatabase::create().await;
    let delayed = ["--shutdown-delay-seconds=1"];
    let first = Server::start_with(&database.url, database.folder.path(), &delayed, &[]);
    let mut instances = [first, Server::start(&database)];
    let load = Load::start(&instances, 4);
    load.go_on_for(40).await;

    instances[0].terminate();
    assert!(instances[0].wait().success());
    load.redirect(&instances[1..]);
    let ledger = load.stop().await;
    ledger.assert_kept(&instances[1]).await;
}

/// What systemd hears.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_supervisor_is_told_that_the_server_serves_lives_and_stops() {
    let database = TestDatabase::create().await;
    let path = database.folder.path().join("notify");
    let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
    let path = path.to_str().unwrap();
    let variables = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "200000")];
    let folder = database.folder.path();
    let mut server = Server::start_with(&database.url, folder, &[], &variables);
    let hear = async |word: &str| loop {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).await.unwrap();
        if message[..length].starts_with(word.as_bytes()) {
            return;
        }
    };
    let heard = async {
        hear("READY=1").await;
        hear("WATCHDOG=1").await;
        hear("WATCHDOG=1").await;
        server.terminate();
        hear("STOPPING=1").await;
    };
    tokio::time::timeout(STOP_MAX, heard).await.unwrap();
    assert!(server.wait().success());
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_to_stop_says_so_while_it_still_answers() {
    let database = TestDatabase::create().await;
    let delayed = ["--shutdown-delay-seconds=300"];
    let mut server = Server::start_with(&database.url, database.folder.path(), &delayed, &[]);
    let kept_alive = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
    server.until_ready_is(200, STOP_MAX).await;

    server.terminate();
    server.until_ready_is(503, STOP_MAX).await;
    let registered = server.register("alice").await;
    assert_eq!(code(&registered), "NONE", "{registered}");
    // Answered to its end, which is the connection's.
    let answer = exchange(server.port, kept_alive).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"), "{answer}");

    server.terminate();
    assert!(!server.wait().success(), "a second signal ends it at once");
}
