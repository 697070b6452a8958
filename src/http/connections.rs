//! The connections: how many there are, and how long a client may keep one waiting.
//!
//! HTTP/1.1 only: a proxy in front speaks HTTP/2 and TLS. What cannot be parsed is refused by hyper,
//! without a body.
//!
//! A connection that waits for its client costs a place that another may need, whether it waits for
//! a head, for a body, for the next request or for its answer to be taken. So it waits for a limited
//! time, for less when a request comes in too slowly, and for less again when memory is short. An address
//! may have a limited number of places, and
//! once all are taken, the address that has most of them makes room: its slowest connection goes, but
//! never one whose request is executed (HT-10). A connection that carries a stream gives its place back: there is a
//! number of streams beside (`infra/streams.rs`), and none is closed for another.

mod limits;
mod socket;
mod state;
mod stream;
mod table;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::header::{CONNECTION, EXPECT};
use axum::http::{HeaderValue, Method, StatusCode, Version};
use axum::response::Response;
use hyper::Request;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{self, Parts};
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep_until};

pub(super) use self::limits::Limits;
use self::socket::Socket;
use self::state::Unfit;
pub(super) use self::state::{State, patience};
use self::stream::Rest;
pub(super) use self::stream::Streaming;
use self::table::{Admission, Client, Table};
use super::body::{Arriving, SHORT};
use super::framing::Ambiguous;
use crate::graphql::lanes::Lanes;
use crate::infra::causes::causes;
use crate::infra::metrics;

/// The most a request's line and headers may hold: beyond it hyper answers 431, as it does to more than 100
/// headers.
const HEAD_LENGTH_MAX: usize = 16 * 1024;
/// The pause after an accept that failed for want of something, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// The pause before a place is looked for again, when all connections are at work.
const CROWDED_PAUSE: Duration = Duration::from_millis(10);
/// The pause before it is looked again whether clients hold too much.
const RELIEF_PAUSE: Duration = Duration::from_millis(50);
/// Bytes that the kernel takes of an answer beyond what it sends: it would let megabytes pile up for a
/// client that does not read, and what it takes would not tell whether the client does.
const UNSENT_MAX: u32 = 32 * 1024;
/// Bytes that the kernel holds of what a client sends while nobody reads it. It would take megabytes of requests
/// behind one that is executed.
const UNREAD_MAX: usize = 32 * 1024;
/// An address that has too many connections is told of at most so often.
const WARN_EVERY: Duration = Duration::from_mins(1);

/// All connections of this process.
pub(super) struct Connections {
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    table: Arc<Table>,
    lanes: Lanes,
    warned: Mutex<Option<Instant>>,
    is_leaving: Arc<AtomicBool>,
    stop: watch::Sender<()>,
}

