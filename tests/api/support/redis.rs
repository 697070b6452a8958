//! A Redis of a test's own, to be killed and started again.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::servers::free_port;
use super::skip;

/// A Redis that does not listen after this long will not.
const START_MAX: Duration = Duration::from_secs(20);

/// A private Redis that keeps nothing.
pub(crate) struct RedisServer {
    port: u16,
    process: Child,
}

impl RedisServer {
    /// `None`, with a word why, where Redis is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(&[])
    }

    /// The same with further settings, as on its command line.
    pub(crate) fn start_with(settings: &[&str]) -> Option<Self> {
        Self::start_at(free_port(), settings)
    }

    /// The same, but takes connections only over TLS.
    pub(crate) fn start_over_tls(settings: &[&str]) -> Option<Self> {
        let port = free_port();
        Self::start_at(
            port,
            &[&["--port", "0", "--tls-port", &port.to_string()], settings].concat(),
        )
    }

    fn start_at(port: u16, settings: &[&str]) -> Option<Self> {
        match spawn(port, settings) {
            Ok(process) => Some(Self { port, process }),
            Err(_missing) => {
                skip("redis-server is not installed");
                None
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Ends it on the spot.
    pub(crate) fn kill(&mut self) {
        // It may be gone already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    /// Starts it at the same address, with nothing in it.
    pub(crate) fn start_again(&mut self) {
        self.start_again_with(&[]);
    }

    pub(crate) fn start_again_with(&mut self, settings: &[&str]) {
        self.process = spawn(self.port, settings).unwrap();
    }

    /// Tells it something, as its operator does, and does not mind an error.
    pub(crate) fn tell(&self, commands: &[&str]) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for command in commands {
            stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
            answers.read_line(&mut String::new()).unwrap();
        }
    }

    /// Its address for whoever says more in it.
    pub(crate) fn url_of(&self, scheme: &str, credentials: &str) -> String {
        format!("{scheme}://{credentials}127.0.0.1:{}", self.port)
    }

    /// Waits until it takes connections.
    pub(crate) async fn until_it_listens(&self) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(began.elapsed() < START_MAX, "Redis does not listen on {}", self.port);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn spawn(port: u16, settings: &[&str]) -> std::io::Result<Child> {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
        .args(["--save", "", "--appendonly", "no"])
        .args(settings)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
