//! Room of one's own: each key has so much of it, and is forgotten with the last who has some or waits for it.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is shared out, and to whom.
pub struct Shares<K: Copy + Eq + Hash> {
    /// What one key has.
    size: usize,
    /// Of those who have any, or wait for it.
    keys: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A part of what a key has.
pub struct Share<'a, K: Copy + Eq + Hash> {
    of: &'a Shares<K>,
    key: K,
    /// Until it is dropped.
    own: Option<Arc<Semaphore>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Copy + Eq + Hash> Shares<K> {
    /// So much for each key.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, keys: Mutex::default() }
    }

    /// Waits, in turn, for so much of what the key has.
    pub async fn take(&self, key: K, much: u32) -> Share<'_, K> {
        let own = Arc::clone(
            self.lock().entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.size))),
        );
        let mut share = Share { of: self, key, own: Some(Arc::clone(&own)), permit: None };
        // Nobody closes them.
        share.permit = own.acquire_many_owned(much).await.ok();
        share
    }

    /// How many keys have any, or wait for it.
    pub fn count(&self) -> usize {
        self.lock().len()
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, HashMap<K, Arc<Semaphore>>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash> Drop for Share<'_, K> {
    fn drop(&mut self) {
        self.permit = None;
        let mut keys = self.of.lock();
        // Under the lock, so that of two who go at once the second sees that it is the last.
        self.own = None;
        if keys.get(&self.key).is_some_and(|own| Arc::strong_count(own) == 1) {
            keys.remove(&self.key);
        }
    }
}
