//! Times as text, as they come in and go out: RFC 3339, as far as every supported database can hold it.
//!
//! Nothing else may make a time of what a client sends. SQLite compares times as text, MariaDB refuses what is
//! before year 1 or after 9999, and none of the three databases knows a leap second or less than a microsecond.

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};

/// 0001-01-01T00:00:00Z, in seconds after 1970.
const FIRST_SECOND: i64 = -62_135_596_800;
/// 9999-12-31T23:59:59.999999Z, in seconds after 1970, without its fraction.
const LAST_SECOND: i64 = 253_402_300_799;

/// Reads a time; what is smaller than a microsecond is cut off.
///
/// `None` for what RFC 3339 does not allow, for leap seconds, and for times outside of the years 1 to 9999
/// in UTC.
#[must_use]
pub fn parse(text: &str) -> Option<DateTime<Utc>> {
    parse_utc(text.as_bytes()).or_else(|| parse_any(text))
}

/// Reads what the server and the databases write, which are most of the times that are read: UTC, and a fraction of
/// whole milliseconds or microseconds.
fn parse_utc(text: &[u8]) -> Option<DateTime<Utc>> {
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let (time, rest) = text.split_at_checked(19)?;
    let [year @ .., b'-', m1, m2, b'-', d1, d2, b'T', h1, h2, b':', i1, i2, b':', s1, s2] = time
    else {
        return None;
    };
    let micros = match rest.strip_suffix(b"Z").or_else(|| rest.strip_suffix(b"+00:00"))? {
        [] => 0,
        [b'.', millis @ ..] if millis.len() == 3 => number(millis)? * 1_000,
        [b'.', micros @ ..] if micros.len() == 6 => number(micros)?,
        _ => return None,
    };
    let year = i32::try_from(number(year)?).ok()?;
    let day = NaiveDate::from_ymd_opt(year, number(&[*m1, *m2])?, number(&[*d1, *d2])?)?;
    let (hour, minute) = (number(&[*h1, *h2])?, number(&[*i1, *i2])?);
    let time = day.and_hms_micro_opt(hour, minute, number(&[*s1, *s2])?, micros)?.and_utc();
    is_held(time).then_some(time)
}

fn parse_any(text: &str) -> Option<DateTime<Utc>> {
    // chrono also takes a space for the T, the minus sign of mathematics for the hyphen, and leap seconds.
    let (bytes, second) = (text.as_bytes(), text.get(17..19)?);
    if !text.is_ascii() || bytes[10] == b' ' || second == "60" {
        return None;
    }
    #[expect(clippy::disallowed_methods, reason = "the one place that reads a time")]
    let time = DateTime::parse_from_rfc3339(text).ok()?.to_utc().trunc_subsecs(6);
    is_held(time).then_some(time)
}

/// The one way in which clients see a time: UTC with six digits of a fraction, as in
/// `2026-11-28T09:30:00.000000Z`. Its order as text is the order in time, and [`parse`] reads it.
#[must_use]
pub fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

/// Whether every database can hold it.
fn is_held(time: DateTime<Utc>) -> bool {
    (FIRST_SECOND..=LAST_SECOND).contains(&time.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_databases_hold_is_read_and_written_as_it_is() {
        for (given, expected) in [
            ("2026-11-28T09:30:00Z", "2026-11-28T09:30:00.000000Z"),
            ("2026-11-28t09:30:00z", "2026-11-28T09:30:00.000000Z"),
            ("2026-11-28T09:30:00.5+05:45", "2026-11-28T03:45:00.500000Z"),
            ("2026-11-28T09:30:00-00:00", "2026-11-28T09:30:00.000000Z"),
            ("2026-11-28T09:30:00.123456-23:59", "2026-11-29T09:29:00.123456Z"),
            ("2024-02-29T23:59:59.000001Z", "2024-02-29T23:59:59.000001Z"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"),
            ("0000-12-31T23:59:00-00:01", "0001-01-01T00:00:00.000000Z"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"),
            // Before 1970 too, digits are cut off towards the past.
            ("1969-12-31T23:59:59.9999999999Z", "1969-12-31T23:59:59.999999Z"),
            ("9999-12-31T23:59:59.99999999999999999999Z", "9999-12-31T23:59:59.999999Z"),
        ] {
            let time = parse(given).unwrap_or_else(|| panic!("{given}"));
            assert_eq!(text(time), expected, "{given}");
            assert_eq!(parse(expected), Some(time));
        }
    }

    #[test]
    fn what_the_server_writes_is_read_like_everything_else() {
        for text in [
            "2026-11-28T09:30:00Z",
            "2026-11-28T09:30:00+00:00",
            "2026-11-28T09:30:00.250+00:00",
            "2026-11-28T09:30:00.000001Z",
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999999+00:00",
        ] {
            assert!(parse_utc(text.as_bytes()).is_some(), "{text}");
            assert_eq!(parse_utc(text.as_bytes()), parse_any(text));
            for index in 0..text.len() {
                for other in
                    [b'0', b'3', b'6', b'9', b'-', b'+', b':', b'.', b'/', b'T', b'Z', b' ']
                {
                    let mut changed = text.as_bytes().to_vec();
                    changed[index] = other;
                    let changed = str::from_utf8(&changed).unwrap();
                    let read = parse_utc(changed.as_bytes());
                    assert!(read.is_none() || read == parse_any(changed), "{changed}");
                }
            }
        }
    }

    #[test]
    fn nothing_else_is_a_time() {
        for text in [
            "",
            "2026",
            "2026-11-28",
            "2026-11-28T09:30Z",
            "2026-11-28T09:30:00",
            "2026-11-28 09:30:00Z",
            " 2026-11-28T09:30:00Z",
            "2026-11-28T09:30:00Z ",
            "2026-11-28T09:30:00.Z",
            "2026-11-28T09:30:00,5Z",
            "2026-11-28T09:30:00+05",
            "2026-11-28T09:30:00+0545",
            "2026-11-28T09:30:00+24:00",
            "2026-11-28T09:30:00\u{2212}05:45",
            "2026-11-28T09:30:00UTC",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-28T24:00:00Z",
            "2026-11-28T23:60:00Z",
            "2026-11-28T23:59:61Z",
            "2016-12-31T23:59:60Z",
            "2017-01-01T00:59:60.5+01:00",
            "0000-12-31T23:59:59.999999Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59.999999-00:01",
            "10000-01-01T00:00:00Z",
            "+12345-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "-262143-01-01T00:00:00Z",
            "2026-11-28T09:3\u{660}:00Z",
            "２026-11-28T09:30:00Z",
            "1795858200",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
