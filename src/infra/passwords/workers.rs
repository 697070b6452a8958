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
        let is_possible = (1..=COUNT_MAX).contains(&count);
        is_possible.then(|| Self(Threads::new(purpose(count))))
    }

    /// Does `work` as soon as a worker is free. A client that leaves before then, or is told to come
    /// back, takes its password along at once.
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

fn purpose(count: usize) -> Purpose {
    Purpose {
        name: "hash",
        count,
        wait_max: Duration::from_secs(WAIT_SECONDS_MAX.into()),
        prepare: yield_to_others,
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::{Arc, mpsc};
    use std::task::{Context, Waker};

    use ::metrics::set_default_local_recorder;
    use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::super::hash::HashError;
    use super::*;

    fn recorder() -> PrometheusRecorder {
        PrometheusBuilder::new().build_recorder()
    }

    fn counted(recorder: &PrometheusRecorder, line: &str) -> bool {
        recorder.handle().render().lines().any(|counted| counted == line)
    }

    /// One worker, for which clients wait for as long as a busy machine makes them.
    fn patient() -> Workers {
        Workers(Threads::new(Purpose { wait_max: Duration::from_mins(1), ..purpose(1) }))
    }

    /// A client that has begun to wait.
    fn waiting<F: Future>(hash: F) -> Pin<Box<F>> {
        let mut hash = Box::pin(hash);
        assert!(hash.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        hash
    }

    /// Keeps a worker busy until the sender is dropped.
    async fn occupy(workers: &Workers) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel::<()>();
        let (begins, has_begun) = oneshot::channel();
        let _client = waiting(workers.run(move |_| {
            begins.send(()).unwrap();
            released.recv().unwrap_err()
        }));
        has_begun.await.unwrap();
        release
    }

    #[test]
    fn there_is_at_least_one_worker_and_not_any_number() {
        let is_possible = |count| Workers::new(count).is_some();
        assert_eq!([0, 1, 512, 513].map(is_possible), [false, true, true, false]);
    }

    #[tokio::test]
    async fn hashes_have_threads_of_their_own() {
        let name = |_: &mut Worker| std::thread::current().name().map(str::to_owned);
        assert_eq!(patient().run(name).await.unwrap().as_deref(), Some("hash"));
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_its_password_along_while_all_workers_are_busy() {
        let recorder = recorder();
        let _counting = set_default_local_recorder(&recorder);
        let (workers, password) = (Workers::new(1).unwrap(), Arc::new(()));
        let _busy = occupy(&workers).await;
        let copy = Arc::clone(&password);
        let client = waiting(workers.run(move |_| drop(copy)));
        assert_eq!(Arc::strong_count(&password), 2);
        assert!(counted(&recorder, "portcullis_password_hashes_waiting 1"));
        drop(client);
        assert_eq!(Arc::strong_count(&password), 1);
        assert!(counted(&recorder, "portcullis_password_hashes_waiting 0"));
    }

    #[tokio::test]
    async fn a_client_that_waited_long_enough_is_refused_without_its_password_and_counted() {
        let recorder = recorder();
        let _counting = set_default_local_recorder(&recorder);
        let (workers, password) = (Workers::new(1).unwrap(), Arc::new(()));
        let _busy = occupy(&workers).await;
        tokio::time::pause();
        let copy = Arc::clone(&password);
        let client = workers.run(move |_| drop(copy));
        let wait_max = Duration::from_secs(WAIT_SECONDS_MAX.into());
        let answer = timeout(2 * wait_max, client).await.expect("it is told to come back");
        let error = HashError::from(answer.unwrap_err());
        assert!(matches!(error, HashError::Busy { retry_after_seconds: WAIT_SECONDS_MAX }));
        assert_eq!(Arc::strong_count(&password), 1);
        assert!(counted(&recorder, "portcullis_password_hashes_waiting 0"));
        assert!(counted(&recorder, "portcullis_password_hashes_refused_total 1"));
    }

    #[tokio::test]
    async fn a_hash_that_panics_fails_and_its_worker_does_the_next() {
        let workers = patient();
        let busy = occupy(&workers).await;
        let panics = waiting(workers.run::<()>(|_| panic!("on purpose")));
        let next = waiting(workers.run(|_| 5));
        drop(busy);
        let error = HashError::from(panics.await.unwrap_err());
        assert!(matches!(error, HashError::Failed(_)), "{error:?}");
        assert_eq!(next.await, Ok(5));
    }
}
