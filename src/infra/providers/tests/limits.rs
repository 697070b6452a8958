//! What no provider can make this server do (OI-08).

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use oauth2::{HttpRequest, http};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::server::Reply;
use super::*;
use crate::infra::metrics::ProviderRequest;

fn get(url: &str) -> HttpRequest {
    http::Request::get(url).body(Vec::new()).unwrap()
}

async fn ask(client: &Client, url: &str) -> Result<u16, Away> {
    let answer = client.send(get(url), ProviderRequest::Discovery).await;
    answer.map(|answer| answer.status().as_u16())
}

fn client(allows_private_addresses: bool) -> Client {
    Client::new("company", Connector::new(allows_private_addresses).unwrap())
}

#[tokio::test]
async fn answers_are_bounded_in_length_and_time() {
    let server = Server::start().await;
    let client = client(true);
    let json = "content-type: application/json\r\n";
    let raw = |length| Reply::Raw(200, json.to_owned(), vec![b'a'; length]);
    server.answer("/most", raw(1024 * 1024));
    server.answer("/long", raw(1024 * 1024 + 1));
    // Without its length at the beginning.
    let chunk = format!("{:x}\r\n{}\r\n", 65_536, "a".repeat(65_536));
    let chunked = format!("{}0\r\n\r\n", chunk.repeat(32));
    server.answer(
        "/chunked",
        Reply::Raw(200, format!("{json}transfer-encoding: chunked\r\n"), chunked.into()),
    );
    server.answer("/stalling", Reply::Stalling);
    server.answer("/silent", Reply::Silent);
    let url = |path: &str| format!("{}{path}", server.url);
    assert_eq!(ask(&client, &url("/most")).await, Ok(200));
    assert_eq!(ask(&client, &url("/long")).await, Err(Away::TooLong));
    assert_eq!(ask(&client, &url("/chunked")).await, Err(Away::TooLong));
    let began = Instant::now();
    let (stalling, silent) = (url("/stalling"), url("/silent"));
    let (one, two) = tokio::join!(ask(&client, &stalling), ask(&client, &silent));
    assert_eq!((one, two), (Err(Away::Slow), Err(Away::Slow)));
    let took = began.elapsed().as_secs_f64();
    assert!((4.9..7.0).contains(&took), "{took}");
}

#[tokio::test]
async fn nothing_is_followed_and_no_status_is_mistaken() {
    let server = Server::start().await;
    let client = client(true);
    server.json("/inside", json!({}));
    let redirect = format!("location: {}/inside\r\n", server.url);
    server.answer("/redirect", Reply::Raw(302, redirect, Vec::new()));
    for (status, expected) in [
        (200, Ok(200)),
        (400, Ok(400)),
        (404, Ok(404)),
        (408, Err(Away::Status(408))),
        (429, Err(Away::Status(429))),
        (500, Err(Away::Status(500))),
        (503, Err(Away::Status(503))),
    ] {
        server.answer("/status", Reply::Json(status, json!({})));
        assert_eq!(ask(&client, &format!("{}/status", server.url)).await, expected);
    }
    let outcome = ask(&client, &format!("{}/redirect", server.url)).await;
    assert_eq!(outcome, Err(Away::Redirect));
    assert_eq!(server.asked("/inside").len(), 0);
    let nobody = ask(&client, "http://127.0.0.1:1/").await;
    assert!(matches!(nobody, Err(Away::Unreachable(told)) if told.contains("refused")));
}

#[tokio::test]
async fn private_addresses_are_asked_only_where_that_is_allowed() {
    let server = Server::start().await;
    let port = server.url.rsplit(':').next().unwrap();
    let guarded = client(false);
    for url in [
        format!("https://127.0.0.1:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://[64:ff9b::7f00:1]:{port}/"),
        // Other ways to write 127.0.0.1.
        format!("https://2130706433:{port}/"),
        format!("https://0x7f.1:{port}/"),
        "https://169.254.169.254/latest/meta-data/".to_owned(),
        "https://10.0.0.1/".to_owned(),
        format!("https://localhost:{port}/"),
    ] {
        assert_eq!(ask(&guarded, &url).await, Err(Away::PrivateAddress), "{url}");
    }
    let open = client(true);
    for url in
        ["http://10.0.0.1/", "http://example.com/", "ftp://localhost/", "http://a@localhost/"]
    {
        assert_eq!(ask(&open, url).await, Err(Away::Insecure), "{url}");
    }
    for url in [server.url.clone(), format!("http://localhost:{port}/")] {
        assert_eq!(ask(&guarded, &url).await, Err(Away::Insecure), "{url}");
        assert_eq!(ask(&open, &url).await, Ok(404), "{url}");
    }
}

/// Answers with one address after the other, as whoever has a name's DNS may.
struct Rebinding {
    addresses: Vec<SocketAddr>,
    asked: AtomicUsize,
}

impl Resolve for &'static Rebinding {
    fn resolve(&self, _: Name) -> Resolving {
        let at = self.asked.fetch_add(1, Ordering::SeqCst).min(self.addresses.len() - 1);
        let address = self.addresses[at];
        Box::pin(async move { Ok(Box::new(std::iter::once(address)) as Addrs) })
    }
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_by_then_gains_nothing() {
    let server = Server::start().await;
    let local: SocketAddr = server.url.trim_start_matches("http://").parse().unwrap();
    let names: &'static Rebinding =
        Box::leak(Box::new(Rebinding { addresses: vec![local], asked: AtomicUsize::new(0) }));
    let client = Client::new("company", Connector::resolving(false, names).unwrap());
    let url = format!("https://evil.example:{}/", local.port());
    for _ in 0..2 {
        assert_eq!(ask(&client, &url).await, Err(Away::PrivateAddress));
    }
    // Each connection is made to what was looked at for it: nobody is asked a second time.
    assert_eq!(names.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_more_than_32_requests_to_a_provider_are_under_way() {
    let server = Server::start().await;
    server.answer("/silent", Reply::Silent);
    server.json("/", json!({}));
    let client = Arc::new(client(true));
    let url = format!("{}/silent", server.url);
    let waiting: Vec<_> = (0..32)
        .map(|_| {
            let (client, url) = (Arc::clone(&client), url.clone());
            tokio::spawn(async move { ask(&client, &url).await })
        })
        .collect();
    while server.asked("/silent").len() < 32 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let root = format!("{}/", server.url);
    let (client, asked) = (Arc::clone(&client), Arc::new(server));
    let next = tokio::spawn(async move { ask(&client, &root).await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(asked.asked("/").len(), 0, "it waits for a place");
    waiting[0].abort();
    assert_eq!(next.await.unwrap(), Ok(200));
    for task in waiting {
        task.abort();
    }
}
