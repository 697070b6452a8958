//! The unit of work: a change to what is kept, as one value.
//!
//! [`Changes::run`] begins a transaction and hands it over as a [`Tx`]. What is recorded in it for the audit log is
//! written with its commit, so that there is no change without its event and no event without its change (LG-07).
//! The transaction notes which users it touches, and the caches drop what they hold of them when it ends, however it
//! ends. A task of its own finishes a commit that was sent, with all that follows from it, whatever becomes of the
//! request (RT-20). A transaction that lost a race runs again.

mod fault;
mod record;
mod tx;

use std::pin::Pin;

use sea_orm::DbErr;

pub use self::fault::Fault;
pub(crate) use self::fault::with_fault;
pub(crate) use self::record::Record;
use self::tx::Touched;
pub(crate) use self::tx::Tx;
use crate::infra::db::{Db, DbFailure};
use crate::infra::mail::Outbox;
use crate::kernel::acting::Acting;
use crate::kernel::clock::Clock;
use crate::kernel::epochs::Epochs;

/// Makes changes. Clones share everything.
#[derive(Clone)]
pub(crate) struct Changes {
    db: Db,
    clock: Clock,
    outbox: Outbox,
    /// A change ends the epoch of each user that it touches.
    epochs: Epochs,
}

impl Changes {
    pub(crate) fn new(db: Db, clock: Clock, outbox: Outbox) -> Self {
        Self { db, clock, outbox, epochs: Epochs::default() }
    }

    /// Whoever remembers something of a user forgets it when the user's epoch ends.
    pub(crate) fn epochs(&self) -> Epochs {
        self.epochs.clone()
    }

    /// Makes a change by one attempt, a whole transaction that ends with [`Tx::commit`]; or, where that returns
    /// before, none. An attempt that the database chose as the victim of a deadlock or a serialization failure is
    /// made again, so it does nothing outside its transaction. `name` says in the metrics what was tried again.
    pub(crate) async fn run<'a, T, E, F>(
        &'a self,
        name: &'static str,
        acting: Acting<'a>,
        attempt: impl Fn(Tx<'a>) -> F,
    ) -> Result<T, E>
    where
        F: Future<Output = Result<T, E>> + Send,
        E: DbFailure + From<DbErr>,
    {
        let attempt = &attempt;
        let once = move || async move {
            let tx = self.begin(acting).await?;
            let earlier = tx.earlier();
            // Without the box, the type of each caller's future would hold that of the whole change.
            let attempt: Pin<Box<dyn Future<Output = Result<T, E>> + Send>> = Box::pin(attempt(tx));
            let outcome = attempt.await;
            // An answer without a commit may rest on changes that are not committed yet. A database that failed says
            // itself why.
            let has_failed = |error: &E| error.db().is_some_and(|error| error.sql_err().is_none());
            match earlier.settled().await {
                Err(error) if !outcome.as_ref().is_err_and(has_failed) => Err(error.into()),
                _ => outcome,
            }
        };
        self.db.retry(name, once).await
    }

    /// Makes a change that is one statement, which touches no user and records nothing: it needs no transaction.
    pub(crate) async fn by_statement<T, F>(
        &self,
        name: &'static str,
        statement: impl Fn() -> F,
    ) -> Result<T, DbErr>
    where
        F: Future<Output = Result<T, DbErr>>,
    {
        self.db.retry(name, statement).await
    }

    async fn begin<'a>(&'a self, acting: Acting<'a>) -> Result<Tx<'a>, DbErr> {
        let touched = Touched::new(self.epochs.clone());
        Ok(Tx::new(self.db.begin().await?, self, acting, touched))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sea_orm::{ConnectionTrait, DbBackend, Statement};

    use super::*;
    use crate::infra::keys::Master;
    use crate::kernel::access::Origin;

    async fn count(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
        let count = Statement::from_string(DbBackend::Sqlite, "SELECT COUNT(*) FROM notes");
        let row = db.query_one_raw(count).await?.unwrap();
        row.try_get_by_index(0)
    }

    #[tokio::test]
    async fn an_answer_without_a_commit_waits_for_the_changes_it_was_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/test.db", folder.path().display());
        let db = Db::connect(&url, 2).await.unwrap();
        db.writer().execute_unprepared("CREATE TABLE notes (note INTEGER)").await.unwrap();
        let (clock, master) = (Clock::system(), Arc::new(Master::new(&[1; 32], None).unwrap()));
        let no_links = |_: &_, _, _: &_| unreachable!("no mail is written");
        let outbox = Outbox::new(db.clone(), clock.clone(), master, None, no_links).unwrap();
        let changes = Changes::new(db.clone(), clock, outbox);

        let before = db.begin().await.unwrap();
        before.execute_unprepared("INSERT INTO notes VALUES (1)").await.unwrap();
        let look = tokio::spawn(async move {
            let look = |tx| async move { count(&tx).await };
            changes.run("look", Acting::unknown(&Origin::CLI), look).await
        });
        // Now it waits for its turn.
        tokio::task::yield_now().await;
        let before = tokio::spawn(before.commit());

        assert_eq!(look.await.unwrap(), Ok(1));
        assert_eq!(count(db.reader()).await, Ok(1), "committed by then");
        before.await.unwrap().unwrap();
    }
}
