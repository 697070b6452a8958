//! What a request asks for, in its body or its address, as GraphQL over HTTP has it: a document, and what is to be done
//! with it.

use std::fmt;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::value;
use serde::de::{DeserializeSeed, Deserializer, Error, IntoDeserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::json::{Checked, Extensions, Room, StrictMap, VALUES_MAX, ignore};
use crate::graphql::document::Refusal;

/// What is to be executed.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) source: Source,
    pub(super) operation_name: Option<String>,
    pub(super) variables: Map<String, Value>,
    /// Whether it may be a mutation: caches and crawlers send a GET as they please.
    pub(super) may_change: bool,
}

/// What says which document is meant.
#[derive(Debug)]
pub(super) enum Source {
    /// Its text.
    Text(String),
    /// The id, or the SHA-256, of one that the operator has registered.
    Id(String),
}

/// Why there is nothing to execute.
#[derive(Debug)]
pub(super) enum NoCall {
    /// It is no GraphQL request.
    Malformed(&'static str),
    /// There is too much of it.
    Refused(Refusal),
}

/// Reads a body. None of it is kept but what the call holds.
pub(super) fn parse(body: &[u8]) -> Result<Call, NoCall> {
    let Ok(body) = str::from_utf8(body) else {
        return Err(NoCall::Malformed("The body is not UTF-8."));
    };
    match body.trim_ascii_start().as_bytes().first() {
        None => return Err(NoCall::Malformed("The body is empty.")),
        Some(b'[') => {
            let message = "This server does not support batches. Send one operation per request.";
            return Err(NoCall::Malformed(message));
        }
        Some(_) => {}
    }
    let room = Rooms::default();
    let read = read_json(body, Parts { room: &room }).map_err(|error| {
        room.refuse(if error.is_data() {
            "The body must be a map with the string query or documentId, and optionally the string \
             operationName and \
             the maps variables and extensions. No map may repeat a key."
        } else {
            "The body is not valid JSON, nests deeper than 128 levels, or contains a number that is too \
             large."
        })
    })?;
    read.into_call(true)
}

/// Reads the query of an address, which stands after its question mark. An empty part counts as one that is missing.
pub(super) fn parse_address(address: &str) -> Result<Call, NoCall> {
    if percent_decode_str(address).decode_utf8().is_err() {
        return Err(NoCall::Malformed("The URL is not UTF-8."));
    }
    let room = Rooms::default();
    let refuse = |_: serde_json::Error| {
        room.refuse(
            "In the URL, variables and extensions must be maps in JSON. No map may repeat a key.",
        )
    };
    let mut read = Read::default();
    let mut known = Vec::with_capacity(4);
    for (key, part) in form_urlencoded::parse(address.as_bytes()) {
        let key: Result<_, value::Error> = Key::deserialize(key.into_deserializer());
        let key = key.unwrap_or(Key::Other);
        if key != Key::Other {
            if known.contains(&key) {
                return Err(NoCall::Malformed("The URL repeats a parameter."));
            }
            known.push(key);
        }
        match key {
            _ if part.is_empty() => {}
            Key::Query => read.query = Some(part.into_owned()),
            Key::DocumentId => read.document_id = Some(part.into_owned()),
            Key::OperationName => read.operation_name = Some(part.into_owned()),
            Key::Variables => {
                read.variables = read_json(&part, StrictMap(&room.variables)).map_err(refuse)?;
            }
            Key::Extensions => {
                read.extensions = read_json(&part, Checked(&room.extensions)).map_err(refuse)?;
            }
            Key::Other => {}
        }
    }
    read.into_call(false)
}

fn read_json<'de, S: DeserializeSeed<'de>>(
    json: &'de str,
    seed: S,
) -> Result<S::Value, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(json);
    let read = seed.deserialize(&mut json)?;
    json.end()?;
    Ok(read)
}

/// What variables and extensions may hold.
#[derive(Default)]
struct Rooms {
    variables: Room,
    extensions: Room,
}

