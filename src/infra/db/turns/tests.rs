use std::fs;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tempfile::TempDir;
use tokio::task::{JoinHandle, JoinSet, yield_now};

use super::super::failure::{Refusal, refusal};
use super::super::{Db, Transaction, is_unavailable};
use super::*;

/// A database of notes.
struct World {
    folder: TempDir,
    db: Db,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let mut db = Db::connect(&url, 2).await.unwrap();
        // However slow the machine is.
        let turns = Turns { joined_for: Duration::MAX, ..Turns::default() };
        Arc::get_mut(&mut db.0).unwrap().writer.0.turns = Some(turns);
        let table = "CREATE TABLE notes (note INTEGER PRIMARY KEY, text BLOB)";
        db.writer().execute_unprepared(table).await.unwrap();
        Self { folder, db }
    }

    /// How often anything was committed since the log began.
    fn commits(&self) -> usize {
        let log = fs::read(self.folder.path().join("test.db-wal")).unwrap();
        // Behind a head of 32 bytes, pages with a head of 24 each: where that says how large the file is after it, a
        // commit ends.
        log[32..].chunks(24 + 4096).filter(|frame| frame[4..8] != [0; 4]).count()
    }

    async fn begin(&self) -> Transaction {
        self.db.begin().await.unwrap()
    }

    /// A change of one note by somebody who waits for the turn.
    async fn waiting(&self, note: i64) -> JoinHandle<Result<(), DbErr>> {
        let (db, before) = (self.db.clone(), self.queue());
        let change = tokio::spawn(async move {
            let txn = db.begin().await?;
            insert(&txn, note).await?;
            txn.commit().await
        });
        while self.queue() == before {
            yield_now().await;
        }
        change
    }

    async fn until_somebody_waits(&self) {
        while self.queue() == 0 {
            yield_now().await;
        }
    }

    fn queue(&self) -> usize {
        let turns = self.db.0.writer.0.turns.as_ref().unwrap();
        turns.line().waiting.len()
    }

    async fn notes(&self) -> Vec<i64> {
        let all = Statement::from_string(DbBackend::Sqlite, "SELECT note FROM notes ORDER BY 1");
        let rows = self.db.reader().query_all_raw(all).await.unwrap();
        rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
    }
}

async fn insert(txn: &Transaction, note: i64) -> Result<(), DbErr> {
    txn.execute_unprepared(&format!("INSERT INTO notes VALUES ({note}, x'00')")).await.map(|_| ())
}

#[tokio::test]
async fn those_who_wait_are_committed_together() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let mut others = Vec::new();
    for note in 1..=9 {
        others.push(world.waiting(note).await);
    }
    let before = world.commits();
    first.commit().await.unwrap();
    for other in others {
        other.await.unwrap().unwrap();
    }
    assert_eq!(world.notes().await, (0..=9).collect::<Vec<_>>());
    assert_eq!(world.commits() - before, 1);
}

#[tokio::test]
async fn an_undone_transaction_leaves_the_others_alone() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let db = world.db.clone();
    let undone = tokio::spawn(async move {
        let txn = db.begin().await.unwrap();
        insert(&txn, 1).await.unwrap();
        drop(txn);
        let txn = db.begin().await.unwrap();
        insert(&txn, 2).await.unwrap();
        // The key is taken.
        insert(&txn, 0).await.unwrap_err();
        // A transaction with a statement that failed is not committed, as on PostgreSQL.
        txn.commit().await.unwrap_err();
        let txn = db.begin().await.unwrap();
        insert(&txn, 3).await.unwrap();
        txn.rollback().await.unwrap();
    });
    world.until_somebody_waits().await;
    let last = world.waiting(4).await;
    first.commit().await.unwrap();
    undone.await.unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(world.notes().await, [0, 4]);
}

