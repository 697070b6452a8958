//! A few threads of their own for what may hold a core for long, and the queue before them.
//!
//! A thread that is done with one job takes the next from the queue itself. One that finds the queue
//! empty ends, and leaves what it works with to the next. Those who wait have one job begun each in turn, and
//! nobody holds all the threads.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::infra::causes::causes;
use crate::kernel::id::UserId;

/// How far a thread that yields stands back, of 19: a tenth of an async thread's share.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// The threads of one kind of job, shared by all clones. Each has a `W` to work with.
pub(crate) struct Threads<W> {
    purpose: Purpose,
    state: Arc<Mutex<State<W>>>,
}

impl<W> Clone for Threads<W> {
    fn clone(&self) -> Self {
        Self { purpose: self.purpose, state: Arc::clone(&self.state) }
    }
}

/// What threads are there for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Purpose {
    /// The threads' name.
    pub(crate) name: &'static str,
    /// The most threads at once.
    pub(crate) count: usize,
    /// How long anyone waits for one of them.
    pub(crate) wait_max: Duration,
    /// What a thread does when it begins.
    pub(crate) prepare: fn(),
}

/// Whom a job is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Party {
    /// Who this is does not matter: there is one queue for all, and every thread.
    Anybody,
    Account(UserId),
    Address(IpAddr),
}

struct State<W> {
    /// What nobody has begun yet, by its number. A client that gives up takes its own out again, with all that
    /// it holds.
    queue: HashMap<Party, BTreeMap<u64, Job<W>>>,
    /// Who has something in the queue, in the order of their turns.
    turns: VecDeque<Party>,
    /// How many jobs are being done for whom.
    begun: HashMap<Party, usize>,
    /// The number of the last that came in.
    last: u64,
    running: usize,
    /// What the threads that have ended worked with.
    idle: Vec<W>,
}

type Job<W> = Box<dyn FnOnce(&mut W) + Send>;

impl<W> State<W> {
    fn enqueue(&mut self, party: Party, job: Job<W>) -> u64 {
        self.last += 1;
        let jobs = self.queue.entry(party).or_default();
        if jobs.is_empty() {
            self.turns.push_back(party);
        }
        jobs.insert(self.last, job);
        self.last
    }

    /// Whether one more of so many threads may work for a party. One is left for others.
    fn may_begin(&self, party: Party, threads: usize) -> bool {
        let begun = self.begun.get(&party).copied().unwrap_or_default();
        party == Party::Anybody || begun < threads.saturating_sub(1).max(1)
    }

    /// Begins the oldest job of the party whose turn it is.
    fn next(&mut self, threads: usize) -> Option<(Party, Job<W>)> {
        let at = self.turns.iter().position(|party| self.may_begin(*party, threads))?;
        let party = self.turns.remove(at)?;
        let jobs = self.queue.get_mut(&party)?;
        let (_, job) = jobs.pop_first()?;
        if jobs.is_empty() {
            self.queue.remove(&party);
        } else {
            self.turns.push_back(party);
        }
        *self.begun.entry(party).or_default() += 1;
        Some((party, job))
    }

    fn end(&mut self, party: Party) {
        if let Some(begun) = self.begun.get_mut(&party) {
            *begun -= 1;
            if *begun == 0 {
                self.begun.remove(&party);
            }
        }
    }

    /// Takes a job out that has not begun.
    fn take(&mut self, party: Party, number: u64) -> Option<Job<W>> {
        let jobs = self.queue.get_mut(&party)?;
        let job = jobs.remove(&number);
        if jobs.is_empty() {
            self.queue.remove(&party);
            self.turns.retain(|waiting| *waiting != party);
        }
        job
    }
}

/// Why no thread did the work.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoThread {
    #[error("no thread was free in time")]
    Busy,
    #[error("the work panicked")]
    Died,
}

