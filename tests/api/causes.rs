//! Whoever runs a server is told why it cannot do its work, in words, and never a password.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use async_graphql::futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DatabaseConnection};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::support::process::{Server, code};
use crate::support::redis::RedisServer;
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::untrusted::{Fault, UntrustedServer};
use crate::support::{LOGIN, SECOND, TestApp, TestDatabase, named_server};

/// The password in every URL of these tests.
const SECRET: &str = "sesame";
const LOOKUP: &str = "failed to lookup address information";

/// A server of the test's own, which does not depend on `TEST_DATABASE_URL`.
async fn start(kind: Kind) -> Option<DatabaseServer> {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return None;
    }
    DatabaseServer::start(kind).await
}

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

/// What `doctor` and a start say of a setting that does not work.
async fn assert_refused(app: &TestApp, setting: &str, cause: &str) {
    let doctor = app.cli(&["doctor", setting]).await;
    assert!(doctor.stdout.contains(cause), "no {cause:?}: {doctor:?}");
    let listen = ["serve", "--listen=127.0.0.1:0", "--database-wait-seconds=0", setting];
    let start = app.cli(&listen).await;
    assert!(start.complaint().contains(cause), "no {cause:?}: {start:?}");
    assert_well_told(&[doctor.stdout, doctor.stderr, start.stderr]);
}

