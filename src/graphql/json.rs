//! Answers as text. What a list's plan has written already stands among the values as [`Value::Binary`], which no
//! type of the schema has, and goes into the answer as it is.

use async_graphql::{ServerError, Value};
use serde::Serialize;

/// JSON text.
pub(crate) type Json = Vec<u8>;

/// A whole answer. `data` is absent when nothing was executed.
pub(crate) fn answer(data: Option<&Value>, errors: &[ServerError]) -> Json {
    let mut json = vec![b'{'];
    if let Some(data) = data {
        json.extend_from_slice(b"\"data\":");
        write(data, &mut json);
    }
    if !errors.is_empty() {
        separate(json.len() - 1, &mut json);
        json.extend_from_slice(b"\"errors\":");
        put(errors, &mut json);
    }
    json.push(b'}');
    json
}

/// Writes a value of an answer.
pub(crate) fn write(value: &Value, json: &mut Json) {
    match value {
        Value::Binary(written) => json.extend_from_slice(written),
        Value::List(values) => {
            json.push(b'[');
            for (index, value) in values.iter().enumerate() {
                separate(index, json);
                write(value, json);
            }
            json.push(b']');
        }
        Value::Object(entries) => {
            json.push(b'{');
            for (index, (key, value)) in entries.iter().enumerate() {
                separate(index, json);
                put(key.as_str(), json);
                json.push(b':');
                write(value, json);
            }
            json.push(b'}');
        }
        Value::Null | Value::Number(_) | Value::String(_) | Value::Boolean(_) | Value::Enum(_) => {
            put(value, json);
        }
    }
}

/// Writes the comma before every entry but the first.
pub(crate) fn separate(index: usize, json: &mut Json) {
    if index > 0 {
        json.push(b',');
    }
}

/// Writes a text in which nothing needs to be escaped.
pub(crate) fn put_plain(text: &str, json: &mut Json) {
    json.push(b'"');
    json.extend_from_slice(text.as_bytes());
    json.push(b'"');
}

/// Writes what has no values of answers inside.
pub(crate) fn put<T: Serialize + ?Sized>(value: &T, json: &mut Json) {
    // Nothing that is written here fails to serialize, and memory takes all of it.
    serde_json::to_writer(json, value).unwrap_or_default();
}
