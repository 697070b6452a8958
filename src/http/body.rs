//! The body of a request: how long it may take, how long it may be, and what becomes of one that
//! nobody reads.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::StatusCode;
use axum::http::header::{CONNECTION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, Sleep};

use super::connections::{State, patience};
use super::{refusal, refusal_with};
use crate::graphql::error::{Code, RETRY_AFTER_SECONDS};
use crate::graphql::lanes::Bodies;
use crate::infra::metrics::{self, Cut};

/// The most a request may hold (GQ-01), enforced while it streams in.
const LENGTH_MAX: usize = 100 * 1024;
/// A body of no more is read whatever else comes in.
pub(super) const SHORT: usize = 16 * 1024;
/// A body has this long before the least rate counts (HT-10).
const GRACE: Duration = Duration::from_secs(2);
/// The most the whole body may take to come in (HT-03).
const TIME_MAX: Duration = Duration::from_secs(15);
/// How long a body that was refused is still received, to no purpose but that of being polite.
const LINGER_MAX: Duration = Duration::from_secs(2);
/// How much of it is read. Then its sender has to wait, and so finds time to read the answer.
const LINGER_LENGTH_MAX: usize = 8 * 1024 * 1024;

/// A body that comes in through a connection, for which its client may not take for ever.
///
/// One that is dropped before its end is read on for a moment: a client that finds its connection
/// reset in the middle of sending never reads why it was refused.
pub(super) struct Arriving {
    incoming: Option<Incoming>,
    state: Arc<State>,
    /// Of the client that waits to hear whether to send it at all.
    is_expecting: bool,
    since: Option<Instant>,
    bytes: u64,
    timer: Option<Pin<Box<Sleep>>>,
}

/// Why a body ends before its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the body arrived too slowly")]
    TooSlow,
    #[error("the server closed the connection to make room for another")]
    Evicted,
    #[error(transparent)]
    Connection(#[from] hyper::Error),
}

impl Arriving {
    pub(super) fn new(incoming: Incoming, state: Arc<State>, is_expecting: bool) -> Self {
        Self { incoming: Some(incoming), state, is_expecting, since: None, bytes: 0, timer: None }
    }

    fn deadline(&mut self) -> Instant {
        let since = *self.since.get_or_insert_with(Instant::now);
        since + patience(self.bytes, GRACE, TIME_MAX)
    }

    /// Whether its client is too slow; else the connection waits on.
    fn is_late(&mut self, context: &mut Context<'_>) -> bool {
        let deadline = self.deadline();
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        timer.as_mut().poll(context).is_ready()
    }

    fn fail(&mut self, broken: Broken) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.incoming = None;
        Poll::Ready(Some(Err(broken)))
    }
}

impl HttpBody for Arriving {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        let this = &mut *self;
        let Some(incoming) = &mut this.incoming else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(context) else {
            if this.is_late(context) {
                // Both may happen at once, and only one is counted.
                if !this.state.go_on() {
                    return this.fail(Broken::Evicted);
                }
                metrics::connection_was_cut(Cut::SlowBody);
                return this.fail(Broken::TooSlow);
            }
            if let Some(since) = this.since {
                this.state.wait_for_body(since, this.bytes);
            }
            return Poll::Pending;
        };
        if !this.state.go_on() {
            return this.fail(Broken::Evicted);
        }
        match frame {
            Some(Ok(frame)) => {
                this.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                Poll::Ready(Some(Ok(frame)))
            }
            Some(Err(error)) => this.fail(error.into()),
            None => {
                this.incoming = None;
                this.state.end_body();
                Poll::Ready(None)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        // Its end has to be polled for: only then is it known to have been read.
        self.incoming.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        // To read on would invite the client to send it.
        if self.is_expecting || incoming.is_end_stream() {
            return;
        }
        let until = self.deadline().min(Instant::now() + LINGER_MAX);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout_at(until, discard(incoming)));
        }
    }
}

async fn discard(mut body: Incoming) {
    let mut left = LINGER_LENGTH_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(less) => left = less,
            None => std::future::pending().await,
        }
    }
}

