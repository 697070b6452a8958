//! PgBouncer between the server and PostgreSQL: in session mode all works, and in transaction mode nothing begins.
//!
//! These run on database servers of their own, so with the suite on SQLite only, and where PgBouncer is installed.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, Database, TransactionTrait};
use serde_json::json;
use tempfile::TempDir;

use crate::support::process::{Server, code};
use crate::support::servers::{DatabaseServer, Kind, free_port};
use crate::support::{LOGIN, PASSWORD, named_server, skip};

const PROGRAM: &str = "/usr/sbin/pgbouncer";
/// How long a pooler may take to listen.
const START_MAX: Duration = Duration::from_secs(30);

struct Pooler {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    async fn start(database: &DatabaseServer, mode: &str) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n\
             ignore_startup_parameters = extra_float_digits\n",
            database.address().port()
        );
        let file = folder.path().join("pgbouncer.ini");
        std::fs::write(&file, settings).unwrap();
        let mut command = Command::new(PROGRAM);
        if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
            // Root may not run it.
            Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()).status().unwrap();
            command.arg("--user=postgres");
        }
        command.arg("--quiet").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap();
        let began = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(began.elapsed() < START_MAX, "PgBouncer does not listen");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Self { process, port, _folder: folder }
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn start() -> Option<DatabaseServer> {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return None;
    }
    if !Path::new(PROGRAM).exists() {
        skip("PgBouncer is not installed");
        return None;
    }
    DatabaseServer::start(Kind::Postgres).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_session_mode_all_works_and_a_statement_that_waits_too_long_is_ended() {
    let Some(database) = start().await else { return };
    let pooler = Pooler::start(&database, "session").await;
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&database.url_over(pooler.port), folder.path(), &[], &[]);
    assert_eq!(code(&server.register("alice").await), "NONE");

    let db = Database::connect(database.url()).await.unwrap();
    let holding = db.begin().await.unwrap();
    holding.execute_unprepared("SELECT id FROM users FOR UPDATE").await.unwrap();
    let input = json!({ "input": { "identifier": "alice", "password": PASSWORD } });
    let refused = server.call(LOGIN, input.clone(), "").await.unwrap();
    assert_eq!(code(&refused), "SERVICE_UNAVAILABLE", "{refused}");
    assert!(database.logged("canceling statement due to statement timeout"));
    holding.rollback().await.unwrap();
    let answer = server.call(LOGIN, input, "").await.unwrap();
    assert_eq!(code(&answer), "NONE", "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_transaction_mode_the_server_and_its_verbs_say_what_to_change() {
    let Some(database) = start().await else { return };
    let pooler = Pooler::start(&database, "transaction").await;
    let url = format!("--database-url={}", database.url_over(pooler.port));
    for verb in [&["serve"][..], &["migrate", "up"], &["keys", "list"]] {
        let folder = tempfile::tempdir().unwrap();
        let done = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(verb)
            .args([&url, "--data-dir=data", "--listen=127.0.0.1:0"])
            .current_dir(folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
        assert!(!done.status.success(), "{verb:?}: {said}");
        assert!(said.contains("session mode"), "{verb:?}: {said}");
    }
}
