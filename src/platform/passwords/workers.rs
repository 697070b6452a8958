//! The few threads that hash passwords, and the queue before them.
//!
//! A hash holds a core for some ten milliseconds and 19 MiB for as long, so every hash needs a
//! worker, and the number of workers bounds both. Whoever is done with one hash takes the next one
//! from the queue: handing it over through the async threads, which are busy too, would leave the
//! cores idle for 8 % of the time. Whoever finds the queue empty ends, and leaves its memory to the
//! next.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::argon2id::Worker;
use crate::platform::{metrics, telemetry};

/// More than any machine has cores for.
pub(super) const COUNT_MAX: usize = 512;

/// How long anyone waits for a worker.
pub(super) const WAIT_SECONDS_MAX: u32 = 2;

/// How far the threads of the workers stand back, of 19: a tenth of an async thread's share.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The workers of this process, shared by all clones.
#[derive(Clone)]
pub(super) struct Workers {
    count: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// What nobody has begun yet, by its number. Whoever gives up takes their own out again, and with
    /// it the password.
    queue: BTreeMap<u64, Job>,
    /// The number of the last that came in.
    last: u64,
    running: usize,
    /// The memory of those that are not running.
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
        is_possible.then(|| Self { count, state: Arc::default() })
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
        let (reply, mut answer) = oneshot::channel();
        let (began, waiting) = (Instant::now(), metrics::hash_waits());
        let place = self.enqueue(Box::new(move |worker| {
            drop(waiting);
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
            Err(_elapsed) => {
                if place.give_up() {
                    metrics::hash_was_refused();
                    return Err(NoWorker::Busy);
                }
                answer.await
            }
        };
        answered.map_err(|_dropped| NoWorker::Died)
    }

    /// Puts a job into the queue, and starts a thread if there may be one more.
    fn enqueue(&self, job: Job) -> Place<'_> {
        let mut state = self.lock();
        state.last += 1;
        let number = state.last;
        state.queue.insert(number, job);
        let may_start = state.running < self.count;
        if may_start {
            state.running += 1;
        }
        drop(state);
        if may_start && let Err(error) = self.start() {
            // Those that run take it in their turn; when there are none, its client is told to wait.
            self.lock().running -= 1;
            tracing::error!(error = %error, "no thread can be started to hash passwords");
        }
        Place { workers: self, number }
    }

    fn start(&self) -> io::Result<()> {
        let workers = self.clone();
        thread::Builder::new().name("hash".to_owned()).spawn(move || workers.empty_queue())?;
        Ok(())
    }

    /// Works until the queue is empty.
    fn empty_queue(&self) {
        yield_to_others();
        let idle = self.lock().idle.pop();
        let mut worker = idle.unwrap_or_default();
        loop {
            let mut state = self.lock();
            let Some((_, job)) = state.queue.pop_first() else {
                state.running -= 1;
                state.idle.push(worker);
                return;
            };
            drop(state);
            // Whoever waits hears of a panic by the reply that is dropped.
            if catch_unwind(AssertUnwindSafe(|| job(&mut worker))).is_err() {
                worker = Worker::default();
            }
        }
    }

    /// Nothing panics while it holds this lock, and what it guards has no half-done state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place in the queue, given up when this is dropped.
struct Place<'a> {
    workers: &'a Workers,
    number: u64,
}

impl Place<'_> {
    /// Takes the job out again, if no worker has begun it; says whether that was so.
    fn give_up(&self) -> bool {
        let job = self.workers.lock().queue.remove(&self.number);
        job.is_some()
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// From now on this thread runs when no other of the process wants to: a hash may take its time,
/// and requests that need none are answered meanwhile.
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

    /// Waits until the workers are as they should be.
    async fn until(workers: &Workers, is_so: impl Fn(&State) -> bool) {
        while !is_so(&workers.lock()) {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_workers_never_run_more_than_two_hashes_nor_keep_more_memory() {
        let (workers, running) = (Workers::new(2).unwrap(), Arc::<AtomicUsize>::default());
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
                    (0..20).for_each(|_| thread::yield_now());
                    running.fetch_sub(1, SeqCst);
                    at_once
                };
                workers.run(work).await.unwrap()
            });
        }
        assert!(tasks.join_all().await.into_iter().max() <= Some(2));
        until(&workers, |state| state.running == 0).await;
        assert!((1..=2).contains(&workers.lock().idle.len()));
    }

    #[tokio::test]
    async fn work_whose_client_left_the_queue_is_never_done_and_its_password_is_gone() {
        let (workers, password) = (Workers::new(1).unwrap(), Arc::<AtomicUsize>::default());
        let busy = occupy(&workers).await;
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let (workers, password) = (workers.clone(), Arc::clone(&password));
            clients.spawn(async move { workers.run(move |_| password.fetch_add(1, SeqCst)).await });
        }
        until(&workers, |state| state.queue.len() == 100).await;
        clients.shutdown().await;
        assert!(workers.lock().queue.is_empty());
        assert_eq!(Arc::strong_count(&password), 1);
        drop(busy);
        until(&workers, |state| state.running == 0).await;
        assert_eq!(password.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn work_whose_client_left_keeps_its_worker_until_it_ends() {
        let workers = Workers::new(2).unwrap();
        let (release, client) = occupy(&workers).await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(workers.lock().running, 1);
        drop(release);
        until(&workers, |state| state.running == 0).await;
    }

    #[tokio::test]
    async fn whoever_waits_two_seconds_is_told_that_all_are_busy_and_their_password_is_gone() {
        let (workers, password) = (Workers::new(1).unwrap(), Arc::<AtomicUsize>::default());
        let _busy = occupy(&workers).await;
        tokio::time::pause();
        let (start, given) = (Instant::now(), Arc::clone(&password));
        let refused = workers.run(move |_| given.fetch_add(1, SeqCst)).await;
        assert_eq!((refused, start.elapsed().as_secs()), (Err(NoWorker::Busy), 2));
        assert!(workers.lock().queue.is_empty());
        assert_eq!(Arc::strong_count(&password), 1);
    }

    #[tokio::test]
    async fn a_hash_that_has_begun_may_take_longer_than_anyone_waits() {
        let workers = Workers::new(1).unwrap();
        let (release, client) = occupy(&workers).await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(u64::from(WAIT_SECONDS_MAX) * 2)).await;
        tokio::task::yield_now().await;
        assert!(!client.is_finished());
        drop(release);
        assert_eq!(client.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_neither_the_worker_nor_the_next_in_the_queue() {
        let workers = Workers::new(1).unwrap();
        let busy = occupy(&workers).await;
        let (first, second) = (workers.clone(), workers.clone());
        let panics = tokio::spawn(async move { first.run(|_| panic!("on purpose")).await });
        let next = tokio::spawn(async move { second.run(|_| 5).await });
        until(&workers, |state| state.queue.len() == 2).await;
        drop(busy);
        assert_eq!(panics.await.unwrap(), Err::<(), _>(NoWorker::Died));
        assert_eq!(next.await.unwrap(), Ok(5));
        until(&workers, |state| state.running == 0).await;
    }

    #[test]
    fn there_is_at_least_one_worker_and_not_any_number() {
        let is_possible = |count| Workers::new(count).is_some();
        assert_eq!([0, 1, 512, 513].map(is_possible), [false, true, true, false]);
    }
}
