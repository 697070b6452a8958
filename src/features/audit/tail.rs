//! The end of the log, as it grows: every event once, in the order of the chain.
//!
//! An event is told once it has its link (`chain.rs`), whichever instance wrote it, and whichever sealed it. So none is missed
//! because its transaction took longer than a younger one.

mod store;

use std::sync::Arc;
use std::time::Duration;

use sea_orm::DbErr;
use tokio::sync::broadcast::{Receiver, Sender};
use tokio::sync::{Mutex, broadcast};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::listing::Recorded;
use crate::infra::causes::causes;
use crate::infra::db::Db;

/// How often it is looked whether there are more, while anybody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long the database may take for one look.
const LOOK_MAX: Duration = Duration::from_secs(4);
/// What is told of a database whose answer was waited for in vain.
const SILENT: &str = "the database does not answer in time";
/// Events read in one look.
const BATCH: u64 = 500;
/// Events kept for who listens slowly. Who is further behind is told so, and misses some.
const KEPT: usize = 1_024;

/// The one reader of what is new in this process. Clones share it.
#[derive(Clone)]
pub(super) struct Tail(Arc<Shared>);

struct Shared {
    db: Db,
    events: Sender<Arc<Recorded>>,
    /// What reads for all who listen, while anybody does.
    follower: Mutex<Option<JoinHandle<()>>>,
}

impl Tail {
    pub(super) fn new(db: Db) -> Self {
        let (events, _) = broadcast::channel(KEPT);
        Self(Arc::new(Shared { db, events, follower: Mutex::default() }))
    }

    /// Gives every event that is sealed from now on.
    pub(super) async fn listen(&self) -> Result<Receiver<Arc<Recorded>>, DbErr> {
        let mut follower = self.0.follower.lock().await;
        if follower.as_ref().is_some_and(|follower| !follower.is_finished()) {
            return Ok(self.0.events.subscribe());
        }
        let reading = timeout(LOOK_MAX, store::last(self.0.db.reader()));
        let last = reading.await.map_err(|_elapsed| DbErr::Custom(SILENT.to_owned()))??;
        let listener = self.0.events.subscribe();
        *follower = Some(tokio::spawn(self.clone().follow(last)));
        Ok(listener)
    }

    /// Reads what comes after a link, for as long as anybody listens.
    async fn follow(self, mut last: i64) {
        let Shared { db, events, follower } = &*self.0;
        let mut every = interval(LOOK_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut is_behind, mut is_failing) = (false, false);
        loop {
            if !is_behind {
                every.tick().await;
            }
            {
                let mut follower = follower.lock().await;
                if events.receiver_count() == 0 {
                    *follower = None;
                    return;
                }
            }
            let problem = match timeout(LOOK_MAX, store::after(db.reader(), last, BATCH)).await {
                Ok(Ok(links)) => {
                    (is_behind, is_failing) = (links.len() as u64 == BATCH, false);
                    for (seq, event) in links {
                        last = seq;
                        // Nobody may be listening any more.
                        let _ = events.send(Arc::new(event));
                    }
                    continue;
                }
                Ok(Err(error)) => causes(&error),
                Err(_elapsed) => SILENT.to_owned(),
            };
            if !is_failing {
                tracing::warn!(error = %problem, "cannot read new audit events yet");
            }
            (is_behind, is_failing) = (false, true);
        }
    }
}
