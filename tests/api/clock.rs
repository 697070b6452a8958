//! The machine's clock is set while the program runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::load::{ME, Pair, REFRESH};
use crate::support::process::{Server, code};
use crate::support::{SECOND, skip};

const LOGOUT: &str = "mutation { logout { sessionId } }";

/// A server whose wall clock, and no other, reads what a file says.
struct Faked {
    server: Server,
    folder: TempDir,
}

impl Faked {
    fn start() -> Option<Self> {
        let Some(library) = library() else {
            skip("the clock cannot be set: install faketime");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        std::fs::write(&file, "+0\n").unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let variables = [
            ("LD_PRELOAD", library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        let flags = ["--refresh-grace-seconds=0"];
        let server = Server::start_with(&url, folder.path(), &flags, &variables);
        Some(Self { server, folder })
    }

    /// Sets the clock so many hours ahead of the machine's.
    fn set_ahead(&self, hours: i64) {
        let new = self.folder.path().join("clock.new");
        std::fs::write(&new, format!("+{}\n", hours * 3600)).unwrap();
        std::fs::rename(&new, self.folder.path().join("clock")).unwrap();
    }

    /// When, by the wall clock, the server logged a line that contains `text`.
    async fn logged_at(&self, text: &str) -> DateTime<Utc> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(line) = self.server.logged(text).last() {
                return line.split_whitespace().next().unwrap().parse().unwrap();
            }
            assert!(Instant::now() < deadline, "{text} was not logged");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn register(&self, name: &str) -> Pair {
        let answer = self.server.register(name).await;
        Pair::of(&answer["data"]["register"]).unwrap()
    }

    async fn refresh(&self, pair: &Pair) -> Result<Pair, String> {
        let variables = json!({ "t": pair.refresh });
        let answer = self.server.call(REFRESH, variables, "").await.unwrap();
        Pair::of(&answer["data"]["refreshToken"]).ok_or_else(|| code(&answer).to_owned())
    }

    /// Why an access token is refused, or that it is not.
    async fn reason(&self, pair: &Pair) -> String {
        let answer = self.server.call(ME, Value::Null, &pair.access).await.unwrap();
        let reason = &answer["errors"][0]["extensions"]["reason"];
        reason.as_str().unwrap_or_else(|| code(&answer)).to_owned()
    }

    async fn is_ready(&self) -> bool {
        self.server.get("/readyz").await.0 == 200
    }
}

/// Where Debian puts it, on any architecture.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut places = folders.chain([Path::new("/usr/lib").to_owned()]);
    places.find_map(|folder| {
        let library = folder.join("faketime/libfaketimeMT.so.1");
        library.exists().then_some(library)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_set_forward_is_not_fatal_and_one_set_back_revives_nothing() {
    let Some(mut it) = Faked::start() else { return };
    let began = it.server.date().await;
    let (alice, bob, carol) =
        (it.register("alice").await, it.register("bob").await, it.register("carol").await);
    it.server.call(LOGOUT, Value::Null, &bob.access).await.unwrap();
    let second = it.refresh(&alice).await.unwrap();
    assert_eq!(it.reason(&second).await, "NONE");

    it.set_ahead(1);
    assert!(it.is_ready().await);
    assert_eq!(it.reason(&alice).await, "TOKEN_EXPIRED");
    let third = it.refresh(&second).await.unwrap();
    assert_eq!(it.reason(&third).await, "NONE");

    it.set_ahead(0);
    assert!(!it.is_ready().await, "other instances would refuse what this one signs");
    it.logged_at("the clock of this machine was set back").await;
    assert_eq!(it.reason(&alice).await, "TOKEN_EXPIRED", "an expired token stays so");
    assert_eq!(it.reason(&third).await, "NONE", "a good token stays so");
    assert_eq!(it.refresh(&bob).await.unwrap_err(), "INVALID_TOKEN", "signed out");
    // Five seconds that clocks may differ by, of which each takes two while the machine's is behind.
    tokio::time::sleep(SECOND * 12).await;
    let reused = it.refresh(&alice).await.map(|_| ());
    assert_eq!(reused.unwrap_err(), "INVALID_TOKEN", "the grace is over by a clock that goes on");
    assert_eq!(it.reason(&third).await, "SESSION_ENDED", "and so it was a reuse");

    let wall = it.logged_at("a refresh token ended its session").await;
    assert!((wall - began.to_utc()).num_minutes() < 30, "the wall clock was set back: {wall}");

    let dave = it.register("dave").await;
    for pair in [&dave, &it.refresh(&carol).await.unwrap()] {
        assert_eq!(it.reason(pair).await, "NONE", "life goes on");
    }
    it.set_ahead(2);
    assert_eq!(it.reason(&dave).await, "TOKEN_EXPIRED");
    let dave = it.refresh(&dave).await.unwrap();
    assert_eq!(it.reason(&dave).await, "NONE");

    // Ended well, it takes the library's shared memory with it.
    it.server.terminate();
    assert!(it.server.wait().success());
}