impl<W: Default + Send + 'static> Threads<W> {
    pub(crate) fn new(purpose: Purpose) -> Self {
        let state = State {
            queue: HashMap::new(),
            turns: VecDeque::new(),
            begun: HashMap::new(),
            last: 0,
            running: 0,
            idle: Vec::new(),
        };
        Self { purpose, state: Arc::new(Mutex::new(state)) }
    }

    /// Does `work` off the async threads, as soon as a thread is free.
    ///
    /// Dropping the future gives the place in the queue up. Work that has begun is finished, and
    /// keeps its thread until then: the bound is on what runs, not on who still waits for it.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        party: Party,
        work: impl FnOnce(&mut W) -> T + Send + 'static,
    ) -> Result<T, NoThread> {
        let (reply, mut answer) = oneshot::channel();
        let job = Box::new(move |with: &mut W| {
            let outcome = work(with);
            // Nobody is left to hear of it when the client has gone.
            let _unheard = reply.send(outcome);
        });
        let place = self.enqueue(party, job);
        let answered = match timeout(self.purpose.wait_max, &mut answer).await {
            Ok(answered) => answered,
            Err(_elapsed) => {
                if place.give_up() {
                    return Err(NoThread::Busy);
                }
                answer.await
            }
        };
        answered.map_err(|_dropped| NoThread::Died)
    }

    /// Puts a job into the queue, and starts a thread if there may be one more.
    fn enqueue(&self, party: Party, job: Job<W>) -> Place<'_, W> {
        let mut state = self.lock();
        let number = state.enqueue(party, job);
        let may_start =
            state.running < self.purpose.count && state.may_begin(party, self.purpose.count);
        if may_start {
            state.running += 1;
        }
        drop(state);
        if may_start && let Err(error) = self.start() {
            // A running thread takes the job in its turn. Without one, the client waits in vain and is told.
            self.lock().running -= 1;
            tracing::error!(error = %causes(&error), thread = self.purpose.name, "cannot start a thread");
        }
        Place { threads: self, party, number }
    }

    fn start(&self) -> io::Result<()> {
        let (threads, runtime) = (self.clone(), Handle::current());
        let name = self.purpose.name.to_owned();
        thread::Builder::new().name(name).spawn(move || {
            // Also what is dropped unheard may need the runtime, as a connection of a database does.
            let _entered = runtime.enter();
            threads.empty_queue();
        })?;
        Ok(())
    }

    /// Works until the queue is empty.
    fn empty_queue(&self) {
        (self.purpose.prepare)();
        let idle = self.lock().idle.pop();
        let mut with = idle.unwrap_or_default();
        let mut begun = None;
        loop {
            let mut state = self.lock();
            if let Some(party) = begun.take() {
                state.end(party);
            }
            let Some((party, job)) = state.next(self.purpose.count) else {
                state.running -= 1;
                state.idle.push(with);
                return;
            };
            drop(state);
            begun = Some(party);
            // The dropped reply tells the waiting client of a panic.
            if catch_unwind(AssertUnwindSafe(|| job(&mut with))).is_err() {
                with = W::default();
            }
        }
    }
}

impl<W> Threads<W> {
    /// Nothing panics while it holds this lock, and what it guards has no half-done state.
    fn lock(&self) -> MutexGuard<'_, State<W>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client's place in the queue, given up when this is dropped.
struct Place<'a, W> {
    threads: &'a Threads<W>,
    party: Party,
    number: u64,
}

impl<W> Place<'_, W> {
    /// Takes the job out again, if no thread has begun it; says whether that was so.
    fn give_up(&self) -> bool {
        let job = self.threads.lock().take(self.party, self.number);
        job.is_some()
    }
}

impl<W> Drop for Place<'_, W> {
    fn drop(&mut self) {
        self.give_up();
    }
}

