//! The disk under a database fills up while it is written to.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm::Database;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::load::{Load, ME, Pair, REFRESH};
use crate::support::process::{Server, code};
use crate::support::servers::{DatabaseServer, Kind};
use crate::support::{assert_whole, named_server};

/// How long the disk may take to fill, and the server to go on afterwards.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long the disk of a server stays full: its log may have room for a while.
const FULL_MIN: Duration = Duration::from_secs(5);
/// How long what a server has still room for may last: it allots its files many pages at a time.
const FILL_MAX: Duration = Duration::from_secs(25);

/// A small file system, in memory.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None`, with a word why, where mounting is not for us: it takes root and a machine that
    /// lets root mount, which not every place that must run all tests is.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        let options = format!("size={megabytes}m,mode=700");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self { folder }),
            Ok(output) => {
                eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr).trim());
                None
            }
            Err(error) => {
                eprintln!("skipped: there is no `mount` here: {error}");
                None
            }
        }
    }

    fn ballast(&self) -> PathBuf {
        self.folder.path().join("ballast")
    }

    /// Leaves not a page to anyone else.
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write(&vec![0; size]).is_ok_and(|written| written > 0) {}
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Whoever still holds a file there keeps it; the folder is ours again.
        let _ = Command::new("umount").arg("--lazy").arg(self.folder.path()).status();
    }
}

/// Fills the disk until writes are refused, and keeps it full for so long. Says how many it tried.
async fn keep_full(disk: &SmallDisk, server: &Server, at_least: Duration) -> usize {
    disk.fill();
    let (began, mut refusals, mut tries) = (Instant::now(), 0, 0);
    while refusals < 20 || began.elapsed() < at_least {
        assert!(began.elapsed() < FILL_MAX, "the disk does not fill up");
        tries += 1;
        let answer = server.register(&format!("late{tries}")).await;
        match code(&answer) {
            "NONE" => disk.fill(), // A page was left, or given back.
            code => {
                assert_eq!(code, "SERVICE_UNAVAILABLE", "{answer}");
                refusals += 1;
            }
        }
    }
    tries
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_for_as_long_as_it_is_full_and_spoils_nothing() {
    if named_server().is_some() {
        eprintln!("skipped: the disk of the embedded database only");
        return;
    }
    let Some(disk) = SmallDisk::mount(6) else { return };
    let url = format!("sqlite://{}/test.db", disk.folder.path().display());
    let servers = [Server::start_with(&url, disk.folder.path(), &[], &[])];
    let load = Load::start(&servers, 4);
    load.go_on_for(60).await;
    let alice = Pair::of(&servers[0].register("alice").await["data"]["register"]).unwrap();

    let began = Instant::now();
    keep_full(&disk, &servers[0], Duration::ZERO).await;
    let me = servers[0].call(ME, Value::Null, &alice.access).await.unwrap();
    assert_eq!(me["data"]["me"]["username"], "alice", "what only reads still works: {me}");
    assert_eq!(servers[0].get("/healthz").await.0, 200);
    eprintln!("  full after {:?}", began.elapsed());
    // What was left, or given back meanwhile, is taken again.
    disk.fill();
    servers[0].until_ready_is(503, PATIENCE).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(servers[0].logged("the disk of the database is full").len(), 1);

    std::fs::remove_file(disk.ballast()).unwrap();
    let began = Instant::now();
    while code(&servers[0].register("bob").await) != "NONE" {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
    }
    eprintln!("  writes again after {:?}", began.elapsed());
    servers[0].until_ready_is(200, PATIENCE).await;
    load.go_on_for(60).await;

    let ledger = load.stop().await;
    eprintln!("  {:?}", ledger.codes());
    ledger.assert_told_only(&["NONE", "SERVICE_UNAVAILABLE"]);
    // By an instance that has nothing but the file.
    drop(servers);
    ledger.assert_kept(&Server::start_with(&url, disk.folder.path(), &[], &[])).await;
    let db = Database::connect(&url).await.unwrap();
    assert_whole(&db).await;
    db.close().await.unwrap();
}

/// The disk of a database server, with its data and its log of what is not yet in there.
async fn a_full_disk_of_a_server_spoils_nothing(kind: Kind) {
    if named_server().is_some() {
        eprintln!("skipped: runs on servers of its own, with the suite on SQLite");
        return;
    }
    let Some(disk) = SmallDisk::mount(192) else { return };
    let folder = tempfile::tempdir().unwrap();
    let Some(mut database) = DatabaseServer::start_on(kind, folder, disk.folder.path()).await
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let servers = [Server::start_with(&database.url(), folder.path(), &[], &[])];
    let load = Load::start(&servers, 4);
    load.go_on_for(60).await;
    let mut alice = Pair::of(&servers[0].register("alice").await["data"]["register"]).unwrap();

    let began = Instant::now();
    let mut tries = keep_full(&disk, &servers[0], FULL_MIN).await;
    let me = servers[0].call(ME, Value::Null, &alice.access).await.unwrap();
    assert!(["NONE", "SERVICE_UNAVAILABLE"].contains(&code(&me)), "nobody is a stranger: {me}");
    assert_eq!(servers[0].get("/healthz").await.0, 200);
    eprintln!("  {kind:?} was full after {:?}; {}", began.elapsed(), code(&me));

    std::fs::remove_file(disk.ballast()).unwrap();
    let began = Instant::now();
    while code(&servers[0].register(&format!("bob{tries}")).await) != "NONE" {
        tries += 1;
        assert!(began.elapsed() < PATIENCE, "it does not recover");
        // As whoever supervises it would.
        if database.has_ended() {
            eprintln!("  {kind:?} has ended, started again in {:?}", database.restart().await);
        }
    }
    eprintln!("  writes again after {:?}", began.elapsed());
    let refreshed = servers[0].call(REFRESH, json!({ "t": alice.refresh }), "").await.unwrap();
    alice = Pair::of(&refreshed["data"]["refreshToken"]).unwrap();
    assert!(servers[0].accepts(&alice).await);
    load.go_on_for(60).await;

    let ledger = load.stop().await;
    eprintln!("  {:?}", ledger.codes());
    ledger.assert_told_only(&["NONE", "SERVICE_UNAVAILABLE", "LATE"]);
    ledger.assert_kept(&servers[0]).await;
    let db = Database::connect(&database.url()).await.unwrap();
    assert_whole(&db).await;
    db.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_postgresql_refuses_writes_and_spoils_nothing() {
    a_full_disk_of_a_server_spoils_nothing(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_under_mariadb_refuses_writes_and_spoils_nothing() {
    a_full_disk_of_a_server_spoils_nothing(Kind::MariaDb).await;
}

#[test]
fn the_doctor_warns_before_the_disk_of_the_database_is_full() {
    let Some(disk) = SmallDisk::mount(32) else { return };
    let file = disk.folder.path().join("portcullis.db");
    let run = |verb: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(verb)
            .arg(format!("--database-url=sqlite://{}", file.display()))
            .arg(format!("--data-dir={}", disk.folder.path().display()))
            .current_dir(disk.folder.path())
            .output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    run(&["migrate", "up"]);
    let told = run(&["doctor"]);
    let line = told.lines().find(|line| line.contains("space: the database takes")).unwrap();
    assert!(line.starts_with("problem") && line.contains("MiB free"), "{told}");
}
