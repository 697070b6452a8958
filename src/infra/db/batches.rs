//! Work on very many rows that leaves the database to the requests.

use std::time::{Duration, Instant};

/// How many rows one statement removes or changes, so that it holds the writer for a few milliseconds.
const BATCH_ROWS: u64 = 200;
/// A pause lasts this many times as long as the batch before it.
const PAUSE_FACTOR: u32 = 2;
/// The longest pause, however slow the database is.
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// The pace of batches. The pauses between them leave the database to the requests, which wait for one batch at most.
pub(crate) struct Pace {
    began: Instant,
}

impl Pace {
    /// How many rows a batch may take.
    pub(crate) const ROWS: u64 = BATCH_ROWS;

    /// The first batch begins now.
    pub(crate) fn start() -> Self {
        Self { began: Instant::now() }
    }

    /// Pauses after a batch that found so many rows, unless it was the last.
    pub(crate) async fn goes_on(&mut self, found: u64) -> bool {
        if found < Self::ROWS {
            return false;
        }
        tokio::time::sleep((self.began.elapsed() * PAUSE_FACTOR).min(PAUSE_MAX)).await;
        self.began = Instant::now();
        true
    }
}

/// Calls `batch` with the number of rows that it may take, until it finds fewer. Returns how many it found in all.
pub(crate) async fn in_batches<E, F>(batch: impl Fn(u64) -> F) -> Result<u64, E>
where
    F: Future<Output = Result<u64, E>>,
{
    let (mut taken, mut pace) = (0, Pace::start());
    loop {
        let count = batch(Pace::ROWS).await?;
        taken += count;
        if !pace.goes_on(count).await {
            return Ok(taken);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[tokio::test]
    async fn batches_go_on_until_one_is_not_full() {
        let left = Cell::new(2 * BATCH_ROWS + 50);
        let take = |batch| {
            let taken = left.get().min(batch);
            left.set(left.get() - taken);
            std::future::ready(Ok::<_, ()>(taken))
        };
        assert_eq!(in_batches(take).await, Ok(2 * BATCH_ROWS + 50));
        assert_eq!((left.get(), in_batches(take).await), (0, Ok(0)));
    }
}