#[tokio::test]
async fn why_redis_does_not_count_is_told_by_the_doctor_and_at_the_start() {
    let Some(redis) = RedisServer::start_with(&["--requirepass", "another"]) else { return };
    let Some(untrusted) = UntrustedServer::start().await else { return };
    redis.until_it_listens().await;
    let app = TestApp::start_now(&[]).await;
    for (url, cause, advice) in [
        (redis.url(), "requires a password, but REDIS_URL has none", "add the password"),
        (redis.url_of("redis", ":sesame@"), "rejects the user or password", "user and password"),
        (redis.url_of("redis", "sesame:sesame@"), "rejects the user or password", "user"),
        (redis.url_of("rediss", ":sesame@"), "the server does not use TLS on this port", "TLS"),
        ("redis://:sesame@127.0.0.1:1".to_owned(), "Connection refused", "in REDIS_URL"),
        ("redis://:sesame@nowhere.invalid".to_owned(), LOOKUP, "in REDIS_URL"),
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
    assert!(told[0].contains("rejects the user or password"), "{told:?}");
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
    assert!(told.stdout.contains("Redis is a read-only replica"), "{told:?}");
    assert!(told.stdout.contains("set REDIS_URL to the primary"), "{told:?}");
}

#[tokio::test]
async fn a_host_that_no_name_server_knows_is_told() {
    let app = TestApp::start_now(&[]).await;
    for scheme in ["postgres", "mysql"] {
        let url = format!("--database-url={scheme}://app:sesame@nowhere.invalid/portcullis");
        assert_refused(&app, &url, LOOKUP).await;
    }
    let mail = "--smtp-url=smtps://app:sesame@nowhere.invalid";
    let doctor = app.cli(&["doctor", mail]).await;
    assert!(doctor.stdout.contains(LOOKUP), "{doctor:?}");
    let database = TestDatabase::create().await;
    let server = Server::start_with(&database.url, database.folder.path(), &[mail], &[]);
    server.register("alice").await;
    server.register("alice").await;
    let told =
        until_logged(&server, "cannot send a mail yet; the server tries again", 10 * SECOND).await;
    assert!(told[0].contains(LOOKUP), "{told:?}");
    assert_well_told(&[server.logged(""), vec![doctor.stdout]].concat());
}

/// A server that speaks PostgreSQL until TLS begins, or refuses to begin it.
async fn postgres_with_tls(answer: u8, target: Option<SocketAddr>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _asked = client.read_exact(&mut [0; 8]).await;
                let _told = client.write_all(&[answer]).await;
                let Some(target) = target else { return };
                let Ok(mut server) = TcpStream::connect(target).await else { return };
                let _ended = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    port
}

#[tokio::test]
async fn a_database_that_cannot_be_trusted_or_speaks_no_tls_is_told() {
    let Some(untrusted) = UntrustedServer::start().await else { return };
    let app = TestApp::start_now(&[]).await;
    let target = SocketAddr::from(([127, 0, 0, 1], untrusted.port));
    let port = postgres_with_tls(b'S', Some(target)).await;
    let url = |port, mode| {
        format!("--database-url=postgres://app:sesame@localhost:{port}/app?sslmode={mode}")
    };
    assert_refused(&app, &url(port, "verify-full"), "invalid peer certificate").await;
    let port = postgres_with_tls(b'N', None).await;
    assert_refused(&app, &url(port, "require"), "server does not support TLS").await;
}

/// What `doctor` says of a database, a mail server, a Redis and a provider, by what each finding is about. It trusts the
/// authority that has signed their certificate, if one has.
async fn findings(server: &UntrustedServer, port: u16) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let providers = format!(
        "[p]\nkind = \"oidc\"\nissuer = \"https://localhost:{}\"\nclient_id = \"a\"\n\
         allow_private_addresses = true\n",
        server.port
    );
    std::fs::write(folder.path().join("providers.toml"), providers).unwrap();
    let root = server.authority.as_ref().map(|file| format!("&sslrootcert={}", file.display()));
    let root = root.unwrap_or_default();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.envs(server.authority.iter().map(|file| ("SSL_CERT_FILE", file)));
    let told = command
        .args(["doctor", "--json", "--providers-file=providers.toml"])
        .arg(format!(
            "--database-url=postgres://app@localhost:{port}/app?sslmode=verify-full{root}"
        ))
        .arg(format!("--redis-url=rediss://localhost:{}", server.port))
        .arg(format!("--smtp-url=smtps://localhost:{}", server.port))
        .current_dir(folder.path())
        .output();
    let told: Value = serde_json::from_slice(&told.await.unwrap().stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = told["findings"].as_array().unwrap().iter();
    findings.map(|finding| (text(&finding["about"]), text(&finding["message"]))).collect()
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_told_of_every_server() {
    for (fault, cause) in [
        (Fault::Own, "it has signed itself"),
        (Fault::Issuer, "its issuer is unknown to this machine"),
        (Fault::Expired, "certificate expired"),
        (Fault::Name, "certificate not valid for name"),
    ] {
        let Some(server) = UntrustedServer::start_with(fault).await else { return };
        let target = SocketAddr::from(([127, 0, 0, 1], server.port));
        let port = postgres_with_tls(b'S', Some(target)).await;
        let found = findings(&server, port).await;
        for about in ["database", "redis", "mail", "providers"] {
            let is_told = found.iter().any(|(of, message)| of == about && message.contains(cause));
            assert!(is_told, "{about}, {fault:?}: {found:#?}");
        }
    }
}

/// An instance over a server of its own, as the user `app`.
struct Scene {
    app: TestApp,
    database: DatabaseServer,
    url: String,
}

impl Scene {
    async fn set(kind: Kind) -> Option<Self> {
        let database = start(kind).await?;
        match kind {
            Kind::Postgres => {
                database.run("CREATE ROLE app LOGIN PASSWORD 'sesame'").await;
                database.run("ALTER DATABASE postgres OWNER TO app").await;
                database.run("GRANT ALL ON SCHEMA public TO app").await;
                database.ask_password_of("app").await;
            }
            Kind::MariaDb => {
                database.run("ALTER USER app@127.0.0.1 IDENTIFIED BY 'sesame'").await;
            }
        }
        let url =
            database.url().replace("//postgres@", "//app@").replace("//app@", "//app:sesame@");
        Some(Self { app: TestApp::start_now(&[]).await, database, url })
    }

    fn serve(&self, flags: &[&str]) -> Server {
        Server::start_with(&self.url, self.app.database.folder.path(), flags, &[])
    }

    async fn connection(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    async fn refuses(&self, cause: &str) {
        assert_refused(&self.app, &format!("--database-url={}", self.url), cause).await;
    }

    /// The instance loses its connections to PostgreSQL, and gets no others for this cause. One that was about to be made
    /// when others were ended would do for everything.
    async fn assert_cut_off(&self, instance: &Server, cause: &str) {
        self.cut_off().await;
        let cut_off = async {
            loop {
                tokio::time::sleep(SECOND / 2).await;
                self.cut_off().await;
            }
        };
        tokio::select! {
            () = assert_cause(instance, cause) => {}
            () = cut_off => {}
        }
    }

    /// Ends the connections of an instance to PostgreSQL.
    async fn cut_off(&self) {
        let sql = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'app' \
                   AND application_name <> 'held'";
        self.database.run(sql).await;
    }
}

/// The instance is not ready for this cause, and says so in its log, and of the call that failed too.
async fn assert_cause(instance: &Server, cause: &str) {
    let answer = instance.register("bob").await;
    assert_eq!(code(&answer), "SERVICE_UNAVAILABLE", "{answer}");
    let told = until_logged(instance, "cannot resolve a field at the moment", SECOND).await;
    assert!(told.iter().any(|line| line.contains(cause)), "no {cause:?}: {told:#?}");
    let began = Instant::now();
    while !instance.logged("this instance is not ready").iter().any(|line| line.contains(cause)) {
        let log = instance.logged("");
        assert!(began.elapsed() < 20 * SECOND, "not ready, and not for {cause:?}: {log:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_well_told(&instance.logged(""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_connections_for_a_role_are_told_while_running_and_at_the_start() {
    let Some(scene) = Scene::set(Kind::Postgres).await else { return };
    let instance = scene.serve(&[]);
    instance.register("alice").await;
    scene.database.run("ALTER ROLE app CONNECTION LIMIT 1").await;
    // With one connection for it alone a start may go far.
    drop(instance);
    scene.cut_off().await;
    let listen =
        ["serve", "--listen=127.0.0.1:0", "--env=development", "--database-wait-seconds=0"];
    let url = format!("--database-url={}", scene.url);
    let held = scene.connection().await;
    held.execute_unprepared("SET application_name = 'held'").await.unwrap();
    let told = scene.app.cli(&[&listen[..], &[url.as_str()]].concat()).await;
    let cause = "too many connections for role \"app\"";
    assert!(told.complaint().contains(cause), "{told:?}");
    assert_well_told(&[told.stderr]);

    scene.database.run("ALTER ROLE app CONNECTION LIMIT -1").await;
    let instance = scene.serve(&[]);
    scene.database.run("ALTER ROLE app CONNECTION LIMIT 1").await;
    scene.cut_off().await;
    assert_cause(&instance, cause).await;
    scene.database.run("ALTER ROLE app CONNECTION LIMIT -1").await;
    instance.until_ready_is(200, 15 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_lets_one_connection_in_is_told_when_a_start_needs_another() {
    let Some(scene) = Scene::set(Kind::Postgres).await else { return };
    drop(scene.serve(&[]));
    scene.cut_off().await;
    scene.database.run("ALTER ROLE app CONNECTION LIMIT 1").await;
    let start = tokio::process::Command::new(env!("CARGO_BIN_EXE_portcullis"))
        .args(["serve", "--listen=127.0.0.1:0", "--env=development", "--database-wait-seconds=0"])
        .arg(format!("--database-url={}", scene.url))
        .current_dir(scene.app.database.folder.path())
        .kill_on_drop(true)
        .output();
    let told = tokio::time::timeout(30 * SECOND, start).await.unwrap().unwrap();
    let told = String::from_utf8(told.stderr).unwrap();
    assert!(told.contains("too many connections for role \"app\""), "{told}");
    assert_well_told(&[told]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_postgresql_no_longer_takes_is_told() {
    let Some(scene) = Scene::set(Kind::Postgres).await else { return };
    let instance = scene.serve(&[]);
    scene.database.run("ALTER ROLE app PASSWORD 'another'").await;
    let cause = "password authentication failed for user \"app\"";
    scene.assert_cut_off(&instance, cause).await;
    scene.refuses(cause).await;
    scene.database.run("ALTER ROLE app NOLOGIN PASSWORD 'sesame'").await;
    scene.refuses("role \"app\" is not permitted to log in").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_that_mariadb_no_longer_takes_is_told() {
    let Some(scene) = Scene::set(Kind::MariaDb).await else { return };
    let instance = scene.serve(&[]);
    scene.database.run("ALTER USER app@127.0.0.1 IDENTIFIED BY 'another'").await;
    let ids = "SELECT id FROM information_schema.PROCESSLIST WHERE user = 'app'";
    let kill = format!("FOR c IN ({ids}) DO EXECUTE IMMEDIATE CONCAT('KILL ', c.id); END FOR");
    scene.database.run(&kill).await;
    let cause = "Access denied for user 'app'@'127.0.0.1'";
    assert_cause(&instance, cause).await;
    scene.refuses(cause).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_server_that_is_gone_is_told() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(mut scene) = Scene::set(kind).await else { return };
        let instance = scene.serve(&[]);
        scene.database.kill();
        assert_cause(&instance, "Connection refused").await;
        scene.refuses("Connection refused").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn connections_that_are_all_in_use_are_told() {
    for kind in [Kind::Postgres, Kind::MariaDb] {
        let Some(scene) = Scene::set(kind).await else { return };
        let flags = ["--database-connections=2", "--metrics-listen=127.0.0.1:0"];
        let instance = scene.serve(&flags);
        let held = scene.connection().await;
        let lock = match kind {
            Kind::Postgres => "BEGIN; LOCK TABLE users IN ACCESS EXCLUSIVE MODE",
            Kind::MariaDb => "LOCK TABLES users WRITE",
        };
        held.execute_unprepared(lock).await.unwrap();
        let names = (0..12).map(|number| format!("user{number}"));
        let calls = join_all(names.map(async |name| instance.register(&name).await)).await;
        assert!(calls.iter().any(|answer| code(answer) == "SERVICE_UNAVAILABLE"), "{calls:?}");
        let cause = "all 2 connections of DATABASE_CONNECTIONS are in use";
        let told = instance.logged(cause);
        assert!(!told.is_empty(), "{:#?}", instance.logged(""));
        assert!(told[0].contains("raise DATABASE_CONNECTIONS"), "{told:?}");
        let metrics = instance.metrics().await;
        let waited = metrics["portcullis_database_pool_timeouts_total{pool=\"shared\"}"];
        assert!(waited > 0.0, "{metrics:#?}");
        let most = "portcullis_database_connections_max{pool=\"shared\"}";
        assert_eq!(metrics.get(most), Some(&2.0));
        assert_well_told(&instance.logged(""));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sqlite_file_that_another_process_locks_is_told() {
    if named_server().is_some() {
        eprintln!("skipped: this database is no file");
        return;
    }
    let database = TestDatabase::create().await;
    let instance = Server::start(&database);
    let held = database.connection().await;
    held.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let names = (0..4).map(|number| format!("user{number}"));
    let calls = join_all(names.map(async |name| instance.register(&name).await)).await;
    assert!(calls.iter().all(|answer| code(answer) == "SERVICE_UNAVAILABLE"), "{calls:?}");
    assert!(!instance.logged("the connection that writes is in use").is_empty());
    assert_well_told(&instance.logged(""));
}

#[tokio::test]
async fn no_line_of_the_source_of_postgresql_is_told() {
    let Some(scene) = Scene::set(Kind::Postgres).await else { return };
    let instance = scene.serve(&[]);
    let alice = instance.register("alice").await;
    assert_eq!(code(&alice), "NONE", "{alice}");
    scene.database.run("ALTER TABLE users RENAME TO away").await;
    let answer = instance.call("{ me { id } }", Value::Null, "").await.unwrap();
    assert_eq!(code(&answer), "UNAUTHENTICATED", "{answer}");
    let answer = instance.register("bob").await;
    assert_eq!(code(&answer), "INTERNAL_SERVER_ERROR", "{answer}");
    let cause = "relation \"users\" does not exist";
    let told = until_logged(&instance, "a resolver failed", SECOND).await;
    assert!(told[0].contains(cause), "{told:?}");
    let url = format!("--database-url={}", scene.url);
    let told = scene.app.cli(&["admin", "list", &url]).await;
    assert!(told.complaint().contains(cause), "{told:?}");
    scene.database.run("ALTER TABLE away RENAME TO users").await;
    scene.database.run("ALTER TABLE audit_events RENAME TO gone").await;
    let doctor = scene.app.cli(&["doctor", &url]).await;
    assert!(doctor.stdout.contains("relation \"audit_events\" does not exist"), "{doctor:?}");
    assert_well_told(&[instance.logged(""), vec![told.stderr, doctor.stdout]].concat());
}
