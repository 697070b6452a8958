//! What a request's body is, as its headers say.

use axum::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::refusal;

/// Whether a media type's `charset` is the one that is spoken here. Many write it without its dash.
pub(super) fn is_utf8(charset: &str) -> bool {
    let name = charset.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(charset);
    name.eq_ignore_ascii_case("utf-8") || name.eq_ignore_ascii_case("utf8")
}

/// Takes JSON in UTF-8, with whatever parameters, and in no encoding.
pub(super) fn check(headers: &HeaderMap) -> Result<(), Response> {
    let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    let is_plain = |value: &HeaderValue| {
        let mut encodings = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        // An empty element of a list counts for nothing (RFC 9110, section 5.6.1.2).
        encodings.all(|one| one.is_empty() || one.eq_ignore_ascii_case(b"identity"))
    };
    if !headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        let refused = refusal(status, "Send the body without Content-Encoding.");
        return Err(([(ACCEPT_ENCODING, "identity")], refused).into_response());
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let is_json = match (values.next().map(HeaderValue::to_str), values.next()) {
        (Some(Ok(value)), None) => is_utf8_json(value),
        _ => false,
    };
    if is_json {
        return Ok(());
    }
    Err(refusal(status, "Send the Content-Type application/json in UTF-8."))
}

fn is_utf8_json(value: &str) -> bool {
    let mut parts = parts(value);
    let is_json =
        parts.next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter_map(|part| part.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset") || is_utf8(value.trim())
        })
}

/// What stands between semicolons, but for those in quotes.
fn parts(value: &str) -> impl Iterator<Item = &str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    value.split(move |character| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_quoted,
            '"' => is_quoted = !is_quoted,
            _ => {}
        }
        character == ';' && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_in_utf8_is_taken_however_it_is_written_and_nothing_else_is() {
        for (value, expected) in [
            ("application/json", true),
            ("Application/JSON ; charset=UTF-8", true),
            ("application/json;", true),
            ("application/json;charset=utf8", true),
            ("application/json; charset=\"Utf-8\"", true),
            ("application/json; charset = utf-8;", true),
            ("application/json; profile=\"a;charset=latin1\"; x", true),
            ("application/json; a=\"\\\";\"; charset=utf-8", true),
            ("application/json; charset=latin1", false),
            ("application/json; charset=", false),
            ("application/json; charset=utf-8; charset=utf-7", false),
            ("application/json; charset=\"utf-8", false),
            ("application/graphql", false),
            ("text/plain; application/json", false),
            ("application/json, text/plain", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            assert_eq!(is_utf8_json(value), expected, "{value}");
        }
    }

    #[test]
    fn a_body_that_is_packed_is_refused_and_what_is_taken_is_named() {
        let json = (CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (encoding, expected) in [
            ("identity", true),
            ("Identity, identity", true),
            ("", true),
            (" ,", true),
            ("gzip", false),
            ("identity, br", false),
            ("identity br", false),
        ] {
            let encoding = (CONTENT_ENCODING, HeaderValue::from_static(encoding));
            let checked = check(&HeaderMap::from_iter([json.clone(), encoding.clone()]));
            assert_eq!(checked.is_ok(), expected, "{encoding:?}");
            if let Err(refused) = checked {
                assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
                assert_eq!(refused.headers()[ACCEPT_ENCODING], "identity");
            }
        }
    }
}
