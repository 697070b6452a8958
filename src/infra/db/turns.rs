//! Turns at the one connection that writes to a SQLite file.
//!
//! A transaction works for some hundred microseconds, and then its commit waits for the disk. A transaction that is done
//! while others wait hands them the open one of SQLite, and the last of them commits it for all. Each has a savepoint of its
//! own and can be undone alone. Each returns only after the shared commit, so a crash loses nothing that was acknowledged.
//! A transaction for which no other waits commits at once.
//!
//! A later transaction reads what the earlier ones have written, and its caller may be answered without a commit of its
//! own. [`Earlier`] lets that answer wait until they are committed. While a transaction is open, a caller waits for nothing
//! but the database: what it waits for could itself wait for the shared commit.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr,
    TransactionOptions, TransactionTrait,
};
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use super::connect::ACQUIRE_TIMEOUT;

/// How many transactions are committed together.
const TOGETHER_MAX: u32 = 64;
/// How long others may join the first one.
const JOINED_FOR: Duration = Duration::from_millis(5);

const SAVEPOINT: &str = "SAVEPOINT turn";
const UNDO: &str = "ROLLBACK TO turn";

/// The connection's one turn, and the transactions that wait for it. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    line: Arc<Mutex<Line>>,
    joined_for: Duration,
}

#[derive(Debug, Default)]
struct Line {
    is_taken: bool,
    /// In the order in which they came.
    waiting: VecDeque<oneshot::Sender<Turn>>,
}

/// The right to use the connection. Dropped, it goes to the next, together with the open transaction.
#[derive(Debug)]
struct Turn {
    /// `None` once it is given away.
    turns: Option<Turns>,
    open: Option<Open>,
}

/// The transaction of SQLite that several share.
struct Open {
    txn: DatabaseTransaction,
    /// How many members are done and wait for the commit.
    done: u32,
    began: Instant,
    /// Separates the next member from those before: makes its savepoint, or undoes what was done since the last one, which
    /// fails if the transaction is no longer there.
    before_next: &'static str,
    /// Why a statement of the last member failed, if one did. SQLite may have ended the transaction then.
    failure: Option<DbErr>,
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
pub(crate) struct Member {
    /// `None` once it is done.
    turn: Option<Turn>,
    /// Why its first failed statement failed.
    failure: OnceLock<DbErr>,
    /// Whether a statement was sent whose outcome is not known.
    is_unsure: AtomicBool,
}

/// The earlier members of a transaction's group. It can read their changes, and their commit may still fail.
#[derive(Clone, Debug, Default)]
pub(crate) struct Earlier(Option<watch::Receiver<Option<Outcome>>>);

impl Default for Turns {
    fn default() -> Self {
        Self { line: Arc::default(), joined_for: JOINED_FOR }
    }
}

impl Turns {
    /// Begins a transaction when its turn comes.
    pub(super) async fn begin(
        &self,
        pool: &DatabaseConnection,
        options: TransactionOptions,
    ) -> Result<Member, DbErr> {
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

    /// The turn if it is free, or where it will arrive.
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

    /// Gives the turn to the first that still waits. If none does, returns the open transaction, and keeps the turn for its
    /// commit.
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
                // Its caller has gone away.
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
    ) -> Result<Member, DbErr> {
        if self.open.is_some() {
            // In a task of its own, which knows the outcome also if the caller goes away.
            self = tokio::spawn(self.separated()).await.map_err(|_lost| ended())?;
        }
        if self.open.is_none() {
            self.open = Some(Open::new(pool.begin_with_options(options).await?));
        }
        Ok(Member { turn: Some(self), failure: OnceLock::new(), is_unsure: AtomicBool::new(false) })
    }

    /// Separates the next member from those before, if these are still there.
    async fn separated(mut self) -> Self {
        if let Some(open) = &mut self.open
            && let Err(error) = open.separate().await
        {
            open.outcome.send_replace(Some(Err(error)));
            self.open = None;
        }
        self
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
        // Without a runtime nothing can be committed: the transaction is rolled back, and its members get an error.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(commit);
        }
    }
}

