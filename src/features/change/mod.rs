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
            // Without the box, the type of each caller's future would hold that of the whole change.
            let attempt: Pin<Box<dyn Future<Output = Result<T, E>> + Send>> = Box::pin(attempt(tx));
            attempt.await
        };
        self.db.retry(name, once).await
    }

    async fn begin<'a>(&'a self, acting: Acting<'a>) -> Result<Tx<'a>, DbErr> {
        let touched = Touched::new(self.epochs.clone());
        Ok(Tx::new(self.db.begin().await?, self, acting, touched))
    }
}
