//! The callers of open streams: what this instance changes about them is heard at once, and what another does within
//! seconds.
//!
//! Every change ends its user's epoch here. So there is one thing to wait for, and whatever another instance has changed is
//! made to end the epoch too: every [`LOOK_EVERY`] the sessions of all open streams are compared with what was seen of them
//! last, many in a statement.

mod store;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::DbErr;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Sessions;
use crate::infra::causes::causes;
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::epochs::Epochs;
use crate::kernel::id::{SessionId, UserId};

/// Within this time a revocation counts on every instance (JW-14).
const EVERYWHERE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// How long the database may take for one look at all of them.
const LOOK_MAX: Duration = Duration::from_millis(2_500);
/// What changes just after a look has read it is seen by the next, which begins when it is due, or at the end of a long one.
const _: () = assert!(
    EVERYWHERE.as_millis() >= LOOK_EVERY.as_millis() + LOOK_MAX.as_millis()
        && EVERYWHERE.as_millis() >= 2 * LOOK_MAX.as_millis()
);
/// Sessions compared in one statement.
const BATCH: usize = 500;
/// Statements in progress at once.
const AT_ONCE: usize = 4;

/// The sessions that open streams belong to. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Watched(Arc<Mutex<Entries>>);

#[derive(Default)]
struct Entries {
    by_session: HashMap<SessionId, Entry>,
    /// What looks after all of them, while there are any.
    looker: Option<JoinHandle<()>>,
}

struct Entry {
    user: UserId,
    streams: usize,
    /// `None` until it is looked at for the first time.
    seen: Option<Seen>,
}

/// A digest of what is known of a session that goes on and of its user; `None` of one that is over.
type Seen = Option<u64>;

/// Hears of changes to the caller of one stream.
pub(crate) struct CallerWatch {
    session: SessionId,
    user: UserId,
    /// `None` until the first look.
    epoch: Option<u64>,
    epochs: Epochs,
    watched: Watched,
}

impl Sessions {
    /// Begins to hear of changes to a caller. The first is told at once, since any may have happened since `viewer` was
    /// loaded.
    pub(crate) fn watch(&self, viewer: &Viewer) -> CallerWatch {
        let (session, user) = (viewer.session_id, viewer.user.id);
        let epochs = self.changes.epochs();
        let mut entries = self.watched.lock();
        let entry = entries.by_session.entry(session);
        let entry = entry.or_insert(Entry { user, streams: 0, seen: None });
        entry.streams += 1;
        if entries.looker.as_ref().is_none_or(JoinHandle::is_finished) {
            let looking = self.watched.clone().look_after(self.db.clone(), epochs.clone());
            entries.looker = Some(tokio::spawn(looking));
        }
        drop(entries);
        let watched = self.watched.clone();
        CallerWatch { session, user, epoch: None, epochs, watched }
    }
}

impl CallerWatch {
    /// Returns when anything about the caller may have changed.
    pub(crate) async fn changed(&mut self) {
        if let Some(epoch) = self.epoch {
            self.epochs.ended(self.user, epoch).await;
        }
        self.epoch = Some(self.epochs.current(self.user));
    }
}

impl Drop for CallerWatch {
    fn drop(&mut self) {
        let mut entries = self.watched.lock();
        if let Some(entry) = entries.by_session.get_mut(&self.session) {
            entry.streams -= 1;
            if entry.streams == 0 {
                entries.by_session.remove(&self.session);
            }
        }
    }
}

impl Watched {
    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Compares for as long as there are any.
    async fn look_after(self, db: Db, epochs: Epochs) {
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut is_failing = false;
        loop {
            every.tick().await;
            let sessions: Vec<SessionId> = {
                let mut entries = self.lock();
                if entries.by_session.is_empty() {
                    entries.looker = None;
                    return;
                }
                entries.by_session.keys().copied().collect()
            };
            let problem = match timeout(LOOK_MAX, self.look(&db, &epochs, &sessions)).await {
                Ok(Ok(())) => {
                    is_failing = false;
                    continue;
                }
                Ok(Err(error)) => causes(&error),
                Err(_elapsed) => "the database does not answer in time".to_owned(),
            };
            // Nothing is told to a caller who cannot be recognised.
            if !is_failing {
                tracing::warn!(error = %problem, "cannot check the callers of open streams");
            }
            is_failing = true;
        }
    }

    /// Compares all of them, a few batches at a time.
    async fn look(&self, db: &Db, epochs: &Epochs, sessions: &[SessionId]) -> Result<(), DbErr> {
        let batches: Vec<_> = sessions.chunks(BATCH).collect();
        for group in batches.chunks(AT_ONCE) {
            let mut looks = JoinSet::new();
            for batch in group {
                let (db, batch) = (db.clone(), batch.to_vec());
                looks.spawn(async move { (store::look(db.reader(), &batch).await, batch) });
            }
            for (found, batch) in looks.join_all().await {
                self.compare(&batch, &found?, epochs);
            }
        }
        Ok(())
    }

    fn compare(&self, batch: &[SessionId], found: &HashMap<SessionId, u64>, epochs: &Epochs) {
        let mut entries = self.lock();
        for session in batch {
            let now = found.get(session).copied();
            if let Some(entry) = entries.by_session.get_mut(session)
                && entry.seen != Some(now)
            {
                entry.seen = Some(now);
                epochs.end(entry.user);
            }
        }
    }
}
