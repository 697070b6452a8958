//! The few threads that hash passwords, and the queue before them.
//!
//! A hash holds a core for some ten milliseconds and 19 MiB for as long, so every hash needs a
//! worker, and the number of workers bounds both. Whoever is done with one hash takes the next one
//! from the queue: handing it over through the async threads, which are busy too, would leave the
//! core idle for a tenth of the time.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering::AcqRel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::argon2id::Worker;
use crate::platform::{metrics, telemetry};

/// Tokio has this many threads for work that blocks; a worker beyond them would only wait for one.
pub(super) const COUNT_MAX: usize = 512;

/// How long anyone waits for a worker.
pub(super) const WAIT_SECONDS_MAX: u32 = 2;

/// How far the threads of the workers stand back, of 19: a tenth of an async thread's share.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The workers of this process, shared by all clones.
#[derive(Clone)]
pub(super) struct Workers {
    /// One place a worker, held by the thread that it works on.
    places: Arc<Semaphore>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    /// What nobody has begun yet, the oldest first.
    queue: VecDeque<Job>,
    /// The memory of the workers that have nothing to do.
    idle: Vec<Worker>,
}

type Job = Box<dyn FnOnce(&mut Worker) + Send>;

/// Why no worker did the work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoWorker {
    #[error("no worker was free within {WAIT_SECONDS_MAX} s")]
    Busy,
    #[error("the worker died")]
    Died,
}

impl Workers {
    /// 1 to [`COUNT_MAX`] workers.
    pub(super) fn new(count: usize) -> Option<Self> {
        let is_possible = (1..=COUNT_MAX).contains(&count);
        is_possible
            .then(|| Self { places: Arc::new(Semaphore::new(count)), shared: Arc::default() })
    }

