//! The scalar `Metadata`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use serde_json::{Map, Value as Json};

/// A JSON object: as clients give it, or as it is kept. The latter is text, and goes into the answer as it is.
#[derive(Clone, Debug)]
pub(crate) struct Metadata(Value);

impl Metadata {
    /// One that is kept, by the text of its JSON.
    pub(crate) fn kept(text: String) -> Self {
        Self(Value::Binary(text.into_bytes().into()))
    }

    /// The entries of one that was given.
    pub(crate) fn into_entries(self) -> Map<String, Json> {
        match self.0.into_json() {
            Ok(Json::Object(entries)) => entries,
            // Nothing else was parsed.
            Ok(_) | Err(_) => Map::new(),
        }
    }
}

/// A JSON object of at most 4,096 bytes, counted in UTF-8 without white space. Objects and lists nest at most 8 levels
/// deep, including the object itself. Numbers that do not fit into 64 bits are rounded, so keep ids of other systems in
/// strings.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc8259")]
impl ScalarType for Metadata {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Object(_) => Ok(Self(value)),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    /// Asked before anything of an operation runs. Size and depth are told as faults of the field, for people.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Object(_)) && !has_enum(value)
    }

    fn to_value(&self) -> Value {
        self.0.clone()
    }
}

/// Whether a name stands anywhere in a literal where JSON has none: a quote or a `$` was forgotten.
pub(super) fn has_enum(value: &Value) -> bool {
    match value {
        Value::Enum(_) => true,
        Value::List(values) => values.iter().any(has_enum),
        Value::Object(entries) => entries.values().any(has_enum),
        _ => false,
    }
}
