//! The real binary, killed under load: what it acknowledged is there when it comes back.

use crate::support::load::Load;
use crate::support::process::Server;
use crate::support::{TestDatabase, assert_whole};

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
    let mut instances = [Server::start(&database), Server::start(&database)];
    let load = Load::start(&instances, 4);
    load.go_on_for(40).await;

    instances[0].terminate();
    assert!(instances[0].wait().success());
    load.redirect(&instances[1..]);
    let ledger = load.stop().await;
    ledger.assert_kept(&instances[1]).await;
}
