//! The real binary, with clients that are slow, greedy or broken.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::support::process::{Server, code};
use crate::support::{SECOND, TestDatabase, skip};

/// What the server allows for the headers of a request.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// When none of them is cut yet.
const TOO_EARLY: Duration = Duration::from_secs(7);
/// A busy machine adds this to anything.
const SLACK: Duration = Duration::from_secs(20);

/// A request whose body has one byte of many.
const SLOW_BODY: &[u8] = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                           content-length: 100\r\n\r\n{";

const SLOW_HEAD: &[u8] = b"GET /healthz HTTP/1.1\r\nhost";
const SLOW_CLIENTS: u32 = 2_100;

/// Sends what is given and reads until the server closes the connection.
async fn exchange(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset after the answer is a way to close, too.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or("closed")
}

/// One byte of a request a second, until the server has enough: how long that took.
async fn dribble(port: u16) -> Duration {
    // The server may accept it before this task hears of that.
    let began = Instant::now();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let mut bytes = b"GET /healthz HTTP/1.1\r\nx: ".iter().chain(std::iter::repeat(&b'y'));
    let mut every = tokio::time::interval(SECOND);
    let mut answer = [0; 16];
    loop {
        tokio::select! {
            _ = every.tick() => {
                let _ = stream.write_all(&[*bytes.next().unwrap()]).await;
            }
            Ok(0) | Err(_) = stream.read(&mut answer) => return began.elapsed(),
        }
    }
}

#[tokio::test]
async fn a_thousand_sockets_that_dribble_disturb_nobody_and_are_cut() {
    let database = TestDatabase::create().await;
    let many = ["--connections-per-address=2000"];
    let server = Server::start_with(&database.url, database.folder.path(), &many, &[]);
    let mut slow = JoinSet::new();
    (0..1000).for_each(|_| drop(slow.spawn(dribble(server.port))));
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < TOO_EARLY {
        let (status, time) = server.get("/readyz").await;
        assert_eq!(status, 200);
        took.push(time);
        let answer = server.call("{ __typename }", Value::Null, "").await.unwrap();
        assert_eq!(code(&answer), "NONE");
        tokio::time::sleep(SECOND / 50).await;
    }
    took.sort_unstable();
    let (median, p99) = (took[took.len() / 2], took[took.len() * 99 / 100]);
    eprintln!("  /readyz among 1,000 slow sockets: {median:?}, p99 {p99:?} of {}", took.len());
    // Had it to wait for them, the first would take as long as they last, and be the only one. What only a busy machine
    // delays is few of many.
    assert!(median < SECOND * 4, "{took:?}");
    for lasted in slow.join_all().await {
        assert!(lasted > TOO_EARLY && lasted < HEAD_MAX + SLACK, "{lasted:?}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered_408_and_the_connection_closed() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let head = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                 content-length: 100\r\n\r\n{\"query\":";
    let began = Instant::now();
    let answer = exchange(server.port, head).await;
    let took = began.elapsed();
    assert_eq!(status(&answer), "408", "{answer}");
    assert!(answer.contains("connection: close\r\n") && answer.contains("BAD_REQUEST"));
    assert!(took < Duration::from_secs(15) + SLACK, "{took:?}");
}

/// As many as there are places, and some more.
#[tokio::test]
async fn slow_clients_keep_nobody_out() {
    let metrics = "--metrics-listen=127.0.0.1:0";
    for (flags, slow, reasons) in [
        (&[metrics][..], SLOW_BODY, ["address_full", "slow_body"]),
        // A proxy may take all places, and its clients make room for each other.
        (
            &[metrics, "--env=development", "--trusted-proxies=127.0.0.1"],
            SLOW_HEAD,
            ["crowded", "slow_head"],
        ),
    ] {
        let database = TestDatabase::create().await;
        let server = Server::start_with(&database.url, database.folder.path(), flags, &[]);
        let (mut clients, mut longest) = (Vec::new(), Duration::ZERO);
        for number in 0..SLOW_CLIENTS {
            let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
            // One that has been ended already does not take it.
            let _ = stream.write_all(slow).await;
            clients.push(stream);
            if number % 100 == 99 {
                let (status, took) = server.get("/healthz").await;
                assert_eq!(status, 200, "among {number}");
                longest = longest.max(took);
            }
        }
        eprintln!("  /healthz among {SLOW_CLIENTS} slow clients: {longest:?} at most");
        // None of them is executed, and each is ended in the end.
        for mut stream in clients {
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            assert!(matches!(status(&answer), "408" | "closed"), "{answer}");
        }
        let counted = server.metrics().await;
        let cut = reasons.map(|reason| {
            counted[&format!("portcullis_connections_cut_total{{reason=\"{reason}\"}}")]
        });
        let all = f64::from(SLOW_CLIENTS);
        assert!((cut.iter().sum::<f64>() - all).abs() < 0.5, "{reasons:?} {cut:?}");
        let is_told = !server.logged("CONNECTIONS_PER_ADDRESS").is_empty();
        assert_eq!(is_told, reasons[0] == "address_full" && cut[0] > 0.0);
    }
}

#[tokio::test]
async fn an_endless_body_is_refused_while_it_streams() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let head = b"POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
                 transfer-encoding: chunked\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let chunk = [b"4000\r\n", [b' '; 0x4000].as_slice(), b"\r\n"].concat();
    let mut answer = [0; 2048];
    let (mut reading, mut writing) = stream.split();
    let mut sent = 0_usize;
    let endless = async {
        while writing.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        // Sending on while the answer comes must not be what makes it unreadable.
        panic!("the connection was reset after {sent} bytes");
    };
    let length = tokio::select! {
        length = reading.read(&mut answer) => length.unwrap(),
        () = endless => unreachable!(),
    };
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert_eq!(status(&answer), "413", "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(sent < 32 << 20, "{sent} bytes were taken before it was refused");
}

#[tokio::test]
async fn what_is_ambiguous_too_long_or_no_request_is_refused() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let body = json!({ "query": "{ __typename }" }).to_string();
    let post = |headers: &str, body: &str| {
        format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n\
             connection: close\r\n{headers}\r\n{body}"
        )
    };
    let length = body.len();
    let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
    let get = |rest: &str| format!("GET /healthz{rest}\r\n\r\n");
    for (request, expected) in [
        (post(&format!("content-length: {length}\r\n"), &body), "200"),
        (post("transfer-encoding: chunked\r\n", &chunked), "200"),
        (post(&format!("content-length: {length}\r\ncontent-length: 3\r\n"), &body), "400"),
        (post(&format!("content-length: {length}\r\ncontent-length: {length}\r\n"), &body), "400"),
        (post(&format!("content-length: +{length}\r\n"), &body), "400"),
        (post(&format!("content-length: {length}, 3\r\n"), &body), "400"),
        (post("transfer-encoding: identity\r\n", &body), "400"),
        (post("transfer-encoding: gzip, chunked\r\n", &chunked), "400"),
        (post("transfer-encoding: chunked, identity\r\n", &chunked), "400"),
        (post("transfer-encoding : chunked\r\n", &chunked), "400"),
        (post("x: a\r\n folded: b\r\n", &body), "400"),
        (post("transfer-encoding: chunked\r\n", "zz\r\n{}\r\n0\r\n\r\n"), "400"),
        (get(" HTTP/1.1\r\nhost: a\r\nconnection: close"), "200"),
        (get(&format!("?{} HTTP/1.1\r\nhost: a\r\nconnection: close", "a".repeat(9_000))), "414"),
        (get(&format!("?{} HTTP/1.1\r\nhost: a", "a".repeat(40_000))), "431"),
        (get(&format!(" HTTP/1.1\r\nhost: a{}", "\r\na: b".repeat(200))), "431"),
        (get(&format!(" HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(200_000))), "431"),
        (
            get(&format!(" HTTP/1.1\r\nhost: a\r\nconnection: close\r\nx: {}", "a".repeat(12_000))),
            "200",
        ),
        (get(&format!(" HTTP/1.1\r\nhost: a\r\nx: {}", "a".repeat(20_000))), "431"),
        (get(" HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close"), "400"),
        (get(" HTTP/1.1\r\nhost: a:8000\r\nconnection: close"), "200"),
        (get(" HTTP/1.1\r\nhost: [::1]:\r\nconnection: close"), "200"),
        (get(" HTTP/1.1\r\nhost: a:65536\r\nconnection: close"), "400"),
        (get(" HTTP/1.1\r\nhost: a:-1\r\nconnection: close"), "400"),
        (get(" HTTP/3.0\r\nhost: a"), "400"),
        ("\0\x01\x02\x03\r\n\r\n".to_owned(), "400"),
        // HTTP/2 in the clear is not spoken here.
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), "400"),
    ] {
        let answer = exchange(server.port, request.as_bytes()).await;
        let shown = request.chars().take(200).collect::<String>();
        assert_eq!(status(&answer), expected, "{shown}\n{answer}");
    }
    assert_eq!(server.get("/readyz").await.0, 200);
}

/// A proxy that believed the length would take what follows for a request of its own.
#[tokio::test]
async fn a_request_with_two_lengths_is_the_last_of_its_connection() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let healthy = "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
    let body = json!({ "query": "{ __typename }" }).to_string();
    let chunks = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let post = |lengths: &str, body: &str| {
        format!(
            "POST /graphql HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\n{lengths}\r\n\
             {body}"
        )
    };
    // What may come before, in the same piece: each is answered.
    let sized = post(&format!("content-length: {}\r\n", body.len()), &body);
    let chunked = post("transfer-encoding: chunked\r\n", &chunks);
    for before in [vec![], vec![healthy], vec![&sized, healthy], vec![&chunked, &chunked, &sized]] {
        for lengths in [
            "content-length: 3\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: chunked\r\ncontent-length: 3\r\n",
            "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
            "transfer-encoding: gzip, chunked\r\n",
        ] {
            let request = format!("{}{}{healthy}", before.concat(), post(lengths, &chunks));
            let answer = exchange(server.port, request.as_bytes()).await;
            let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|it| &it[..3]).collect();
            let mut expected = vec!["200"; before.len()];
            expected.push("400");
            assert_eq!(statuses, expected, "{lengths}{answer}");
            let last = answer.rsplit("HTTP/1.1 ").next().unwrap();
            assert!(last.contains("connection: close\r\n"), "{answer}");
        }
    }
}

