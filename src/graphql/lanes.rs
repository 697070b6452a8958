//! Where an operation runs, and beside how many others, by what it costs.
//!
//! What every front end asks for all day runs at once, where it came in. What costs more needs room first,
//! of which there is so much in the whole process (`shared.rs`), and what costs much has threads of its own, from
//! its beginning to its end: so no more of it is in progress than there are threads. Each caller has its turn, and
//! none has everything. Neither begins while the answers that clients do not take hold too much (`answers.rs`).
//! What one caller changes is done by a few at a time (`writers.rs`).
//!
//! A document that nobody has sent before is checked, and executed up to where it first waits, on a few threads that
//! do nothing else. Its cost has been counted by then. Should a document slip through all the same, it
//! blocks one of these threads, but no request with a known document, no health check and no signal.

mod answers;
mod bodies;
mod shared;
mod writers;

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use self::answers::{Answers, BEFORE_COSTLY, BEFORE_SHARED};
pub(crate) use self::bodies::Bodies;
use self::shared::{Room, Shared};
pub(crate) use self::writers::{Turn, Writer, Writers};
use crate::infra::metrics::{self, Lane};
use crate::infra::threads::{NoThread, Party, Purpose, Threads};

/// An operation that costs no more runs whatever else does: at most some 60 KB of an answer.
const SMALL_MAX: u32 = 100;
/// What costs more than this has threads of its own. A page of a hundred users does not.
const CHEAP_MAX: u32 = 2_000;
/// More than a small machine has cores, so that one stuck document leaves room for others.
const THREADS: usize = 4;
/// How long a request waits for a thread, or for room, each time, before its client is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// From then on what holds a thread without waiting for anything counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// The lanes of this process, shared by all clones.
#[derive(Clone)]
pub(crate) struct Lanes {
    shared: Arc<Shared>,
    new: Crew,
    costly: Crew,
    pub(crate) answers: Answers,
    pub(crate) bodies: Bodies,
    pub(crate) writers: Arc<Writers>,
}

/// What is known of an operation that may run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weight {
    /// In the unit of the document's limit `cost`.
    pub(crate) cost: u32,
    pub(crate) party: Party,
    /// Its document has not been sent before.
    pub(crate) is_new: bool,
}

impl Default for Lanes {
    fn default() -> Self {
        Self {
            shared: Arc::default(),
            new: Crew::new(Lane::New),
            costly: Crew::new(Lane::Costly),
            answers: Answers::default(),
            bodies: Bodies::default(),
            writers: Arc::default(),
        }
    }
}

