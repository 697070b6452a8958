//! Whether the server at LISTEN lives. It is asked over a plain socket, so that a health check in a
//! container needs no other program.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Level, Report};

const PATIENCE: Duration = Duration::from_secs(3);

pub(super) async fn check(report: &mut Report, listen: SocketAddr) {
    let address = reachable(listen);
    match timeout(PATIENCE, ask(address)).await {
        Ok(Ok(true)) => report.ok("server", format!("the server at {address} is alive")),
        Ok(Ok(false)) => {
            let advice = "check which program listens there, and whether LISTEN is the address of the server";
            let message = format!("the program at {address} is not a running Portcullis");
            report.add(Level::Problem, "server", message, advice);
        }
        Ok(Err(_)) | Err(_) => {
            let advice = "start the server, or read in its log why it ended or hangs";
            report.add(Level::Problem, "server", format!("no server answers at {address}"), advice);
        }
    }
}

/// A server that listens everywhere is asked on this machine.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// Whether what listens there answers as this program does. Who takes a connection and breaks it
/// off is there, and something else.
async fn ask(address: SocketAddr) -> std::io::Result<bool> {
    let stream = TcpStream::connect(address).await?;
    Ok(answers(stream).await.unwrap_or(false))
}

async fn answers(mut stream: TcpStream) -> std::io::Result<bool> {
    let request = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await?;
    let mut answer = Vec::new();
    stream.take(4096).read_to_end(&mut answer).await?;
    Ok(answer.starts_with(b"HTTP/1.1 200 ") && answer.ends_with(b"\r\n\r\nok\n"))
}
