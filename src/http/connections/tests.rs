use axum::body::Bytes;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;

use super::*;
use crate::graphql::lanes::Bodies;
use crate::infra::threads::Party;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const POST: &[u8] = b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\na";
const SHORT: Duration = Duration::from_millis(50);
const LONG: Duration = Duration::from_mins(10);
const CALM: Limits =
    Limits { head: LONG, idle: LONG, answer: LONG, connections: 10, per_address: 10, streams: 10 };

async fn serve(router: Router, limits: Limits) -> (SocketAddr, Arc<Connections>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let connections = Arc::new(Connections::new(router, limits, &[], Lanes::default()));
    let accepting = Arc::clone(&connections);
    tokio::spawn(async move { accepting.accept(&listener).await });
    (address, connections)
}

fn greeting() -> Router {
    let router = Router::new().route("/", get(|| async { "hello" }));
    router.route("/body", post(|body: Bytes| async move { body }))
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
    let (address, connections) = serve(router, Limits { answer: SHORT, ..CALM }).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(GET).await.unwrap();
    stream.readable().await.unwrap();
    // Its place is free again although it has read nothing.
    let all = connections.places.acquire_many(CALM.connections).await.unwrap();
    drop(all);
    // And the kernel keeps nothing of the answer for it: the connection has been reset.
    let mut rest = Vec::new();
    let ended = stream.read_to_end(&mut rest).await.map_err(|error| error.kind());
    assert_eq!(ended, Err(std::io::ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_pipelining_client_lets_others_in_between() {
    let served = Arc::<Mutex<Vec<u16>>>::default();
    let kept = Arc::clone(&served);
    let handler = move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        kept.lock().unwrap().push(peer.port());
        async { "hello" }
    };
    let (address, _) = serve(Router::new().route("/", get(handler)), CALM).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    let mut second = TcpStream::connect(address).await.unwrap();
    for stream in [&mut first, &mut second] {
        assert!(send(stream, GET).await.ends_with("hello"));
    }
    served.lock().unwrap().clear();
    // Both are sent before the server's tasks run again.
    let many = GET.repeat(10);
    for stream in [&first, &second] {
        assert_eq!(stream.try_write(&many).unwrap(), many.len());
    }
    while served.lock().unwrap().len() < 20 {
        tokio::task::yield_now().await;
    }
    let served = served.lock().unwrap();
    let turns = served.chunk_by(|one, other| one == other).count();
    assert!(turns > 2, "{served:?}");
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

#[tokio::test]
async fn an_address_with_too_many_connections_ends_its_slowest_and_no_busy_one() {
    let forever = || async { pending::<StatusCode>().await };
    let router = greeting().route("/forever", get(forever));
    let (address, connections) = serve(router, Limits { per_address: 2, ..CALM }).await;
    let mut slow = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut slow, GET).await.ends_with("hello"));
    slow.write_all(POST).await.unwrap();
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /forever HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let table = &connections.table;
    while !(table.has(1, State::waits_for_body) && table.has(1, State::is_busy)) {
        tokio::task::yield_now().await;
    }
    let mut third = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut slow).await, "it makes room");
    third.write_all(b"GET /forever HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    while !table.has(2, State::is_busy) {
        tokio::task::yield_now().await;
    }
    let mut fourth = TcpStream::connect(address).await.unwrap();
    assert!(is_closed(&mut fourth).await, "all others are at work");
}

#[tokio::test]
async fn a_body_that_does_not_come_makes_room_before_an_idle_connection_of_another() {
    let (address, connections) = serve(greeting(), Limits { connections: 3, ..CALM }).await;
    let mut idle = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut idle, GET).await.ends_with("hello"));
    // Two from another address.
    let mut slow = Vec::new();
    for _ in 0..2 {
        let (mut client, server) = tokio::io::duplex(1024);
        client.write_all(POST).await.unwrap();
        let place = connections.place(Admission::Free).await.unwrap();
        connections.run(server, |_| (), ([192, 0, 2, 1], 9).into(), place);
        slow.push(client);
    }
    while !connections.table.has(2, State::waits_for_body) {
        tokio::task::yield_now().await;
    }
    let mut newcomer = TcpStream::connect(address).await.unwrap();
    assert!(send(&mut newcomer, GET).await.ends_with("hello"));
    assert!(send(&mut idle, GET).await.ends_with("hello"));
    assert!(matches!(slow[0].read(&mut [0; 16]).await, Ok(0) | Err(_)), "the first of the two");
}

