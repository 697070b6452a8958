//! A server of HTTP on a free port, which ends with all its connections.

use std::net::SocketAddr;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

/// A running server.
pub(crate) struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// A socket on a free port, or on that of one that has ended.
    pub(crate) async fn bind(address: Option<SocketAddr>) -> TcpListener {
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        TcpListener::bind(address).await.unwrap()
    }

    pub(crate) fn start(socket: TcpListener, router: Router) -> Self {
        let address = socket.local_addr().unwrap();
        Self { address, task: tokio::spawn(serve(socket, router)) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends on the spot.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The connections are tasks of this one: they end when it does.
async fn serve(socket: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = socket.accept().await {
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client that hangs up is no news.
        connections.spawn(async { drop(connection.await) });
        while connections.try_join_next().is_some() {}
    }
}
