//! Turns at the one connection that writes to a SQLite file.
//!
//! What a transaction does takes a few hundred microseconds, and then its commit waits for the disk. So whoever is done
//! while others wait hands them the transaction as it stands, and the last of them commits it for all: each has a
//! savepoint of its own and is undone alone, and nobody is told that a change is made before the disk has it. Whoever
//! finds nobody waiting commits at once, as if there were no turns.
//!
//! Who comes later sees what those before have written, and answers by it: so whoever is undone, and answers
//! nevertheless, waits for them too ([`Seen`]).

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    TransactionOptions, TransactionTrait,
};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::connect::ACQUIRE_TIMEOUT;

/// How many changes are committed together.
const TOGETHER_MAX: u32 = 64;
/// For how long those who are done first let others join.
const JOINED_FOR: Duration = Duration::from_millis(5);

const SAVEPOINT: &str = "SAVEPOINT turn";
const UNDO: &str = "ROLLBACK TO turn";

/// The connection's one turn, and who waits for it. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    line: Arc<Mutex<Line>>,
    joined_for: Duration,
}

#[derive(Debug, Default)]
struct Line {
    is_taken: bool,
    /// In the order they came.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to use the connection. Whoever drops it gives it to the next, with what is open.
#[derive(Debug)]
struct Turn {
    /// Until it is given away.
    turns: Option<Turns>,
    open: Option<Open>,
}

/// A transaction that several share.
struct Open {
    txn: DatabaseTransaction,
    /// How many are done and wait for the commit.
    done: u32,
    began: Instant,
    /// What separates the next from those before. It can be said again to whoever was cut off while saying it.
    before_next: &'static str,
    outcome: watch::Sender<Option<Outcome>>,
}

type Outcome = Result<(), DbErr>;

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open").field("done", &self.done).finish_non_exhaustive()
    }
}

/// A transaction that is committed together with those before and after it. Dropped, it changes nothing.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Until it is done.
    turn: Option<Turn>,
    has_failed: AtomicBool,
}

/// What a transaction has found that others have written, and that may not be committed yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen(Option<watch::Receiver<Option<Outcome>>>);

impl Default for Turns {
    fn default() -> Self {
        Self { line: Arc::default(), joined_for: JOINED_FOR }
    }
}

impl Turns {
    /// Begins a transaction when those who came before are done.
    pub(super) async fn begin(
        &self,
        pool: &DatabaseConnection,
        options: TransactionOptions,
    ) -> Result<Shared, DbErr> {
        let turn = match self.take_free() {
            Ok(turn) => turn,
            Err(mine) => match tokio::time::timeout(ACQUIRE_TIMEOUT, mine).await {
                Ok(turn) => turn.map_err(|_lost| ConnAcquireErr::ConnectionClosed),
                Err(_elapsed) => Err(ConnAcquireErr::Timeout),
            }
            .map_err(DbErr::ConnectionAcquire)?,
        };
        turn.begin(pool, options).await
    }

    /// The turn if nobody has it, or where it will arrive.
    fn take_free(&self) -> Result<Turn, oneshot::Receiver<Turn>> {
        let mut line = self.line();
        if line.is_taken {
            let (give, mine) = oneshot::channel();
            line.waiting.push_back(give);
            return Err(mine);
        }
        line.is_taken = true;
        Ok(Turn { turns: Some(self.clone()), open: None })
    }

    /// Gives the turn to the first who still waits. If nobody does, what is open comes back, and with it the turn.
    fn give(&self, mut open: Option<Open>) -> Option<Open> {
        loop {
            let mut line = self.line();
            let Some(next) = line.waiting.pop_front() else {
                line.is_taken = open.is_some();
                return open;
            };
            drop(line);
            match next.send(Turn { turns: Some(self.clone()), open }) {
                Ok(()) => return None,
                // Who waited there has gone.
                Err(mut turn) => {
                    turn.turns = None;
                    open = turn.open.take();
                }
            }
        }
    }

