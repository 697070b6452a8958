//! Streams over a WebSocket, by the protocol `graphql-transport-ws`: many subscriptions over one connection.
//!
//! A page cannot set headers of a WebSocket. So what a request shows by headers may stand in the payload of
//! `connection_init`, under the same names, and is read as if it were one of the handshake's headers. A
//! page uses its cookie here only if its `Origin` may, as for mutations.
//!
//! The protocol code of the GraphQL library does not fit: it reads calls in its own way, without the limits of a body, and has no
//! bound on how much a client may begin.

mod protocol;

use std::collections::HashMap;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_graphql::futures_util::SinkExt;
use async_graphql::futures_util::future::{AbortHandle, Abortable, Aborted};
use async_graphql::futures_util::stream::{FuturesUnordered, StreamExt};
use axum::body::{Bytes, HttpBody};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{FromRequestParts, Request};
use axum::http::header::UPGRADE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use tokio::time::{Instant, sleep_until, timeout};

use self::protocol::{Close, Heard};
use super::super::answer::{self, failed, unexecuted};
use super::super::call::{self, NoCall};
use super::super::graphql::{ANSWER_MAX, prepare};
use super::super::identity::Identity;
use super::super::observe::{Noted, Watch};
use super::super::origin::{self, Mode};
use super::super::refusal;
use super::{Next, Stream, addressee, open};
use crate::app::App;
use crate::graphql::error::{ApiError, Code};
use crate::graphql::json::Json;
use crate::infra::metrics::{self, Cut, Operation, Transport};
use crate::infra::streams::{Full, Stranger};
use crate::infra::threads::NoThread;
use crate::kernel::access::Origin;

/// The most that one message may hold: a call, whose document has 15,000 characters at most.
const MESSAGE_MAX: usize = 16 * 1024;
/// What is read at once, and kept for reading as long as the connection lives: it is idle nearly all the time.
const READ_BUFFER: usize = 1024;
/// How long a client may take to say who it is.
const INIT_MAX: Duration = Duration::from_secs(10);
/// How often the client shows that it is there: proxies close a connection that says nothing for a minute.
const PING_EVERY: Duration = Duration::from_secs(20);
/// A client that says nothing for this long, and answers no ping, is gone.
const SILENCE_MAX: Duration = Duration::from_secs(50);
/// How long a connection is kept that carries no subscription.
const UNUSED_MAX: Duration = Duration::from_mins(1);
/// How long the client may take to close its side too.
const FAREWELL: Duration = Duration::from_secs(1);
/// How long a client may take to read what it was sent.
const SEND_MAX: Duration = Duration::from_secs(10);
/// Subscriptions that one connection may have at once (CK-08).
const BEGUN_MAX: usize = 20;