#[tokio::test]
async fn nothing_is_acknowledged_of_what_sqlite_itself_has_ended() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let db = world.db.clone();
    let too_much = tokio::spawn(async move {
        let txn = db.begin().await.unwrap();
        // No page more than there are: as full as a disk can be.
        txn.execute_unprepared("PRAGMA max_page_count = 1").await.unwrap();
        let blob = "INSERT INTO notes VALUES (1, zeroblob(100000))";
        assert!(is_unavailable(&txn.execute_unprepared(blob).await.unwrap_err()));
        // It would stand outside of the transaction that SQLite has ended.
        assert!(is_unavailable(&insert(&txn, 3).await.unwrap_err()));
    });
    world.until_somebody_waits().await;
    let first = tokio::spawn(first.commit());
    too_much.await.unwrap();
    // Told why: nobody can do anything about a savepoint that is gone.
    let error = first.await.unwrap().unwrap_err();
    assert!(matches!(refusal(&error), Some(Refusal::Full)), "{error}");
    assert_eq!(world.notes().await, [0; 0]);

    let next = world.begin().await;
    insert(&next, 2).await.unwrap();
    next.commit().await.unwrap();
    assert_eq!(world.notes().await, [2]);
}

#[tokio::test]
async fn an_answer_without_a_commit_waits_for_what_it_was_made_of() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let db = world.db.clone();
    let later = tokio::spawn(async move { db.begin().await.unwrap() });
    world.until_somebody_waits().await;
    let first = tokio::spawn(first.commit());
    let later = later.await.unwrap();
    // It finds what is not committed yet.
    insert(&later, 0).await.unwrap_err();
    assert_eq!(world.notes().await, [0; 0]);
    assert!(!first.is_finished());

    let earlier = later.earlier();
    drop(later);
    earlier.settled().await.unwrap();
    assert_eq!(world.notes().await, [0]);
    first.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_caller_that_leaves_the_line_holds_up_nobody() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let gone = world.waiting(1).await;
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    first.commit().await.unwrap();
    assert_eq!(world.notes().await, [0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn acknowledged_changes_survive_callers_that_leave() {
    let world = World::new().await;
    let (mut changes, told) = (JoinSet::new(), Arc::new(Mutex::new(Vec::new())));
    for note in 0..400_i64 {
        let (db, told) = (world.db.clone(), Arc::clone(&told));
        let change = changes.spawn(async move {
            let txn = db.begin().await.unwrap();
            insert(&txn, note).await.unwrap();
            if note % 4 != 0 {
                txn.commit().await.unwrap();
                told.lock().unwrap().push(note);
            }
        });
        if note % 5 == 0 {
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_micros(note.unsigned_abs() * 37)).await;
                change.abort();
            });
        }
    }
    while let Some(change) = changes.join_next().await {
        assert!(change.is_ok() || change.unwrap_err().is_cancelled());
    }
    // Behind all that is still under way.
    world.begin().await.commit().await.unwrap();
    let (kept, told) = (world.notes().await, told.lock().unwrap().clone());
    assert!(told.iter().all(|note| kept.contains(note)), "{told:?} and not {kept:?}");
    assert!(kept.iter().all(|note| note % 4 != 0), "{kept:?}");
    assert!(told.len() >= 240, "{}", told.len());
}

#[tokio::test]
async fn what_savepoints_copy_aside_goes_into_no_file() {
    let world = World::new().await;
    let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA temp_store");
    let row = world.db.writer().query_one_raw(asked).await.unwrap().unwrap();
    // In memory.
    assert_eq!(row.try_get_by_index::<i64>(0), Ok(2));
}

#[tokio::test]
async fn the_last_one_is_undone_before_the_others_are_committed() {
    let world = World::new().await;
    let first = world.begin().await;
    insert(&first, 0).await.unwrap();
    let db = world.db.clone();
    let last = tokio::spawn(async move {
        let txn = db.begin().await.unwrap();
        insert(&txn, 1).await.unwrap();
        txn.rollback().await
    });
    world.until_somebody_waits().await;
    first.commit().await.unwrap();
    last.await.unwrap().unwrap();
    assert_eq!(world.notes().await, [0]);
}

/// SQLite may have ended the transaction meanwhile, and nobody would know.
#[tokio::test]
async fn a_transaction_with_a_statement_that_nobody_waited_for_is_not_committed() {
    let world = World::new().await;
    let txn = world.begin().await;
    let long = "INSERT INTO notes WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n \
                WHERE i < 300000) SELECT i, x'00' FROM n";
    let sent = txn.execute_unprepared(long);
    tokio::time::timeout(Duration::from_millis(1), sent).await.unwrap_err();
    txn.commit().await.unwrap_err();
    assert_eq!(world.notes().await, [0; 0]);
}
