//! A way to a database that may forget its connections, as a firewall does, and that counts the round trips over it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Relay {
    pub(crate) port: u16,
    silence: watch::Sender<()>,
    round_trips: Arc<AtomicU32>,
}

impl Relay {
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (silence, silenced) = watch::channel(());
        let round_trips = Arc::<AtomicU32>::default();
        let counted = Arc::clone(&round_trips);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, silenced.clone(), Arc::clone(&counted)));
            }
        });
        Self { port, silence, round_trips }
    }

    /// From now on nothing passes over the connections there are. New ones are not concerned.
    pub(crate) fn silence(&self) {
        self.silence.send(()).unwrap();
    }

    /// How often a client has sent something after it had been answered, over all connections.
    pub(crate) fn round_trips(&self) -> u32 {
        self.round_trips.load(Ordering::SeqCst)
    }
}

async fn relay(
    client: TcpStream,
    target: SocketAddr,
    mut silenced: watch::Receiver<()>,
    round_trips: Arc<AtomicU32>,
) {
    silenced.mark_unchanged();
    let Ok(server) = TcpStream::connect(target).await else { return };
    tokio::select! {
        _ended = copy(client, server, &round_trips) => {}
        // Neither end learns of it.
        _ = silenced.changed() => std::future::pending().await,
    }
}

/// Copies both ways until one end hangs up.
async fn copy(
    mut client: TcpStream,
    mut server: TcpStream,
    round_trips: &AtomicU32,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (mut asked, mut answered) = (vec![0; 16_384], vec![0; 16_384]);
    let mut is_answered = true;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let Some(sent) = asked.get(..read?).filter(|sent| !sent.is_empty()) else { return Ok(()) };
                if is_answered {
                    round_trips.fetch_add(1, Ordering::SeqCst);
                    is_answered = false;
                }
                server.write_all(sent).await?;
            }
            read = server.read(&mut answered) => {
                let Some(sent) = answered.get(..read?).filter(|sent| !sent.is_empty()) else { return Ok(()) };
                is_answered = true;
                client.write_all(sent).await?;
            }
        }
    }
}
