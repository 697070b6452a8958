//! Whether requests should come to this instance, and why not.
//!
//! A server needs a database that takes writes. Whether it does is tried every two seconds, and not
//! for each caller who asks: a row is written and taken back, and beside a SQLite file a page, which
//! costs no wait for a disk. The full disk of a server shows by what is committed, once a minute when
//! this instance shows itself. After a failure every try commits, so that what has failed must have
//! succeeded before the instance is ready again.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::DbErr;
use tokio::join;
use tokio::time::timeout;

use super::doubt::Doubt;
use super::{App, PROBE_MAX};
use crate::infra::causes::causes;
use crate::infra::db::{Refused, Unwritable};
use crate::infra::instances;
use crate::infra::metrics;

/// How often writing is tried, and the reason logged when there is another.
const TRIED_EVERY: Duration = Duration::from_secs(2);
/// Who has no newer answer than this tries itself.
const TRIED_WITHIN: Duration = Duration::from_secs(10);
/// Reasons that are told of one time of not being ready.
const REASONS_MAX: usize = 8;
/// So many writes that fail one after the other, for whatever reason, are no accident.
const FAILURES_MAX: u32 = 3;

/// Why an instance is not ready, and what to do about it.
#[derive(Debug, thiserror::Error)]
enum Unready {
    #[error("it is stopping")]
    Stopping,
    #[error("it has not been able to read the keys for more than ten seconds")]
    Keys,
    #[error(transparent)]
    Clock(#[from] Doubt),
    #[error("the database does not answer in time")]
    Silent,
    #[error("the database does not answer queries: {}", causes(.0))]
    Database(#[source] DbErr),
    #[error("the schema of the database does not match this program: run the matching version")]
    Schema,
    #[error("{why}{}: {advice}", told(.cause.as_deref()), advice = .why.advice())]
    Unwritable { why: Unwritable, cause: Option<String> },
}

fn told(cause: Option<&str>) -> String {
    cause.map_or_else(String::new, |cause| format!(" ({cause})"))
}

/// What is known of whether the database takes writes. Who only asks does not wait for who tries.
#[derive(Default)]
pub(super) struct Writing {
    turn: tokio::sync::Mutex<()>,
    tried: Mutex<Tried>,
}

#[derive(Clone, Default)]
struct Tried {
    at: Option<Instant>,
    failures: u32,
    refused: Option<Unwritable>,
    /// What the database said last, where that is all there is to know.
    cause: Option<String>,
}

impl Writing {
    fn tried(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tried {
    fn is_recent(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() <= TRIED_WITHIN)
    }

    /// After a refusal the next try must succeed as well: by then no connection is left that was opened
    /// before, and may only read.
    fn succeed(&mut self) {
        let is_unexplained = matches!(self.refused, Some(Unwritable::Stuck | Unwritable::Busy));
        if self.failures == 0 || is_unexplained {
            self.refused = None;
        }
        self.failures = 0;
    }

    /// `stuck` is what there is to say where the reason is not known.
    fn fail(&mut self, refused: Option<Unwritable>, stuck: Unwritable, cause: String) {
        self.failures = self.failures.saturating_add(1);
        self.cause = Some(cause);
        let is_stuck = self.failures >= FAILURES_MAX;
        self.refused = refused.or(self.refused).or(is_stuck.then_some(stuck));
    }
}

impl App {
    /// From now on the instance is not ready, so that no new work is sent to it.
    pub(crate) fn announce_stop(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    /// Whether requests should come here: the database answers and takes writes, its schema is the one
    /// this program knows, the keys are fresh, the clock is right, and the instance is not about to
    /// stop.
    pub(crate) async fn is_ready(&self) -> bool {
        self.readiness().await.is_ok()
    }

    /// The check that fails, in the words of the log.
    pub(crate) async fn why_not_ready(&self) -> Option<String> {
        self.readiness().await.err().map(|unready| unready.to_string())
    }

    async fn readiness(&self) -> Result<(), Unready> {
        if self.is_stopping.load(Ordering::SeqCst) {
            return Err(Unready::Stopping);
        }
        if !self.keys.are_fresh() {
            return Err(Unready::Keys);
        }
        timeout(PROBE_MAX, self.is_database_ready()).await.unwrap_or(Err(Unready::Silent))?;
        Ok(self.trust_clock()?)
    }

    async fn is_database_ready(&self) -> Result<(), Unready> {
        self.db.ping().await.map_err(Unready::Database)?;
        let status = self
            .config
            .extended
            .migrations
            .status(self.db.reader())
            .await
            .map_err(Unready::Database)?;
        if !status.is_compatible() {
            return Err(Unready::Schema);
        }
        if !self.writing.tried().is_recent() {
            let _turn = self.writing.turn.lock().await;
            // Somebody else may have tried meanwhile.
            if !self.writing.tried().is_recent() {
                self.try_to_write().await;
            }
        }
        self.takes_writes()
    }

    fn takes_writes(&self) -> Result<(), Unready> {
        let Tried { refused, cause, .. } = self.writing.tried().clone();
        let is_unexplained = matches!(refused, Some(Unwritable::Stuck | Unwritable::Busy));
        let cause = cause.filter(|_| is_unexplained);
        refused.map_or(Ok(()), |why| Err(Unready::Unwritable { why, cause }))
    }

    /// Fails with the reason, and what to do, when the database takes no writes.
    pub(crate) async fn require_writing(&self) -> anyhow::Result<()> {
        self.try_to_write().await;
        match self.takes_writes() {
            Err(Unready::Unwritable { why, .. }) if why.may_pass() => Err(Refused(why).into()),
            outcome => Ok(outcome?),
        }
    }

    async fn try_to_write(&self) {
        if self.db.is_moved() {
            let mut tried = self.writing.tried();
            tried.fail(Some(Unwritable::Moved), self.db.stuck(), String::new());
            tried.at = Some(Instant::now());
            return;
        }
        // By itself no reason: a file that was opened earlier may still be written.
        let file = self.db.unwritable_file();
        let is_doubtful = self.writing.tried().failures > 0 || file.is_some();
        let written = async {
            if is_doubtful {
                self.instance.show().await.map(|_others| ())
            } else {
                instances::try_write(&self.db, self.clock.now()).await
            }
        };
        let (written, ()) = join!(timeout(PROBE_MAX, written), self.look_at_clock());
        let failed = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some((self.db.explain(&error).await.or(file), causes(&error))),
            Err(_elapsed) => Some((None, Unready::Silent.to_string())),
        };
        let mut tried = self.writing.tried();
        match failed {
            None => tried.succeed(),
            Some((refused, cause)) => tried.fail(refused, self.db.stuck(), cause),
        }
        tried.at = Some(Instant::now());
    }

    /// Takes note of a write that has failed elsewhere.
    pub(super) async fn note_unwritten(&self, error: &DbErr) {
        let refused = self.db.explain(error).await;
        self.writing.tried().fail(refused, self.db.stuck(), causes(error));
    }

    /// Tries to write, and logs that this instance is not ready, with each reason once, and once that
    /// it is again.
    pub(super) async fn watch_readiness(self) {
        let mut every = tokio::time::interval(TRIED_EVERY);
        let mut told: Vec<String> = Vec::new();
        loop {
            every.tick().await;
            let turn = self.writing.turn.lock().await;
            self.try_to_write().await;
            drop(turn);
            let readiness = self.readiness().await;
            metrics::ready(readiness.is_ok());
            match readiness {
                Ok(()) => {
                    if !told.is_empty() {
                        told.clear();
                        tracing::info!("this instance is ready again");
                    }
                }
                // Who has told it to stop knows that.
                Err(Unready::Stopping) => {}
                Err(unready) => {
                    let reason = unready.to_string();
                    // How many seconds a clock is off may change from one look to the next.
                    let kind = reason.replace(|c: char| c.is_ascii_digit(), "");
                    // One trouble may follow the other, or two take turns.
                    if told.len() < REASONS_MAX && !told.contains(&kind) {
                        tracing::error!("this instance is not ready: {reason}");
                        told.push(kind);
                    }
                }
            }
        }
    }
}
