//! The room that operations share which are neither small nor costly.

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::infra::threads::Party;
use crate::kernel::shares::{Share, Shares};

/// What all of them may cost in all: 70 MB at most, where each row has the longest strings.
pub(super) const ROOM: usize = 60_000;
/// What those of one party may.
pub(super) const ROOM_OF_ONE: usize = ROOM / 2;

pub(super) struct Shared {
    room: Semaphore,
    parties: Shares<Party>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { room: Semaphore::new(ROOM), parties: Shares::new(ROOM_OF_ONE) }
    }
}

/// Room for one operation.
pub(super) struct Room<'a> {
    _of_all: Option<SemaphorePermit<'a>>,
    _of_one: Share<'a, Party>,
}

impl Shared {
    /// Waits first for room of the party's own, so that a crowd of one party's holds nobody else up.
    pub(super) async fn room(&self, party: Party, cost: u32) -> Room<'_> {
        let of_one = self.parties.take(party, cost).await;
        let of_all = self.room.acquire_many(cost).await.ok();
        Room { _of_all: of_all, _of_one: of_one }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const A_MOMENT: Duration = Duration::from_millis(1);

    #[tokio::test(start_paused = true)]
    async fn one_party_leaves_room_for_others_and_is_forgotten() {
        let (shared, cost) = (Shared::default(), u32::try_from(ROOM_OF_ONE).unwrap());
        let party = |number| Party::Address([192, 0, 2, number].into());
        let mut rooms = Vec::new();
        for number in 0..2 {
            rooms.push(shared.room(party(number), cost).await);
            assert!(timeout(A_MOMENT, shared.room(party(number), 1)).await.is_err(), "its share");
        }
        assert!(timeout(A_MOMENT, shared.room(party(4), 1)).await.is_err(), "no room at all");
        assert_eq!(shared.parties.count(), 2);
        rooms.truncate(1);
        let _other = shared.room(party(4), cost).await;
        drop(rooms);
        assert_eq!(shared.parties.count(), 1);
    }
}