impl Open {
    fn new(txn: DatabaseTransaction) -> Self {
        let outcome = watch::Sender::new(None);
        let began = Instant::now();
        Self { txn, done: 0, began, before_next: SAVEPOINT, failure: None, outcome }
    }

    fn may_be_joined(&self, joined_for: Duration) -> bool {
        self.done < TOGETHER_MAX && self.began.elapsed() < joined_for
    }

    /// Fails if SQLite has ended the transaction by itself, as when the disk is full: with what the disk said.
    async fn separate(&mut self) -> Result<(), DbErr> {
        let separated = self.txn.execute_unprepared(self.before_next).await;
        // The next one keeps this savepoint, and undoes whatever this one leaves.
        self.before_next = UNDO;
        let failure = self.failure.take().filter(|failure| failure.sql_err().is_none());
        separated.map(|_| ()).map_err(|error| failure.unwrap_or(error))
    }

    async fn commit(mut self) {
        let separated = match self.before_next {
            UNDO => self.separate().await,
            _ => Ok(()),
        };
        let Self { txn, outcome, .. } = self;
        let committed = match separated {
            Ok(()) => txn.commit().await,
            Err(error) => Err(error),
        };
        outcome.send_replace(Some(committed));
    }
}

impl Member {
    /// Runs a statement. After a failed one no other runs, and the transaction cannot be committed, as on PostgreSQL:
    /// SQLite may have ended it, and a later statement would run outside of it.
    pub(super) async fn run<'a, T, F>(
        &'a self,
        statement: impl FnOnce(&'a DatabaseTransaction) -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        let open = self.turn.as_ref().and_then(|turn| turn.open.as_ref());
        let txn = &open.ok_or_else(ended)?.txn;
        self.is_unsure.store(true, Ordering::Relaxed);
        let outcome = statement(txn).await;
        self.is_unsure.store(false, Ordering::Relaxed);
        if let Err(error) = &outcome {
            self.failure.get_or_init(|| error.clone());
        }
        outcome
    }

    /// The earlier members of its group.
    pub(super) fn earlier(&self) -> Earlier {
        let open = self.turn.as_ref().and_then(|turn| turn.open.as_ref());
        Earlier(open.filter(|open| open.done > 0).map(|open| open.outcome.subscribe()))
    }

    /// Returns when it is committed, together with those that came after it. Fails if a statement failed, or if nobody
    /// waited for its end.
    pub(super) async fn commit(mut self) -> Result<(), DbErr> {
        if let Some(failure) = self.failure.get() {
            return Err(failure.clone());
        }
        if self.is_unsure.load(Ordering::Relaxed) {
            return Err(DbErr::Custom(
                "nobody waited for a statement of the transaction".to_owned(),
            ));
        }
        let mut turn = self.turn.take().ok_or_else(ended)?;
        let open = turn.open.as_mut().ok_or_else(ended)?;
        open.done += 1;
        open.before_next = SAVEPOINT;
        let group = Earlier(Some(open.outcome.subscribe()));
        drop(turn);
        group.settled().await
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let Some(turn) = &mut self.turn else { return };
        match &mut turn.open {
            Some(open) if open.done > 0 => open.failure = self.failure.take(),
            _ => turn.open = None,
        }
    }
}

impl Earlier {
    /// Returns when they are committed, and fails if they never will be.
    pub(crate) async fn settled(self) -> Result<(), DbErr> {
        let Some(mut outcome) = self.0 else { return Ok(()) };
        let outcome = outcome.wait_for(Option::is_some).await;
        outcome.map_or_else(|_untold| Err(ended()), |outcome| outcome.clone().unwrap_or(Ok(())))
    }
}

/// The error of a transaction that was ended from outside, as when the program stops.
fn ended() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

#[cfg(test)]
mod tests;
