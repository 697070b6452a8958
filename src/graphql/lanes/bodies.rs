//! The requests that are longer than most and come in at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::{Lane, WAIT_MAX, refused};
use crate::infra::threads::NoThread;

/// How many there may be: 25 MB at most.
const PLACES: usize = 256;

/// Places for them. Clones share them.
#[derive(Clone)]
pub(crate) struct Bodies(Arc<Shared>);

struct Shared {
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    crowded: Notify,
}

impl Default for Bodies {
    fn default() -> Self {
        Self(Arc::new(Shared {
            places: Arc::new(Semaphore::new(PLACES)),
            waiting: AtomicUsize::new(0),
            crowded: Notify::new(),
        }))
    }
}

impl Bodies {
    /// A place for one, which it keeps until it has been made use of.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, NoThread> {
        let places = &self.0.places;
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return Ok(place);
        }
        let _waits = Waits::new(&self.0);
        let place = timeout(WAIT_MAX, Arc::clone(places).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(|| refused(Lane::Body, NoThread::Busy))
    }

    /// How many wait for a place.
    pub(crate) fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    /// Returns when there has begun to wait one.
    pub(crate) async fn crowd(&self) {
        self.0.crowded.notified().await;
    }
}

struct Waits<'a>(&'a Shared);

impl<'a> Waits<'a> {
    fn new(shared: &'a Shared) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        shared.crowded.notify_one();
        Self(shared)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
