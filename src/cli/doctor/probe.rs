//! Asks a server over a plain socket, so that a health check in a container needs no other program.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(3);
/// The length of an answer, in bytes: all metrics take less.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;

/// What an address answers.
pub(super) enum Answer {
    /// Nobody listens.
    Nobody,
    /// Something listens, and says nothing in time.
    Silence,
    /// Something other than HTTP.
    Nonsense,
    Http {
        status: u16,
        body: String,
    },
}

/// Asks by GET.
pub(super) async fn get(address: SocketAddr, path: &str) -> Answer {
    let asked = async {
        let stream = TcpStream::connect(address).await?;
        // Who takes a connection and breaks it off is there, and something else.
        io::Result::Ok(exchange(stream, path).await.unwrap_or(Answer::Nonsense))
    };
    match timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_refused)) => Answer::Nobody,
        Err(_elapsed) => Answer::Silence,
    }
}

async fn exchange(mut stream: TcpStream, path: &str) -> io::Result<Answer> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(ANSWER_MAX).read_to_end(&mut answer).await?;
    Ok(read(&String::from_utf8_lossy(&answer)).unwrap_or(Answer::Nonsense))
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.strip_prefix("HTTP/1.1 ")?.split_once("\r\n\r\n")?;
    let status = head.get(..3)?.parse().ok()?;
    Some(Answer::Http { status, body: body.to_owned() })
}

/// What is at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listener {
    Server,
    AnotherProgram,
    Hanging,
    Nobody,
}

/// Finds out whether what listens there lives, and is this program.
pub(super) async fn listener(address: SocketAddr) -> Listener {
    match get(address, "/healthz").await {
        Answer::Nobody => Listener::Nobody,
        Answer::Silence => Listener::Hanging,
        Answer::Http { status: 200, body } if body == "ok\n" => Listener::Server,
        Answer::Nonsense | Answer::Http { .. } => Listener::AnotherProgram,
    }
}

/// Where a server is asked that listens everywhere: on this machine.
pub(super) fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
