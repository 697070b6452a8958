//! A provider's side of HTTP, as small as it can be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// What is answered at a path.
#[derive(Clone)]
pub(super) enum Reply {
    Json(u16, Value),
    /// Headers, each with its line's end, and a body.
    Raw(u16, String, Vec<u8>),
    /// The beginning of a body, and nothing more.
    Stalling,
    /// Nothing at all.
    Silent,
}

/// A request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) line: String,
    /// By their names in lower case.
    pub(super) headers: HashMap<String, String>,
    pub(super) body: String,
}

pub(super) struct Server {
    pub(super) url: String,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let replies: Arc<Mutex<HashMap<String, Reply>>> = Arc::default();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answers, notes) = (Arc::clone(&replies), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, Arc::clone(&answers), Arc::clone(&notes)));
            }
        });
        Self { url, replies, asked, task }
    }

    pub(super) fn answer(&self, path: &str, reply: Reply) {
        self.replies.lock().unwrap().insert(path.to_owned(), reply);
    }

    pub(super) fn json(&self, path: &str, json: Value) {
        self.answer(path, Reply::Json(200, json));
    }

    /// The requests to a path so far.
    pub(super) fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap();
        let is_it = |asked: &&Asked| asked.line.split(' ').nth(1) == Some(path);
        asked.iter().filter(is_it).cloned().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut socket: TcpStream,
    replies: Arc<Mutex<HashMap<String, Reply>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
) -> Option<()> {
    let mut reader = BufReader::new(&mut socket);
    let mut line = String::new();
    reader.read_line(&mut line).await.ok()?;
    let mut headers = HashMap::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    let path = line.split(' ').nth(1)?.to_owned();
    asked.lock().unwrap().push(Asked { line: line.trim_end().to_owned(), headers, body });
    let reply = replies.lock().unwrap().get(&path).cloned();
    let head = |status: u16, length: usize, further: &str| {
        let length = match further.contains("transfer-encoding") {
            true => String::new(),
            false => format!("content-length: {length}\r\n"),
        };
        format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{length}{further}\r\n")
    };
    let bytes = match reply.unwrap_or(Reply::Raw(404, String::new(), Vec::new())) {
        Reply::Json(status, json) => {
            let body = json.to_string();
            let head = head(status, body.len(), "content-type: application/json\r\n");
            [head.into_bytes(), body.into_bytes()].concat()
        }
        Reply::Raw(status, headers, body) => {
            [head(status, body.len(), &headers).into_bytes(), body].concat()
        }
        Reply::Stalling => [head(200, 1000, "").as_bytes(), b"{"].concat(),
        Reply::Silent => Vec::new(),
    };
    let is_whole = !bytes.is_empty() && !bytes.ends_with(b"\r\n\r\n{");
    socket.write_all(&bytes).await.ok()?;
    if !is_whole {
        tokio::time::sleep(Duration::from_mins(1)).await;
    }
    Some(())
}