    /// Does `work` off the async threads, as soon as a worker is free.
    ///
    /// Dropping the future gives the place in the queue up. Work that has begun is finished, and
    /// keeps its worker until then: the bound is on what runs, not on who still waits for it.
    #[tracing::instrument(level = telemetry::STEP, name = "hash a password", skip_all)]
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Worker) -> T + Send + 'static,
    ) -> Result<T, NoWorker> {
        // Set by whoever comes first: the worker who begins, or the client who has waited enough.
        let is_settled = Arc::new(AtomicBool::new(false));
        let (reply, mut answer) = oneshot::channel();
        let (began, waiting) = (Instant::now(), metrics::hash_waits());
        let settled_here = Arc::clone(&is_settled);
        self.enqueue(Box::new(move |worker| {
            drop(waiting);
            if reply.is_closed() || is_settled.swap(true, AcqRel) {
                return;
            }
            metrics::hash_waited(began.elapsed());
            let began = Instant::now();
            let outcome = work(worker);
            metrics::hash_took(began.elapsed());
            // Nobody is left to hear of it when the client has gone.
            let _unheard = reply.send(outcome);
        }));

        let wait = Duration::from_secs(WAIT_SECONDS_MAX.into());
        let answered = match timeout(wait, &mut answer).await {
            Ok(answered) => answered,
            Err(_elapsed) if settled_here.swap(true, AcqRel) => answer.await,
            Err(_elapsed) => {
                metrics::hash_was_refused();
                return Err(NoWorker::Busy);
            }
        };
        answered.map_err(|_dropped| NoWorker::Died)
    }

    /// Puts a job into the queue, and starts a thread for it if there may be one more.
    #[expect(clippy::disallowed_methods, reason = "the one place that may block a thread so long")]
    fn enqueue(&self, job: Job) {
        self.lock().queue.push_back(job);
        if let Some(place) = self.place() {
            let workers = self.clone();
            spawn_blocking(move || workers.empty_queue(place));
        }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// Works until the queue is empty.
    fn empty_queue(&self, place: OwnedSemaphorePermit) {
        yield_to_others();
        let mut place = Some(place);
        while let Some(held) = place.take() {
            let mut worker = self.lock().idle.pop().unwrap_or_default();
            while let Some(job) = self.next() {
                let outcome = catch_unwind(AssertUnwindSafe(|| job(&mut worker)));
                // Whoever waited hears of it by the reply that was dropped.
                if outcome.is_err() {
                    worker = Worker::default();
                }
            }
            // In this order there are never more workers, and so never more memory, than places.
            self.lock().idle.push(worker);
            drop(held);
            // What came in since then may have found no place.
            if !self.lock().queue.is_empty() {
                place = self.place();
            }
        }
    }

    fn next(&self) -> Option<Job> {
        self.lock().queue.pop_front()
    }

    /// Nothing panics while it holds this lock, and what it guards has no half-done state.
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// From now on this thread runs when no other of the process wants to: a hash may take its time,
/// and requests that need none are answered meanwhile. The thread never does anything else.
#[cfg(target_os = "linux")]
fn yield_to_others() {
    // Of the calling thread, on Linux. Where it is forbidden, hashes merely compete.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
fn yield_to_others() {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use argon2::Params;
    use tokio::task::{JoinHandle, JoinSet};
    use tokio::time::Instant;

    use super::super::argon2id::{Argon2id as _, Input};
    use super::*;

    /// A pool of two, and what happens in it.
    fn two_workers() -> (Workers, Arc<AtomicUsize>) {
        (Workers::new(2).unwrap(), Arc::default())
    }

    /// Keeps a worker busy until the sender is dropped; returns once it is.
    async fn occupy(workers: &Workers) -> (mpsc::Sender<()>, JoinHandle<Result<(), NoWorker>>) {
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let workers = workers.clone();
        let task = tokio::spawn(async move {
            let work = move |_: &mut Worker| {
                started.send(()).unwrap();
                let _disconnected = released.recv();
            };
            workers.run(work).await
        });
        has_started.await.unwrap();
        (release, task)
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_workers_never_run_more_than_two_hashes_nor_keep_more_memory() {
        let (workers, running) = two_workers();
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let (workers, running) = (workers.clone(), Arc::clone(&running));
            tasks.spawn(async move {
                let work = move |worker: &mut Worker| {
                    let at_once = running.fetch_add(1, SeqCst) + 1;
                    let params = Params::new(256, 1, 1, None).unwrap();
                    let input = Input { password: b"", salt: &[0; 16], params: &params };
                    worker.compute(&input, &mut [0; 32]).unwrap();
                    // Lets a third one in, if there is one.
                    (0..20).for_each(|_| std::thread::yield_now());
                    running.fetch_sub(1, SeqCst);
                    at_once
                };
                workers.run(work).await.unwrap()
            });
        }
        assert!(tasks.join_all().await.into_iter().max() <= Some(2));
        let _all_places = workers.places.acquire_many(2).await.unwrap();
        assert!((1..=2).contains(&workers.lock().idle.len()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_hash_is_left_in_the_queue() {
        let worker = Workers::new(1).unwrap();
        // Now and then the second comes in just when the worker has found the queue empty.
        for round in 0..20_000 {
            let run = |spins: u32| {
                let worker = worker.clone();
                tokio::spawn(async move {
                    (0..spins).for_each(|_| std::hint::spin_loop());
                    worker.run(|_| ()).await
                })
            };
            let done = tokio::try_join!(run(0), run(round % 1_000)).unwrap();
            assert_eq!(done, (Ok(()), Ok(())), "round {round}");
        }
    }

    #[tokio::test]
    async fn work_whose_client_left_the_queue_is_never_done() {
        let (workers, done) = two_workers();
        let busy = (occupy(&workers).await, occupy(&workers).await);
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let (workers, done) = (workers.clone(), Arc::clone(&done));
            clients.spawn(async move { workers.run(move |_| done.fetch_add(1, SeqCst)).await });
        }
        tokio::task::yield_now().await;
        clients.shutdown().await;
        drop(busy);
        let _all_places = workers.places.acquire_many(2).await.unwrap();
        assert_eq!(done.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn work_whose_client_left_keeps_its_worker_until_it_ends() {
        let (workers, _) = two_workers();
        let (release, client) = occupy(&workers).await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(workers.places.available_permits(), 1);
        drop(release);
        let _all_places = workers.places.acquire_many(2).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_waits_two_seconds_is_told_that_all_are_busy_and_nothing_is_done() {
        let (workers, done) = two_workers();
        let all_places = workers.places.acquire_many(2).await.unwrap();
        let (start, counted) = (Instant::now(), Arc::clone(&done));
        let refused = workers.run(move |_| counted.fetch_add(1, SeqCst)).await;
        assert_eq!(refused, Err(NoWorker::Busy));
        assert_eq!(start.elapsed().as_secs(), 2);
        drop(all_places);
        workers.run(|_| ()).await.unwrap();
        assert_eq!(done.load(SeqCst), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_hash_that_has_begun_may_take_longer_than_anyone_waits() {
        let (workers, _) = two_workers();
        let (release, client) = occupy(&workers).await;
        tokio::time::advance(Duration::from_secs(u64::from(WAIT_SECONDS_MAX) * 2)).await;
        tokio::task::yield_now().await;
        drop(release);
        assert_eq!(client.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_neither_a_place_nor_the_next_in_the_queue() {
        let (workers, _) = two_workers();
        let busy = (occupy(&workers).await, occupy(&workers).await);
        let (first, second) = (workers.clone(), workers.clone());
        let panics = tokio::spawn(async move { first.run(|_| panic!("on purpose")).await });
        let next = tokio::spawn(async move { second.run(|_| 5).await });
        tokio::task::yield_now().await;
        drop(busy);
        assert_eq!(panics.await.unwrap(), Err::<(), _>(NoWorker::Died));
        assert_eq!(next.await.unwrap(), Ok(5));
        let _all_places = workers.places.acquire_many(2).await.unwrap();
    }

    #[test]
    fn there_is_at_least_one_worker_and_a_thread_for_each() {
        let is_possible = |count| Workers::new(count).is_some();
        assert_eq!([0, 1, 512, 513].map(is_possible), [false, true, true, false]);
    }
}