impl Connections {
    /// From addresses that are `exempt` any number of connections may come: they are proxies.
    pub(super) fn new(router: Router, limits: Limits, exempt: &[IpNet], lanes: Lanes) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections as usize));
        let table = Arc::new(Table::new(limits.per_address, exempt));
        Self {
            router,
            limits,
            places,
            table,
            lanes,
            warned: Mutex::default(),
            is_leaving: Arc::default(),
            stop: watch::Sender::default(),
        }
    }

    /// Accepts for ever. Nothing that a client does, and no lack of files, ends this.
    pub(super) async fn accept(&self, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let admission = self.admit(peer.ip());
                    if admission == Admission::Refused {
                        continue;
                    }
                    let Some(place) = self.place(admission).await else { return };
                    self.attend(stream, peer, place);
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::error!(error = %causes(&error), "cannot accept a connection");
                    self.table.make_room();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Cuts off for ever who does not take an answer, when those that are not taken hold too much, and who sends a
    /// long body slowly, when others wait to send theirs.
    pub(super) async fn relieve(&self) {
        let Lanes { answers, bodies, .. } = &self.lanes;
        loop {
            tokio::select! {
                () = answers.crowd() => {}
                () = bodies.crowd() => {}
            }
            loop {
                let (mut excess, waiting) = (answers.excess().unwrap_or(0), bodies.waiting());
                if excess == 0 && waiting == 0 {
                    break;
                }
                let now = Instant::now();
                while excess > 0
                    && let Some(held) = self.table.relieve(|state| state.held_by_answer(now))
                {
                    excess = excess.saturating_sub(held);
                }
                let long = |state: &State| match state.held_by_body(now) {
                    held if held > SHORT => held,
                    _ => 0,
                };
                for _ in 0..waiting {
                    if self.table.relieve(long).is_none() {
                        break;
                    }
                }
                // It takes a moment until what was cut off is gone, or until more are late.
                tokio::time::sleep(RELIEF_PAUSE).await;
            }
        }
    }

    /// From now on each answer is the last one of its connection.
    pub(super) fn keep_none_alive(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    /// Lets every connection finish its request, and returns when all have ended.
    pub(super) async fn drain(self) {
        let Self { places, limits, stop, .. } = self;
        drop(stop);
        let _all = places.acquire_many(limits.connections).await;
    }

    fn admit(&self, address: IpAddr) -> Admission {
        let client = Client::of(address);
        let admission = self.table.admit(client);
        if admission != Admission::Free {
            self.warn(client);
        }
        admission
    }

    fn warn(&self, client: Client) {
        let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
        if warned.is_some_and(|warned| warned.elapsed() < WARN_EVERY) {
            return;
        }
        *warned = Some(Instant::now());
        // The address of a person is not for the log.
        let address = client.private().map(|address| address.to_string());
        tracing::warn!(
            client.address = address,
            "an address has as many connections as CONNECTIONS_PER_ADDRESS allows ({}); if it is a \
             proxy, add it to TRUSTED_PROXIES",
            self.limits.per_address
        );
    }

    /// A place for one connection; `None` is never, since nobody closes the semaphore.
    async fn place(&self, admission: Admission) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        while admission != Admission::Replacing && !self.table.make_room() {
            let free = Arc::clone(&self.places).acquire_owned();
            // All are at work: the first that is done, or waits for its client, makes room.
            if let Ok(place) = tokio::time::timeout(CROWDED_PAUSE, free).await {
                return place.ok();
            }
        }
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn attend(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // An answer is written at once; waiting for more to send would only delay it.
        let _ = stream.set_nodelay(true);
        let socket = SockRef::from(&stream);
        // Whoever does not acknowledge what they were sent is gone: a stream would tell them for a quarter of an hour.
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_user_timeout(Some(self.limits.answer));
        let _ = socket.set_recv_buffer_size(UNREAD_MAX);
        #[cfg(target_os = "linux")]
        let _ = socket.set_tcp_notsent_lowat(UNSENT_MAX);
        #[cfg(not(target_os = "linux"))]
        let _ = socket.set_send_buffer_size(UNSENT_MAX as usize);
        let reset = |stream: &TcpStream| {
            let _ = stream.set_zero_linger();
        };
        self.run(stream, reset, peer, place);
    }

    fn run<S>(&self, stream: S, reset: fn(&S), peer: SocketAddr, place: OwnedSemaphorePermit)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let state = Arc::new(State::new(self.limits));
        state.keep(place);
        let entry = self.table.enter(Client::of(peer.ip()), &state);
        let io = Socket::new(stream, reset, Arc::clone(&state));
        let leaving = Arc::clone(&self.is_leaving);
        let service = service(self.router.clone(), peer, Arc::clone(&state), leaving);
        let connection = http1::Builder::new()
            // The state knows better when a client is late.
            .header_read_timeout(None)
            .max_buf_size(HEAD_LENGTH_MAX)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let (stop, present) = (self.stop.subscribe(), metrics::connection());
        tokio::spawn(async move {
            // Boxed, so that a stream keeps none of it.
            if let Some(rest) = Box::pin(serve(connection, &state, stop)).await {
                guard(rest.send(), &state).await;
            }
            state.leave();
            drop((entry, present));
        });
    }
}

/// Whether an accept failed for a reason that concerns one connection only.
fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// The routes, for the requests of one connection.
fn service(
    router: Router,
    peer: SocketAddr,
    state: Arc<State>,
    is_leaving: Arc<AtomicBool>,
) -> impl Service<
    Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future: Future<Output = Result<Response, Infallible>> + Send,
