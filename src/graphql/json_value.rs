//! The scalar `JSON`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};

use super::metadata::has_enum;

/// A JSON object that other standards define, as it is.
#[derive(Clone, Debug)]
pub(crate) struct JsonValue(pub(crate) serde_json::Value);

/// A JSON object whose structure is defined by another standard.
#[Scalar(name = "JSON")]
impl ScalarType for JsonValue {
    fn parse(value: Value) -> InputValueResult<Self> {
        match value {
            Value::Object(_) => Ok(Self(value.into_json()?)),
            _ => Err(InputValueError::custom("Send a JSON object.")),
        }
    }

    /// Asked before anything of an operation runs.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::Object(_)) && !has_enum(value)
    }

    fn to_value(&self) -> Value {
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
