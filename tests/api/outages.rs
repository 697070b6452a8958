//! What two real instances do while their database is away, and after it.
//!
//! The outages of a database server are proved on servers of the tests' own. They do not depend on
//! `TEST_DATABASE_URL`, so they run with the suite on SQLite only.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use sea_orm::Database;
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::load::{Ledger, Load, ME, Pair, REFRESH};
use crate::support::process::{Server, code};
use crate::support::relay::Relay;
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{SECOND, assert_whole, named_server};

// Each bound tells a call that hangs from one that is slow, as all are on a busy machine; none is a promise.
/// What a call that needs a database may take while there is none.
const REFUSAL_MAX: Duration = Duration::from_secs(20);
/// The most any call takes, whatever the database does.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How soon after an outage everything works again, unaided.
const RECOVERY_MAX: Duration = Duration::from_secs(30);

/// Two instances under load over a database server of their own.
struct Scene {
    database: DatabaseServer,
    instances: Vec<Server>,
    load: Load,
    _folder: TempDir,
}

impl Scene {
    async fn set(kind: Kind) -> Option<Self> {
        let database = start(kind).await?;
        let url = database.url();
        Some(Self::over(database, &url, 8).await)
    }

    async fn over(database: DatabaseServer, url: &str, connections: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let secret = Uuid::now_v7().simple().to_string() + &Uuid::now_v7().simple().to_string();
        let secret = format!("--secret-key={secret}");
        let connections = format!("--database-connections={connections}");
        let start = || {
            let flags = ["--env=development", &secret, &connections];
            Server::start_with(url, folder.path(), &flags, &[])
        };
        let instances = vec![start(), start()];
        let load = Load::start(&instances, 8);
        load.go_on_for(100).await;
        Self { database, instances, load, _folder: folder }
    }

    /// During an outage: alive, not ready, and an answer for who asks.
    async fn assert_away(&self, alice: &Pair) {
        for instance in &self.instances {
            let (status, took) = instance.get("/healthz").await;
            assert_eq!(status, 200, "alive");
            assert!(took < REFUSAL_MAX, "{took:?}");
        }
        let [one, other] = &*self.instances else { unreachable!() };
        tokio::join!(assert_refuses(one, alice), assert_refuses(other, alice));
    }

    /// After it: everything works again, unaided, with the tokens of before.
    async fn assert_recovers(&self, user: &mut Pair) {
        let began = Instant::now();
        for instance in &self.instances {
            instance.until_ready_is(200, RECOVERY_MAX).await;
        }
        eprintln!("  ready again after {:?}", began.elapsed());
        for instance in &self.instances {
            let me = instance.call(ME, Value::Null, &user.access).await.unwrap();
            assert_eq!(code(&me), "NONE", "{me}");
            let variables = json!({ "t": user.refresh });
            let refreshed = instance.call(REFRESH, variables, "").await.unwrap();
            assert_eq!(code(&refreshed), "NONE", "{refreshed}");
            *user = Pair::of(&refreshed["data"]["refreshToken"]).unwrap();
        }
        self.load.go_on_for(100).await;
    }

    /// Nobody was told anything worse than to come back, and what was acknowledged is there.
    async fn assert_nothing_lost(self) -> Ledger {
        let ledger = self.load.stop().await;
        let slowest = ledger.slowest();
        eprintln!("  {:?}", ledger.codes());
        eprintln!("  the slowest: {} {} {:?}", slowest.operation, slowest.code, slowest.took);
        ledger.assert_told_only(&["NONE", "SERVICE_UNAVAILABLE", "LATE"]);
        for instance in &self.instances {
            ledger.assert_kept(instance).await;
        }
        let db = Database::connect(self.database.url()).await.unwrap();
        assert_whole(&db).await;
        db.close().await.unwrap();
        ledger
    }
}

async fn start(kind: Kind) -> Option<DatabaseServer> {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return None;
    }
    DatabaseServer::start(kind).await
}

