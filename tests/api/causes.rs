//! Whoever runs a server is told why it cannot do its work, in words, and never a password.

use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use serde_json::json;

use crate::support::process::Server;
use crate::support::redis::RedisServer;
use crate::support::untrusted::UntrustedServer;
use crate::support::{LOGIN, SECOND, TestApp, TestDatabase};

/// The password in every URL of these tests.
const SECRET: &str = "sesame";
const LOOKUP: &str = "failed to lookup address information";

/// Waits until something is logged.
async fn until_logged(server: &Server, text: &str, within: Duration) -> Vec<String> {
    let began = Instant::now();
    loop {
        let found = server.logged(text);
        if !found.is_empty() {
            return found;
        }
        assert!(began.elapsed() < within, "{text:?} is not logged: {:#?}", server.logged(""));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn assert_well_told(log: &[String]) {
    for line in log {
        for word in [SECRET, "at line", "timed out", "deadline has elapsed"] {
            assert!(!line.contains(word), "{word:?} is told: {line}");
        }
    }
}

#[tokio::test]
async fn why_redis_does_not_count_is_told_by_the_doctor_and_at_the_start() {
    let Some(redis) = RedisServer::start_with(&["--requirepass", "another"]) else { return };
    let Some(untrusted) = UntrustedServer::start().await else { return };
    redis.until_it_listens().await;
    let app = TestApp::start_now(&[]).await;
    for (url, cause, advice) in [
        (redis.url(), "it asks for a password, and REDIS_URL has none", "put the password"),
        (redis.url_of("redis", ":sesame@"), "it refuses the user or the password", "the password"),
        (redis.url_of("redis", "sesame:sesame@"), "it refuses the user or the password", "user"),
        (redis.url_of("rediss", ":sesame@"), "the server speaks no TLS on this port", "TLS"),
        ("redis://:sesame@127.0.0.1:1".to_owned(), "Connection refused", "check REDIS_URL"),
        ("redis://:sesame@nowhere.invalid".to_owned(), LOOKUP, "check REDIS_URL"),
        (
            format!("rediss://:sesame@localhost:{}", untrusted.port),
            "invalid peer certificate",
            "certificate",
        ),
    ] {
        let flags = ["--rate-limits=on", &format!("--redis-url={url}")];
        let doctor = app.cli(&[&["doctor"], &flags[..]].concat()).await;
        assert!(doctor.stdout.contains(cause), "no {cause:?}: {doctor:?}");
        assert!(doctor.stdout.contains(advice), "no {advice:?}: {doctor:?}");
        assert_well_told(&[doctor.stdout, doctor.stderr]);
        let database = TestDatabase::create().await;
        let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
        let told = until_logged(&server, "Redis is away", 3 * SECOND).await;
        assert!(told[0].contains(cause), "no {cause:?}: {told:?}");
        assert_eq!(told.len(), 1, "{told:?}");
        assert_well_told(&server.logged(""));
    }
}

async fn guess(server: &Server) {
    let input = json!({ "identifier": "nobody", "password": "not the password" });
    let _refused = server.call(LOGIN, json!({ "input": input }), "").await;
}

#[tokio::test]
async fn why_a_running_instance_has_lost_redis_is_told_once_for_each_cause() {
    let Some(mut redis) = RedisServer::start_with(&["--requirepass", SECRET]) else { return };
    redis.until_it_listens().await;
    let database = TestDatabase::create().await;
    let url = format!("--redis-url={}", redis.url_of("redis", ":sesame@"));
    let flags = ["--rate-limits=on", &url];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    guess(&server).await;
    assert_eq!(server.logged("Redis is"), [""; 0]);

    redis.kill();
    join_all((0..8).map(|_| guess(&server))).await;
    let told = until_logged(&server, "Redis is away", 5 * SECOND).await;
    assert!(told.len() == 1 && told[0].contains("Connection refused"), "{told:?}");

    // Somebody changes the password, and changes it back.
    redis.start_again_with(&["--requirepass", "another"]);
    let told = until_logged(&server, "Redis is still away", 5 * SECOND).await;
    assert!(told[0].contains("refuses the user or the password"), "{told:?}");
    tokio::time::sleep(3 * SECOND).await;
    redis.kill();
    redis.start_again_with(&["--requirepass", SECRET]);
    until_logged(&server, "Redis is back", 5 * SECOND).await;
    guess(&server).await;
    assert_eq!(server.logged("Redis is away").len(), 1);
    assert_eq!(server.logged("Redis is still away").len(), 1);
    assert_well_told(&server.logged(""));
}

#[tokio::test]
async fn a_redis_that_only_reads_does_not_count() {
    let Some(first) = RedisServer::start() else { return };
    let address = first.url_of("", "");
    let (host, port) = address.trim_start_matches("://").split_once(':').unwrap();
    let Some(replica) = RedisServer::start_with(&["--replicaof", host, port]) else { return };
    replica.until_it_listens().await;
    let app = TestApp::start_now(&[]).await;
    let url = format!("--redis-url={}", replica.url());
    let told = app.cli(&["doctor", "--rate-limits=on", &url]).await;
    assert!(told.stdout.contains("it is a replica, which only reads"), "{told:?}");
    assert!(told.stdout.contains("let REDIS_URL name the primary"), "{told:?}");
}
