//! The messages of `graphql-transport-ws`, and the codes that it closes a connection with.

use std::borrow::Cow;

use axum::body::to_bytes;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::graphql::json::{Json, put};

/// As it is named in `Sec-WebSocket-Protocol`.
pub(super) const NAME: &str = "graphql-transport-ws";
pub(super) const ACK: &str = r#"{"type":"connection_ack"}"#;
pub(super) const PONG: &str = r#"{"type":"pong"}"#;

/// Clients number their subscriptions, or name them by a UUID.
const ID_LENGTH_MAX: usize = 128;
/// A close frame has room for so many bytes of a reason (RFC 6455, section 5.5).
const REASON_MAX: usize = 123;
/// What of the payload of `connection_init` counts as headers.
const SHOWN: [&str; 3] = ["authorization", "portcullis-token-mode", "portcullis-organization"];

/// Why a connection is closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: Cow<'static, str>,
}

impl Close {
    pub(super) const GOING_AWAY: Self = Self::new(1001, "The server is stopping.");
    pub(super) const UNAUTHORIZED: Self = Self::new(4401, "Unauthorized");
    pub(super) const INIT_TIMEOUT: Self = Self::new(4408, "Connection initialisation timeout");
    pub(super) const TOO_MANY_INITS: Self = Self::new(4429, "Too many initialisation requests");
    pub(super) const TRY_AGAIN: Self = Self::new(1013, "Please try again in a moment.");
    pub(super) const UNUSED: Self =
        Self::new(1000, "The connection had no subscription for a minute.");

    const fn new(code: u16, reason: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason) }
    }

    /// A message is not one of the protocol.
    pub(super) const fn bad(reason: &'static str) -> Self {
        Self::new(4400, reason)
    }

    pub(super) const fn no_origin() -> Self {
        Self::new(
            4403,
            "Pages of this origin must not use a WebSocket with a cookie: see ALLOWED_ORIGINS.",
        )
    }

    pub(super) fn subscriber_exists(id: &str) -> Self {
        Self { code: 4409, reason: cut(format!("Subscriber for {id} already exists")).into() }
    }

    /// As a request is refused that shows the same.
    pub(super) async fn of(refused: Response) -> Self {
        let code = if refused.status() == StatusCode::FORBIDDEN { 4403 } else { 4400 };
        let body = to_bytes(refused.into_body(), 4 * 1024).await.unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let message = body["errors"][0]["message"].as_str().unwrap_or("Refused");
        Self { code, reason: cut(message.to_owned()).into() }
    }
}

/// As much of a reason as there is room for.
fn cut(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(REASON_MAX));
    reason
}