/// Without a database an instance is not ready, and whoever needs it is told to come back: also
/// she whose session it cannot look up, and who is no stranger for that.
async fn assert_refuses(instance: &Server, alice: &Pair) {
    let began = Instant::now();
    let readiness = instance.get("/readyz");
    let registration = async { (instance.register("latecomer").await, began.elapsed()) };
    let me = async {
        let me = instance.call(ME, Value::Null, &alice.access).await.unwrap();
        (me, began.elapsed())
    };
    let ((status, unready), (registration, refused), (me, unknown)) =
        tokio::join!(readiness, registration, me);

    eprintln!("  not ready after {unready:?}, refused after {refused:?} and {unknown:?}");
    assert_eq!(status, 503, "not ready");
    for answer in [registration, me] {
        assert_eq!(code(&answer), "SERVICE_UNAVAILABLE", "{answer}");
        assert_eq!(answer["errors"][0]["extensions"]["retryAfter"], 1, "{answer}");
    }
    assert!(unready.max(refused).max(unknown) < REFUSAL_MAX);
}

/// Somebody whose session no instance has looked up yet.
async fn newcomer(scene: &Scene, name: &str) -> Pair {
    Pair::of(&scene.instances[0].register(name).await["data"]["register"]).unwrap()
}

/// A database that hangs: connections stay open, and nothing comes back.
async fn a_pause_is_survived(kind: Kind, pause: Duration) {
    let Some(scene) = Scene::set(kind).await else { return };
    let mut alice = newcomer(&scene, "alice").await;

    scene.database.pause();
    let began = tokio::time::Instant::now();
    scene.assert_away(&alice).await;
    tokio::time::sleep_until(began + pause).await;
    scene.database.resume();
    eprintln!("{kind:?} was paused for {:?}", began.elapsed());

    scene.assert_recovers(&mut alice).await;
    let ledger = scene.assert_nothing_lost().await;
    let slowest = ledger.slowest();
    assert!(slowest.took < ANSWER_MAX, "{slowest:?}");
}

/// A database that refuses to write, as a standby does and one whose disk is about to fill up.
async fn a_read_only_database_is_told_from_a_fault(kind: Kind) {
    let Some(scene) = Scene::set(kind).await else { return };
    let alice = newcomer(&scene, "alice").await;

    scene.database.set_read_only(true).await;
    for (number, instance) in scene.instances.iter().enumerate() {
        // A connection learns of it a moment after the server has said so.
        let mut tries = 0;
        let refused = loop {
            tries += 1;
            let answer = instance.register(&format!("latecomer{number}x{tries}")).await;
            if code(&answer) != "NONE" {
                break answer;
            }
            assert!(tries < 100, "it still writes");
        };
        assert_eq!(code(&refused), "SERVICE_UNAVAILABLE", "{refused}");
        let me = instance.call(ME, Value::Null, &alice.access).await.unwrap();
        assert_eq!(code(&me), "NONE", "what only reads still works: {me}");
        instance.until_ready_is(503, RECOVERY_MAX).await;
        tokio::time::sleep(SECOND).await;
        let told = instance.logged("this instance is not ready");
        assert!(told.len() == 1 && told[0].contains("read-only"), "{told:#?}");
    }
    scene.database.set_read_only(false).await;
    for instance in &scene.instances {
        instance.until_ready_is(200, RECOVERY_MAX).await;
        tokio::time::sleep(SECOND).await;
        assert_eq!(instance.logged("this instance is ready again").len(), 1);
    }

    scene.load.go_on_for(100).await;
    scene.assert_nothing_lost().await;
}

/// A database whose connections are forgotten on the way: nothing comes back over those there are,
/// the locks taken over them stay, and new ones work.
async fn silence_is_survived(kind: Kind) {
    let Some(database) = start(kind).await else { return };
    let relay = Relay::to(database.address()).await;
    let url = database.url_over(relay.port);
    // So few that all are in use, and so many that not all are lost to the question that sqlx asks
    // of a connection that comes back: it waits for ever (see the pool's settings).
    let scene = Scene::over(database, &url, 4).await;
    let mut alice = newcomer(&scene, "alice").await;

    relay.silence();
    let began = Instant::now();
    // Given up, one after the other, by who waits for them; and so are the locks by the database.
    scene.load.go_on_for(300).await;
    eprintln!("{kind:?}'s connections were silent {:?} ago", began.elapsed());

    scene.assert_recovers(&mut alice).await;
    let ledger = scene.assert_nothing_lost().await;
    let slowest = ledger.slowest();
    assert!(slowest.took < ANSWER_MAX, "{slowest:?}");
}

