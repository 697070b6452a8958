//! Clients of streams: a WebSocket by `graphql-transport-ws`, and server-sent events.

use std::time::Duration;

use async_graphql::futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::process::Server;

/// Longer than anything here takes.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A WebSocket.
pub(crate) struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// Shakes hands; the status of what the server refuses.
    pub(crate) async fn connect(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let url = format!("ws://127.0.0.1:{}/graphql", server.port);
        let mut request = url.into_client_request().unwrap();
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
        for (name, value) in std::iter::once(&protocol).chain(headers) {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        match client_async(request, stream).await {
            Ok((socket, _)) => Ok(Self(socket)),
            Err(Error::Http(refused)) => Err(refused.status().as_u16()),
            Err(other) => panic!("{other}"),
        }
    }

    /// A connection of a signed-in user.
    pub(crate) async fn of(server: &Server, access: &str) -> Self {
        let mut socket = Self::connect(server, &[]).await.unwrap();
        socket.init(json!({ "authorization": format!("Bearer {access}") })).await;
        socket
    }

    /// Says who it is.
    pub(crate) async fn init(&mut self, payload: Value) {
        self.say(&json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(self.hear().await["type"], "connection_ack");
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub(crate) async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str) {
        self.say(&json!({ "type": "subscribe", "id": id, "payload": { "query": query } })).await;
    }

    /// The next message.
    pub(crate) async fn hear(&mut self) -> Value {
        loop {
            let message = timeout(WAIT_MAX, self.0.next()).await.unwrap();
            match message.unwrap().unwrap() {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// The code with which the server closes the connection; `None` if it breaks off.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match timeout(WAIT_MAX, self.0.next()).await.unwrap() {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| code(frame.code)),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// The payload of the next message, which must be an answer to this subscription.
    pub(crate) async fn answer(&mut self, id: &str) -> Value {
        let mut message = self.hear().await;
        assert_eq!((&message["type"], &message["id"]), (&json!("next"), &json!(id)), "{message}");
        message["payload"].take()
    }

    /// Fails unless this subscription is complete now.
    pub(crate) async fn assert_complete(&mut self, id: &str) {
        assert_eq!(self.hear().await, json!({ "type": "complete", "id": id }));
    }

    /// Fails unless the server answers that it is there, and with nothing before. It reads no further while it opens a stream, so
    /// what was asked for before is open by then.
    pub(crate) async fn assert_quiet(&mut self) {
        self.say(&json!({ "type": "ping" })).await;
        assert_eq!(self.hear().await["type"], "pong");
    }
}

fn code(code: CloseCode) -> u16 {
    code.into()
}

/// Server-sent events.
pub(crate) struct Events {
    head: String,
    stream: BufReader<TcpStream>,
}

impl Events {
    pub(crate) async fn of(server: &Server, access: &str, query: &str) -> Self {
        let body = json!({ "query": query }).to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             accept: text/event-stream\r\nauthorization: Bearer {access}\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        let mut events = Self { head: String::new(), stream: BufReader::new(stream) };
        loop {
            let line = events.line().await;
            if line.is_empty() {
                return events;
            }
            events.head += &line;
            events.head.push('\n');
        }
    }

    pub(crate) fn head(&self) -> &str {
        &self.head
    }

    async fn line(&mut self) -> String {
        let mut line = String::new();
        timeout(WAIT_MAX, self.stream.read_line(&mut line)).await.unwrap().unwrap();
        line.trim_end_matches(['\r', '\n']).to_owned()
    }

    /// The next event and its data; the sizes of chunks and comments are passed over.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        loop {
            let line = self.line().await;
            let Some(event) = line.strip_prefix("event: ") else { continue };
            let data = self.line().await;
            let data = data.strip_prefix("data:").unwrap().trim();
            let data = if data.is_empty() { "null" } else { data };
            return (event.to_owned(), serde_json::from_str(data).unwrap());
        }
    }

    /// Waits until the server closes the connection, and gives what came before.
    pub(crate) async fn rest(mut self) -> String {
        let mut rest = String::new();
        // It may break off.
        let read = self.stream.read_to_string(&mut rest);
        let _ = timeout(WAIT_MAX, read).await.unwrap();
        rest
    }
}