/// Whether a request asks for a WebSocket.
pub(in crate::http) fn is_meant(headers: &HeaderMap) -> bool {
    let upgrade = headers.get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Answers the handshake, and converses with the client from then on.
pub(in crate::http) async fn upgrade(app: App, origin: Origin, request: Request) -> Response {
    if let Err(refused) = origin::check_page(&app.config, request.headers()) {
        return refused;
    }
    let body = request.body().size_hint().exact();
    let (mut parts, _body) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let Some(upgrade) = upgrade.ok().filter(|_| body == Some(0)) else {
        let message = "This is not a WebSocket handshake as defined by RFC 6455.";
        return refusal(StatusCode::BAD_REQUEST, message);
    };
    if !upgrade.requested_protocols().any(|known| known == protocol::NAME) {
        let message = "Name the protocol graphql-transport-ws in Sec-WebSocket-Protocol.";
        return refusal(StatusCode::BAD_REQUEST, message);
    }
    let place = match app.streams.connect(origin.ip, Transport::WebSocket) {
        Ok(place) => place,
        Err(full) => return answer::refused(&app, ApiError::too_many_streams(full), &origin),
    };
    let headers = parts.headers;
    upgrade
        .protocols([protocol::NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_message_size(MESSAGE_MAX)
        .max_frame_size(MESSAGE_MAX)
        .on_upgrade(move |socket| async move {
            let _place = place;
            let peer = Peer::Unknown(Box::new((origin, headers)), app.streams.admit_stranger());
            Conversation::new(app, peer).hold(socket).await;
        })
}

/// Who is at the other end.
enum Peer {
    /// With what the handshake said of them.
    Unknown(Box<(Origin, HeaderMap)>, Stranger),
    /// They have said who they are, before it is known whether that is true.
    Known(Arc<Identity>),
}

impl Peer {
    /// Returns when the connection of a stranger must go, for others to come in.
    async fn must_go(&self) {
        match self {
            Self::Unknown(_, stranger) => stranger.must_go().await,
            Self::Known(_) => pending().await,
        }
    }
}

/// What is done for one subscription until there is something to say.
type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

/// The id of a subscription, and what has come of it.
type Done = (String, Outcome);

enum Outcome {
    Opened(Box<Stream>),
    /// The errors because of which it was not opened.
    Refused(Json),
    Said(Box<Stream>, Next),
}

/// What is said to one client.
struct Conversation {
    app: App,
    peer: Peer,
    /// What has begun, by the ids that the client chose.
    begun: HashMap<String, AbortHandle>,
    work: FuturesUnordered<Abortable<Work>>,
    /// One subscription at a time is opened, and nothing is heard meanwhile.
    is_opening: bool,
}

/// There is nobody to converse with any more.
struct Gone;

impl Conversation {
    fn new(app: App, peer: Peer) -> Self {
        let (begun, work) = (HashMap::new(), FuturesUnordered::new());
        Self { app, peer, begun, work, is_opening: false }
    }

    /// Converses until either side ends it.
    async fn hold(mut self, mut socket: WebSocket) {
        if let Err(Some(Close { code, reason })) = self.converse(&mut socket).await {
            let frame = CloseFrame { code, reason: reason.as_ref().into() };
            if send(&mut socket, Message::Close(Some(frame))).await.is_err() {
                return;
            }
        }
        // What is said until the other side closes too is not for us. A reset could take the code with it.
        let _ = timeout(FAREWELL, async { while let Some(Ok(_)) = socket.recv().await {} }).await;
    }

    /// Says with what the connection is closed, if there is anybody to tell.
    async fn converse(&mut self, socket: &mut WebSocket) -> Result<(), Option<Close>> {
        let began = Instant::now();
        let (mut heard_at, mut used_at, mut look_at) = (began, began, began + INIT_MAX);
        let streams = self.app.streams.clone();
        loop {
            let said = tokio::select! {
                message = socket.recv(), if !self.is_opening => {
                    heard_at = Instant::now();
                    match message {
                        Some(Ok(Message::Text(text))) => {
                            Box::pin(self.hear(&text)).await.map_err(Some)?
                        }
                        // The library answers it. The answer goes out before more is read, or answers would pile up for a
                        // client that takes none.
                        Some(Ok(Message::Ping(_))) => {
                            flush(socket).await.map_err(|Gone| None)?;
                            None
                        }
                        Some(Ok(Message::Pong(_))) => None,
                        Some(Ok(Message::Binary(_))) => {
                            return Err(Some(Close::bad("Messages must be text.")));
                        }
                        Some(Err(_)) => {
                            return Err(Some(Close::bad("A message must be text of at most 16 KiB, in \
                                                        frames as defined \
                                                        by RFC 6455.")));
                        }
                        Some(Ok(Message::Close(_))) | None => return Err(None),
                    }
                }
                Some(done) = self.work.next(), if !self.work.is_empty() => {
                    self.go_on(done).map_err(Some)?
                }
                () = sleep_until(look_at) => {
                    if matches!(self.peer, Peer::Unknown(..)) {
                        return Err(Some(Close::INIT_TIMEOUT));
                    }
                    if heard_at.elapsed() > SILENCE_MAX {
                        return Err(None);
                    }
                    if used_at.elapsed() > UNUSED_MAX {
                        return Err(Some(Close::UNUSED));
                    }
                    look_at = Instant::now() + PING_EVERY;
                    send(socket, Message::Ping(Bytes::new())).await.map_err(|Gone| None)?;
                    None
                }
                () = self.peer.must_go() => return Err(Some(Close::INIT_TIMEOUT)),
                () = streams.stopping() => return Err(Some(Close::GOING_AWAY)),
            };
            if let Some(said) = said {
                send(socket, Message::Text(said.into())).await.map_err(|Gone| None)?;
            }
            if !self.begun.is_empty() {
                used_at = Instant::now();
            }
        }
    }

    /// Answers one message.
    async fn hear(&mut self, text: &str) -> Result<Option<String>, Close> {
        match protocol::read(text)? {
            Heard::Init(shown) => {
                let Peer::Unknown(handshake, _) = &mut self.peer else {
                    return Err(Close::TOO_MANY_INITS);
                };
                let (origin, mut headers) = std::mem::replace(
                    &mut **handshake,
                    (Origin { ip: None, ..Origin::CLI }, HeaderMap::new()),
                );
                shown.put_into(&mut headers)?;
                let identity = Identity::read(&self.app, origin, &headers);
                let identity = match identity {
                    Ok(identity) => identity,
                    Err(refused) => return Err(Close::of(refused).await),
                };
                if identity.mode == (Mode::Cookie { may_change: false }) {
                    return Err(Close::no_origin());
                }
                self.peer = Peer::Known(Arc::new(identity));
                Ok(Some(protocol::ACK.to_owned()))
            }
            Heard::Ping => Ok(Some(protocol::PONG.to_owned())),
            Heard::Pong => Ok(None),
            Heard::Subscribe { id, payload } => self.subscribe(id, payload),
            Heard::Complete { id } => {
                if let Some(begun) = self.begun.remove(&*id) {
                    begun.abort();
                }
                Ok(None)
            }
        }
    }

    fn subscribe(&mut self, id: String, payload: &str) -> Result<Option<String>, Close> {
        let Peer::Known(identity) = &self.peer else { return Err(Close::UNAUTHORIZED) };
        if self.begun.contains_key(&id) {
            return Err(Close::subscriber_exists(&id));
        }
        if self.begun.len() >= BEGUN_MAX {
            let refused = failed(ApiError::too_many_streams(Full::Connection));
            let (errors, _) = answer::errors(refused, addressee(identity));
            return Ok(Some(protocol::error(&id, &errors)));
        }
        let parsed = call::parse(payload.as_bytes());
        let (app, identity) = (self.app.clone(), Arc::clone(identity));
        let opening = async move |id| {
            let watch = Watch::message(&app.config, &identity.origin);
            let (outcome, code) = begin(&app, parsed, identity, watch.noted().clone()).await;
            watch.end_with(code);
            (id, outcome)
        };
        self.is_opening = true;
        self.go_on_with(id.clone(), Box::pin(async move { opening(id).await }));
        Ok(None)
    }

    /// Goes on with a subscription of which something has come, and returns what is said of it.
    fn go_on(&mut self, done: Result<Done, Aborted>) -> Result<Option<String>, Close> {
        let Ok((id, outcome)) = done else { return Ok(None) };
        if matches!(outcome, Outcome::Opened(_) | Outcome::Refused(_)) {
            self.is_opening = false;
        }
        let (stream, said) = match outcome {
            Outcome::Opened(stream) => (stream, None),
            Outcome::Said(stream, Next::Event(answer)) => {
                let said = protocol::next(&id, &answer);
                (stream, Some(said))
            }
            Outcome::Refused(errors) => {
                self.begun.remove(&id);
                return Ok(Some(protocol::error(&id, &errors)));
            }
            Outcome::Said(_, Next::Complete) => {
                self.begun.remove(&id);
                return Ok(Some(protocol::complete(&id)));
            }
            Outcome::Said(_, Next::BrokenOff) if self.app.streams.is_stopping() => {
                return Err(Close::GOING_AWAY);
            }
            Outcome::Said(_, Next::BrokenOff) => return Err(Close::TRY_AGAIN),
        };
        self.go_on_with(id.clone(), wait(id, stream));
        Ok(said)
    }

    fn go_on_with(&mut self, id: String, work: Work) {
        let (handle, registration) = AbortHandle::new_pair();
        self.begun.insert(id, handle);
        self.work.push(Abortable::new(work, registration));
    }
}

fn wait(id: String, mut stream: Box<Stream>) -> Work {
    Box::pin(async move {
        let next = stream.next().await;
        (id, Outcome::Said(stream, next))
    })
}

/// Opens the stream that a call asks for.
async fn begin(
    app: &App,
    parsed: Result<call::Call, NoCall>,
    identity: Arc<Identity>,
    noted: Noted,
) -> (Outcome, Option<Code>) {
    let addressee = addressee(&identity);
    let opened = async {
        let call = parsed.map_err(|no_call| match no_call {
            NoCall::Malformed(message) => failed(ApiError::new(Code::BadRequest, message)),
            refused @ NoCall::Refused(_) => unexecuted(refused).unwrap_or_default(),
        })?;
        let prepared = prepare(app, call, &identity, noted).await;
        let ready = prepared.map_err(|no_thread| match no_thread {
            NoThread::Busy => failed(ApiError::overdue()),
            NoThread::Died => {
                failed(ApiError::internal(anyhow!("the check of a document panicked")))
            }
        })??;
        if ready.scanned.operation != Operation::Subscription {
            let message =
                "A WebSocket carries only subscriptions. Send queries and mutations by POST.";
            return Err(failed(ApiError::new(Code::BadRequest, message)));
        }
        open(app, ready, identity).await
    };
    let opened = timeout(ANSWER_MAX, opened).await;
    match opened.unwrap_or_else(|_elapsed| Err(failed(ApiError::overdue()))) {
        Ok(stream) => (Outcome::Opened(Box::new(stream)), None),
        Err(refused) => {
            let (errors, code) = answer::errors(refused, addressee);
            (Outcome::Refused(errors), code)
        }
    }
}

/// Sends a message, unless the client does not take it.
async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Gone> {
    in_time(socket.send(message)).await
}

/// Sends what the library has to say.
async fn flush(socket: &mut WebSocket) -> Result<(), Gone> {
    in_time(SinkExt::flush(socket)).await
}

async fn in_time(sending: impl Future<Output = Result<(), axum::Error>>) -> Result<(), Gone> {
    match timeout(SEND_MAX, sending).await {
        Ok(sent) => sent.map_err(|_broken| Gone),
        Err(_elapsed) => {
            metrics::connection_was_cut(Cut::SlowReader);
            Err(Gone)
        }
    }
}