/// Node sends a form in pieces, and reads no answer once one of them cannot be sent.
#[tokio::test]
async fn a_form_that_node_sends_is_answered() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let script = format!(
        "const form = new FormData();
         form.set('operations', JSON.stringify({{ query: '{{ __typename }}' }}));
         form.set('file', new Blob([new Uint8Array(500_000)]), 'file');
         for (let i = 0; i < 30; i++) {{
             const url = 'http://127.0.0.1:{}' + ['/graphql', '/nowhere', '/healthz'][i % 3];
             const answer = await fetch(url, {{ method: 'POST', body: form }});
             const errors = (await answer.json()).errors;
             console.log(answer.status, errors[0].extensions.code);
         }}",
        server.port
    );
    let node = Command::new("node").args(["--input-type=module", "-e", &script]).output().await;
    let Ok(output) = node else { return skip("there is no Node") };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "415 BAD_REQUEST\n404 BAD_REQUEST\n405 BAD_REQUEST\n".repeat(10);
    assert_eq!(said, expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn every_path_says_which_methods_it_knows_and_none_traces() {
    let database = TestDatabase::create().await;
    let server = Server::start(&database);
    let put = b"PUT /graphql HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    assert!(exchange(server.port, put).await.contains("\r\nallow: GET, POST\r\n"));
    let jwks = "/.well-known/jwks.json";
    for (path, known) in
        [("/graphql", "POST"), ("/healthz", "GET"), ("/readyz", "GET"), (jwks, "GET")]
    {
        for method in ["PUT", "DELETE", "PATCH", "TRACE", "NONSENSE"] {
            let request =
                format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
            let answer = exchange(server.port, request.as_bytes()).await;
            assert_eq!(status(&answer), "405", "{method} {path}");
            let allow = answer.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap();
            assert!(allow.contains(known) && !allow.contains(method), "{method} {path}: {allow}");
            assert!(answer.contains("BAD_REQUEST"), "{answer}");
        }
    }
}
