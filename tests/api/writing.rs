//! An instance is ready when its database takes writes; who asks why not is told.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use async_graphql::futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Database, DbBackend, Statement};
use serde_json::Value;

use crate::support::process::{Server, code};
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{SECOND, TestApp, TestDatabase, named_server, skip};

async fn start(kind: Kind) -> Option<DatabaseServer> {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return None;
    }
    DatabaseServer::start(kind).await
}

/// What `doctor` finds to be a problem of a database: each message with its advice.
async fn problems(app: &TestApp, url: &str) -> Vec<(String, String)> {
    let url = format!("--database-url={url}");
    let told = app.cli(&["doctor", "--json", &url]).await;
    problems_in(&told.stdout)
}

fn problems_in(report: &str) -> Vec<(String, String)> {
    let told: Value = serde_json::from_str(report).unwrap();
    let findings = told["findings"].as_array().unwrap();
    let problems = findings.iter().filter(|finding| finding["level"] == "problem");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    problems
        .filter(|finding| finding["about"] == "database")
        .map(|finding| (text(&finding["message"]), text(&finding["advice"])))
        .collect()
}

/// Waits until an instance is not ready, and sees that it and the doctor tell the same reason, once.
async fn assert_not_ready(app: &TestApp, instance: &Server, url: &str, reason: &str, advice: &str) {
    instance.until_ready_is(503, 15 * SECOND).await;
    tokio::time::sleep(5 * SECOND).await;
    let told = instance.logged("this instance is not ready");
    assert!(
        told.last().is_some_and(|told| told.contains(reason) && told.contains(advice)),
        "{told:?}"
    );
    assert!(!told[0].contains("at line"), "{told:?}");
    let found = problems(app, url).await;
    let [(message, remedy)] = &found[..] else { panic!("{found:?}") };
    assert!(message.contains(reason) && remedy.contains(advice), "{found:?}");
}

