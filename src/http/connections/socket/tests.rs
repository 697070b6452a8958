//! hyper and the watcher read the same bytes: they must not find different requests in them.

use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::CONNECTION;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use super::super::Limits;
use super::*;

const LIMITS: Limits = Limits {
    head: Duration::from_secs(10),
    idle: Duration::from_secs(75),
    answer: Duration::from_secs(30),
    connections: 9,
    per_address: 9,
    streams: 9,
};
/// Parts of heads and bodies, some of which no server should take.
const STARTS: &[&str] = &[
    "POST / HTTP/1.1\r\n",
    "GET http://a/ HTTP/1.1\r\n",
    "\r\n\nPOST / HTTP/1.1\n",
    "POST / HTTP/1.0\r\n",
    "CONNECT a:1 HTTP/1.1\r\n",
];
const HEADERS: &[&str] = &[
    "host: a\r\n",
    "Content-Length: 3\r\n",
    "content-length:3\n",
    "content-length: 12\r\n",
    "content-length: 0\r\n",
    "content-length: +3\r\n",
    "content-length: 3, 3\r\n",
    "content-length : 3\r\n",
    "content-length: 99999999999999999999\r\n",
    "transfer-ENCODING: chunked\r\n",
    "transfer-encoding: gzip, chunked\r\n",
    "transfer-encoding: identity\r\n",
    "x: Content-Length: 3\r\n",
    "x-content-length: 3\r\n",
    "content-lengthy: 3\r\n",
    "x: a\r\n folded: b\r\n",
    "x: bare\ny: b\n",
    "x: a\rb\r\n",
    "expect: 100-continue\r\n",
    "upgrade: h2c\r\nconnection: upgrade\r\n",
];
const ENDS: &[&str] = &["\r\n", "\n", "\r\r\n"];
const BODIES: &[&str] = &[
    "",
    "abc",
    "twelve bytes",
    "3\r\nabc\r\n0\r\n\r\n",
    "3;x=y\r\nabc\r\n00\r\ncontent-length: 3\r\n\r\n",
    "3 \r\nabc\r\n0 ;\r\na: b\r\nc: d\r\n\r\n",
    "3\nabc\n0\n\n",
    "ffffffffffffffffff\r\n",
    "GET /smuggled HTTP/1.1\r\n\r\n",
];
/// Requests that hyper understands, with the length of their bodies as it understands it, and whether
/// they say it twice.
const WHOLE: &[(&str, Option<u64>, bool)] = &[
    ("GET / HTTP/1.1\r\n\r\n", Some(0), false),
    ("GET / HTTP/1.1\nhost: a\n\n", Some(0), false),
    ("\r\nPOST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc", Some(3), false),
    ("POST / HTTP/1.1\r\ncontent-length: 20\r\n\r\nGET /a HTTP/1.1\r\n\r\n!", Some(20), false),
    ("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", None, false),
    (
        "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n00a;b=\"c\"\r\nabc\r\n0\r\n\r\n\r\n\
         0\r\ntransfer-encoding: b\r\ncontent-length: 9\r\n\r\n",
        None,
        false,
    ),
    ("POST / HTTP/1.1\r\ncontent-length: 3\r\ncontent-length: 3\r\n\r\nabc", Some(3), true),
    (
        "POST / HTTP/1.1\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n\r\n",
        None,
        true,
    ),
];

/// A request of which hyper made a call.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Called {
    length: Option<u64>,
    is_ambiguous: bool,
    uri: String,
    /// The header `n`.
    number: Option<usize>,
}

/// A connection over which these bytes come, in pieces that are cut at these places.
async fn calls(bytes: &[u8], cuts: &[Index]) -> Vec<Called> {
    let (client, server) = tokio::io::duplex(1 << 16);
    let state = Arc::new(State::new(LIMITS));
    let calls = Mutex::new(Vec::new());
    let service = service_fn(|request: Request<Incoming>| {
        let length = request.body().size_hint().exact();
        let is_ambiguous = state.begin(length).is_err();
        let number = request.headers().get("n").and_then(|n| n.to_str().ok()?.parse().ok());
        let uri = request.uri().to_string();
        calls.lock().unwrap().push(Called { length, is_ambiguous, uri, number });
        let state = Arc::clone(&state);
        async move {
            let _ = request.into_body().collect().await;
            state.end(0);
            let mut response = Response::new(String::new());
            if is_ambiguous {
                response.headers_mut().insert(CONNECTION, "close".parse().unwrap());
            }
            Ok::<_, Infallible>(response)
        }
    });
    let io = TokioIo::new(Socket::new(server, |_| (), Arc::clone(&state)));
    let serving = http1::Builder::new().serve_connection(io, service);
    let _ = tokio::join!(serving, send(client, bytes, cuts));
    calls.into_inner().unwrap()
}

async fn send(mut client: DuplexStream, bytes: &[u8], cuts: &[Index]) {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    for cut in cuts.windows(2) {
        let _ = client.write_all(&bytes[cut[0]..cut[1]]).await;
        // The server reads it before the next piece comes.
        tokio::task::yield_now().await;
    }
    let _ = client.shutdown().await;
    let _ = client.read_to_end(&mut Vec::new()).await;
}

fn in_runtime<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(future)
}

/// One request, or something like one, with its number.
fn almost(n: usize, parts: &(&str, Vec<&str>, &str, &str)) -> String {
    let (start, headers, end, body) = parts;
    format!("{start}n: {n}\r\n{}{end}{body}", headers.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn requests_behind_each_other_are_found_and_judged_however_they_come(
        requests in prop::collection::vec(select(WHOLE), 1..8),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let bytes: String = requests.iter().map(|(text, ..)| *text).collect();
        let called = in_runtime(calls(bytes.as_bytes(), &cuts));
        let called: Vec<_> = called.iter().map(|call| (call.length, call.is_ambiguous)).collect();
        let mut expected: Vec<_> = requests.iter().map(|(_, length, both)| (*length, *both)).collect();
        // The first ambiguous one is the last.
        if let Some(last) = expected.iter().position(|(_, both)| *both) {
            expected.truncate(last + 1);
        }
        prop_assert_eq!(called, expected);
    }

    #[test]
    fn what_says_its_length_twice_passes_nowhere_and_pieces_change_nothing(
        requests in prop::collection::vec(
            (select(STARTS), prop::collection::vec(select(HEADERS), 0..4), select(ENDS), select(BODIES)),
            1..5,
        ),
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let bytes: String = requests.iter().enumerate().map(|(n, parts)| almost(n, parts)).collect();
        let called = in_runtime(calls(bytes.as_bytes(), &cuts));
        prop_assert_eq!(&called, &in_runtime(calls(bytes.as_bytes(), &[])));
        for call in called.iter().filter(|call| !call.is_ambiguous) {
            prop_assert!(!call.uri.contains("smuggled") || call.number.is_none());
            let Some(n) = call.number else { continue };
            let says = |header: &&&str| {
                let header = header.to_ascii_lowercase();
                header.starts_with("content-length:") || header.starts_with("transfer-encoding:")
            };
            prop_assert!(requests[n].1.iter().filter(says).count() < 2, "{}", bytes);
        }
    }
}
