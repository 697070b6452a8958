//! The disk under the embedded database fills up while it is written to.

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use sea_orm::Database;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::load::{Load, ME, Pair};
use crate::support::process::{Server, code};
use crate::support::{assert_whole, named_server};

/// How long the disk may take to fill, and the server to go on afterwards.
const PATIENCE: Duration = Duration::from_secs(20);

/// A file system of a few megabytes, in memory.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// `None`, with a word why, where mounting is not for us: it takes root and a machine that
    /// lets root mount, which not every place that must run all tests is.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m,mode=700", "tmpfs"]).arg(folder.path());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_writes_for_as_long_as_it_is_full_and_spoils_nothing() {
    if named_server().is_some() {
        eprintln!("skipped: the disk of the embedded database only");
        return;
    }
    let Some(disk) = SmallDisk::mount() else { return };
    let url = format!("sqlite://{}/test.db", disk.folder.path().display());
    let servers = [Server::start_with(&url, disk.folder.path(), &[], &[])];
    let load = Load::start(&servers, 4);
    load.go_on_for(60).await;
    let alice = Pair::of(&servers[0].register("alice").await["data"]["register"]).unwrap();

    disk.fill();
    let (began, mut refusals) = (Instant::now(), 0);
    while refusals < 20 {
        assert!(began.elapsed() < PATIENCE, "the disk does not fill up");
        let answer = servers[0].register(&format!("late{refusals}")).await;
        match code(&answer) {
            "NONE" => disk.fill(), // A page was left, or given back.
            code => {
                assert_eq!(code, "SERVICE_UNAVAILABLE", "{answer}");
                refusals += 1;
            }
        }
    }
    let me = servers[0].call(ME, Value::Null, &alice.access).await.unwrap();
    assert_eq!(me["data"]["me"]["username"], "alice", "what only reads still works: {me}");
    assert_eq!(servers[0].get("/healthz").await.0, 200);
    eprintln!("  full after {:?}; ready: {}", began.elapsed(), servers[0].get("/readyz").await.0);

    std::fs::remove_file(disk.ballast()).unwrap();
    let began = Instant::now();
    while code(&servers[0].register("bob").await) != "NONE" {
        assert!(began.elapsed() < PATIENCE, "it does not recover");
    }
    eprintln!("  writes again after {:?}", began.elapsed());
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
