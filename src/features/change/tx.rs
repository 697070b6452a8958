//! A change under way.

use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use uuid::Uuid;

use super::{Changes, Fault, Record};
use crate::features::audit::{self, Event, Kind};
use crate::infra::db::{Earlier, Transaction};
use crate::infra::mail::Letter;
use crate::kernel::access::Origin;
use crate::kernel::acting::Acting;
use crate::kernel::epochs::Epochs;
use crate::kernel::id::UserId;

/// A transaction, and what happens with its commit. Dropped, it changes nothing.
pub(crate) struct Tx<'a> {
    txn: Transaction,
    changes: &'a Changes,
    acting: Acting<'a>,
    now: DateTime<Utc>,
    touched: Touched,
    noted: Mutex<Notes>,
}

/// What is written last, right before the commit.
#[derive(Default)]
struct Notes {
    records: Vec<Record>,
    /// Whose events are to forget from where they came.
    erased: Vec<UserId>,
    followers: Vec<Follower>,
}

/// What follows from a change once it is committed.
type Follower = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Whom a change touches. When it is dropped, nothing that was remembered of them before is used again.
pub(super) struct Touched {
    epochs: Epochs,
    users: Mutex<Vec<UserId>>,
}

impl Touched {
    pub(super) fn new(epochs: Epochs) -> Self {
        Self { epochs, users: Mutex::default() }
    }
}

impl Drop for Touched {
    fn drop(&mut self) {
        for user in lock(&self.users).drain(..) {
            self.epochs.end(user);
        }
    }
}

impl<'a> Tx<'a> {
    pub(super) fn new(
        txn: Transaction,
        changes: &'a Changes,
        acting: Acting<'a>,
        touched: Touched,
    ) -> Self {
        let now = changes.clock.now();
        Self { txn, changes, acting, now, touched, noted: Mutex::default() }
    }

    /// In whose name this is done, and from where.
    pub(crate) fn acting(&self) -> Acting<'a> {
        self.acting
    }

    /// When the change began: all that it writes has this time, but for its audit events, which have that of its end.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The changes that this one can read before they are committed.
    pub(super) fn earlier(&self) -> Earlier {
        self.txn.earlier()
    }

    /// Notes that what is remembered of a user will be out of date.
    pub(crate) fn touch(&self, user: UserId) {
        lock(&self.touched.users).push(user);
    }

    /// Records what is done, and to whom or what, in the name of who acts.
    pub(crate) fn record(&self, kind: Kind, target: impl Into<Uuid>) {
        self.note(Record::of(kind).about(target));
    }

    /// Records what is done.
    pub(crate) fn note(&self, record: Record) {
        lock(&self.noted).records.push(record);
    }

    /// Has the events that a user caused, or that nobody known caused to them, forget from where they came, those of
    /// this change included: of a deleted account the bare id is left (DP-01).
    pub(crate) fn forget_origins_of(&self, user: UserId) {
        lock(&self.noted).erased.push(user);
    }

    /// Writes a mail that tells of it.
    pub(crate) async fn write(&self, letter: Letter<'_>) -> Result<(), Fault> {
        Ok(self.changes.outbox.write(&self.txn, self.now(), letter).await?)
    }

    /// Writes a mail to an account that this makes.
    pub(crate) async fn write_first(&self, letter: Letter<'_>) -> Result<(), Fault> {
        Ok(self.changes.outbox.write_first(&self.txn, self.now(), letter).await?)
    }

    /// Whether mail is sent at all.
    pub(crate) fn can_mail(&self) -> bool {
        self.changes.outbox.is_on()
    }

    /// Does the work of writing a mail to nobody.
    pub(crate) async fn pretend(&self, letter: Letter<'_>) -> Result<(), Fault> {
        Ok(self.changes.outbox.pretend(&self.txn, self.now(), letter).await?)
    }

    /// Has something done once the change is committed, whatever becomes of the request.
    pub(crate) fn then(&self, follower: impl Future<Output = ()> + Send + 'static) {
        lock(&self.noted).followers.push(Box::pin(follower));
    }

    /// Writes what was recorded, and commits. From then on all is finished by itself, whether anybody waits for it
    /// or not.
    pub(crate) async fn commit<T>(self, value: T) -> Result<T, DbErr> {
        let Self { txn, changes, acting, now: _, touched, noted } = self;
        let Notes { records, erased, followers } =
            noted.into_inner().unwrap_or_else(PoisonError::into_inner);
        let now = changes.clock.now();
        let elsewhere = Origin { ip: None, user_agent: None, ..acting.origin.clone() };
        let events = records.into_iter().map(|record| {
            let (actor, session) = record.whose(&acting);
            let origin = if record.is_from_elsewhere { &elsewhere } else { acting.origin };
            let Record { kind, target, detail, .. } = record;
            (Event { kind, actor, target, session, origin }, detail)
        });
        audit::record_all(&txn, now, events.collect()).await?;
        for user in erased {
            audit::forget_origins(&txn, user).await?;
        }
        let finished = tokio::spawn(async move {
            let outcome = txn.commit().await;
            drop(touched);
            if outcome.is_ok() {
                for follower in followers {
                    follower.await;
                }
            }
            outcome
        });
        match finished.await {
            Ok(outcome) => outcome.map(|()| value),
            Err(lost) => Err(DbErr::Custom(lost.to_string())),
        }
    }
}

/// Nothing panics while it holds one of these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

type Outcome<'a, T> = Pin<Box<dyn Future<Output = Result<T, DbErr>> + Send + 'a>>;

impl ConnectionTrait for Tx<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.txn.get_database_backend()
    }

    fn execute_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        Self: 'f,
    {
        self.txn.execute_raw(statement)
    }

    fn execute_unprepared<'a, 's, 'f>(&'a self, sql: &'s str) -> Outcome<'f, ExecResult>
    where
        'a: 'f,
        's: 'f,
        Self: 'f,
    {
        self.txn.execute_unprepared(sql)
    }

    fn query_one_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Option<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        self.txn.query_one_raw(statement)
    }

    fn query_all_raw<'a, 'f>(&'a self, statement: Statement) -> Outcome<'f, Vec<QueryResult>>
    where
        'a: 'f,
        Self: 'f,
    {
        self.txn.query_all_raw(statement)
    }
}