impl Rooms {
    /// Why a request could not be read: it has too many values, or else this reason holds.
    fn refuse(&self, reason: &'static str) -> NoCall {
        if self.variables.is_exceeded() || self.extensions.is_exceeded() {
            return NoCall::Refused(Refusal::Limit { limit: "values", max: VALUES_MAX.into() });
        }
        NoCall::Malformed(reason)
    }
}

/// What a body or an address holds.
#[derive(Debug, Default)]
struct Read {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Map<String, Value>,
    extensions: Extensions,
}

impl Read {
    fn into_call(self, may_change: bool) -> Result<Call, NoCall> {
        let Self { query, document_id, operation_name, variables, extensions } = self;
        let hash = extensions.sha256_hash;
        let is_named = document_id.is_some() || hash.is_some();
        let query = query.filter(|query| !(query.is_empty() && is_named));
        let source = match (query, document_id, hash) {
            (Some(_), Some(_), _) => {
                return Err(NoCall::Malformed("Send query or documentId, not both."));
            }
            // Apollo's client sends the hash with the document that it is of.
            (Some(query), None, _) => Source::Text(query),
            (None, Some(id), _) | (None, None, Some(id)) => Source::Id(id),
            (None, None, None) => return Err(NoCall::Malformed("The request has no query.")),
        };
        // Clients that always send the name send the empty one for the only operation.
        let operation_name = operation_name.filter(|name| !name.is_empty());
        Ok(Call { source, operation_name, variables, may_change })
    }
}

/// Reads a body's parts, each with room of its own.
struct Parts<'a> {
    room: &'a Rooms,
}

/// The keys of a body, and of an address. What else they hold is not for us.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Key {
    Query,
    DocumentId,
    OperationName,
    Variables,
    Extensions,
    #[serde(other)]
    Other,
}

