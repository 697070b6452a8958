//! The real binary as a process, and calls to it over a socket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::load::Pair;
use super::{PASSWORD, REGISTER, TestDatabase, over, sdl};
use portcullis_testing::assert_answered;

/// What it says when it is there, before the port.
const LISTENING: &str = "listening on http://127.0.0.1:";
const SCRAPED: &str = "metrics are at http://127.0.0.1:";
/// A server that does not listen after this long will not.
const START_MAX: Duration = Duration::from_mins(1);

/// One instance, killed when it is dropped: a test that fails leaves no server behind.
pub(crate) struct Server {
    process: Child,
    pub(crate) port: u16,
    /// What it says on standard error.
    log: Lines,
    /// What it says on standard output.
    printed: Lines,
}

type Lines = Arc<Mutex<Vec<String>>>;

impl Server {
    /// Starts an instance over the database of a test.
    pub(crate) fn start(database: &TestDatabase) -> Self {
        Self::start_with(&database.url, database.folder.path(), &[], &[])
    }

    /// Starts the binary on a free port, with further flags and variables, and waits until it
    /// says which port.
    pub(crate) fn start_with(
        url: &str,
        folder: &Path,
        flags: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let defaults = [
            "--listen=127.0.0.1:0".to_owned(),
            "--argon2-memory-kib=64".to_owned(),
            "--argon2-iterations=1".to_owned(),
            "--rate-limits=off".to_owned(),
            format!("--database-url={url}"),
            format!("--data-dir={}", folder.display()),
        ];
        let mut process = Command::new(env!("CARGO_BIN_EXE_portcullis"))
            .args(over(flags, defaults.into_iter()))
            .envs(variables.iter().copied())
            .current_dir(folder)
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdout, stderr) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let mut server = Self { process, port: 0, log: Arc::default(), printed: Arc::default() };
        let (told, listening) = mpsc::channel();
        // Whatever it says must not fill the pipes.
        keep(stdout, &server.printed, |_line| {});
        keep(stderr, &server.log, move |line| {
            if let Some(port) = port_in(line, LISTENING) {
                // Said once, and only the start waits for it.
                let _ = told.send(port);
            }
        });
        match listening.recv_timeout(START_MAX) {
            Ok(port) => server.port = port,
            Err(why) => panic!("the server does not listen: {why}: {:#?}", server.logged("")),
        }
        server
    }

    /// Kills it, as dropping it does.
    pub(crate) fn kill(self) {
        drop(self);
    }

    /// Tells it to stop, as an operator does.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits until it has ended by itself.
    #[cfg(unix)]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.process.wait().unwrap()
    }

    /// Everything it has printed that is no log line.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.printed.lock().unwrap().clone()
    }

    /// What it has logged since its start that contains `text`.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        self.log.lock().unwrap().iter().filter(|line| line.contains(text)).cloned().collect()
    }

    pub(crate) async fn call(&self, query: &str, variables: Value, bearer: &str) -> Option<Value> {
        call(self.port, query, variables, bearer).await
    }

    /// Registers a user with the password of all tests.
    pub(crate) async fn register(&self, name: &str) -> Value {
        let input = json!({ "username": name, "email": format!("{name}@example.com"),
                            "password": PASSWORD });
        self.call(REGISTER, json!({ "input": input }), "").await.unwrap()
    }

    /// Whether an access token is good here.
    pub(crate) async fn accepts(&self, pair: &Pair) -> bool {
        code(&self.call("{ me { id } }", Value::Null, &pair.access).await.unwrap()) == "NONE"
    }

    /// The status of a GET, and how long it took.
    pub(crate) async fn get(&self, path: &str) -> (u16, Duration) {
        let began = Instant::now();
        let answer = exchange(self.port, &get(path)).await.unwrap_or_default();
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.unwrap_or(0), began.elapsed())
    }

    /// What the listener of the metrics answers to a GET, with its head.
    pub(crate) async fn told_operator(&self, path: &str) -> String {
        let said = self.logged(SCRAPED).pop().unwrap();
        let port = port_in(&said, SCRAPED).unwrap();
        exchange(port, &get(path)).await.unwrap()
    }

    /// Its metrics: each line's name and labels, and its value.
    pub(crate) async fn metrics(&self) -> BTreeMap<String, f64> {
        let answer = self.told_operator("/metrics").await;
        let lines = answer.split_once("\r\n\r\n").unwrap().1.lines();
        let values = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        values
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// What time it is for the server, by its wall clock.
    #[cfg(target_os = "linux")]
    pub(crate) async fn date(&self) -> chrono::DateTime<chrono::FixedOffset> {
        let answer = exchange(self.port, &get("/healthz")).await.unwrap();
        let date = answer.lines().find_map(|line| line.strip_prefix("date: ")).unwrap();
        chrono::DateTime::parse_from_rfc2822(date).unwrap()
    }

    /// Waits until `/readyz` says `status`, and tells how long that took.
    pub(crate) async fn until_ready_is(&self, status: u16, within: Duration) -> Duration {
        let began = Instant::now();
        while self.get("/readyz").await.0 != status {
            assert!(began.elapsed() < within, "/readyz is not {status} after {within:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        began.elapsed()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if std::thread::panicking() {
            for line in self.logged("ERROR").iter().take(20) {
                eprintln!("{line}");
            }
        }
    }
}

/// One call over a connection of its own; `None` when the server is gone before it has answered.
pub(crate) async fn call(port: u16, query: &str, variables: Value, bearer: &str) -> Option<Value> {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let authorization = match bearer {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    let request = format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         {authorization}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(port, &request).await?;
    serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
}

/// Keeps what comes out of a pipe, line by line.
fn keep(pipe: impl Read + Send + 'static, lines: &Lines, heard: impl Fn(&str) + Send + 'static) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            heard(&line);
            lines.lock().unwrap().push(line);
        }
    });
}

/// The port that a line says after `words`.
fn port_in(line: &str, words: &str) -> Option<u16> {
    let after = line.split_once(words)?.1;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

/// Sends what is given and reads until the server closes the connection.
pub(crate) async fn exchange(port: u16, request: &str) -> Option<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await.ok()?;
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    let answer = tokio::time::timeout(START_MAX, exchange).await.unwrap();
    assert_answered(sdl(), request, answer.as_deref());
    answer
}

/// The code of an answer's first error, `NONE` without one.
pub(crate) fn code(answer: &Value) -> &str {
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or("NONE")
}
