//! The threads on which requests begin that are costly, or whose document is new.
//!
//! A document that nobody has sent before is checked, and executed up to where it first waits, on one of
//! a few threads that do nothing else. Its cost has been counted by then. Should a document slip through
//! all the same, it blocks one of these threads, but no request with a known document, no health check
//! and no signal.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::Instrument;
use tracing::instrument::Instrumented;

use crate::platform::metrics;
use crate::platform::threads::{Kind, NoThread, Threads};

/// More than a small machine has cores, so that one stuck document leaves room for others.
const THREADS: usize = 4;
/// How long a request waits for a thread before its client is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(2);
/// From then on a check counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(1);

#[derive(Clone)]
pub(super) struct Checks(Threads<()>);

impl Checks {
    /// Threads that `prepare` when they begin.
    pub(super) fn new(name: &'static str, prepare: fn()) -> Self {
        Self(Threads::new(Kind { name, count: THREADS, wait_max: WAIT_MAX, prepare }))
    }
}

/// What a future came to when it was polled once.
enum Begun<F: Future> {
    Done(F::Output),
    Waits(Pin<Box<Instrumented<F>>>),
}

impl Checks {
    /// Polls a future once on a thread for it, and goes on here.
    pub(super) async fn begin<F>(&self, future: F) -> Result<F::Output, NoThread>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let mut future = Box::pin(future.in_current_span());
        let begun = self.0.run(move |()| {
            let _watched = watch();
            // The waker may be lost: the waiting request polls the future again at once.
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(output) => Begun::Done(output),
                Poll::Pending => Begun::Waits(future),
            }
        });
        match begun.await? {
            Begun::Done(output) => Ok(output),
            Begun::Waits(future) => Ok(future.await),
        }
    }
}

/// Says so when what it returns is not dropped in time.
fn watch() -> oneshot::Sender<()> {
    let (ends, mut has_ended) = oneshot::channel();
    tokio::spawn(async move {
        if timeout(STUCK_AFTER, &mut has_ended).await.is_err() {
            tracing::error!("a document takes too long: it holds one of {THREADS} threads");
            let _stuck = metrics::check_is_stuck();
            let _dropped = has_ended.await;
        }
    });
    ends
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::task::yield_now;

    use super::*;

    #[tokio::test]
    async fn what_begins_elsewhere_goes_on_here() {
        let here = std::thread::current().id();
        let checks = Checks::new("test", || ());
        let threads = checks.begin(async {
            let first = std::thread::current().id();
            tokio::time::sleep(Duration::from_millis(1)).await;
            yield_now().await;
            (first, std::thread::current().id())
        });
        let (first, then) = threads.await.unwrap();
        assert_ne!(first, here);
        assert_eq!(then, here);
    }

    #[tokio::test]
    async fn what_waits_nowhere_is_done_elsewhere() {
        let checks = Checks::new("test", || ());
        assert_eq!(checks.begin(async { 5 }).await, Ok(5));
        let panics = checks.begin(async { panic!("on purpose") });
        assert_eq!(panics.await, Err::<(), _>(NoThread::Died));
    }

    #[tokio::test]
    async fn a_stuck_one_holds_its_thread_and_nobody_else_until_all_are_stuck() {
        let checks = Checks::new("test", || ());
        let mut held = Vec::new();
        let mut stuck = Vec::new();
        for others in 0..THREADS {
            assert_eq!(checks.begin(async { 5 }).await, Ok(5), "beside {others}");
            let (release, released) = mpsc::channel::<()>();
            let (begun, has_begun) = oneshot::channel();
            let checks = checks.clone();
            stuck.push(tokio::spawn(async move {
                let blocks = async move {
                    begun.send(()).unwrap();
                    let _disconnected = released.recv();
                };
                checks.begin(blocks).await
            }));
            has_begun.await.unwrap();
            held.push(release);
        }
        tokio::time::pause();
        assert_eq!(checks.begin(async { 5 }).await, Err(NoThread::Busy));
        tokio::time::resume();
        drop(held);
        for stuck in stuck {
            assert_eq!(stuck.await.unwrap(), Ok(()));
        }
        assert_eq!(checks.begin(async { 5 }).await, Ok(5));
    }
}
