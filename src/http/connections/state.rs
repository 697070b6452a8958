//! What one connection is about, and for how long it may be.
//!
//! It is told by what passes through the connection's socket, its service and the body of its request.
//! The task of the connection does all that, so nobody needs to be woken. Whoever looks for a place
//! looks from another task: what is decided about a connection is decided under its lock.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_graphql::futures_util::stream::BoxStream;
use axum::body::Bytes;
use tokio::sync::{Notify, OwnedSemaphorePermit};
use tokio::time::Instant;

use super::Limits;
use super::stream::Streaming;
use crate::http::framing::{Ambiguous, Framing};
use crate::infra::metrics::Cut;

/// The bytes that a client has to send in a second (HT-10).
const RATE_MIN: u64 = 500;
/// An answer that has been going out for this long may be given up for others, even if its client goes on taking it.
const ANSWER_FAIR: Duration = Duration::from_secs(5);
/// Who is behind by this much in the middle of a request, or has taken nothing of an answer for as long, has
/// stalled: one second of that counts like several between two requests.
const STALLED_AFTER: Duration = Duration::from_secs(1);
const STALLED_WEIGHT: u32 = 10;

/// How long a transfer may take of which so many bytes have passed: as long as the least rate
/// allows, but not less than `grace` and not more than `most`.
pub(in crate::http) fn patience(bytes: u64, grace: Duration, most: Duration) -> Duration {
    earned(bytes).max(grace).min(most)
}

fn earned(bytes: u64) -> Duration {
    Duration::from_millis(bytes.saturating_mul(1000) / RATE_MIN)
}

/// What a connection is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// A request's headers are coming in.
    Head,
    /// A request waits for its body, whose time the body keeps itself.
    Body,
    /// A request is executed; the endpoints limit its time themselves.
    Busy,
    /// An answer goes out.
    Answer,
    /// Between two requests.
    Idle,
    /// An answer that lasts, or another protocol. It counts among the streams, and no longer among the connections.
    Stream,
}

pub(in crate::http) struct State {
    limits: Limits,
    inner: Mutex<Inner>,
    evicted: Notify,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

struct Inner {
    phase: Phase,
    since: Instant,
    /// That have come in since then.
    bytes: u64,
    /// The length of the answer, and when the socket last took something of it.
    length: usize,
    moved: Instant,
    /// The body of the request has not come in, or not been read, to its end.
    has_body: bool,
    is_evicted: bool,
    /// Whether the socket had nothing to read since the last answer: the next request was not sent before it.
    has_waited: bool,
    framing: Framing,
    /// Of a stream: since when the socket has taken nothing although there was something to take.
    blocked_since: Option<Instant>,
    /// The stream that hyper has begun to send, and need not send on.
    streaming: Option<Streaming>,
}

/// Why a request is not passed on.
pub(super) enum Unfit {
    Ambiguous,
    /// The place of its connection has been given away.
    Evicted,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        let now = Instant::now();
        let inner = Inner {
            phase: Phase::Head,
            since: now,
            bytes: 0,
            length: 0,
            moved: now,
            has_body: false,
            is_evicted: false,
            has_waited: true,
            framing: Framing::default(),
            blocked_since: None,
            streaming: None,
        };
        let (inner, place) = (Mutex::new(inner), Mutex::default());
        Self { limits, inner, evicted: Notify::new(), place }
    }

    /// Keeps the connection's place among all until it ends or becomes a stream.
    pub(super) fn keep(&self, place: OwnedSemaphorePermit) {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
    }

    /// Gives the place back.
    pub(super) fn leave(&self) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// From now on it carries a stream: what comes in is not a request, and no place among the connections is needed.
    /// A stream of events is sent on without hyper once it has begun.
    pub(super) fn stream(&self, events: Option<Streaming>) {
        let mut inner = self.lock();
        inner.enter(Phase::Stream);
        inner.streaming = events;
        drop(inner);
        self.leave();
    }

