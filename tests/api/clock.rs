//! The machine's clock is set while the program runs.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::load::{ME, Pair, REFRESH};
use crate::support::process::{Server, code};
use crate::support::{SECOND, TestApp, TestDatabase, named_server, skip};

const LOGOUT: &str = "mutation { logout { sessionId } }";

/// A wall clock, and no other, that reads what a file says.
struct FakedClock {
    library: PathBuf,
    folder: TempDir,
}

impl FakedClock {
    /// One that shows the machine's time. `None`, with a word why, where faketime is not installed.
    fn new() -> Option<Self> {
        let Some(library) = library() else {
            skip("the clock cannot be set: install faketime");
            return None;
        };
        let clock = Self { library, folder: tempfile::tempdir().unwrap() };
        clock.set_ahead(0);
        Some(clock)
    }

    /// Sets it so many hours ahead of the machine's.
    fn set_ahead(&self, hours: i64) {
        let new = self.folder.path().join("clock.new");
        std::fs::write(&new, format!("{:+}\n", hours * 3600)).unwrap();
        std::fs::rename(&new, self.file()).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("clock")
    }

    /// What has a program go by it.
    fn variables(&self) -> [(&'static str, String); 5] {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        [
            ("LD_PRELOAD", text(&self.library)),
            ("FAKETIME_TIMESTAMP_FILE", text(&self.file())),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ]
    }
}

/// A server that goes by such a clock.
struct Faked {
    server: Server,
    clock: FakedClock,
}

impl Faked {
    fn start() -> Option<Self> {
        let clock = FakedClock::new()?;
        let folder = clock.folder.path().to_owned();
        let url = format!("sqlite://{}/test.db", folder.display());
        Some(Self::start_over(&url, &folder, clock))
    }

    fn start_over(url: &str, folder: &Path, clock: FakedClock) -> Self {
        let variables = clock.variables();
        let variables = variables.each_ref().map(|(name, value)| (*name, value.as_str()));
        let flags = ["--refresh-grace-seconds=0", "--metrics-listen=127.0.0.1:0"];
        let server = Server::start_with(url, folder, &flags, &variables);
        Self { server, clock }
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

/// Runs the command line by such a clock, and returns what it complains of.
async fn complaint(clock: &FakedClock, database: &TestDatabase, verb: &[&str]) -> String {
    let folder = database.folder.path();
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(verb)
        .args([
            format!("--database-url={}", database.url),
            format!("--data-dir={}", folder.display()),
        ])
        .envs(clock.variables())
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_differs_from_the_databases_keeps_an_instance_out_until_it_agrees() {
    if named_server().is_none() {
        eprintln!("skipped: a file has no clock of its own");
        return;
    }
    let Some(clock) = FakedClock::new() else { return };
    clock.set_ahead(1);
    let database = TestDatabase::create().await;
    let it = Faked::start_over(&database.url, database.folder.path(), clock);
    let honest = Server::start(&database);
    it.logged_at("s ahead of the database server's: synchronize both clocks").await;
    assert!(!it.is_ready().await);
    it.logged_at("expired data is not deleted for now").await;
    for verb in [&["purge"][..], &["audit", "prune", "--older-than=90d"]] {
        let told = complaint(&it.clock, &database, verb).await;
        assert!(told.contains("nothing was deleted: the clock of this machine is"), "{told}");
    }
    let skew = it.server.metrics().await["portcullis_clock_skew_seconds"];
    assert!((3590.0..3610.0).contains(&skew), "{skew}");

    for (round, name) in ["alice", "bob"].into_iter().enumerate() {
        it.clock.set_ahead(0);
        it.server.until_ready_is(200, SECOND * 20).await;
        let pair = it.register(name).await;
        assert!(honest.accepts(&pair).await, "it signs by the right clock at once");
        if round == 0 {
            it.clock.set_ahead(1);
            it.server.until_ready_is(503, SECOND * 20).await;
            it.clock.set_ahead(-1);
            it.logged_at("s behind the database server's: synchronize both clocks").await;
            assert!(!it.is_ready().await);
            assert_eq!(it.server.get("/healthz").await.0, 200, "a restart would not help");
        }
    }
    assert_eq!(
        it.server.logged("s ahead of the database server's: sync").len(),
        3,
        "two outages and the purge"
    );
    assert_eq!(it.server.logged("s behind the database server's").len(), 1);
    assert!(honest.logged("not ready").is_empty());
}

#[tokio::test]
async fn nothing_is_deleted_by_a_clock_that_was_set_within_the_hour() {
    let app = TestApp::start().await;
    app.register("alice").await;
    app.app.purge().await.unwrap();
    app.app.look_at_clock().await;
    app.clock.advance(Duration::from_hours(31 * 24));
    let refused = async || format!("{:#}", app.app.purge().await.unwrap_err());
    app.clock.set_off(TimeDelta::hours(1));
    let why = match named_server() {
        Some(_) => "nothing was deleted: the clock of this machine is 3600 s ahead",
        None => "nothing was deleted: the clock of this machine was set",
    };
    let told = refused().await;
    assert!(told.starts_with(why), "{told}");
    app.clock.set_off(TimeDelta::zero());
    let told = refused().await;
    assert!(told.starts_with("nothing was deleted: the clock of this machine was set"), "{told}");
    assert_eq!(app.count("sessions").await, 1);

    app.clock.advance(Duration::from_hours(1));
    assert_eq!(app.app.purge().await.unwrap().sessions, 1);
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

    it.clock.set_ahead(1);
    assert!(it.is_ready().await);
    assert_eq!(it.reason(&alice).await, "TOKEN_EXPIRED");
    let third = it.refresh(&second).await.unwrap();
    assert_eq!(it.reason(&third).await, "NONE");

    it.clock.set_ahead(0);
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
    it.clock.set_ahead(2);
    assert_eq!(it.reason(&dave).await, "TOKEN_EXPIRED");
    let dave = it.refresh(&dave).await.unwrap();
    assert_eq!(it.reason(&dave).await, "NONE");

    // Ended well, it takes the library's shared memory with it.
    it.server.terminate();
    assert!(it.server.wait().success());
}