/// From now on this thread runs when no other of the process wants to: its work may take its time,
/// and cheap requests are answered meanwhile.
#[cfg(target_os = "linux")]
pub(crate) fn yield_to_others() {
    // Of the calling thread, on Linux. Where it is forbidden, it merely competes.
    let _ = rustix::process::setpriority_process(None, NICE);
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn yield_to_others() {}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::sync::mpsc;

    use tokio::task::{JoinHandle, JoinSet};
    use tokio::time::Instant;

    use super::*;

    /// Longer than a busy machine keeps anyone waiting: who is refused has been kept out.
    const WAIT_MAX: Duration = Duration::from_mins(1);

    /// Threads that count what they have done.
    type Workers = Threads<usize>;

    fn workers(count: usize) -> Workers {
        Threads::new(Purpose { name: "test", count, wait_max: WAIT_MAX, prepare: || () })
    }

    /// Keeps a worker busy until the sender is dropped; returns once it is.
    async fn occupy(workers: &Workers) -> (mpsc::Sender<()>, JoinHandle<Result<(), NoThread>>) {
        let (release, released) = mpsc::channel::<()>();
        let (started, has_started) = oneshot::channel();
        let workers = workers.clone();
        let task = tokio::spawn(async move {
            let work = move |_: &mut usize| {
                started.send(()).unwrap();
                let _disconnected = released.recv();
            };
            workers.run(Party::Anybody, work).await
        });
        has_started.await.unwrap();
        (release, task)
    }

    /// Waits until the workers are as they should be.
    async fn until(workers: &Workers, is_so: impl Fn(&State<usize>) -> bool) {
        while !is_so(&workers.lock()) {
            tokio::task::yield_now().await;
        }
    }

    /// How many jobs nobody has begun.
    fn waiting(state: &State<usize>) -> usize {
        state.queue.values().map(BTreeMap::len).sum()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn two_threads_never_do_more_than_two_jobs_at_once_nor_keep_more_memory() {
        let (workers, running) = (workers(2), Arc::<AtomicUsize>::default());
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let (workers, running) = (workers.clone(), Arc::clone(&running));
            tasks.spawn(async move {
                let work = move |worker: &mut usize| {
                    let at_once = running.fetch_add(1, SeqCst) + 1;
                    *worker += 1;
                    // Lets a third one in, if there is one.
                    (0..20).for_each(|_| thread::yield_now());
                    running.fetch_sub(1, SeqCst);
                    at_once
                };
                workers.run(Party::Anybody, work).await.unwrap()
            });
        }
        assert!(tasks.join_all().await.into_iter().max() <= Some(2));
        until(&workers, |state| state.running == 0).await;
        let state = workers.lock();
        assert!((1..=2).contains(&state.idle.len()));
        assert_eq!(state.idle.iter().sum::<usize>(), 20);
    }

    #[tokio::test]
    async fn work_whose_client_left_the_queue_is_never_done_and_what_it_held_is_gone() {
        let (workers, held) = (workers(1), Arc::<AtomicUsize>::default());
        let busy = occupy(&workers).await;
        let mut clients = JoinSet::new();
        for _ in 0..100 {
            let (workers, held) = (workers.clone(), Arc::clone(&held));
            clients.spawn(async move {
                workers.run(Party::Anybody, move |_| held.fetch_add(1, SeqCst)).await
            });
        }
        until(&workers, |state| waiting(state) == 100).await;
        clients.shutdown().await;
        assert!(workers.lock().queue.is_empty());
        assert_eq!(Arc::strong_count(&held), 1);
        drop(busy);
        until(&workers, |state| state.running == 0).await;
        assert_eq!(held.load(SeqCst), 0);
    }

    #[tokio::test]
    async fn work_whose_client_left_keeps_its_thread_until_it_ends() {
        let workers = workers(2);
        let (release, client) = occupy(&workers).await;
        client.abort();
        assert!(client.await.unwrap_err().is_cancelled());
        assert_eq!(workers.lock().running, 1);
        drop(release);
        until(&workers, |state| state.running == 0).await;
    }

    #[tokio::test]
    async fn whoever_waits_too_long_is_told_that_all_are_busy_and_what_they_brought_is_gone() {
        let (workers, held) = (workers(1), Arc::<AtomicUsize>::default());
        let _busy = occupy(&workers).await;
        tokio::time::pause();
        let (start, given) = (Instant::now(), Arc::clone(&held));
        let waits = workers.run(Party::Anybody, move |_| given.fetch_add(1, SeqCst));
        let refused = timeout(WAIT_MAX * 2, waits).await.expect("whoever waits is told");
        assert_eq!(refused, Err(NoThread::Busy));
        assert_eq!(start.elapsed().as_secs(), WAIT_MAX.as_secs());
        assert!(workers.lock().queue.is_empty());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    #[tokio::test]
    async fn work_that_has_begun_may_take_longer_than_anyone_waits() {
        let workers = workers(1);
        let (release, client) = occupy(&workers).await;
        tokio::time::pause();
        tokio::time::advance(WAIT_MAX * 2).await;
        tokio::task::yield_now().await;
        assert!(!client.is_finished());
        drop(release);
        assert_eq!(client.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_neither_the_thread_nor_the_next_in_the_queue() {
        let workers = workers(1);
        let busy = occupy(&workers).await;
        let (first, second) = (workers.clone(), workers.clone());
        let panics =
            tokio::spawn(async move { first.run(Party::Anybody, |_| panic!("on purpose")).await });
        let next = tokio::spawn(async move { second.run(Party::Anybody, |_| 5).await });
        until(&workers, |state| waiting(state) == 2).await;
        drop(busy);
        assert_eq!(panics.await.unwrap(), Err::<(), _>(NoThread::Died));
        assert_eq!(next.await.unwrap(), Ok(5));
        until(&workers, |state| state.running == 0).await;
    }

    fn party(number: u8) -> Party {
        Party::Address([192, 0, 2, number].into())
    }

    #[tokio::test]
    async fn who_brings_few_jobs_does_not_wait_for_all_of_who_brings_many() {
        let workers = workers(1);
        let busy = occupy(&workers).await;
        let order = Arc::<Mutex<Vec<u8>>>::default();
        let mut tasks = Vec::new();
        for number in [1, 1, 9, 1, 1, 2, 1, 3, 2] {
            let (workers, order) = (workers.clone(), Arc::clone(&order));
            let all = tasks.len() + 1;
            let counted = workers.clone();
            tasks.push(tokio::spawn(async move {
                let work = move |_: &mut usize| order.lock().unwrap().push(number);
                workers.run(party(number), work).await
            }));
            until(&counted, |state| waiting(state) == all).await;
        }
        // What is given up costs nobody a turn.
        for gone in [0, 2] {
            tasks[gone].abort();
            assert!((&mut tasks[gone]).await.unwrap_err().is_cancelled());
        }
        drop(busy);
        until(&workers, |state| state.running == 0).await;
        assert_eq!(*order.lock().unwrap(), [1, 2, 3, 1, 2, 1, 1]);
        let state = workers.lock();
        assert!(state.queue.is_empty() && state.turns.is_empty() && state.begun.is_empty());
    }

    #[tokio::test]
    async fn nobody_holds_all_the_threads() {
        let workers = workers(3);
        let run = |number| {
            let (release, released) = mpsc::channel::<()>();
            let workers = workers.clone();
            let task = tokio::spawn(async move {
                workers.run(party(number), move |_| released.recv().unwrap_err()).await
            });
            (release, task)
        };
        let mut greedy: Vec<_> = (0..3).map(|_| run(1)).collect();
        until(&workers, |state| state.begun.get(&party(1)) == Some(&2)).await;
        until(&workers, |state| state.queue.len() == 1 && state.running == 2).await;
        let (release, other) = run(2);
        drop(release);
        assert!(other.await.unwrap().is_ok());
        until(&workers, |state| state.running == 2).await;
        drop(greedy.remove(0));
        until(&workers, |state| state.queue.is_empty()).await;
        drop(greedy);
        until(&workers, |state| state.running == 0).await;
    }
}
