//! Which of the two media types of GraphQL over HTTP a client wants, and whether it takes event streams.

use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};

use super::content_type::is_utf8;

/// A response's media type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/json`: 200 whenever GraphQL answered at all.
    Json,
    /// `application/graphql-response+json`: the status tells of errors.
    GraphqlResponse,
}

/// The media type of server-sent events (the HTML standard, section 9.2).
const EVENT_STREAM: &str = "text/event-stream";

/// What a client takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accepted {
    /// The type of an answer in JSON.
    pub(super) media: MediaType,
    /// Whether it takes JSON at all.
    pub(super) json: bool,
    /// Whether it names event streams: `*/*` does not mean them.
    pub(super) events: bool,
}

impl Accepted {
    /// `None` when the client takes nothing of what there is.
    pub(super) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let media = MediaType::negotiate(headers);
        let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let events = ranges.any(|ranges| ranges.split(',').any(names_events));
        let json = media.is_some();
        (json || events).then(|| Self { media: media.unwrap_or(MediaType::Json), json, events })
    }
}

fn names_events(range: &str) -> bool {
    let mut parts = range.split(';').map(str::trim);
    let media = parts.next().unwrap_or_default();
    media.eq_ignore_ascii_case(EVENT_STREAM) && weight(parts).is_some_and(|weight| weight > 0.0)
}

/// The weight of a range by its parameters; `None` if one of them cannot be met.
fn weight<'a>(parameters: impl Iterator<Item = &'a str>) -> Option<f32> {
    let mut weight = 1.0;
    for (name, value) in parameters.filter_map(|part| part.split_once('=')) {
        let value = value.trim().trim_matches('"');
        match name.trim().to_ascii_lowercase().as_str() {
            "q" => weight = value.parse().ok().filter(|q| (0.0..=1.0).contains(q))?,
            "charset" if !is_utf8(value) => return None,
            _ => {}
        }
    }
    Some(weight)
}

impl MediaType {
    /// Picks the type of the greatest weight; between equals the one that was named first. `None`
    /// when neither is acceptable. Without a header: JSON, as older clients expect.
    pub(super) fn negotiate(headers: &HeaderMap) -> Option<Self> {
        let mut best: Option<(f32, Self)> = None;
        let mut is_asked = false;
        for range in headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
            for range in range.split(',').map(str::trim).filter(|range| !range.is_empty()) {
                is_asked = true;
                let Some((weight, media)) = Self::of_range(range) else { continue };
                if weight > best.map_or(0.0, |(weight, _)| weight) {
                    best = Some((weight, media));
                }
            }
        }
        if is_asked { best.map(|(_, media)| media) } else { Some(Self::Json) }
    }

    fn of_range(range: &str) -> Option<(f32, Self)> {
        let mut parts = range.split(';').map(str::trim);
        let media = match parts.next()?.to_ascii_lowercase().as_str() {
            "application/json" | "application/*" | "*/*" => Self::Json,
            "application/graphql-response+json" => Self::GraphqlResponse,
            _ => return None,
        };
        Some((weight(parts)?, media))
    }

    pub(super) fn header(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Json => "application/json; charset=utf-8",
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(accept: &str) -> Option<MediaType> {
        MediaType::negotiate(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
    }

    #[test]
    fn event_streams_are_taken_by_who_names_them() {
        let accepted = |accept: &str| {
            Accepted::negotiate(&HeaderMap::from_iter([(ACCEPT, accept.parse().unwrap())]))
        };
        let kinds = |accept| accepted(accept).map(|accepted| (accepted.json, accepted.events));
        assert_eq!(kinds("text/event-stream"), Some((false, true)));
        assert_eq!(kinds("text/event-stream, application/json"), Some((true, true)));
        assert_eq!(kinds("application/json, Text/Event-Stream; q=0.5"), Some((true, true)));
        assert_eq!(kinds("*/*, text/event-stream;q=0"), Some((true, false)));
        assert_eq!(kinds("*/*"), Some((true, false)));
        assert_eq!(kinds("text/html"), None);
    }

    #[test]
    fn the_heavier_type_wins_and_the_first_of_equals() {
        let (json, graphql) = (Some(MediaType::Json), Some(MediaType::GraphqlResponse));
        assert_eq!(negotiated("application/json"), json);
        assert_eq!(negotiated("application/graphql-response+json, application/json"), graphql);
        assert_eq!(negotiated("application/json, application/graphql-response+json"), json);
        assert_eq!(
            negotiated("application/json;q=0.5, application/graphql-response+json;q=0.9"),
            graphql
        );
        assert_eq!(negotiated("text/html, */*;q=0.1"), json);
        assert_eq!(negotiated("text/html"), None);
        assert_eq!(negotiated("application/json;"), json);
        assert_eq!(negotiated("application/json; charset=\"UTF8\"; x=y; q=0.5"), json);
        assert_eq!(negotiated("application/json; charset=latin1"), None);
        assert_eq!(negotiated("application/json;q=0"), None);
        assert_eq!(MediaType::negotiate(&HeaderMap::new()), json);
    }
}
