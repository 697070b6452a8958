//! The connections: how many there are, and how long a client may keep one waiting.
//!
//! HTTP/1.1 only: a proxy in front speaks HTTP/2 and TLS. What cannot be parsed is refused by hyper,
//! without a body.
//!
//! A connection that waits for its client costs a place that another may need. So it waits for a
//! limited time, and once all places are taken, whoever has waited longest makes room for the
//! newcomer: a thousand silent sockets keep nobody out.

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use hyper::Request;
use hyper::body::Incoming;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use tokio_util::io::InspectReader;

use super::framing::{Ambiguous, Framing};
use crate::platform::metrics;

/// Connections at once. Each may hold a request's head and body, 200 KiB in all.
const CONNECTIONS_MAX: u32 = 2048;
/// Open files that are not connections of clients: the database's, the log's, the program's.
const FILES_RESERVED: u32 = 128;
/// The most a request's line and headers may hold: beyond it hyper answers 431. It answers 414
/// to a request line of 64 KiB, and 431 to more than 100 headers.
const HEAD_LENGTH_MAX: usize = 96 * 1024;
/// The pause after an accept that failed for want of something, before the next.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long, and how many.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// From the first byte of a request, or a connection's beginning, to the end of its headers.
    pub(super) head: Duration,
    /// From an answer to the next request's first byte. An answer that its client does not take
    /// is given up after that time too.
    pub(super) idle: Duration,
    pub(super) connections: u32,
}

impl Default for Limits {
    fn default() -> Self {
        let (head, idle) = (Duration::from_secs(10), Duration::from_secs(75));
        let connections = match files_max() {
            Some(files) => {
                files.saturating_sub(FILES_RESERVED).max(files / 2).clamp(1, CONNECTIONS_MAX)
            }
            None => CONNECTIONS_MAX,
        };
        if connections < CONNECTIONS_MAX {
            tracing::warn!("the limit of open files allows {connections} connections at once");
        }
        Self { head, idle, connections }
    }
}

/// How many files this process may have open, once it has asked for as many as it may ask for.
#[cfg(unix)]
fn files_max() -> Option<u32> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused only where the hard limit is above what the kernel grants; then the old one stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let granted = getrlimit(Resource::Nofile).current?;
    Some(u32::try_from(granted).unwrap_or(u32::MAX))
}

#[cfg(not(unix))]
fn files_max() -> Option<u32> {
    None
}

/// All connections of this process.
pub(super) struct Connections {
    router: Router,
    limits: Limits,
    places: Arc<Semaphore>,
    /// Wakes the connection that has waited longest for its client, to make room.
    crowded: Arc<Notify>,
    stop: watch::Sender<()>,
}

impl Connections {
    pub(super) fn new(router: Router, limits: Limits) -> Self {
        let places = Arc::new(Semaphore::new(limits.connections as usize));
        Self { router, limits, places, crowded: Arc::default(), stop: watch::Sender::default() }
    }

