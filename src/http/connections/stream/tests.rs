use std::time::Duration;

use async_graphql::futures_util::stream::poll_fn;
use axum::routing::get;
use axum::{Extension, Router};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::task::yield_now;
use tokio::time::timeout;

use super::super::{Connections, Limits};
use super::*;
use crate::graphql::lanes::Lanes;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const LONG: Duration = Duration::from_mins(10);
const LIMITS: Limits =
    Limits { head: LONG, idle: LONG, answer: LONG, connections: 9, per_address: 9, streams: 9 };
const WAIT_MAX: Duration = Duration::from_mins(1);

/// A client of one stream.
struct Listener {
    /// Sends it a piece, or ends it by being dropped.
    pieces: UnboundedSender<Bytes>,
    streaming: Streaming,
    socket: TcpStream,
}

impl Listener {
    /// Sends a request, and takes the stream's first piece.
    async fn begin(limits: Limits, request: &[u8]) -> (Self, String) {
        let (pieces, mut receiver) = unbounded_channel();
        let (streaming, body) = Streaming::new(poll_fn(move |cx| receiver.poll_recv(cx)));
        let answer = Arc::new(Mutex::new(Some((Extension(streaming.clone()), body))));
        let handler = move || async move { answer.lock().unwrap().take().unwrap() };
        let tcp = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let mut socket = TcpStream::connect(tcp.local_addr().unwrap()).await.unwrap();
        let router = Router::new().route("/", get(handler));
        let connections = Connections::new(router, limits, &[], Lanes::default());
        tokio::spawn(async move { connections.accept(&tcp).await });
        socket.write_all(request).await.unwrap();
        pieces.send(Bytes::from("begun")).unwrap();
        let mut listener = Self { pieces, streaming, socket };
        let mut head = String::new();
        while !head.contains("begun") {
            head += &listener.read(1).await;
        }
        (listener, head)
    }

    /// Waits until hyper keeps nothing of the stream.
    async fn is_passed_on(&self) {
        let passed = async {
            while Arc::strong_count(&self.streaming.0) > 1 {
                yield_now().await;
            }
        };
        timeout(WAIT_MAX, passed).await.unwrap();
    }

    async fn read(&mut self, length: usize) -> String {
        let mut bytes = vec![0; length];
        timeout(WAIT_MAX, self.socket.read_exact(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8(bytes).unwrap()
    }

    /// Sends the last piece, and returns all that comes from now on.
    async fn end(self, piece: &'static str) -> String {
        let Self { pieces, mut socket, .. } = self;
        pieces.send(Bytes::from(piece)).unwrap();
        drop(pieces);
        let mut rest = String::new();
        timeout(WAIT_MAX, socket.read_to_string(&mut rest)).await.unwrap().unwrap();
        rest
    }
}

#[tokio::test]
async fn a_stream_goes_on_without_hyper_in_chunks() {
    let (mut listener, head) = Listener::begin(LIMITS, GET).await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    assert!(head.ends_with("\r\n\r\n5\r\nbegun"), "{head}");
    assert_eq!(listener.read(2).await, "\r\n");
    listener.is_passed_on().await;
    listener.pieces.send(Bytes::from("x".repeat(26))).unwrap();
    assert_eq!(listener.read(32).await, format!("1a\r\n{}\r\n", "x".repeat(26)));
    assert_eq!(listener.end("over").await, "4\r\nover\r\n0\r\n\r\n");
}

#[tokio::test]
async fn before_http_1_1_a_stream_has_no_chunks() {
    let (listener, head) = Listener::begin(LIMITS, b"GET / HTTP/1.0\r\n\r\n").await;
    assert!(head.ends_with("\r\n\r\nbegun") && !head.contains("chunked"), "{head}");
    assert_eq!(listener.end(" over").await, " over");
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_stream_with_it() {
    let (listener, _) = Listener::begin(LIMITS, GET).await;
    listener.is_passed_on().await;
    drop(listener.socket);
    timeout(WAIT_MAX, listener.pieces.closed()).await.unwrap();
}

#[tokio::test]
async fn what_comes_behind_the_request_of_a_stream_is_passed_over() {
    let (mut listener, _) = Listener::begin(LIMITS, &GET.repeat(2)).await;
    listener.is_passed_on().await;
    listener.socket.write_all(GET).await.unwrap();
    listener.pieces.send(Bytes::from("more")).unwrap();
    assert_eq!(listener.read(11).await, "\r\n4\r\nmore\r\n");
    assert!(!listener.pieces.is_closed());
}

#[tokio::test]
async fn a_client_that_does_not_take_the_rest_of_a_stream_is_given_up() {
    let limits = Limits { answer: Duration::from_millis(50), ..LIMITS };
    let (listener, _) = Listener::begin(limits, GET).await;
    listener.is_passed_on().await;
    tokio::time::sleep(limits.answer * 3).await;
    assert!(!listener.pieces.is_closed(), "nothing was to be taken");
    listener.pieces.send(vec![b'x'; 64 << 20].into()).unwrap();
    timeout(WAIT_MAX, listener.pieces.closed()).await.unwrap();
    let mut socket = listener.socket;
    let ended = socket.read_to_end(&mut Vec::new()).await.map_err(|error| error.kind());
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
}
