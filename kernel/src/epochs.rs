//! Since when what is remembered of a user may be out of date.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::id::UserId;

/// Users share this many epochs. Two that share one merely make each other load again.
const EPOCHS: usize = 4096;

/// An epoch for each user, which each change to them ends. Clones share them.
#[derive(Clone, Debug)]
pub struct Epochs(Arc<[AtomicU64]>);

impl Default for Epochs {
    fn default() -> Self {
        Self((0..EPOCHS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Epochs {
    /// The epoch that a user is in.
    #[must_use]
    pub fn current(&self, user: UserId) -> u64 {
        self.of(user).load(Ordering::SeqCst)
    }

    /// Ends the epoch of a user: what was loaded in it is not used again.
    pub fn end(&self, user: UserId) {
        self.of(user).fetch_add(1, Ordering::SeqCst);
    }

    fn of(&self, user: UserId) -> &AtomicU64 {
        // The last bytes of a UUIDv7 are random, so they spread users evenly.
        let [.., high, low] = *user.0.as_bytes();
        &self.0[usize::from(u16::from_be_bytes([high, low])) % EPOCHS]
    }
}
