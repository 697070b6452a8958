//! Limits that two servers share in Redis, while Redis comes and goes.

use serde_json::json;

use crate::support::process::{Server, code};
use crate::support::redis::RedisServer;
use crate::support::{LOGIN, PASSWORD, TestDatabase};

const WRONG: &str = "not the password";

async fn login(server: &Server, name: &str, password: &str) -> String {
    let input = json!({ "identifier": name, "password": password });
    let answer = server.call(LOGIN, json!({ "input": input }), "").await.unwrap();
    code(&answer).to_owned()
}

/// Guesses until it is told to wait, and says how often that was possible.
async fn guess(server: &Server, name: &str) -> usize {
    for number in 0..20 {
        match login(server, name, WRONG).await.as_str() {
            "INVALID_CREDENTIALS" => {}
            "RATE_LIMITED" => return number,
            other => panic!("an attacker is told {other}"),
        }
    }
    panic!("nobody was told to wait");
}

async fn until_redis_is(server: &Server, away: f64) {
    let reached = async {
        while server.metrics().await["portcullis_redis_away"].total_cmp(&away).is_ne() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), reached).await.unwrap();
}

#[tokio::test]
async fn a_redis_that_has_lost_its_counts_gives_no_fresh_guesses() {
    let Some(mut redis) = RedisServer::start() else { return };
    redis.until_it_listens().await;
    let database = TestDatabase::create().await;
    let url = format!("--redis-url={}", redis.url());
    let flags = ["--rate-limits=on", "--metrics-listen=127.0.0.1:0", &url];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    server.register("alice").await;
    server.register("bob").await;
    assert_eq!(guess(&server, "alice").await, 5);

    redis.tell(&["FLUSHALL"]);
    assert_eq!(login(&server, "alice", WRONG).await, "RATE_LIMITED");
    assert_eq!(login(&server, "bob", PASSWORD).await, "NONE", "nobody else is kept out");

    redis.kill();
    assert_eq!(login(&server, "nobody", WRONG).await, "INVALID_CREDENTIALS");
    until_redis_is(&server, 1.0).await;
    redis.start_again();
    until_redis_is(&server, 0.0).await;
    assert_eq!(login(&server, "alice", WRONG).await, "RATE_LIMITED");
    assert_eq!(login(&server, "bob", PASSWORD).await, "NONE");
}

#[tokio::test]
async fn redis_killed_in_the_middle_of_an_attack_lets_nobody_guess_on() {
    let Some(mut redis) = RedisServer::start() else { return };
    let database = TestDatabase::create().await;
    let url = format!("--redis-url={}", redis.url());
    // All of them come from one address.
    let flags = ["--rate-limits=login.ip=100/60", "--metrics-listen=127.0.0.1:0", &url];
    let start = || Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let (first, second) = (start(), start());
    // Redis may still be starting.
    login(&first, "nobody", WRONG).await;
    until_redis_is(&first, 0.0).await;
    until_redis_is(&second, 0.0).await;
    first.register("alice").await;
    first.register("bob").await;

    assert_eq!(login(&first, "alice", WRONG).await, "INVALID_CREDENTIALS");
    assert_eq!(login(&first, "alice", WRONG).await, "INVALID_CREDENTIALS");
    assert_eq!(login(&second, "alice", WRONG).await, "INVALID_CREDENTIALS");
    redis.kill();
    // Each goes on from what it has counted itself.
    assert_eq!(guess(&first, "alice").await, 3);
    assert_eq!(guess(&second, "alice").await, 4);
    for server in [&first, &second] {
        assert_eq!(login(server, "alice", PASSWORD).await, "RATE_LIMITED");
        assert_eq!(login(server, "bob", PASSWORD).await, "NONE", "nobody else is kept out");
        assert_eq!(server.get("/readyz").await.0, 200);
        until_redis_is(server, 1.0).await;
        assert_eq!(server.logged("Redis is away").len(), 1);
    }

    redis.start_again();
    for server in [&first, &second] {
        until_redis_is(server, 0.0).await;
        assert_eq!(server.logged("Redis is back").len(), 1);
    }
    assert_eq!(login(&first, "bob", WRONG).await, "INVALID_CREDENTIALS");
    assert_eq!(login(&second, "bob", WRONG).await, "INVALID_CREDENTIALS");
    assert_eq!(guess(&first, "bob").await, 3, "they share what they count again");
    assert_eq!(guess(&second, "bob").await, 0);
}
