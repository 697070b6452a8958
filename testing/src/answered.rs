//! Has every answer of the endpoint checked against what was sent, wherever it was sent from.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Method, Request};
use hyper::body::{Frame, SizeHint};
use serde_json::{Map, Value};
use url::form_urlencoded;

use crate::Reply;
use crate::conformance::assert_conforms;

/// What has been sent of a request at the endpoint.
pub(crate) struct Sent(Option<Arc<Mutex<Vec<u8>>>>);

impl Sent {
    /// The same request, of whose body what is read is kept.
    pub(crate) fn of(request: Request<Body>) -> (Request<Body>, Self) {
        if request.uri().path() != "/graphql" {
            return (request, Self(None));
        }
        if request.method() == Method::GET {
            let body = request.uri().query().and_then(as_body);
            return (request, Self(body.map(|body| Arc::new(Mutex::new(body)))));
        }
        if request.method() != Method::POST {
            return (request, Self(None));
        }
        let kept = Arc::<Mutex<Vec<u8>>>::default();
        let keeper = Arc::clone(&kept);
        (request.map(|body| Body::new(Kept { body, kept: keeper })), Self(Some(kept)))
    }

    pub(crate) fn assert_answered(self, sdl: &str, reply: &Reply) {
        let Some(kept) = self.0 else { return };
        let content_type = reply.headers["content-type"].to_str().unwrap();
        let is_event = content_type.starts_with("text/event-stream");
        assert!(content_type.contains("json") || is_event, "{reply:?}");
        assert_conforms(sdl, &kept.lock().unwrap(), &reply.text);
    }
}

/// The body that says the same as the address of a GET, if that has a query.
fn as_body(address: &str) -> Option<Vec<u8>> {
    let mut body = Map::new();
    for (name, part) in form_urlencoded::parse(address.as_bytes()) {
        let value = match &*name {
            "query" | "operationName" => part.into_owned().into(),
            "variables" => serde_json::from_str(&part).ok()?,
            _ => continue,
        };
        body.insert(name.into_owned(), value);
    }
    body.contains_key("query").then(|| Value::Object(body).to_string().into_bytes())
}

/// A body that is passed on piece by piece as it was: some tests are about the pieces.
struct Kept {
    body: Body,
    kept: Arc<Mutex<Vec<u8>>>,
}

impl HttpBody for Kept {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            self.kept.lock().unwrap().extend_from_slice(data);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Checks an answer that came over a socket, from its bytes. An answer that broke off is not checked.
pub fn assert_answered(sdl: &str, request: &str, answer: Option<&str>) {
    let Some((head, sent)) = request.split_once("\r\n\r\n") else { return };
    let Some((answered, body)) = answer.and_then(|it| it.split_once("\r\n\r\n")) else { return };
    let length = answered.lines().find_map(|line| line.strip_prefix("content-length: "));
    let is_whole = length.is_some_and(|length| length == body.len().to_string());
    if head.starts_with("POST /graphql") && is_whole {
        assert_conforms(sdl, sent.as_bytes(), body);
    }
}
