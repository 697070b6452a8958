//! The answers that have been made and that their clients have not taken.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Notify;
use tokio::time::sleep;

/// An answer of no more is not counted.
const UNCOUNTED_MAX: usize = 4 * 1024;
/// Bytes that answers may hold before clients that do not take theirs are cut off.
const HELD_MAX: usize = 64 * 1024 * 1024;
/// What they may hold when something costly begins, and something that is less so: what costs most waits first.
pub(super) const BEFORE_COSTLY: usize = HELD_MAX;
pub(super) const BEFORE_SHARED: usize = 2 * HELD_MAX;
/// How long it takes to notice that there is room again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// How much all of them hold. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answers(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    held: AtomicUsize,
    crowded: Notify,
}

impl Answers {
    /// Counts an answer for as long as anyone has it.
    pub(crate) fn hold(&self, answer: Vec<u8>) -> Bytes {
        let size = answer.capacity();
        if size <= UNCOUNTED_MAX {
            return answer.into();
        }
        let held = self.0.held.fetch_add(size, Ordering::Relaxed) + size;
        if held > HELD_MAX {
            self.0.crowded.notify_one();
        }
        Bytes::from_owner(Held { answer, size, of: self.clone() })
    }

    /// How many bytes they hold beyond what they may; `None` is none.
    pub(crate) fn excess(&self) -> Option<usize> {
        let held = self.0.held.load(Ordering::Relaxed);
        (held > HELD_MAX).then(|| held - HELD_MAX)
    }

    /// Returns when they hold more than they may.
    pub(crate) async fn crowd(&self) {
        self.0.crowded.notified().await;
    }

    /// Returns when they hold no more than so many bytes.
    pub(super) async fn leave_room(&self, bytes: usize) {
        while self.0.held.load(Ordering::Relaxed) > bytes {
            sleep(LOOK_EVERY).await;
        }
    }
}

struct Held {
    answer: Vec<u8>,
    size: usize,
    of: Answers,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.0.held.fetch_sub(self.size, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_room_until_nobody_has_it() {
        let answers = Answers::default();
        let small = answers.hold(vec![0; UNCOUNTED_MAX]);
        let large = answers.hold(vec![0; HELD_MAX]);
        assert_eq!(answers.excess(), None);
        let one_more = answers.hold(vec![0; UNCOUNTED_MAX + 1]);
        assert_eq!(answers.excess(), Some(UNCOUNTED_MAX + 1));
        answers.crowd().await;
        answers.leave_room(BEFORE_SHARED).await;
        let copy = large.clone();
        drop((small, large));
        let has_room = tokio::time::timeout(2 * LOOK_EVERY, answers.leave_room(BEFORE_COSTLY));
        assert!(has_room.await.is_err());
        drop(copy);
        answers.leave_room(BEFORE_COSTLY).await;
        drop(one_more);
        assert_eq!(answers.0.held.load(Ordering::Relaxed), 0);
    }
}
