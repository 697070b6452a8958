//! The answers that have been made and that their clients have not taken.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::infra::threads::Party;

/// An answer of no more is not counted.
const UNCOUNTED_MAX: usize = 4 * 1024;
/// Bytes that answers may hold before clients that do not take theirs are cut off.
const HELD_MAX: usize = 48 * 1024 * 1024;
/// What those of one party may hold when it begins anything further.
const HELD_BY_ONE: usize = HELD_MAX / 4;
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
    held: Mutex<Held>,
    crowded: Notify,
}

/// Bytes.
#[derive(Debug, Default)]
struct Held {
    in_all: usize,
    /// Of those who have any.
    by_one: HashMap<Party, usize>,
}

impl Answers {
    /// Counts a party's answer for as long as anyone has it.
    pub(crate) fn hold(&self, party: Party, answer: Vec<u8>) -> Bytes {
        if answer.len() <= UNCOUNTED_MAX {
            return answer.into();
        }
        let answer = answer.into_boxed_slice();
        let mut held = self.lock();
        held.in_all += answer.len();
        *held.by_one.entry(party).or_default() += answer.len();
        if held.in_all > HELD_MAX {
            self.0.crowded.notify_one();
        }
        drop(held);
        Bytes::from_owner(Counted { answer, party, of: self.clone() })
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many bytes too many they hold, if any.
    pub(crate) fn excess(&self) -> Option<usize> {
        let held = self.lock().in_all;
        (held > HELD_MAX).then(|| held - HELD_MAX)
    }

    /// Returns when they hold more than they may.
    pub(crate) async fn crowd(&self) {
        self.0.crowded.notified().await;
    }

    /// Returns when they hold no more than so many bytes, and the party's own no more than its part.
    pub(super) async fn leave_room(&self, party: Party, bytes: usize) {
        while !self.leaves_room(party, bytes) {
            sleep(LOOK_EVERY).await;
        }
    }

    pub(super) fn leaves_room(&self, party: Party, bytes: usize) -> bool {
        let held = self.lock();
        held.in_all <= bytes && held.by_one.get(&party).is_none_or(|own| *own <= HELD_BY_ONE)
    }
}

struct Counted {
    answer: Box<[u8]>,
    party: Party,
    of: Answers,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut held = self.of.lock();
        held.in_all -= self.answer.len();
        if let Some(own) = held.by_one.get_mut(&self.party) {
            *own -= self.answer.len();
            if *own == 0 {
                held.by_one.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn party(number: u8) -> Party {
        Party::Address([192, 0, 2, number].into())
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_takes_room_until_nobody_has_it() {
        let answers = Answers::default();
        let small = answers.hold(party(1), vec![0; UNCOUNTED_MAX]);
        let large = answers.hold(party(1), vec![0; HELD_MAX]);
        assert_eq!(answers.excess(), None);
        let one_more = answers.hold(party(2), vec![0; UNCOUNTED_MAX + 1]);
        assert_eq!(answers.excess(), Some(UNCOUNTED_MAX + 1));
        answers.crowd().await;
        answers.leave_room(party(2), BEFORE_SHARED).await;
        let copy = large.clone();
        drop((small, large));
        let has_room =
            tokio::time::timeout(2 * LOOK_EVERY, answers.leave_room(party(2), BEFORE_COSTLY));
        assert!(has_room.await.is_err());
        drop(copy);
        answers.leave_room(party(2), BEFORE_COSTLY).await;
        drop(one_more);
        let held = answers.lock();
        assert!(held.in_all == 0 && held.by_one.is_empty());
    }

    #[test]
    fn who_holds_much_waits_and_others_do_not() {
        let answers = Answers::default();
        let _held =
            [HELD_BY_ONE, UNCOUNTED_MAX + 1].map(|size| answers.hold(party(1), vec![0; size]));
        assert!(!answers.leaves_room(party(1), BEFORE_SHARED));
        assert!(answers.leaves_room(party(2), BEFORE_COSTLY));
    }
}
