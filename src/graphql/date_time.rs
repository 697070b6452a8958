//! The scalar `DateTime`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::Utc;

use super::json;
use super::row::leaves;
use crate::kernel::rfc3339;

/// A point in time, as clients give and get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTime(chrono::DateTime<Utc>);

/// A point in time in the format of RFC 3339. The server sends UTC with six fractional digits, as in
/// 2026-11-28T09:30:00.000000Z. It accepts any offset and the years 0001 to 9999 in UTC, refuses leap seconds, and
/// truncates digits beyond microseconds.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => rfc3339::parse(text).map(Self).ok_or_else(|| {
                InputValueError::custom("This is not a time as in 2026-11-28T09:30:00Z.")
            }),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    /// Asked before anything of an operation runs. Without it a wrong time would be refused only once the
    /// mutations before it have been committed.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if rfc3339::parse(text).is_some())
    }

    fn to_value(&self) -> Value {
        Value::String(rfc3339::text(self.0))
    }
}

leaves!(DateTime => |time: &DateTime, json: &mut _| json::put_plain(&rfc3339::text(time.0), json));

impl From<chrono::DateTime<Utc>> for DateTime {
    fn from(time: chrono::DateTime<Utc>) -> Self {
        Self(time)
    }
}

impl From<DateTime> for chrono::DateTime<Utc> {
    fn from(DateTime(time): DateTime) -> Self {
        time
    }
}
