//! The scalar `Date`.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::{Datelike, NaiveDate};

use super::json;
use super::row::leaves;

/// A day, as clients give and get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(NaiveDate);

impl Date {
    /// Reads the canonical text, of the years that every database holds.
    fn read(text: &str) -> Option<Self> {
        let day: NaiveDate = text.parse().ok()?;
        ((1..=9999).contains(&day.year()) && day.to_string() == text).then_some(Self(day))
    }
}

/// A date without a time, as in 2026-11-28 (a full-date of RFC 3339), in the years 0001 to 9999.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for Date {
    fn parse(value: Value) -> InputValueResult<Self> {
        match &value {
            Value::String(text) => Self::read(text)
                .ok_or_else(|| InputValueError::custom("This is not a date as in 2026-11-28.")),
            _ => Err(InputValueError::expected_type(value)),
        }
    }

    /// Asked before anything of an operation runs.
    fn is_valid(value: &Value) -> bool {
        matches!(value, Value::String(text) if Self::read(text).is_some())
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

leaves!(Date => |day: &Date, json: &mut _| json::put_plain(&day.0.to_string(), json));

impl From<NaiveDate> for Date {
    fn from(day: NaiveDate) -> Self {
        Self(day)
    }
}

impl From<Date> for NaiveDate {
    fn from(Date(day): Date) -> Self {
        day
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_one_spelling() {
        for (text, is_day) in [
            ("2026-11-28", true),
            ("0001-01-01", true),
            ("9999-12-31", true),
            ("2024-02-29", true),
            ("2026-02-29", false),
            ("2026-1-5", false),
            ("0000-01-01", false),
            ("10000-01-01", false),
            ("-2026-01-01", false),
            ("2026-11-28T00:00:00Z", false),
            (" 2026-11-28", false),
            ("", false),
        ] {
            assert_eq!(Date::read(text).is_some(), is_day, "{text}");
        }
    }
}