    /// Accepts for ever. Nothing that a client does, and no lack of files, ends this.
    pub(super) async fn accept(&self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    let Some(place) = self.place().await else { return };
                    self.attend(stream, peer, place);
                }
                Err(error) if is_of_the_client(&error) => {}
                Err(error) => {
                    tracing::error!(error = %error, "a connection cannot be accepted");
                    self.crowded.notify_one();
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// Lets every connection finish its request, and returns when all have ended.
    pub(super) async fn drain(self) {
        let Self { places, limits, stop, .. } = self;
        drop(stop);
        let _all = places.acquire_many(limits.connections).await;
    }

    /// A place for one connection; `None` is never, since nobody closes the semaphore.
    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Some(place);
        }
        self.crowded.notify_one();
        Arc::clone(&self.places).acquire_owned().await.ok()
    }

    fn attend(&self, stream: TcpStream, peer: SocketAddr, place: OwnedSemaphorePermit) {
        // An answer is written at once; waiting for more to send would only delay it.
        let _ = stream.set_nodelay(true);
        let state = Arc::new(State::new(self.limits));
        let heard = Arc::clone(&state);
        let io = InspectReader::new(stream, move |bytes: &[u8]| {
            if !bytes.is_empty() {
                heard.hear(bytes);
            }
        });
        let service = service(self.router.clone(), peer, Arc::clone(&state));
        let connection = http1::Builder::new()
            // The state below knows better when a client is late.
            .header_read_timeout(None)
            .max_buf_size(HEAD_LENGTH_MAX)
            .serve_connection(TokioIo::new(io), service);
        let (crowded, stop) = (Arc::clone(&self.crowded), self.stop.subscribe());
        let present = metrics::connection();
        tokio::spawn(async move {
            guard(connection, &state, &crowded, stop).await;
            drop((place, present));
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
) -> impl Service<
    Request<Incoming>,
    Response = Response,
    Error = Infallible,
    Future: Future<Output = Result<Response, Infallible>> + Send,
> {
    let router = TowerToHyperService::new(router);
    service_fn(move |request: Request<Incoming>| {
        state.begin();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        if state.framing().is_ambiguous() {
            request.extensions_mut().insert(Ambiguous);
        }
        let (answer, state) = (router.call(request), Arc::clone(&state));
        async move {
            let answer = answer.await;
            state.end();
            answer
        }
    })
}

/// What a connection is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle { until: Instant },
    /// A request's headers are coming in.
    Head { until: Instant },
    /// A request is read, executed and answered; the endpoints limit their time themselves.
    Busy,
}

/// The phase of one connection, told by what passes through its socket and its service. Both run
/// within the connection's own task, so nobody needs to be woken.
struct State {
    limits: Limits,
    phase: Mutex<Phase>,
    framing: Mutex<Framing>,
}

impl State {
    fn new(limits: Limits) -> Self {
        let phase = Phase::Head { until: Instant::now() + limits.head };
        Self { limits, phase: Mutex::new(phase), framing: Mutex::default() }
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn framing(&self) -> MutexGuard<'_, Framing> {
        self.framing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn hear(&self, bytes: &[u8]) {
        if matches!(self.phase(), Phase::Idle { .. }) {
            self.set(Phase::Head { until: Instant::now() + self.limits.head });
            *self.framing() = Framing::default();
        }
        if matches!(self.phase(), Phase::Head { .. }) {
            self.framing().see(bytes);
        }
    }

    fn begin(&self) {
        self.set(Phase::Busy);
    }

    fn end(&self) {
        self.set(Phase::Idle { until: Instant::now() + self.limits.idle });
    }
}

/// Drives a connection until it ends, its client is late, or its place is needed.
async fn guard<I, S>(
    connection: http1::Connection<I, S>,
    state: &State,
    crowded: &Notify,
    mut stop: watch::Receiver<()>,
) where
    I: Read + Write + Unpin,
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let mut connection = pin!(connection);
    let mut is_stopping = false;
    loop {
        let phase = state.phase();
        let ended = poll_fn(|context| match connection.as_mut().poll(context) {
            // A broken connection is its client's affair.
            Poll::Ready(_outcome) => Poll::Ready(true),
            Poll::Pending if state.phase() != phase => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        });
        let given_up = async {
            match phase {
                Phase::Busy => pending().await,
                Phase::Idle { until } | Phase::Head { until } => tokio::select! {
                    () = tokio::time::sleep_until(until) => {}
                    () = crowded.notified() => {}
                },
            }
        };
        tokio::select! {
            has_ended = ended => if has_ended { return },
            () = given_up => return,
            _ = stop.changed(), if !is_stopping => is_stopping = true,
        }
        if is_stopping {
            connection.as_mut().graceful_shutdown();
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::mpsc;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const SHORT: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_mins(10);
    const CALM: Limits = Limits { head: LONG, idle: LONG, connections: 10 };

    async fn serve(router: Router, limits: Limits) -> (SocketAddr, Arc<Connections>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(Connections::new(router, limits));
        let accepting = Arc::clone(&connections);
        tokio::spawn(async move { accepting.accept(listener).await });
        (address, connections)
    }

    fn greeting() -> Router {
        Router::new().route("/", get(|| async { "hello" }))
    }

    async fn send(stream: &mut TcpStream, bytes: &[u8]) -> String {
        stream.write_all(bytes).await.unwrap();
        let mut answer = vec![0; 1024];
        let length = stream.read(&mut answer).await.unwrap();
        String::from_utf8(answer[..length].to_vec()).unwrap()
    }

    /// Waits until the server has closed the connection.
    async fn is_closed(stream: &mut TcpStream) -> bool {
        matches!(stream.read(&mut [0; 16]).await, Ok(0) | Err(_))
    }

    #[tokio::test]
    async fn a_head_that_does_not_come_is_given_up_and_an_idle_client_is_not() {
        let (address, _) = serve(greeting(), Limits { head: SHORT, ..CALM }).await;
        let mut silent = TcpStream::connect(address).await.unwrap();
        assert!(is_closed(&mut silent).await);

        let mut patient = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut patient, GET).await.ends_with("hello"));
        tokio::time::sleep(SHORT * 3).await;
        assert!(send(&mut patient, GET).await.ends_with("hello"), "idle for longer than a head");
        patient.write_all(&GET[..9]).await.unwrap();
        assert!(is_closed(&mut patient).await, "the next head began and did not end");
    }

    #[tokio::test]
    async fn an_idle_connection_is_closed() {
        let (address, _) = serve(greeting(), Limits { idle: SHORT, ..CALM }).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut stream, GET).await.ends_with("hello"));
        assert!(is_closed(&mut stream).await);
    }

    #[tokio::test]
    async fn an_answer_that_is_not_taken_is_given_up() {
        let router = Router::new().route("/", get(|| async { "x".repeat(64 << 20) }));
        let (address, connections) = serve(router, Limits { idle: SHORT, ..CALM }).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(GET).await.unwrap();
        stream.readable().await.unwrap();
        // Its place is free again although it has read nothing.
        let all = connections.places.acquire_many(CALM.connections).await.unwrap();
        drop(all);
    }

    #[tokio::test]
    async fn at_the_cap_who_has_waited_longest_makes_room() {
        let (address, _) = serve(greeting(), Limits { connections: 2, ..CALM }).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut first, GET).await.ends_with("hello"));
        let mut second = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut second, GET).await.ends_with("hello"));
        let mut third = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut third, GET).await.ends_with("hello"));

        assert!(is_closed(&mut first).await);
        assert!(send(&mut second, GET).await.ends_with("hello"));
    }

    struct Dropped(mpsc::UnboundedSender<&'static str>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.send("dropped");
        }
    }

    #[tokio::test]
    async fn a_client_that_leaves_takes_its_request_with_it() {
        let (told, mut steps) = mpsc::unbounded_channel();
        let handler = move || {
            let told = told.clone();
            async move {
                let _ = told.send("begun");
                let _dropped = Dropped(told);
                pending::<StatusCode>().await
            }
        };
        let router = Router::new().route("/", get(handler));
        let (address, connections) = serve(router, CALM).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(GET).await.unwrap();
        assert_eq!(steps.recv().await, Some("begun"));
        assert_eq!(connections.places.available_permits(), 9);
        drop(stream);
        assert_eq!(steps.recv().await, Some("dropped"));
        let _all = connections.places.acquire_many(CALM.connections).await.unwrap();
    }

    #[tokio::test]
    async fn a_connection_that_panics_hurts_no_other_and_frees_its_place() {
        // Without the layer that catches panics: the connection's own task dies of it.
        async fn boom() -> StatusCode {
            panic!("on purpose")
        }
        let (address, connections) = serve(greeting().route("/boom", get(boom)), CALM).await;
        let mut other = TcpStream::connect(address).await.unwrap();
        assert!(send(&mut other, GET).await.ends_with("hello"));
        let mut panicking = TcpStream::connect(address).await.unwrap();
        panicking.write_all(b"GET /boom HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(is_closed(&mut panicking).await);
        assert!(send(&mut other, GET).await.ends_with("hello"));
        assert_eq!(connections.places.available_permits(), 9);
    }
}
