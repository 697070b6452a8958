//! A way to a database that may forget its connections, as a firewall does.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Relay {
    pub(crate) port: u16,
    silence: watch::Sender<()>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silence, silenced) = watch::channel(());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, silenced.clone()));
            }
        });
        Self { port, silence }
    }

    /// From now on nothing passes over the connections there are. New ones are not concerned.
    pub(crate) fn silence(&self) {
        self.silence.send(()).unwrap();
    }
}

async fn relay(mut client: TcpStream, target: SocketAddr, mut silenced: watch::Receiver<()>) {
    silenced.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => {}
        // Neither end learns of it.
        _ = silenced.changed() => std::future::pending().await,
    }
}