    /// The rest of a stream, as soon as hyper has written all that it has of it.
    pub(super) fn take_rest(&self) -> Option<BoxStream<'static, Bytes>> {
        let mut inner = self.lock();
        let rest = inner.streaming.as_ref()?.take_rest()?;
        inner.streaming = None;
        Some(rest)
    }

    /// Whether it carries a stream.
    pub(super) fn is_streaming(&self) -> bool {
        self.lock().phase == Phase::Stream
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes have come in: says how many of them belong to the request that is coming in.
    pub(super) fn hear(&self, bytes: &[u8]) -> usize {
        let mut inner = self.lock();
        if inner.phase == Phase::Stream {
            return bytes.len();
        }
        let taken = inner.framing.see(bytes);
        if inner.phase == Phase::Idle && inner.framing.has_begun() {
            inner.enter(Phase::Head);
        }
        if inner.phase == Phase::Head {
            inner.bytes += taken as u64;
        }
        taken
    }

    /// The head of a request is there, with the length of its body, or `None` when it is chunked.
    pub(super) fn begin(&self, length: Option<u64>) -> Result<(), Unfit> {
        let mut inner = self.lock();
        if inner.is_evicted {
            return Err(Unfit::Evicted);
        }
        inner.enter(Phase::Busy);
        inner.has_body = length != Some(0);
        inner.framing.judge(length).map_err(|Ambiguous| Unfit::Ambiguous)
    }

    /// The request cannot go on without more of its body.
    pub(in crate::http) fn wait_for_body(&self, since: Instant, bytes: u64) {
        let mut inner = self.lock();
        if matches!(inner.phase, Phase::Busy | Phase::Body) {
            (inner.phase, inner.since, inner.bytes) = (Phase::Body, since, bytes);
        }
    }

    /// The request goes on, unless its connection's place has been given away meanwhile.
    pub(in crate::http) fn go_on(&self) -> bool {
        let mut inner = self.lock();
        if inner.phase == Phase::Body && !inner.is_evicted {
            inner.enter(Phase::Busy);
        }
        !inner.is_evicted
    }

    /// There is nothing to read.
    pub(super) fn wait(&self) {
        self.lock().has_waited = true;
    }

    /// Whether the request was at hand before the socket had to be waited for.
    pub(super) fn is_pipelined(&self) -> bool {
        !self.lock().has_waited
    }

    /// All of the body has been read.
    pub(in crate::http) fn end_body(&self) {
        self.lock().has_body = false;
    }

    /// There is an answer, whose body has this length. Says whether the body of the request was left unread.
    pub(super) fn end(&self, length: usize) -> bool {
        let mut inner = self.lock();
        inner.enter(Phase::Answer);
        (inner.length, inner.moved) = (length, inner.since);
        inner.has_waited = false;
        inner.has_body
    }

    /// The socket has taken something.
    pub(super) fn wrote(&self) {
        let mut inner = self.lock();
        inner.moved = Instant::now();
        inner.blocked_since = None;
    }

    /// The socket takes nothing at the moment.
    pub(super) fn block(&self) {
        let mut inner = self.lock();
        if inner.phase == Phase::Stream {
            inner.blocked_since.get_or_insert_with(Instant::now);
        }
    }

    /// The socket has taken everything there was. Answers are of one piece, so hyper has nothing
    /// more of it.
    pub(super) fn flushed(&self) {
        let mut inner = self.lock();
        if inner.phase == Phase::Answer {
            let next = if inner.framing.has_begun() { Phase::Head } else { Phase::Idle };
            inner.enter(next);
        }
        if let Some(streaming) = &inner.streaming {
            streaming.flushed();
        }
    }

    /// When this is given up, as far as is known now.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let inner = self.lock();
        Some(match inner.phase {
            Phase::Head => inner.since + self.limits.head,
            Phase::Idle => inner.since + self.limits.idle,
            Phase::Answer => inner.moved + self.limits.answer,
            Phase::Stream => inner.blocked_since? + self.limits.answer,
            Phase::Body | Phase::Busy => return None,
        })
    }

    /// Gives it up at its deadline, and says what that counts as. An idle client did nothing wrong, and an evicted connection
    /// has been counted.
    pub(super) fn cut(&self) -> Option<Cut> {
        let mut inner = self.lock();
        if std::mem::replace(&mut inner.is_evicted, true) {
            return None;
        }
        match inner.phase {
            Phase::Head => Some(Cut::SlowHead),
            Phase::Answer | Phase::Stream => Some(Cut::SlowReader),
            Phase::Body | Phase::Busy | Phase::Idle => None,
        }
    }

    /// How far the client is behind one that is fast enough; `None` while nothing waits for it.
    pub(super) fn lateness(&self, now: Instant) -> Option<Duration> {
        self.lock().lateness(now)
    }

    /// The bytes of an answer whose client has stopped taking it, or takes it slowly. It keeps all of them until
    /// the last is taken.
    pub(super) fn held_by_answer(&self, now: Instant) -> usize {
        let inner = self.lock();
        let has_stalled = now.saturating_duration_since(inner.moved) >= STALLED_AFTER;
        let is_slow = now.saturating_duration_since(inner.since) >= ANSWER_FAIR;
        if inner.phase == Phase::Answer && (has_stalled || is_slow) { inner.length } else { 0 }
    }

    /// The bytes of a body that has been coming in for a while.
    pub(super) fn held_by_body(&self, now: Instant) -> usize {
        let inner = self.lock();
        let is_slow = now.saturating_duration_since(inner.since) >= STALLED_AFTER;
        let bytes = usize::try_from(inner.bytes).unwrap_or(usize::MAX);
        if inner.phase == Phase::Body && is_slow { bytes } else { 0 }
    }

    /// Gives up what it holds, for others, unless it is executed meanwhile.
    pub(super) fn relieve(&self) -> bool {
        let mut inner = self.lock();
        let may_go = matches!(inner.phase, Phase::Answer | Phase::Body) && !inner.is_evicted;
        if may_go {
            inner.is_evicted = true;
            self.evicted.notify_one();
        }
        may_go
    }

    #[cfg(test)]
    pub(super) fn is_busy(&self) -> bool {
        self.lock().phase == Phase::Busy
    }

    #[cfg(test)]
    pub(super) fn waits_for_body(&self) -> bool {
        self.lock().phase == Phase::Body
    }

    /// Gives its place to another connection, if it still waits for its client. From then on
    /// nothing is executed that it asks for.
    pub(super) fn evict(&self, now: Instant) -> bool {
        let mut inner = self.lock();
        if inner.lateness(now).is_none() {
            return false;
        }
        inner.is_evicted = true;
        self.evicted.notify_one();
        true
    }

    /// Whether the socket has not taken all of an answer.
    pub(super) fn is_answering(&self) -> bool {
        let inner = self.lock();
        inner.phase == Phase::Answer || inner.blocked_since.is_some()
    }

    /// Returns when the place has been given away.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Inner {
    fn enter(&mut self, phase: Phase) {
        (self.phase, self.since, self.bytes) = (phase, Instant::now(), 0);
    }

    fn lateness(&self, now: Instant) -> Option<Duration> {
        let behind = match self.phase {
            Phase::Answer => now.saturating_duration_since(self.moved),
            Phase::Head | Phase::Body | Phase::Busy | Phase::Idle | Phase::Stream => {
                now.saturating_duration_since(self.since).saturating_sub(earned(self.bytes))
            }
        };
        match self.phase {
            _ if self.is_evicted => None,
            Phase::Busy | Phase::Stream => None,
            Phase::Answer if behind < STALLED_AFTER => None,
            Phase::Head | Phase::Body | Phase::Answer if behind >= STALLED_AFTER => {
                Some(behind * STALLED_WEIGHT)
            }
            Phase::Head | Phase::Body | Phase::Answer | Phase::Idle => Some(behind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n";
    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        answer: Duration::from_secs(30),
        connections: 9,
        per_address: 9,
        streams: 9,
    };

    fn lateness(state: &State) -> Option<Duration> {
        state.lateness(Instant::now())
    }

    fn held(state: &State) -> usize {
        state.held_by_answer(Instant::now())
    }

    async fn wait(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn only_what_waits_for_its_client_is_late() {
        let state = State::new(LIMITS);
        wait(2).await;
        assert_eq!(lateness(&state), Some(Duration::from_secs(20)), "the head");
        state.hear(HEAD);
        assert!(state.begin(Some(9)).is_ok());
        wait(2).await;
        assert_eq!((lateness(&state), state.deadline()), (None, None), "executing");
        state.wait_for_body(Instant::now(), 0);
        wait(2).await;
        assert_eq!(lateness(&state), Some(Duration::from_secs(20)), "the body");
        assert!(state.go_on());
        state.end_body();
        assert_eq!(lateness(&state), None, "executing again");
        assert!(!state.end(900));
        assert_eq!((lateness(&state), held(&state)), (None, 0), "the answer goes out");
        wait(2).await;
        assert_eq!(lateness(&state), Some(Duration::from_secs(20)), "nobody takes it");
        assert_eq!(held(&state), 900);
        state.wrote();
        assert_eq!((lateness(&state), held(&state)), (None, 0), "somebody does");
        wait(1).await;
        assert_eq!(lateness(&state), Some(Duration::from_secs(10)), "but not all");
        assert_eq!(held(&state), 900);
        wait(2).await;
        state.wrote();
        assert_eq!((lateness(&state), held(&state)), (None, 900), "and slowly");
        state.flushed();
        wait(2).await;
        assert_eq!(lateness(&state), Some(Duration::from_secs(2)), "idle");
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_or_takes_fast_enough_is_not_late() {
        let state = State::new(LIMITS);
        state.hear(HEAD);
        assert!(state.begin(Some(9)).is_ok());
        let since = Instant::now();
        wait(10).await;
        state.wait_for_body(since, 5_000);
        assert_eq!(lateness(&state), Some(Duration::ZERO));
        state.end(9);
        for _ in 0..99 {
            wait(29).await;
            assert_eq!(state.deadline(), Some(Instant::now() + Duration::from_secs(1)));
            state.wrote();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_executed_for_an_evicted_connection() {
        let state = State::new(LIMITS);
        assert!(state.evict(Instant::now()));
        assert!(!state.evict(Instant::now()), "twice");
        state.hear(HEAD);
        assert!(matches!(state.begin(Some(9)), Err(Unfit::Evicted)));

        let state = State::new(LIMITS);
        state.hear(HEAD);
        assert!(state.begin(Some(9)).is_ok());
        assert!(!state.evict(Instant::now()), "it executes");
        state.wait_for_body(Instant::now(), 0);
        assert!(state.evict(Instant::now()));
        assert!(!state.go_on());
        state.evicted().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_given_up_once() {
        let state = State::new(LIMITS);
        wait(10).await;
        assert_eq!(state.cut(), Some(Cut::SlowHead));
        assert!(!state.evict(Instant::now()), "it was late");

        let state = State::new(LIMITS);
        assert!(state.evict(Instant::now()));
        wait(10).await;
        assert_eq!(state.cut(), None, "its place was needed");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_came_behind_another_has_begun_when_its_turn_comes() {
        let state = State::new(LIMITS);
        let both = [HEAD, b"123456789".as_slice(), b"GET / HT"].concat();
        let first = state.hear(&both);
        assert_eq!(first, both.len() - 8);
        assert!(state.begin(Some(9)).is_ok());
        assert_eq!(state.hear(&both[first..]), 8);
        state.end(0);
        state.flushed();
        assert_eq!(state.deadline(), Some(Instant::now() + LIMITS.head));
    }
}
