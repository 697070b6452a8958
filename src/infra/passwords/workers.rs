//! The few threads that hash passwords.
//!
//! A hash holds a core for some ten milliseconds and 19 MiB for as long, so every hash needs a
//! worker, and the number of workers bounds both. Handing hashes over through the async threads,
//! which are busy too, would leave the cores idle for 8 % of the time.

use std::time::{Duration, Instant};

use super::argon2id::Worker;
use crate::infra::metrics;
use crate::infra::telemetry;
use crate::infra::threads::{NoThread, Party, Purpose, Threads, yield_to_others};

/// More than any machine has cores for.
pub(super) const COUNT_MAX: usize = 512;

/// How long anyone waits for a worker.
pub(super) const WAIT_SECONDS_MAX: u32 = 2;

/// The workers of this process, shared by all clones.
#[derive(Clone)]
pub(super) struct Workers(Threads<Worker>);

impl Workers {
    /// 1 to [`COUNT_MAX`] workers.
    pub(super) fn new(count: usize) -> Option<Self> {
        let purpose = Purpose {
            name: "hash",
            count,
            wait_max: Duration::from_secs(WAIT_SECONDS_MAX.into()),
            prepare: yield_to_others,
        };
        let is_possible = (1..=COUNT_MAX).contains(&count);
        is_possible.then(|| Self(Threads::new(purpose)))
    }

    /// Does `work` as soon as a worker is free. A client that leaves before then takes its password
    /// along.
    #[tracing::instrument(level = telemetry::STEP, name = "hash a password", skip_all)]
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, NoThread> {
        let (began, waiting) = (Instant::now(), metrics::hash_waits());
        // The limits of attempts have seen to it that nobody brings many.
        let done = self.0.run(Party::Anybody, move |worker| {
            drop(waiting);
            metrics::hash_waited(began.elapsed());
            let began = Instant::now();
            let outcome = work(worker);
            metrics::hash_took(began.elapsed());
            outcome
        });
        let done = done.await;
        if matches!(done, Err(NoThread::Busy)) {
            metrics::hash_was_refused();
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_at_least_one_worker_and_not_any_number() {
        let is_possible = |count| Workers::new(count).is_some();
        assert_eq!([0, 1, 512, 513].map(is_possible), [false, true, true, false]);
    }
}