/// A connection over no socket, so that time can be made to pass.
async fn connect(router: Router, buffer: usize) -> DuplexStream {
    let limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        answer: Duration::from_secs(30),
        ..CALM
    };
    let connections = Connections::new(router, limits, &[], Lanes::default());
    let (client, server) = tokio::io::duplex(buffer);
    let place = connections.place(Admission::Free).await.unwrap();
    connections.run(server, |_| (), ([192, 0, 2, 1], 9).into(), place);
    // It stops when it is dropped, and this connection with it.
    std::mem::forget(connections);
    client
}

fn reading() -> Router {
    let read = |body: Body| async move {
        match crate::http::body::read(&Bodies::default(), body).await {
            Ok((body, _)) => body.len().to_string().into_response(),
            Err(refused) => refused,
        }
    };
    Router::new().route("/", post(read))
}

/// Sends a body of which so many bytes come each second: the answer, and after which second.
async fn trickle(each_second: usize, length: usize) -> (String, u64) {
    let mut client = connect(reading(), 4096).await;
    let began = Instant::now();
    let head = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    client.write_all(head.as_bytes()).await.unwrap();
    let (mut from, mut to) = tokio::io::split(client);
    let sending = async {
        let mut left = length;
        let mut every = tokio::time::interval(Duration::from_secs(1));
        while left > 0 {
            every.tick().await;
            let piece = left.min(each_second);
            if to.write_all(&vec![b'x'; piece]).await.is_err() {
                break;
            }
            left -= piece;
        }
        pending::<()>().await;
    };
    let mut answer = vec![0; 2048];
    let length = tokio::select! {
        length = from.read(&mut answer) => length.unwrap(),
        () = sending => unreachable!(),
    };
    let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
    (answer, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn a_body_has_a_least_rate_and_a_longest_time() {
    for (each_second, length, status, after) in [
        (1, 100, "408", 2),
        (400, 4_000, "408", 2),
        (600, 6_000, "200", 9),
        (1_000, 15_000, "200", 14),
        (1_000, 17_000, "408", 15),
    ] {
        let (answer, took) = trickle(each_second, length).await;
        let is_close = answer.contains("connection: close\r\n");
        assert_eq!((&answer[9..12], took), (status, after), "{each_second}: {answer}");
        assert_eq!(is_close, status == "408", "{answer}");
    }
}

/// Takes an answer of this length, at so many bytes a second: how much of it, and for how long.
async fn sip(each_second: usize, length: usize) -> (usize, u64) {
    let router = Router::new().route("/", get(move || async move { "x".repeat(length) }));
    let mut client = connect(router, 64).await;
    client.write_all(GET).await.unwrap();
    let began = Instant::now();
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut taken = 0;
    loop {
        every.tick().await;
        let mut left = each_second;
        while left > 0 {
            match client.read(&mut vec![0; left]).await {
                Ok(0) | Err(_) => return (taken, began.elapsed().as_secs()),
                Ok(read) => (taken, left) = (taken + read, left - read),
            }
            if taken > length {
                return (taken, began.elapsed().as_secs());
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_may_take_long_but_not_without_progress() {
    for (pause, is_whole) in [(29, true), (31, false)] {
        let router = Router::new().route("/", get(async || "x".repeat(20_000)));
        let mut client = connect(router, 64).await;
        client.write_all(GET).await.unwrap();
        tokio::time::sleep(Duration::from_secs(pause)).await;
        let mut taken = vec![0; 20_000];
        assert_eq!(client.read_exact(&mut taken).await.is_ok(), is_whole, "after {pause} s");
    }
    let (taken, took) = sip(100, 20_000).await;
    assert!(taken > 20_000 && took >= 190, "{taken} bytes in {took} s");
}

#[tokio::test(start_paused = true)]
async fn who_takes_nothing_makes_room_once_answers_hold_too_much() {
    const LENGTH: usize = 40 * 1024 * 1024;
    let lanes = Lanes::default();
    let (answers, held) = (lanes.answers.clone(), lanes.answers.clone());
    let route = get(async move || Body::from(held.hold(Party::Anybody, vec![b'x'; LENGTH])));
    let router = Router::new().route("/", route);
    let connections = Arc::new(Connections::new(router, CALM, &[], lanes.clone()));
    let relieving = Arc::clone(&connections);
    tokio::spawn(async move { relieving.relieve().await });
    let ask = async || {
        let (mut client, server) = tokio::io::duplex(1024 * 1024);
        let place = connections.place(Admission::Free).await.unwrap();
        connections.run(server, |_| (), ([192, 0, 2, 1], 9).into(), place);
        client.write_all(GET).await.unwrap();
        client
    };
    let mut first = ask().await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    let mut second = ask().await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(answers.excess(), None);
    assert!(first.read_exact(&mut vec![0; LENGTH]).await.is_err(), "the one that has stopped");
    second.read_exact(&mut vec![0; LENGTH]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_sends_long_bodies_slowly_makes_room_for_others() {
    let lanes = Lanes::default();
    let bodies = lanes.bodies.clone();
    let read = async move |body: Body| {
        let read = crate::http::body::read(&bodies, body).await;
        read.map(|(body, _place)| body.len().to_string())
    };
    let limits = Limits { connections: 1000, per_address: 1000, ..CALM };
    let router = Router::new().route("/", post(read));
    let connections = Arc::new(Connections::new(router, limits, &[], lanes));
    let relieving = Arc::clone(&connections);
    tokio::spawn(async move { relieving.relieve().await });
    let send = async |address: u8, sent: usize| {
        let (mut client, server) = tokio::io::duplex(64 * 1024);
        let place = connections.place(Admission::Free).await.unwrap();
        connections.run(server, |_| (), ([192, 0, 2, address], 9).into(), place);
        let head = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 20000\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&vec![b'x'; sent]).await.unwrap();
        client
    };
    let mut crowd = Vec::new();
    for _ in 0..256 {
        crowd.push(send(1, 19_999).await);
    }
    let mut answer = vec![0; 1024];
    let length = send(2, 20_000).await.read(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer[..length].to_vec()).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("\r\n20000"), "{answer}");
}

#[tokio::test]
async fn what_is_refused_unread_is_answered_after_it_has_been_sent() {
    let refuse = || async { StatusCode::UNSUPPORTED_MEDIA_TYPE };
    let (address, _) = serve(Router::new().route("/", post(refuse)), CALM).await;
    for framing in ["content-length: 300000", "transfer-encoding: chunked"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!("POST / HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let piece = match framing {
            "transfer-encoding: chunked" => format!("3e8\r\n{}\r\n", "x".repeat(1_000)),
            _ => "x".repeat(1_000),
        };
        for _ in 0..300 {
            stream.write_all(piece.as_bytes()).await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        if framing.ends_with("chunked") {
            stream.write_all(b"0\r\n\r\n").await.unwrap();
        }
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 415 "), "{answer}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn who_asks_before_sending_is_not_invited_to_send_what_is_refused() {
    let router = reading().route("/no", post(|| async { StatusCode::NOT_FOUND }));
    let (address, _) = serve(router, CALM).await;
    let head = |path| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 3\r\n\r\n"
        )
    };
    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = send(&mut stream, head("/no").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(is_closed(&mut stream).await);

    let mut stream = TcpStream::connect(address).await.unwrap();
    let answer = send(&mut stream, head("/").as_bytes()).await;
    assert_eq!(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(send(&mut stream, b"abc").await.ends_with("\r\n\r\n3"));
    assert!(
        send(&mut stream, b"POST / HTTP/1.1\r\ncontent-length: 1\r\n\r\na").await.ends_with('1')
    );
}