/// The whole body, or the refusal of one that is too long, too slow or broken. Beyond some length it has to wait
/// for a place, so that no crowd of clients that send slowly takes all of the memory, and keeps it until what is
/// returned is dropped.
pub(super) async fn read(
    bodies: &Bodies,
    mut body: Body,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Response> {
    let mut place = None;
    if body.size_hint().lower() > LENGTH_MAX as u64 {
        return Err(too_long());
    }
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|error| broken_off(&error))?.into_data() else { continue };
        if whole.len() + data.len() > LENGTH_MAX {
            return Err(too_long());
        }
        if whole.len() + data.len() > SHORT && place.is_none() {
            place = Some(bodies.place().await.map_err(|_busy| crowded())?);
        }
        // Copied, since a frame of one byte keeps the whole buffer that it was read into.
        if whole.capacity() < whole.len() + data.len() {
            whole.reserve_exact(data.len().max(whole.len() / 8));
        }
        whole.extend_from_slice(&data);
    }
    Ok((whole.into(), place))
}

fn too_long() -> Response {
    last(refusal(StatusCode::PAYLOAD_TOO_LARGE, "A request must not exceed 100 KiB."))
}

fn crowded() -> Response {
    let message = "The server is receiving too many long requests. Try again in a moment.";
    let code = Code::ServiceUnavailable;
    let refused = refusal_with(code, code.status(), message);
    last(([(RETRY_AFTER, RETRY_AFTER_SECONDS)], refused).into_response())
}

fn broken_off(error: &(dyn Error + 'static)) -> Response {
    last(if is_late(error) {
        let message =
            "The body took longer than 15 s, or arrived at less than 500 bytes per second.";
        refusal(StatusCode::REQUEST_TIMEOUT, message)
    } else {
        refusal(StatusCode::BAD_REQUEST, "The body is incomplete, or its chunks are malformed.")
    })
}

/// The cause is below what axum wraps around it.
fn is_late(error: &(dyn Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(Broken::TooSlow)) || error.source().is_some_and(is_late)
}

/// What is left of the body is not waited for.
fn last(refused: Response) -> Response {
    ([(CONNECTION, "close")], refused).into_response()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use allocation_counter::measure;

    use super::*;

    /// Sends this many bytes, each in a buffer of its own that is much larger, as hyper does when
    /// they come one by one.
    struct Bytewise(usize);

    impl HttpBody for Bytewise {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
            self.0 = left;
            let byte = Bytes::from(vec![b'x'; 8 * 1024]).slice(..1);
            Poll::Ready(Some(Ok(Frame::data(byte))))
        }
    }

    #[test]
    fn a_body_that_comes_byte_by_byte_takes_no_more_room_than_its_size() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let (bodies, mut whole) = (Bodies::default(), None);
        let counted =
            measure(|| whole = Some(runtime.block_on(read(&bodies, Body::new(Bytewise(50_000))))));
        assert_eq!(whole.unwrap().unwrap().0.len(), 50_000);
        assert!(counted.bytes_max < 2 * 50_000 + 16 * 1024, "{} bytes", counted.bytes_max);
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_body_is_refused_when_many_come_in_at_once_and_a_short_one_is_not() {
        let (bodies, mut others) = (Bodies::default(), Vec::new());
        let mut crowd = async || {
            while let Ok(other) = bodies.place().await {
                others.push(other);
            }
        };
        crowd().await;
        let refused = read(&bodies, Body::new(Bytewise(SHORT + 1))).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(read(&bodies, Body::new(Bytewise(SHORT))).await.unwrap().0.len(), SHORT);
        drop(others);
        assert_eq!(read(&bodies, Body::new(Bytewise(SHORT + 1))).await.unwrap().0.len(), SHORT + 1);
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_refused_before_or_while_it_comes() {
        for body in [Body::from("x".repeat(LENGTH_MAX + 1)), Body::new(Bytewise(LENGTH_MAX + 1))] {
            let refused = read(&Bodies::default(), body).await.unwrap_err();
            assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
            assert_eq!(refused.headers()[CONNECTION], "close");
        }
        assert_eq!(
            read(&Bodies::default(), Body::new(Bytewise(LENGTH_MAX))).await.unwrap().0.len(),
            LENGTH_MAX
        );
    }
}