impl<'de> DeserializeSeed<'de> for Parts<'_> {
    type Value = Read;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Read, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Parts<'_> {
    type Value = Read;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Read, A::Error> {
        let mut read = Read::default();
        let mut known = Vec::with_capacity(4);
        while let Some(key) = entries.next_key::<Key>()? {
            if key != Key::Other {
                if known.contains(&key) {
                    return Err(A::Error::custom("a key is repeated"));
                }
                known.push(key);
            }
            match key {
                Key::Query => read.query = entries.next_value()?,
                Key::DocumentId => read.document_id = entries.next_value()?,
                Key::OperationName => read.operation_name = entries.next_value()?,
                Key::Variables => {
                    read.variables = entries.next_value_seed(StrictMap(&self.room.variables))?;
                }
                Key::Extensions => {
                    read.extensions = entries.next_value_seed(Checked(&self.room.extensions))?;
                }
                Key::Other => ignore(&mut entries)?,
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use allocation_counter::measure;

    use super::*;

    const BODY_LENGTH: usize = 100 * 1024;
    const ROOM: u64 = 2 * 100 * 1024;

    /// A body of nearly the greatest length that has `shape` in it.
    fn body(shape: &str) -> String {
        let start = format!(r#"{{"query":"{{ __typename }}",{shape},"x":""#);
        let padding = "x".repeat(BODY_LENGTH - start.len() - 2);
        format!("{start}{padding}\"}}")
    }

    fn repeated(item: &str, times: usize) -> String {
        vec![item; times].join(",")
    }

    #[test]
    fn no_body_takes_more_than_twice_its_size() {
        let keys = |n: usize| (0..n).map(|i| format!("\"k{i}\":1")).collect::<Vec<_>>().join(",");
        let many = BODY_LENGTH / 4;
        for shape in [
            format!("\"variables\":{{\"a\":[{}]}}", repeated("1", 49_000)),
            format!("\"variables\":{{\"a\":[{}]}}", repeated("1", 990)),
            format!("\"variables\":{{\"a\":[{}]}}", repeated("{\"a\":1}", 12_000)),
            format!("\"variables\":{{\"a\":[{}]}}", repeated("{\"a\":1}", 248)),
            format!("\"variables\":{{\"a\":[{}]}}", repeated("[1]", 490)),
            format!("\"variables\":{{\"a\":[{}]}}", repeated("{}", 30_000)),
            format!("\"variables\":{{{}}}", keys(900)),
            format!("\"variables\":{{{}}}", keys(9_000)),
            format!("\"variables\":{{\"a\":\"{}\"}}", "a".repeat(BODY_LENGTH - 100)),
            format!("\"variables\":{{\"a\":\"{}\"}}", "\\n".repeat(BODY_LENGTH / 2 - 100)),
            format!("\"extensions\":{{\"a\":[{}]}}", repeated("{\"a\":1}", 12_000)),
            format!("\"extensions\":{{{}}}", keys(900)),
            format!("\"extensions\":{{\"a\":\"{}\"}}", "a".repeat(BODY_LENGTH - 100)),
            format!("\"operationName\":\"{}\"", "a".repeat(BODY_LENGTH - 100)),
            format!("\"y\":[{}]", repeated("1", many)),
        ] {
            let body = body(&shape);
            let mut call = None;
            let counted = measure(|| call = Some(parse(body.as_bytes())));
            let (most, kept) = (counted.bytes_max, counted.bytes_current);
            let shown: String = shape.chars().take(40).collect();
            assert!(most <= ROOM, "{shown}: {most} bytes at most");
            assert!(u64::try_from(kept).unwrap() <= ROOM, "{shown}: {kept} bytes kept");
            drop(call);
        }
    }

    #[test]
    fn as_many_values_as_may_be_are_read_and_no_more() {
        for part in ["variables", "extensions"] {
            // The map counts three, the list one.
            let with =
                |n| format!("{{\"query\":\"q\",\"{part}\":{{\"a\":[{}]}}}}", repeated("1", n));
            assert!(parse(with(996).as_bytes()).is_ok(), "{part}");
            let refused = parse(with(997).as_bytes());
            let limit = Refusal::Limit { limit: "values", max: 1_000 };
            assert!(matches!(refused, Err(NoCall::Refused(it)) if it == limit), "{part}");
        }
    }

    #[test]
    fn the_empty_name_is_none_and_a_hash_alone_is_a_persisted_query() {
        let call = parse(br#"{"query":"{ a }","operationName":"","variables":null}"#).unwrap();
        assert_eq!((call.operation_name, call.variables.len()), (None, 0));
        let hash = r#""extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}"#;
        let source = |body: &str| parse(body.as_bytes()).unwrap().source;
        let id = |body: &str| matches!(source(body), Source::Id(id) if id == "ab");
        assert!(id(&format!("{{{hash}}}")) && id(r#"{"documentId":"ab"}"#));
        for none in ["null", r#""""#] {
            assert!(id(&format!("{{{hash},\"query\":{none}}}")));
            assert!(id(&format!("{{\"documentId\":\"ab\",\"query\":{none}}}")));
        }
        let whole = source(&format!("{{{hash},\"query\":\"{{ a }}\"}}"));
        assert!(matches!(whole, Source::Text(text) if text == "{ a }"));
        let both = parse(br#"{"query":"{ a }","documentId":"ab"}"#);
        assert!(matches!(both, Err(NoCall::Malformed(_))));
        for other in [r"{}", r#"{"extensions":{}}"#, r#"{"extensions":null}"#] {
            assert!(matches!(parse(other.as_bytes()), Err(NoCall::Malformed(_))), "{other}");
        }
    }

    #[test]
    fn what_is_no_request_is_malformed() {
        for body in [
            "",
            " ",
            "[]",
            "1",
            "{",
            r#"{"query":1}"#,
            r#"{"query":"a"} x"#,
            r#"{"query":"a","query":"b"}"#,
            r#"{"query":"a","variables":[]}"#,
            r#"{"query":"a","variables":{"a":{"b":1,"b":1}}}"#,
            r#"{"query":"a","extensions":[]}"#,
            r#"{"query":"a","extensions":1}"#,
            r#"{"query":"a","extensions":{"a":{"b":1,"b":1}}}"#,
            r#"{"query":"a","operationName":1}"#,
        ] {
            assert!(matches!(parse(body.as_bytes()), Err(NoCall::Malformed(_))), "{body}");
        }
        let latin_1 = b"{\"query\":\"{ a }\",\"x\":\"\xe9\"}";
        assert!(matches!(parse(latin_1), Err(NoCall::Malformed(_))));
    }
}
