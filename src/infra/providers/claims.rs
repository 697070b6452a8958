//! What a provider says in JSON, none of which is believed to be short or clean.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use url::Url;

use super::settings::ClaimNames;
use crate::infra::entries::Entries;

/// More than an address has (RFC 5321, section 4.5.3.1.3).
const EMAIL_LENGTH_MAX: usize = 254;
const USERNAME_LENGTH_MAX: usize = 100;
/// In characters.
const FULL_NAME_LENGTH_MAX: usize = 200;
const PICTURE_LENGTH_MAX: usize = 2048;
/// OpenID Connect Core, section 2.
const SUBJECT_LENGTH_MAX: usize = 255;

/// The members of a JSON object, each named once.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// `None`: it is no object, or names a member twice, which other readers might read otherwise.
    pub(super) fn parse(json: &[u8]) -> Option<Self> {
        let entries: Entries<Value> = serde_json::from_slice(json).ok()?;
        let mut members = Map::new();
        for (name, value) in entries.0 {
            if members.insert(name, value).is_some() {
                return None;
            }
        }
        Some(Self(members))
    }

    /// The same as a type that names the members that count. Reading it at once would skip the others unseen, whatever they
    /// are: bytes that are no text, or what nests without an end.
    pub(super) fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
        let Self(members) = Self::parse(json)?;
        serde_json::from_value(Value::Object(members)).ok()
    }

    /// `null` is no value.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// A member by the name that the operator gives, or one further in by a JSON pointer (RFC 6901).
    pub(super) fn named(&self, names: &ClaimNames, name: &'static str) -> Option<&Value> {
        let name = names.get(name).map_or(name, String::as_str);
        let found = match name.strip_prefix('/') {
            None => return self.get(name),
            Some(path) => path.split_once('/'),
        };
        match found {
            None => self.get(&name[1..]),
            Some((first, _)) => self.get(first)?.pointer(&name[first.len() + 1..]),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.get(name)?.as_str()
    }

    pub(super) fn is_true(&self, name: &str) -> bool {
        self.get(name) == Some(&Value::Bool(true))
    }

    /// Seconds since 1970.
    pub(super) fn time(&self, name: &str) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.get(name)?.as_i64()?, 0)
    }
}

/// Whom a provider speaks of. A number is what it is written as: GitHub and others count their users.
pub(super) fn subject(value: Option<&Value>) -> Option<String> {
    let subject = match value? {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return None;
        }
    };
    let is_usable = (1..=SUBJECT_LENGTH_MAX).contains(&subject.len()) && is_clean(&subject);
    is_usable.then_some(subject)
}

/// What may be an address. Whether it is one, accounts judge.
pub(super) fn email(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?;
    let is_likely = text.len() <= EMAIL_LENGTH_MAX
        && text.contains('@')
        && is_clean(text)
        && !text.contains(char::is_whitespace);
    is_likely.then(|| text.to_owned())
}

pub(super) fn username(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str()?.trim();
    let is_usable = !text.is_empty() && text.len() <= USERNAME_LENGTH_MAX && is_clean(text);
    is_usable.then(|| text.to_owned())
}

/// A name for people, without what would break a line or turn its direction.
pub(super) fn full_name(value: Option<&Value>) -> Option<String> {
    let clean = value?.as_str()?.chars().filter(|&c| !is_control(c)).take(FULL_NAME_LENGTH_MAX);
    let name = clean.collect::<String>().trim().to_owned();
    (!name.is_empty()).then_some(name)
}

/// The URL of a picture, which a browser may be told to load.
pub(super) fn picture(value: Option<&Value>) -> Option<String> {
    let text = value?.as_str().filter(|text| text.len() <= PICTURE_LENGTH_MAX)?;
    let url = Url::parse(text).ok()?;
    let is_safe = url.scheme() == "https"
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none();
    let url = String::from(url);
    (is_safe && url.len() <= PICTURE_LENGTH_MAX).then_some(url)
}

fn is_clean(text: &str) -> bool {
    !text.contains(is_control)
}

/// Control characters, and those that turn the direction of what follows.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_member_named_twice_makes_claims_useless() {
        assert!(Claims::parse(br#"{"sub":"a","sub":"a"}"#).is_none());
        assert!(Claims::parse(br#"["sub"]"#).is_none());
        assert!(Claims::parse(b"{").is_none());
        let claims = Claims::parse(br#"{"sub":"a","email":null}"#).unwrap();
        assert_eq!(claims.text("sub"), Some("a"));
        assert_eq!(claims.get("email"), None);
    }

    #[test]
    fn members_are_found_by_the_operators_names_and_by_pointers() {
        let claims =
            Claims::parse(br#"{"id":7,"data":{"id":"x","a":{"b":"c"}},"https://e/n":"N"}"#);
        let claims = claims.unwrap();
        for (name, expected) in [
            ("id", Some(json!(7))),
            ("/id", Some(json!(7))),
            ("/data/id", Some(json!("x"))),
            ("/data/a/b", Some(json!("c"))),
            ("https://e/n", Some(json!("N"))),
            ("/data/none", None),
            ("/none/id", None),
            ("", None),
        ] {
            let names = ClaimNames::from([("subject", name.to_owned())]);
            assert_eq!(claims.named(&names, "subject"), expected.as_ref(), "{name}");
        }
        assert_eq!(claims.named(&ClaimNames::new(), "id"), Some(&json!(7)));
    }

    #[test]
    fn what_a_provider_says_is_bounded_and_clean() {
        let long = |length| json!("a".repeat(length));
        assert_eq!(subject(Some(&json!(583_231))).as_deref(), Some("583231"));
        assert_eq!(subject(Some(&long(255))).map(|text| text.len()), Some(255));
        for bad in [json!(""), long(256), json!("a\u{0}"), json!(1.5), json!(true), json!(["a"])] {
            assert_eq!(subject(Some(&bad)), None, "{bad}");
        }
        assert_eq!(email(Some(&json!("ada@example.com"))).as_deref(), Some("ada@example.com"));
        let too_long = json!(format!("{}@example.com", "a".repeat(243)));
        for bad in [json!("ada"), json!("a b@c"), json!("a@b\n"), json!(["a@b"]), too_long] {
            assert_eq!(email(Some(&bad)), None, "{bad}");
        }
        assert_eq!(full_name(Some(&json!(" A\u{202e}d\na\u{0} "))).as_deref(), Some("Ada"));
        assert_eq!(full_name(Some(&json!("\u{7}"))), None);
        assert_eq!(full_name(Some(&json!("ä".repeat(300)))).unwrap().chars().count(), 200);
        assert_eq!(username(Some(&json!("ada"))).as_deref(), Some("ada"));
        assert_eq!(username(Some(&json!("a\u{1}"))), None);
        assert_eq!(
            picture(Some(&json!("https://e.com/a.png"))).as_deref(),
            Some("https://e.com/a.png")
        );
        for bad in ["http://e.com/a", "javascript:alert(1)", "https://u@e.com/", "data:,", "/a", ""]
        {
            assert_eq!(picture(Some(&json!(bad))), None, "{bad}");
        }
        assert_eq!(picture(Some(&json!(format!("https://e.com/{}", "a".repeat(2048))))), None);
    }
}
