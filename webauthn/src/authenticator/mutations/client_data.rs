//! Changes of client data.

use serde_json::{Map, Value, json};

use super::{Change, Numbers, ORIGIN, pick};
use crate::authenticator::edit_client_data;

/// Makes one, and tells its name.
pub(super) fn change(client_data: &mut Vec<u8>, numbers: &mut Numbers<'_>) -> &'static str {
    // One that was made before can have left no object.
    let is_object = serde_json::from_slice::<Map<String, Value>>(client_data).is_ok();
    if is_object && numbers(3) > 0 {
        let (name, change) = pick(numbers, MEMBERS);
        edit_client_data(client_data, |members| change(members, numbers));
        return name;
    }
    let (name, change) = pick(numbers, TEXT);
    let mut text = String::from_utf8_lossy(client_data).into_owned();
    change(&mut text, numbers);
    // Where a byte is wanted that no text has.
    *client_data =
        text.into_bytes().into_iter().map(|byte| if byte == 0x1a { 0xff } else { byte }).collect();
    name
}

fn set(members: &mut Map<String, Value>, name: &str, value: impl Into<Value>) {
    members.insert(name.to_owned(), value.into());
}

const MEMBERS: &[Change<Map<String, Value>>] = &[
    ("another type", |of, numbers| {
        let types = [
            "webauthn.get",
            "webauthn.create",
            "webauthn.Create",
            "payment.get",
            "",
            " webauthn.get",
        ];
        set(of, "type", pick(numbers, &types));
    }),
    ("another challenge", |of, numbers| {
        let others = ["", "AAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"];
        set(of, "challenge", pick(numbers, &others));
    }),
    ("the challenge in another encoding", |of, numbers| {
        let challenge = of.get("challenge").and_then(Value::as_str).unwrap_or("").to_owned();
        let other = match numbers(4) {
            0 => format!("{challenge}="),
            1 => challenge.replace('-', "+").replace('_', "/") + "=",
            2 => format!("{challenge} "),
            _ => format!("{challenge}\n"),
        };
        set(of, "challenge", other);
    }),
    ("another origin", |of, numbers| {
        let others = [
            "https://example.com",
            "http://login.example.com",
            "https://login.example.com/",
            "https://login.example.com:443",
            "https://login.example.com:8443",
            "https://LOGIN.example.com",
            "https://login.example.com.evil.example",
            "https://evil.login.example.com",
            "null",
            "",
            "https://login.example.com\0",
            "https://login.example.com ",
            "https://login.examp\u{2024}com",
        ];
        set(of, "origin", pick(numbers, &others));
    }),
    ("the other origin", |of, _| set(of, "origin", "https://example.org")),
    ("members of other kinds", |of, numbers| {
        let member = pick(numbers, &["type", "challenge", "origin"]);
        let value = pick(
            numbers,
            &[json!(null), json!(1), json!([ORIGIN]), json!({}), json!(true)].each_ref(),
        )
        .clone();
        set(of, member, value);
    }),
    ("a member missing", |of, numbers| {
        of.remove(pick(numbers, &["type", "challenge", "origin"]));
    }),
    ("no crossOrigin", |of, _| drop(of.remove("crossOrigin"))),
    ("crossOrigin", |of, _| set(of, "crossOrigin", true)),
    ("crossOrigin of another kind", |of, numbers| {
        let values = [json!(null), json!(0), json!(""), json!("false"), json!("true"), json!(1)];
        set(of, "crossOrigin", pick(numbers, &values.each_ref()).clone());
    }),
    ("topOrigin", |of, numbers| {
        let values = [json!(ORIGIN), json!("https://evil.example"), json!(null), json!("")];
        set(of, "topOrigin", pick(numbers, &values.each_ref()).clone());
    }),
    ("topOrigin and crossOrigin", |of, _| {
        set(of, "crossOrigin", true);
        set(of, "topOrigin", "https://evil.example");
    }),
    ("token binding supported", |of, _| set(of, "tokenBinding", json!({ "status": "supported" }))),
    ("token binding present", |of, _| {
        set(of, "tokenBinding", json!({ "status": "present", "id": "AA" }));
    }),
    ("token binding of another kind", |of, numbers| {
        let values = [
            json!("unused"),
            json!(null),
            json!({}),
            json!({ "status": "not-supported" }),
            json!({ "status": "notSupported" }),
            json!({ "status": 1 }),
            json!([]),
            json!(0),
        ];
        set(of, "tokenBinding", pick(numbers, &values.each_ref()).clone());
    }),
    ("an unknown member", |of, numbers| {
        let values = [
            json!("do not compare"),
            json!(null),
            json!(1.5),
            json!([[], {}]),
            json!({ "a": { "b": 1 } }),
        ];
        set(of, "other_keys_can_be_added_here", pick(numbers, &values.each_ref()).clone());
    }),
    ("an unknown member that is long", |of, _| set(of, "padding", "x".repeat(5000))),
];

/// Puts a member before all others.
fn first(text: &mut String, member: &str) {
    *text = text.replacen('{', &format!("{{{member},"), 1);
}

/// Puts a member behind all others.
fn last(text: &mut String, member: &str) {
    let end = text.rfind('}').unwrap_or(text.len());
    text.insert_str(end, &format!(",{member}"));
}

/// In a text, 0x1a stands for a byte that is not UTF-8.
const TEXT: &[Change<String>] = &[
    ("whitespace", |of, _| *of = format!(" \r\n\t{}\n ", of.replace(',', " ,\t"))),
    ("escapes", |of, _| *of = of.replace("https:", r"\u0068ttps:").replace('/', r"\/")),
    ("escapes in a name", |of, _| *of = of.replace("\"origin\"", r#""\u006frigin""#)),
    ("a byte order mark", |of, _| of.insert(0, '\u{feff}')),
    ("text behind the object", |of, numbers| {
        of.push_str(pick(numbers, &["x", "{}", "\0", "]", ","]));
    }),
    ("cut off", |of, numbers| {
        let mut at = numbers(of.len().max(1));
        while !of.is_char_boundary(at) {
            at -= 1;
        }
        of.truncate(at);
    }),
    ("no object", |of, numbers| {
        pick(numbers, &["null", "[]", "\"\"", "1", "", "true"]).clone_into(of);
    }),
    ("within a list", |of, _| *of = format!("[{of}]")),
    ("a member twice, the wrong one first", |of, numbers| {
        let wrong = [
            r#""origin":"https://evil.example""#,
            r#""type":"payment.get""#,
            r#""challenge":"AAAA""#,
            r#""crossOrigin":true"#,
        ];
        first(of, pick(numbers, &wrong));
    }),
    ("a member twice, the wrong one last", |of, numbers| {
        let wrong = [
            r#""origin":"https://evil.example""#,
            r#""type":"payment.get""#,
            r#""challenge":"AAAA""#,
            r#""crossOrigin":true"#,
        ];
        last(of, pick(numbers, &wrong));
    }),
    ("an unknown member twice", |of, _| last(of, r#""a":1,"a":2"#)),
    ("a comment", |of, _| *of = of.replacen('{', "{/* */", 1)),
    ("a comma too many", |of, _| {
        let end = of.rfind('}').unwrap_or(of.len());
        of.insert(end, ',');
    }),
    ("single quotes", |of, _| *of = of.replace('"', "'")),
    ("a control character in a string", |of, _| last(of, "\"a\":\"\u{1}\"")),
    ("a byte that is not UTF-8", |of, _| last(of, "\"a\":\"\u{1a}\"")),
    ("half a surrogate", |of, _| last(of, r#""a":"\ud800""#)),
    ("a number beyond all", |of, _| last(of, r#""a":1e999"#)),
    ("a number that is none", |of, numbers| {
        let number = pick(numbers, &["NaN", "Infinity", "01", "1.", ".5", "0x10", "+1"]);
        last(of, &format!(r#""a":{number}"#));
    }),
    ("nested deeply", |of, numbers| {
        let depth = pick(numbers, &[100, 126, 127, 130, 600]);
        last(of, &format!(r#""a":{}{}"#, "[".repeat(depth), "]".repeat(depth)));
    }),
];
