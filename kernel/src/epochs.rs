//! Since when what is remembered of a user may be out of date.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

use super::id::UserId;

/// Users share this many epochs. Two that share one merely make each other load again.
const EPOCHS: usize = 4096;

/// An epoch for each user, which each change to them ends. Clones share them.
#[derive(Clone, Debug)]
pub struct Epochs(Arc<[Slot]>);

#[derive(Debug, Default)]
struct Slot {
    epoch: AtomicU64,
    ended: Notify,
}

impl Default for Epochs {
    fn default() -> Self {
        Self((0..EPOCHS).map(|_| Slot::default()).collect())
    }
}

impl Epochs {
    /// The epoch that a user is in.
    #[must_use]
    pub fn current(&self, user: UserId) -> u64 {
        self.of(user).epoch.load(Ordering::SeqCst)
    }

    /// Ends the epoch of a user: what was loaded in it is not used again.
    pub fn end(&self, user: UserId) {
        let slot = self.of(user);
        slot.epoch.fetch_add(1, Ordering::SeqCst);
        slot.ended.notify_waiters();
    }

    /// Returns when the epoch of a user is another than this one.
    pub async fn ended(&self, user: UserId, epoch: u64) {
        let slot = self.of(user);
        loop {
            let mut ended = pin!(slot.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if slot.epoch.load(Ordering::SeqCst) != epoch {
                return;
            }
            ended.await;
        }
    }

    fn of(&self, user: UserId) -> &Slot {
        // The last bytes of a UUIDv7 are random, so they spread users evenly.
        let [.., high, low] = *user.0.as_bytes();
        &self.0[usize::from(u16::from_be_bytes([high, low])) % EPOCHS]
    }
}