/// Whoever is first to find that an idle connection has been forgotten is given a new one.
async fn silence_goes_unnoticed(kind: Kind) {
    let Some(database) = start(kind).await else { return };
    let relay = Relay::to(database.address()).await;
    let folder = tempfile::tempdir().unwrap();
    let url = database.url_over(relay.port);
    // More connections than may be about to become idle when they fall silent, and are not yet.
    let instance = Server::start_with(&url, folder.path(), &["--database-connections=8"], &[]);
    instance.register("alice").await;

    relay.silence();
    let began = Instant::now();
    let registered = instance.register("bob").await;
    assert_eq!(code(&registered), "NONE", "{registered}");
    assert!(began.elapsed() < REFUSAL_MAX, "{:?}", began.elapsed());
}

/// A database that is gone: first without a word, then because an operator restarts it.
async fn a_kill_and_a_restart_are_survived(kind: Kind) {
    let Some(mut scene) = Scene::set(kind).await else { return };
    let ways = [("alice", DatabaseServer::kill as fn(&mut _)), ("bob", DatabaseServer::stop)];
    for (name, go_away) in ways {
        let mut user = newcomer(&scene, name).await;
        go_away(&mut scene.database);
        let began = Instant::now();
        scene.assert_away(&user).await;
        let start = scene.database.restart().await;
        eprintln!("{kind:?} was away for {:?}, {start:?} of it starting", began.elapsed());
        scene.assert_recovers(&mut user).await;
    }
    scene.assert_nothing_lost().await;
}

/// A machine room that comes back: nobody says who is first.
async fn a_server_waits_for_its_database_at_its_start(kind: Kind) {
    let Some(mut database) = start(kind).await else { return };
    let folder = tempfile::tempdir().unwrap();
    let (url, path) = (database.url(), folder.path().to_owned());
    database.stop();
    let impatient = ["--database-wait-seconds=0", "--listen=127.0.0.1:0"];
    let refused = Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args([&impatient[..], &[&format!("--database-url={url}")]].concat())
        .current_dir(&path)
        .output()
        .unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && said.contains("cannot be reached"), "{said}");

    let flags = ["--database-wait-seconds=600"];
    let starting = thread::spawn(move || Server::start_with(&url, &path, &flags, &[]));
    tokio::time::sleep(SECOND * 4).await;
    assert!(!starting.is_finished());
    database.restart().await;
    let server = starting.join().unwrap();
    server.until_ready_is(200, RECOVERY_MAX).await;
    assert_eq!(server.logged("the server waits up to 600 s for its database").len(), 1);
}

// Longer than any call may take, and than the grace: a client whose rotation was committed in the
// last moment, and never answered, may have to sign in again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_a_long_pause_of_postgresql_under_load() {
    a_pause_is_survived(Kind::Postgres, Duration::from_secs(12)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_a_pause_of_mariadb_under_load() {
    a_pause_is_survived(Kind::MariaDb, Duration::from_secs(6)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_a_kill_and_a_restart_of_postgresql_under_load() {
    a_kill_and_a_restart_are_survived(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_a_kill_and_a_restart_of_mariadb_under_load() {
    a_kill_and_a_restart_are_survived(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_is_read_only_for_a_while_is_no_fault_of_ours() {
    a_read_only_database_is_told_from_a_fault(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_is_read_only_for_a_while_is_no_fault_of_ours() {
    a_read_only_database_is_told_from_a_fault(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_that_their_connections_to_postgresql_go_silent() {
    silence_is_survived(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_instances_survive_that_their_connections_to_mariadb_go_silent() {
    silence_is_survived(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_to_postgresql_that_went_silent_are_replaced_at_once() {
    silence_goes_unnoticed(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_to_mariadb_that_went_silent_are_replaced_at_once() {
    silence_goes_unnoticed(Kind::MariaDb).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_before_its_postgresql_waits_for_it() {
    a_server_waits_for_its_database_at_its_start(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_starts_before_its_mariadb_waits_for_it() {
    a_server_waits_for_its_database_at_its_start(Kind::MariaDb).await;
}