> {
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        let begun = state.begin(request.body().size_hint().exact());
        // Before HTTP/1.1 there were no chunks.
        let has_chunks = request.version() == Version::HTTP_11;
        // Where a tunnel might begin, no further request does.
        let mut is_last = request.method() == Method::CONNECT;
        let is_expecting = request.headers().contains_key(EXPECT);
        let mut request = request.map(|body| match body.is_end_stream() {
            true => Body::empty(),
            false => Body::new(Arriving::new(body, Arc::clone(&state), is_expecting)),
        });
        request.extensions_mut().insert(ConnectInfo(peer));
        if matches!(begun, Err(Unfit::Ambiguous)) {
            request.extensions_mut().insert(Ambiguous);
            is_last = true;
        }
        let answering = match begun {
            Ok(()) | Err(Unfit::Ambiguous) => Some(router.call(request)),
            Err(Unfit::Evicted) => None,
        };
        let (state, is_leaving) = (Arc::clone(&state), Arc::clone(&is_leaving));
        async move {
            // An evicted connection is about to be dropped, and its request is not executed.
            let Some(answering) = answering else { return pending().await };
            // hyper would go on to the next request at once, and keep the thread until all are answered.
            if state.is_pipelined() {
                yield_now().await;
            }
            let mut answer = answering.await;
            let Ok(answered) = &mut answer else { return answer };
            let length = answered.body().size_hint().lower();
            let has_unread_body = state.end(usize::try_from(length).unwrap_or(usize::MAX));
            if answered.status() == StatusCode::SWITCHING_PROTOCOLS {
                state.stream(None);
                return answer;
            }
            // Nobody waits for another request behind a stream.
            let streaming = answered.extensions_mut().remove::<Streaming>();
            let is_streaming = streaming.is_some();
            if is_streaming {
                state.stream(streaming.filter(|_| has_chunks));
            }
            let is_last = is_last || is_leaving.load(Ordering::Relaxed);
            if is_last || has_unread_body || is_streaming {
                answered.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            answer
        }
    })
}

/// Answers the requests of a connection until it ends, or returns the rest of an answer that is sent without hyper.
async fn serve<S, R>(
    mut connection: http1::UpgradeableConnection<TokioIo<Socket<S>>, R>,
    state: &State,
    mut stop: watch::Receiver<()>,
) -> Option<Rest<Socket<S>>>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    R: Service<Request<Incoming>, Response = Response, Error = Infallible> + Unpin,
{
    let mut stopping = pin!(stop.changed());
    let mut is_stopping = false;
    let answering = poll_fn(|context| {
        let mut connection = Pin::new(&mut connection);
        if !is_stopping && stopping.as_mut().poll(context).is_ready() {
            is_stopping = true;
            connection.as_mut().graceful_shutdown();
        }
        match connection.poll(context) {
            // A broken connection is its client's affair.
            Poll::Ready(_) => Poll::Ready(None),
            Poll::Pending => {
                state.take_rest().map_or(Poll::Pending, |rest| Poll::Ready(Some(rest)))
            }
        }
    });
    let pieces = guard(answering, state).await??;
    let Parts { io, read_buf, .. } = connection.into_parts()?;
    Some(Rest { socket: io.into_inner(), pieces, is_quiet: read_buf.is_empty() })
}

/// Does the work of a connection until it ends, its client is late, or its place is needed. Returns what came of work that ended.
async fn guard<T>(work: impl Future<Output = T>, state: &State) -> Option<T> {
    let (mut work, mut evicted) = (pin!(work), pin!(state.evicted()));
    // Kept for as long as the connection: to move a timer on is cheap, and to make one is not.
    let mut timer = pin!(sleep_until(Instant::now()));
    poll_fn(|context| {
        if let Poll::Ready(outcome) = work.as_mut().poll(context) {
            return Poll::Ready(Some(outcome));
        }
        if evicted.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        let Some(deadline) = state.deadline() else { return Poll::Pending };
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        ready!(timer.as_mut().poll(context));
        if let Some(cut) = state.cut() {
            metrics::connection_was_cut(cut);
        }
        Poll::Ready(None)
    })
    .await
}

#[cfg(test)]
mod tests;
