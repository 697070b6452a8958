//! A stream as server-sent events, over the answer to a POST: one operation a request, as the protocol GraphQL over SSE has it
//! in its "distinct connections mode". Pages read it by `fetch`, with whatever they show of their session.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_graphql::futures_util::Stream as Pieces;
use axum::body::{Body, Bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use tokio::time::{Instant, Sleep, sleep};

use super::super::answer;
use super::super::connections::Streaming;
use super::super::graphql::Ready;
use super::super::identity::Identity;
use super::super::observe::Answered;
use super::{Next, Stream, addressee, open};
use crate::app::App;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::json::Json;
use crate::infra::metrics::Transport;
use crate::infra::streams::StreamPermit;

/// How long a connection is silent at most: proxies close one that says nothing for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// A comment, which clients pass over.
const COMMENT: &[u8] = b":\n\n";
const COMPLETE: &[u8] = b"event: complete\ndata:\n\n";
/// Asks nginx to pass each event on as it comes.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Opens a stream and answers with it.
pub(in crate::http) async fn answer(app: &App, ready: Ready, identity: Identity) -> Response {
    let place = match app.streams.connect(identity.origin.ip, Transport::Sse) {
        Ok(place) => place,
        Err(full) => {
            return answer::refused(app, ApiError::too_many_streams(full), &identity.origin);
        }
    };
    let addressee = addressee(&identity);
    match open(app, ready, Arc::new(identity)).await {
        Ok(stream) => {
            let (streaming, body) = Streaming::new(Events::of(stream, place));
            let mut response = respond(None, body);
            response.extensions_mut().insert(streaming);
            response
        }
        Err(refused) => {
            let (refused, code) = answer::event(refused, addressee);
            respond(code, Body::from([written(&refused).as_slice(), COMPLETE].concat()))
        }
    }
}

fn respond(code: Option<Code>, body: Body) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (BUFFERING, HeaderValue::from_static("no")),
    ];
    let mut response = (headers, body).into_response();
    response.extensions_mut().insert(Answered(code));
    response
}

/// One answer as an event. JSON as we write it has no line breaks.
fn written(answer: &Json) -> Vec<u8> {
    [b"event: next\ndata: ", answer.as_slice(), b"\n\n"].concat()
}

/// What is awaited, with the stream that it is of.
type Waiting = Pin<Box<dyn Future<Output = (Box<Stream>, Next)> + Send>>;

/// The pieces of the body. The next is made when the client has room for it, and not before.
struct Events {
    has_begun: bool,
    /// `None` once all is said.
    waiting: Option<Waiting>,
    keep_alive: Pin<Box<Sleep>>,
    _place: StreamPermit,
}

impl Events {
    fn of(stream: Stream, place: StreamPermit) -> Self {
        let waiting = Some(wait(Box::new(stream)));
        let keep_alive = Box::pin(sleep(KEEP_ALIVE));
        Self { has_begun: false, waiting, keep_alive, _place: place }
    }

    fn piece(&mut self, context: &mut Context<'_>) -> Poll<Option<Vec<u8>>> {
        // So that the client, and proxies, know at once that the stream is open.
        if !std::mem::replace(&mut self.has_begun, true) {
            return Poll::Ready(Some(COMMENT.into()));
        }
        let Some(waiting) = &mut self.waiting else { return Poll::Ready(None) };
        if let Poll::Ready((stream, next)) = waiting.as_mut().poll(context) {
            return Poll::Ready(match next {
                Next::Event(answer) => {
                    self.waiting = Some(wait(stream));
                    Some(written(&answer))
                }
                Next::Complete => {
                    self.waiting = None;
                    Some(COMPLETE.into())
                }
                // The client asks again, since the stream has not said that it is complete.
                Next::BrokenOff => None,
            });
        }
        ready!(self.keep_alive.as_mut().poll(context));
        Poll::Ready(Some(COMMENT.into()))
    }
}

fn wait(mut stream: Box<Stream>) -> Waiting {
    Box::pin(async move {
        let next = stream.next().await;
        (stream, next)
    })
}

impl Pieces for Events {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = ready!(self.piece(context));
        let at = Instant::now() + KEEP_ALIVE;
        self.keep_alive.as_mut().reset(at);
        Poll::Ready(piece.map(Bytes::from))
    }
}