/// What a client says.
#[derive(Debug)]
pub(super) enum Heard<'a> {
    Init(InitPayload),
    Ping,
    Pong,
    Subscribe { id: String, payload: &'a str },
    Complete { id: Cow<'a, str> },
}

/// What a client shows in place of headers.
#[derive(Debug)]
pub(super) struct InitPayload(Map<String, Value>);

impl InitPayload {
    /// Puts it among the headers of the handshake, in place of those of the same name.
    pub(super) fn put_into(self, headers: &mut HeaderMap) -> Result<(), Close> {
        for (name, value) in self.0 {
            let Some(name) = SHOWN.into_iter().find(|known| name.eq_ignore_ascii_case(known))
            else {
                continue;
            };
            let value = match &value {
                Value::String(value) => HeaderValue::from_str(value).ok(),
                _ => None,
            };
            let value = value
                .ok_or(Close::bad("The values in the payload of connection_init must be text."))?;
            headers.insert(HeaderName::from_static(name), value);
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Parts<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

/// Reads a message.
pub(super) fn read(text: &str) -> Result<Heard<'_>, Close> {
    let Parts { r#type, id, payload } =
        serde_json::from_str(text).map_err(|_| Close::bad("Invalid message received"))?;
    let id = match id {
        Some(id) if id.is_empty() || id.len() > ID_LENGTH_MAX => {
            return Err(Close::bad("An id must have 1 to 128 bytes."));
        }
        id => id.ok_or(Close::bad("The message must have an id.")),
    };
    Ok(match &*r#type {
        "connection_init" => {
            let shown = match payload {
                Some(payload) => serde_json::from_str(payload.get())
                    .map_err(|_| Close::bad("The payload of connection_init must be an object"))?,
                None => Map::new(),
            };
            Heard::Init(InitPayload(shown))
        }
        "ping" => Heard::Ping,
        "pong" => Heard::Pong,
        "subscribe" => {
            let payload = payload.ok_or(Close::bad("subscribe needs a payload"))?;
            Heard::Subscribe { id: id?.into_owned(), payload: payload.get() }
        }
        "complete" => Heard::Complete { id: id? },
        _ => return Err(Close::bad("Invalid message type")),
    })
}

/// One answer.
pub(super) fn next(id: &str, answer: &Json) -> String {
    message("next", id, Some(answer))
}

/// Why a subscription was not begun.
pub(super) fn error(id: &str, errors: &Json) -> String {
    message("error", id, Some(errors))
}

/// There is nothing more to say.
pub(super) fn complete(id: &str) -> String {
    message("complete", id, None)
}

fn message(of: &str, id: &str, payload: Option<&Json>) -> String {
    let mut json = Json::from(format!(r#"{{"type":"{of}","id":"#));
    put(id, &mut json);
    if let Some(payload) = payload {
        json.extend_from_slice(b",\"payload\":");
        json.extend_from_slice(payload);
    }
    json.push(b'}');
    // All of its parts are text.
    String::from_utf8(json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_of_the_protocol_or_closes_the_connection() {
        let call = r#"{"type":"subscribe","id":"1","payload":{"query":"{ a }"}}"#;
        let Ok(Heard::Subscribe { id, payload }) = read(call) else { panic!() };
        assert_eq!((&*id, payload), ("1", r#"{"query":"{ a }"}"#));
        assert!(matches!(read(r#"{"type":"ping","payload":{"a":1}}"#), Ok(Heard::Ping)));
        let long = format!(r#"{{"type":"complete","id":"{}"}}"#, "x".repeat(129));
        for bad in [
            "",
            "1",
            "{}",
            "[]",
            r#"{"type":"next","id":"1"}"#,
            r#"{"type":"ping","type":"ping"}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","payload":{}}"#,
            r#"{"type":"subscribe","id":"","payload":{}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"connection_init","payload":[]}"#,
            &long,
        ] {
            assert_eq!(read(bad).err().map(|close| close.code), Some(4400), "{bad}");
        }
    }

    #[test]
    fn what_stands_for_headers_takes_their_place_and_nothing_else_does() {
        let init = r#"{"type":"connection_init","payload":{
            "AUTHORIZATION":"Bearer new","x-forwarded-for":"192.0.2.1","cookie":"a=b","n":1}}"#;
        let Ok(Heard::Init(shown)) = read(init) else { panic!() };
        let mut headers = HeaderMap::new();
        headers.insert("authorization", HeaderValue::from_static("Bearer old"));
        shown.put_into(&mut headers).unwrap();
        assert_eq!((headers.len(), headers["authorization"].to_str().unwrap()), (1, "Bearer new"));
        for bad in [r#"{"authorization":1}"#, "{\"authorization\":\"a\\nb\"}"] {
            let shown = InitPayload(serde_json::from_str(bad).unwrap());
            assert!(shown.put_into(&mut HeaderMap::new()).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_goes_out_as_it_is_and_an_id_escaped() {
        assert_eq!(
            next("a\"b", &b"{\"data\":null}".to_vec()),
            r#"{"type":"next","id":"a\"b","payload":{"data":null}}"#
        );
        assert_eq!(complete("1"), r#"{"type":"complete","id":"1"}"#);
        let reason = Close::subscriber_exists(&"\u{e4}".repeat(64)).reason;
        assert!(reason.len() <= REASON_MAX && reason.starts_with("Subscriber for"));
    }
}