    /// Nothing panics while it holds this lock.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turn {
    async fn begin(
        mut self,
        pool: &DatabaseConnection,
        options: TransactionOptions,
    ) -> Result<Shared, DbErr> {
        if let Some(open) = &self.open {
            match open.txn.execute_unprepared(open.before_next).await {
                Ok(_) => return Ok(Shared::with(self)),
                // SQLite has ended the transaction by itself, as when the disk is full: nothing of it is left.
                Err(error) => drop(open.outcome.send_replace(Some(Err(error)))),
            }
            self.open = None;
        }
        self.open = Some(Open::new(pool.begin_with_options(options).await?));
        Ok(Shared::with(self))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(turns) = self.turns.take() else { return };
        let open = match self.open.take() {
            Some(open) if !open.may_be_joined(turns.joined_for) => Some(open),
            open => turns.give(open),
        };
        let Some(open) = open else { return };
        let turn = Self { turns: Some(turns), open: None };
        let commit = async move {
            open.commit().await;
            drop(turn);
        };
        // Where the program ends, nobody is left to be told.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(commit);
        }
    }
}

impl Open {
    fn new(txn: DatabaseTransaction) -> Self {
        let outcome = watch::Sender::new(None);
        Self { txn, done: 0, began: Instant::now(), before_next: SAVEPOINT, outcome }
    }

    fn may_be_joined(&self, joined_for: Duration) -> bool {
        self.done < TOGETHER_MAX && self.began.elapsed() < joined_for
    }

    async fn commit(self) {
        let Self { txn, before_next, outcome, .. } = self;
        let committed = async {
            if before_next == UNDO {
                txn.execute_unprepared(UNDO).await?;
            }
            txn.commit().await
        };
        outcome.send_replace(Some(committed.await));
    }
}

impl Shared {
    fn with(turn: Turn) -> Self {
        Self { turn: Some(turn), has_failed: AtomicBool::new(false) }
    }

    /// Runs a statement. After one that failed nothing is committed, as on PostgreSQL: SQLite may have ended the whole
    /// transaction, and whatever comes then stands outside.
    pub(super) async fn run<'a, T, F>(
        &'a self,
        statement: impl FnOnce(&'a DatabaseTransaction) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        let open = self.turn.as_ref().and_then(|turn| turn.open.as_ref());
        let outcome = statement(&open.ok_or_else(over)?.txn).await;
        if outcome.is_err() {
            self.has_failed.store(true, Ordering::Relaxed);
        }
        outcome
    }

    /// What those have written who came before.
    pub(super) fn seen(&self) -> Seen {
        let open = self.turn.as_ref().and_then(|turn| turn.open.as_ref());
        Seen(open.filter(|open| open.done > 0).map(|open| open.outcome.subscribe()))
    }

    /// Returns when it is committed, with those who came after.
    pub(super) async fn commit(mut self) -> Result<(), DbErr> {
        if self.has_failed.load(Ordering::Relaxed) {
            return Err(DbErr::Custom("a statement of the transaction has failed".to_owned()));
        }
        let mut turn = self.turn.take().ok_or_else(over)?;
        let open = turn.open.as_mut().ok_or_else(over)?;
        open.done += 1;
        open.before_next = SAVEPOINT;
        let seen = Seen(Some(open.outcome.subscribe()));
        drop(turn);
        seen.settled().await
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        match &mut turn.open {
            Some(open) if open.done > 0 => open.before_next = UNDO,
            _ => turn.open = None,
        }
    }
}

impl Seen {
    /// Returns when the disk has it, or fails because the disk never will.
    pub(crate) async fn settled(self) -> Result<(), DbErr> {
        let Some(mut outcome) = self.0 else { return Ok(()) };
        let outcome = outcome.wait_for(Option::is_some).await;
        outcome.map_or_else(|_untold| Err(over()), |outcome| outcome.clone().unwrap_or(Ok(())))
    }
}

/// Of a transaction that nothing more comes of: the program ends.
fn over() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

#[cfg(test)]
mod tests;
