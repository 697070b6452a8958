//! A Redis that refuses what counting needs: each instance says why, counts alone, and comes back by itself.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::process::{Server, code};
use crate::support::redis::RedisServer;
use crate::support::{LOGIN, SECOND, TestApp, TestDatabase, skip};

/// The user of the servers, with the rights that `doctor` advises.
const USER: &str = "ACL SETUSER app on >sesame ~portcullis:* +@connection +@scripting +@string +@hash \
                    +@sortedset +del +exists +pexpire";

/// What is wrong with Redis, how that is told, and what mends it.
struct Fault {
    break_it: &'static [&'static str],
    told: &'static str,
    mend_it: &'static [&'static str],
}

const FAULTS: [Fault; 7] = [
    Fault {
        break_it: &["ACL SETUSER app resetpass >another", "CLIENT KILL USER app"],
        told: "rejects the user or password",
        mend_it: &["ACL SETUSER app resetpass >sesame"],
    },
    Fault {
        break_it: &["ACL SETUSER app off", "CLIENT KILL USER app"],
        told: "rejects the user or password",
        mend_it: &["ACL SETUSER app on"],
    },
    // What only some of the attempts need.
    Fault {
        break_it: &["ACL SETUSER app -zadd"],
        told: "the user in REDIS_URL is not allowed",
        mend_it: &["ACL SETUSER app +zadd"],
    },
    Fault {
        break_it: &["ACL SETUSER app resetkeys ~another:*"],
        told: "the user in REDIS_URL is not allowed",
        mend_it: &["ACL SETUSER app ~portcullis:*"],
    },
    Fault {
        break_it: &["REPLICAOF 127.0.0.1 1"],
        told: "Redis is a read-only replica",
        mend_it: &["REPLICAOF NO ONE"],
    },
    Fault {
        break_it: &["CONFIG SET maxmemory 1"],
        told: "the memory of Redis is full",
        mend_it: &["CONFIG SET maxmemory 0"],
    },
    // Its folder is gone.
    Fault {
        break_it: &["CONFIG SET save \"3600 1\"", "BGSAVE"],
        told: "cannot save its data",
        mend_it: &["CONFIG SET stop-writes-on-bgsave-error no"],
    },
];

async fn guess(server: &Server) -> String {
    let input = json!({ "identifier": "nobody", "password": "not the password" });
    code(&server.call(LOGIN, json!({ "input": input }), "").await.unwrap()).to_owned()
}

/// Guesses until the server has logged `text` so many times.
async fn until_logged(server: &Server, text: &str, times: usize) {
    let began = Instant::now();
    while server.logged(text).len() < times {
        assert!(began.elapsed() < Duration::from_secs(20), "not logged: {text}");
        guess(server).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn each_refusal_of_redis_is_told_once_and_is_over_when_its_cause_is() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().to_str().unwrap();
    let Some(redis) = RedisServer::start_with(&["--dir", place]) else { return };
    redis.until_it_listens().await;
    redis.tell(&[USER]);
    drop(folder);
    let database = TestDatabase::create().await;
    let url = format!("--redis-url={}", redis.url_of("redis", "app:sesame@"));
    // What a limit refuses asks Redis for no write, and so shows no fault.
    let limits = "--rate-limits=login.ip=60000/60,login.identifier=100000/900";
    let flags = [limits, &url];
    let server = Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    guess(&server).await;
    assert_eq!(server.logged("Redis is"), [""; 0]);

    for (times, Fault { break_it, told, mend_it }) in (1..).zip(FAULTS) {
        redis.tell(break_it);
        until_logged(&server, "Redis is away", times).await;
        let away = server.logged("Redis is away");
        assert!(away[times - 1].contains(told), "no {told:?}: {away:?}");
        // Some probes later it is still away.
        tokio::time::sleep(3 * SECOND).await;
        assert_eq!(guess(&server).await, "INVALID_CREDENTIALS", "{told}");
        assert_eq!(server.logged("Redis is back").len(), times - 1, "{told}");
        redis.tell(mend_it);
        until_logged(&server, "Redis is back", times).await;
        assert_eq!(server.logged("Redis is away").len(), times, "{told}");
    }
    assert_eq!(server.logged("Redis is still away"), [""; 0]);
}

#[tokio::test]
async fn the_doctor_tells_when_a_full_redis_would_forget_attempts() {
    let settings = ["--maxmemory", "64mb", "--maxmemory-policy", "allkeys-lru"];
    let Some(redis) = RedisServer::start_with(&settings) else { return };
    redis.until_it_listens().await;
    let app = TestApp::start_now(&[]).await;
    let url = format!("--redis-url={}", redis.url());
    let doctor = async || app.cli(&["doctor", "--rate-limits=on", &url]).await.stdout;
    let told = doctor().await;
    assert!(told.contains("its maxmemory-policy is allkeys-lru"), "{told}");
    for harmless in [
        "CONFIG SET maxmemory-policy noeviction",
        "CONFIG SET maxmemory-policy volatile-ttl",
        "CONFIG SET maxmemory-policy allkeys-lfu\r\nCONFIG SET maxmemory 0",
    ] {
        redis.tell(&[harmless]);
        let told = doctor().await;
        assert!(told.contains("Redis counts attempts"), "{told}");
        assert!(!told.contains("maxmemory-policy"), "{harmless}: {told}");
    }
    // It may count and not say.
    redis.tell(&[USER, "CONFIG SET maxmemory 64mb"]);
    let url = format!("--redis-url={}", redis.url_of("redis", "app:sesame@"));
    let told = app.cli(&["doctor", "--rate-limits=on", &url]).await.stdout;
    assert!(told.contains("Redis counts attempts") && !told.contains("maxmemory"), "{told}");
}

/// Makes an authority, and a certificate that it issues for 127.0.0.1. Returns whether there is an `openssl` to make them.
fn make_certificates(folder: &Path) -> bool {
    let make = |arguments: &str| {
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(arguments.split(' '))
            .current_dir(folder)
            .stderr(Stdio::null())
            .status();
        made.is_ok_and(|made| made.success())
    };
    make("-subj /CN=authority -keyout ca.key -out ca.pem")
        && make(
            "-subj /CN=redis -addext subjectAltName=IP:127.0.0.1 -addext \
             basicConstraints=critical,CA:FALSE -CA ca.pem -CAkey ca.key -keyout redis.key -out redis.pem",
        )
}

#[tokio::test]
async fn redis_is_reached_over_tls_with_an_authority_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    if !make_certificates(folder.path()) {
        return skip("there is no openssl");
    }
    let path = |name| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, certificate, authority) = (path("redis.key"), path("redis.pem"), path("ca.pem"));
    let Some(redis) = RedisServer::start_over_tls(&[
        "--tls-auth-clients",
        "no",
        "--tls-key-file",
        &key,
        "--tls-cert-file",
        &certificate,
    ]) else {
        return;
    };
    redis.until_it_listens().await;
    let database = TestDatabase::create().await;
    let url = format!("--redis-url={}", redis.url_of("rediss", ""));
    let flags = ["--rate-limits=on", &url];
    let start = |variables: &[(&str, &str)]| {
        Server::start_with(&database.url, database.folder.path(), &flags, variables)
    };
    // A server looks for Redis before it listens.
    let stranger = start(&[]);
    until_logged(&stranger, "invalid peer certificate", 1).await;
    stranger.kill();
    let server = start(&[("SSL_CERT_FILE", &authority)]);
    assert_eq!(guess(&server).await, "INVALID_CREDENTIALS");
    assert_eq!(server.logged("Redis is"), [""; 0]);
}