impl Lanes {
    /// Begins to check a new document.
    pub(crate) async fn check<F>(&self, party: Party, work: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send + 'static,
    {
        self.new.begin(party, work).await
    }

    /// Runs an operation where it belongs.
    pub(crate) async fn run<F>(&self, weight: Weight, work: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send + 'static,
    {
        let Weight { cost, party, is_new } = weight;
        if cost <= SMALL_MAX {
            return if is_new { self.new.begin(party, work).await } else { Ok(work.await) };
        }
        if cost > CHEAP_MAX {
            return self.run_costly(party, work).await;
        }
        let lanes = self.clone();
        let work = Box::pin(async move {
            let _room = in_time(Lane::Shared, lanes.room(party, cost)).await?;
            Ok(work.await)
        });
        if is_new { self.new.begin(party, work).await? } else { work.await }
    }

    /// Nobody waits for room on a thread.
    async fn run_costly<F>(&self, party: Party, mut work: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send + 'static,
    {
        loop {
            in_time(Lane::Costly, self.answers.leave_room(party, BEFORE_COSTLY)).await?;
            let answers = self.answers.clone();
            let attempt = Box::pin(async move {
                // What ran meanwhile has an answer by now.
                if answers.leaves_room(party, BEFORE_COSTLY) { Ok(work.await) } else { Err(work) }
            });
            match self.costly.run(party, attempt).await? {
                Ok(done) => return Ok(done),
                Err(again) => work = again,
            }
        }
    }

    async fn room(&self, party: Party, cost: u32) -> Room<'_> {
        loop {
            self.answers.leave_room(party, BEFORE_SHARED).await;
            let room = self.shared.room(party, cost).await;
            // What ran meanwhile has an answer by now.
            if self.answers.leaves_room(party, BEFORE_SHARED) {
                return room;
            }
        }
    }
}

async fn in_time<F: Future>(lane: Lane, room: F) -> Result<F::Output, NoThread> {
    timeout(WAIT_MAX, room).await.map_err(|_elapsed| refused(lane, NoThread::Busy))
}

/// Counts what was refused for want of a thread or of room.
fn refused(lane: Lane, why: NoThread) -> NoThread {
    if why == NoThread::Busy {
        metrics::operation_was_refused(lane);
    }
    why
}

/// The threads of a lane.
#[derive(Clone)]
struct Crew {
    lane: Lane,
    threads: Threads<()>,
}

/// What a future came to when it was polled once.
enum Begun<F: Future> {
    Done(F::Output),
    Waits(Instrumented<F>),
}

impl Crew {
    fn new(lane: Lane) -> Self {
        let kind =
            Purpose { name: lane.into_str(), count: THREADS, wait_max: WAIT_MAX, prepare: || () };
        Self { lane, threads: Threads::new(kind) }
    }

    /// Polls a future once on a thread for it, and goes on here.
    async fn begin<F>(&self, party: Party, work: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send + 'static,
    {
        let (lane, mut work) = (self.lane, work.in_current_span());
        let begun = self.threads.run(party, move |()| {
            let _watched = watch(lane);
            // The waker may be lost: the waiting request polls the future again at once.
            match Pin::new(&mut work).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => Begun::Done(output),
                Poll::Pending => Begun::Waits(work),
            }
        });
        match begun.await.map_err(|why| refused(lane, why))? {
            Begun::Done(output) => Ok(output),
            Begun::Waits(work) => Ok(work.await),
        }
    }

    /// Runs a future on a thread for it until it is done, or until nobody waits for it any more.
    async fn run<F>(&self, party: Party, work: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + Unpin + 'static,
        F::Output: Send + 'static,
    {
        let (lane, mut work, runtime) = (self.lane, work.in_current_span(), Handle::current());
        let (_waits, mut has_left) = oneshot::channel::<Infallible>();
        let ran = self.threads.run(party, move |()| {
            runtime.block_on(poll_fn(|context| {
                if Pin::new(&mut has_left).poll(context).is_ready() {
                    return Poll::Ready(None);
                }
                let _watched = watch(lane);
                Pin::new(&mut work).poll(context).map(Some)
            }))
        });
        // Nobody reads this once the caller has left.
        ran.await.map_err(|why| refused(lane, why))?.ok_or(NoThread::Died)
    }
}

/// Says so when what it returns is not dropped in time.
fn watch(lane: Lane) -> oneshot::Sender<()> {
    let (ends, mut has_ended) = oneshot::channel();
    tokio::spawn(async move {
        if timeout(STUCK_AFTER, &mut has_ended).await.is_err() {
            let name = lane.into_str();
            tracing::error!(
                lane = name,
                "an operation takes too long and occupies one of {THREADS} threads"
            );
            let _stuck = metrics::operation_is_stuck(lane);
            let _dropped = has_ended.await;
        }
    });
    ends
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    const NOBODY: Party = Party::Anybody;

    /// What it takes to wait twice, and the threads on which it did so.
    async fn wait_twice() -> [std::thread::ThreadId; 2] {
        let first = std::thread::current().id();
        tokio::time::sleep(Duration::from_millis(1)).await;
        yield_now().await;
        [first, std::thread::current().id()]
    }

    #[tokio::test]
    async fn what_is_new_begins_elsewhere_and_goes_on_here() {
        let here = std::thread::current().id();
        let [first, then] =
            Crew::new(Lane::New).begin(NOBODY, Box::pin(wait_twice())).await.unwrap();
        assert_ne!(first, here);
        assert_eq!(then, here);
    }

    #[tokio::test]
    async fn what_is_costly_stays_elsewhere_and_what_is_not_stays_here() {
        let (here, lanes) = (std::thread::current().id(), Lanes::default());
        for (cost, is_elsewhere) in
            [(1, false), (SMALL_MAX + 1, false), (CHEAP_MAX, false), (CHEAP_MAX + 1, true)]
        {
            let weight = Weight { cost, party: NOBODY, is_new: false };
            let [first, then] = lanes.run(weight, Box::pin(wait_twice())).await.unwrap();
            assert_eq!(first != here, is_elsewhere, "{cost}");
            assert_eq!(then, first, "{cost}");
        }
    }

    #[tokio::test]
    async fn what_waits_nowhere_is_done_elsewhere() {
        let crew = Crew::new(Lane::New);
        assert_eq!(crew.begin(NOBODY, Box::pin(async { 5 })).await, Ok(5));
        assert_eq!(crew.run(NOBODY, Box::pin(async { 5 })).await, Ok(5));
        let panics = || Box::pin(async { panic!("on purpose") });
        assert_eq!(crew.begin(NOBODY, panics()).await, Err::<(), _>(NoThread::Died));
        assert_eq!(crew.run(NOBODY, panics()).await, Err::<(), _>(NoThread::Died));
    }

    #[tokio::test]
    async fn what_is_costly_gives_its_thread_back_when_nobody_waits_for_it() {
        let crew = Crew::new(Lane::New);
        let held = Arc::new(());
        for _ in 0..2 * THREADS {
            let (holds, (begun, has_begun)) = (Arc::clone(&held), oneshot::channel());
            let work = Box::pin(async move {
                begun.send(()).unwrap();
                std::future::pending::<()>().await;
                drop(holds);
            });
            let run = crew.run(NOBODY, work);
            let mut run = pin!(run);
            tokio::select! {
                _ = &mut run => unreachable!(),
                begun = has_begun => begun.unwrap(),
            }
        }
        while Arc::strong_count(&held) > 1 {
            yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_is_neither_small_nor_costly_waits_for_room() {
        let (lanes, held) = (Lanes::default(), Arc::new(()));
        let weight = |cost| Weight { cost, party: NOBODY, is_new: false };
        let mut running = tokio::task::JoinSet::new();
        let count = shared::ROOM_OF_ONE / CHEAP_MAX as usize;
        for _ in 0..count {
            let (lanes, holds) = (lanes.clone(), Arc::clone(&held));
            let work = Box::pin(async move {
                let _holds = Arc::clone(&holds);
                std::future::pending::<()>().await;
            });
            running.spawn(async move { lanes.run(weight(CHEAP_MAX), work).await });
        }
        while Arc::strong_count(&held) < 1 + 2 * count {
            yield_now().await;
        }
        tokio::time::pause();
        let five = || Box::pin(async { 5 });
        assert_eq!(lanes.run(weight(SMALL_MAX), five()).await, Ok(5));
        assert_eq!(lanes.run(weight(SMALL_MAX + 1), five()).await, Err(NoThread::Busy));
        let other = Weight { party: Party::Address([192, 0, 2, 1].into()), ..weight(CHEAP_MAX) };
        assert_eq!(lanes.run(other, five()).await, Ok(5));
        running.shutdown().await;
        assert_eq!(lanes.run(weight(SMALL_MAX + 1), five()).await, Ok(5));
    }

    #[tokio::test]
    async fn what_costs_most_waits_first_while_answers_are_not_taken() {
        let lanes = Lanes::default();
        let mut held = Vec::new();
        for waiting in 0..=2 {
            for (place, cost) in [CHEAP_MAX + 1, CHEAP_MAX, SMALL_MAX].into_iter().enumerate() {
                let weight = Weight { cost, party: Party::Anybody, is_new: false };
                let is_refused = lanes.run(weight, Box::pin(async { 5 })).await.is_err();
                assert_eq!(is_refused, place < waiting, "{cost} beside {waiting}");
            }
            let other = Party::Address([192, 0, 2, 1].into());
            held.push(lanes.answers.hold(other, vec![0; 50 * 1024 * 1024]));
            if waiting == 0 {
                tokio::time::pause();
            }
        }
    }

    #[tokio::test]
    async fn a_stuck_one_holds_its_thread_and_nobody_else_until_all_are_stuck() {
        let crew = Crew::new(Lane::New);
        let mut held = Vec::new();
        let mut stuck = Vec::new();
        for others in 0..THREADS {
            let five = crew.begin(NOBODY, Box::pin(async { 5 })).await;
            assert_eq!(five, Ok(5), "beside {others}");
            let (release, released) = mpsc::channel::<()>();
            let (begun, has_begun) = oneshot::channel();
            let crew = crew.clone();
            stuck.push(tokio::spawn(async move {
                let blocks = Box::pin(async move {
                    begun.send(()).unwrap();
                    let _disconnected = released.recv();
                });
                crew.begin(NOBODY, blocks).await
            }));
            has_begun.await.unwrap();
            held.push(release);
        }
        tokio::time::pause();
        assert_eq!(crew.begin(NOBODY, Box::pin(async { 5 })).await, Err(NoThread::Busy));
        tokio::time::resume();
        drop(held);
        for stuck in stuck {
            assert_eq!(stuck.await.unwrap(), Ok(()));
        }
        assert_eq!(crew.begin(NOBODY, Box::pin(async { 5 })).await, Ok(5));
    }
}