/// Waits until an instance is ready, and sees that all of its connections write.
async fn assert_ready(app: &TestApp, instance: &Server, url: &str) {
    instance.until_ready_is(200, 10 * SECOND).await;
    assert_eq!(problems(app, url).await, vec![]);
    let name = |number| format!("after{number}x{}", instance.logged("").len());
    let names: Vec<_> = (0..24).map(name).collect();
    for answer in join_all(names.iter().map(|name| instance.register(name))).await {
        assert_eq!(code(&answer), "NONE", "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_postgresql_that_became_a_standby_is_not_ready_until_it_is_promoted() {
    let Some(mut database) = start(Kind::Postgres).await else { return };
    let app = TestApp::start_now(&[]).await;
    let instance = Server::start_with(&database.url(), app.database.folder.path(), &[], &[]);
    instance.until_ready_is(200, 5 * SECOND).await;
    database.demote().await;
    assert_not_ready(&app, &instance, &database.url(), "standby", "to the primary").await;
    let url = format!("--database-url={}", database.url());
    let told = app.cli(&["serve", &url, "--listen=127.0.0.1:0"]).await;
    assert!(told.complaint().contains("set DATABASE_URL to the primary"), "{told:?}");

    database.run("SELECT pg_promote()").await;
    assert_ready(&app, &instance, &database.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_may_only_read_are_replaced_when_others_may_write() {
    let Some(mut database) = start(Kind::Postgres).await else { return };
    let app = TestApp::start_now(&[]).await;
    let instance = Server::start_with(&database.url(), app.database.folder.path(), &[], &[]);
    // What a database or a role sets counts for the connections that are opened from now on.
    database.run("ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    database.stop();
    database.restart().await;
    let reason = "default_transaction_read_only is on";
    assert_not_ready(&app, &instance, &database.url(), reason, "turn default_tr").await;
    let refused = instance.register("alice").await;
    assert_eq!(code(&refused), "SERVICE_UNAVAILABLE", "{refused}");
    let url = format!("--database-url={}", database.url());
    let told = app.cli(&["serve", "--listen=127.0.0.1:0", &url]).await;
    assert!(told.complaint().contains("set DATABASE_URL to another server"), "{told:?}");

    database
        .run(
            "BEGIN READ WRITE; ALTER DATABASE postgres RESET default_transaction_read_only; COMMIT",
        )
        .await;
    assert_ready(&app, &instance, &database.url()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mariadb_that_is_read_only_is_not_ready_until_it_writes() {
    let Some(database) = start(Kind::MariaDb).await else { return };
    let app = TestApp::start_now(&[]).await;
    let instance = Server::start_with(&database.url(), app.database.folder.path(), &[], &[]);
    let before = connections(&database).await;
    database.set_read_only(true).await;
    let (reason, advice) = ("the database server is read-only", "to the primary");
    assert_not_ready(&app, &instance, &database.url(), reason, advice).await;
    // The address may lead to another server by now, and a new connection with it.
    let after = connections(&database).await;
    assert!(before.iter().all(|id| !after.contains(id)), "{before:?} {after:?}");
    database.set_read_only(false).await;
    assert_ready(&app, &instance, &database.url()).await;

    // What is only the default of new connections does not hold for ours.
    database.run("SET GLOBAL tx_read_only = 1").await;
    let other = Server::start_with(&database.url(), app.database.folder.path(), &[], &[]);
    assert_ready(&app, &other, &database.url()).await;
}

/// The ids of the connections that an instance has to its MariaDB.
async fn connections(database: &DatabaseServer) -> Vec<i64> {
    let db = Database::connect(database.url()).await.unwrap();
    let sql = "SELECT id FROM information_schema.processlist WHERE id <> connection_id()";
    let rows = db.query_all_raw(Statement::from_string(DbBackend::MySql, sql)).await.unwrap();
    let ids = rows.iter().map(|row| row.try_get::<i64>("", "id").unwrap()).collect();
    db.close().await.unwrap();
    ids
}

/// Starts nothing in a database, and says how to make another.
async fn assert_refused(app: &TestApp, url: &str, name: &str, remedy: &str) {
    let flag = format!("--database-url={url}");
    for verb in [&["migrate", "up"][..], &["serve", "--listen=127.0.0.1:0"]] {
        let told = app.cli(&[verb, &[&flag]].concat()).await;
        let complaint = told.complaint();
        assert!(complaint.contains(name) && complaint.contains(remedy), "{told:?}");
    }
    let found = problems(app, url).await;
    assert!(
        found.iter().any(|(told, what)| told.contains(name) && what.contains(remedy)),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_whose_encoding_does_not_hold_every_text_is_refused() {
    let app = TestApp::start_now(&[]).await;
    if let Some(database) = start(Kind::Postgres).await {
        let make = "CREATE DATABASE other TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C' ENCODING";
        for encoding in ["LATIN1", "SQL_ASCII"] {
            database.run(&format!("{make} '{encoding}'")).await;
            let url =
                database.url().replace("/postgres", "/other").replace("//other", "//postgres");
            assert_refused(&app, &url, encoding, "--encoding=UTF8").await;
            database.run("DROP DATABASE other").await;
        }
    }
    if let Some(database) = start(Kind::MariaDb).await {
        database.run("ALTER DATABASE portcullis CHARACTER SET latin1").await;
        assert_refused(&app, &database.url(), "latin1", "CHARACTER SET utf8mb4").await;
        database.run("ALTER DATABASE portcullis CHARACTER SET utf8mb4").await;
        let up = ["migrate", "up", &format!("--database-url={}", database.url())];
        app.cli(&up).await.printed();
    }
}

/// Somebody who owns nothing here, and is not root, to whom no file is closed.
const NOBODY: u32 = 65_534;

/// Runs a verb on a SQLite file as somebody who may do no more than the modes say.
fn as_nobody(database: &TestDatabase, verb: &[&str]) -> Option<Output> {
    let folder = database.folder.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(verb).args([
        format!("--database-url={}", database.url),
        format!("--data-dir={}", folder.display()),
        "--rate-limits=off".to_owned(),
    ]);
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
        for entry in fs::read_dir(folder).unwrap() {
            chown(entry.unwrap().path(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    match command.current_dir("/").output() {
        Ok(output) => Some(output),
        Err(error) => {
            skip(&format!("nobody cannot run the program: {error}"));
            None
        }
    }
}

#[tokio::test]
async fn a_sqlite_file_or_folder_that_cannot_be_written_is_told_with_what_to_do() {
    let app = TestApp::start_now(&[]).await;
    if !app.database.url.starts_with("sqlite") {
        eprintln!("skipped: this database is no file");
        return;
    }
    let portcullis_testing::TestApp { app, database, .. } = app.0;
    app.close().await.unwrap();
    let folder = database.folder.path();
    let file = folder.join("test.db");
    let set = |file_mode, folder_mode| {
        fs::set_permissions(&file, Permissions::from_mode(file_mode)).unwrap();
        fs::set_permissions(folder, Permissions::from_mode(folder_mode)).unwrap();
    };
    for (file_mode, folder_mode) in [(0o400, 0o700), (0o600, 0o500), (0o400, 0o500)] {
        set(0o600, 0o700);
        let Some(_) = as_nobody(&database, &["doctor"]) else { return };
        set(file_mode, folder_mode);
        let told = as_nobody(&database, &["doctor", "--json"]).unwrap();
        let found = problems_in(&String::from_utf8(told.stdout).unwrap());
        let is_told = found.iter().any(|(told, what)| {
            told.contains("cannot write to") && what.contains("give the server's user write access")
        });
        assert!(is_told, "{file_mode:o} {folder_mode:o}: {found:?}");
        let told = as_nobody(&database, &["serve", "--listen=127.0.0.1:0"]).unwrap();
        let complaint = String::from_utf8(told.stderr).unwrap();
        assert_eq!(told.status.code(), Some(1), "{complaint}");
        assert!(complaint.contains("give the server's user write access"), "{complaint}");
    }
    set(0o600, 0o700);
    let told = as_nobody(&database, &["doctor", "--json"]).unwrap();
    assert_eq!(problems_in(&String::from_utf8(told.stdout).unwrap()), vec![]);
}
