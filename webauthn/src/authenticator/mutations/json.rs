//! Changes of the JSON that the page sends.

use serde_json::{Value, json};

use super::{Change, Numbers, pick};

/// Whether it still has what others change.
pub(super) fn is_whole(response: &Value) -> bool {
    response.get("response").is_some_and(Value::is_object)
}

/// Makes one, and tells its name.
pub(super) fn change(response: &mut Value, numbers: &mut Numbers<'_>) -> &'static str {
    if !is_whole(response) {
        *response = json!({ "response": {} });
        return "an empty response";
    }
    let (name, change) = pick(numbers, JSON);
    change(response, numbers);
    name
}

const BYTES: [&str; 4] = ["clientDataJSON", "attestationObject", "authenticatorData", "signature"];

/// Changes a text of bytes that it has.
fn text(response: &mut Value, numbers: &mut Numbers<'_>, change: impl FnOnce(&str) -> String) {
    let of = &mut response["response"];
    let there: Vec<&str> = BYTES.into_iter().filter(|name| of[*name].is_string()).collect();
    if let Some(name) = there.get(numbers(there.len().max(1))) {
        of[*name] = change(of[*name].as_str().unwrap_or_default()).into();
    }
}

/// Sets both of the credential's ids.
fn set_ids(response: &mut Value, change: impl Fn(&str) -> String) {
    let id = change(response["id"].as_str().unwrap_or_default());
    response["id"] = id.clone().into();
    response["rawId"] = id.into();
}

/// Kinds of values.
fn other(numbers: &mut Numbers<'_>) -> Value {
    let values = [json!(null), json!(1), json!(true), json!([]), json!({}), json!("")];
    pick(numbers, &values.each_ref()).clone()
}

const JSON: &[Change<Value>] = &[
    ("a member of another kind", |of, numbers| {
        let name = pick(numbers, &["id", "rawId", "type", "response"]);
        of[name] = other(numbers);
    }),
    ("a member of the JSON missing", |of, numbers| {
        let name = pick(numbers, &["id", "rawId", "type", "response"]);
        of.as_object_mut().into_iter().for_each(|of| drop(of.remove(name)));
    }),
    ("no object at all", |of, numbers| *of = other(numbers)),
    ("another type of credential", |of, numbers| {
        of["type"] = pick(numbers, &["password", "Public-Key", "public-key ", ""]).into();
    }),
    ("rawId is another", |of, _| of["rawId"] = "AAAA".into()),
    ("id is another", |of, _| of["id"] = "AAAA".into()),
    ("both ids are others", |of, _| set_ids(of, |_| "AAAA".to_owned())),
    ("padding in the ids", |of, _| set_ids(of, |id| format!("{id}="))),
    ("padding in rawId", |of, _| {
        of["rawId"] = format!("{}=", of["rawId"].as_str().unwrap_or_default()).into();
    }),
    ("the other alphabet in the ids", |of, _| {
        set_ids(of, |id| id.replace('-', "+").replace('_', "/"));
    }),
    ("stray bits in the ids", |of, _| {
        set_ids(of, |id| {
            let end = id.floor_char_boundary(id.len().saturating_sub(1));
            format!("{}{}", &id[..end], if id.ends_with('8') { '9' } else { 'B' })
        });
    }),
    ("whitespace in the ids", |of, _| set_ids(of, |id| format!("{id}\n"))),
    ("padding", |of, numbers| text(of, numbers, |text| format!("{text}="))),
    ("much padding", |of, numbers| text(of, numbers, |text| format!("{text}===="))),
    ("the other alphabet", |of, numbers| {
        text(of, numbers, |text| text.replace('-', "+").replace('_', "/"));
    }),
    ("whitespace in base64url", |of, numbers| text(of, numbers, |text| format!(" {text}\n"))),
    ("stray characters in base64url", |of, numbers| {
        let stray = pick(numbers, &["!", "%", "\u{e9}", ".", "~"]);
        text(of, numbers, |text| {
            let half = text.floor_char_boundary(text.len() / 2);
            format!("{}{stray}{}", &text[..half], &text[half..])
        });
    }),
    ("empty bytes", |of, numbers| text(of, numbers, |_| String::new())),
    ("bytes of another kind", |of, numbers| {
        let value = other(numbers);
        let name = BYTES.into_iter().filter(|name| of["response"].get(*name).is_some());
        let there: Vec<&str> = name.collect();
        if let Some(name) = there.get(numbers(there.len().max(1))) {
            of["response"][*name] = value;
        }
    }),
    ("an unknown member in the JSON", |of, numbers| {
        of["unknown"] = other(numbers);
        of["response"]["unknown"] = other(numbers);
    }),
    ("derived members that say otherwise", |of, numbers| {
        of["response"]["publicKey"] = other(numbers);
        of["response"]["publicKeyAlgorithm"] = other(numbers);
    }),
    ("no attachment", |of, _| of["authenticatorAttachment"] = Value::Null),
    ("the other attachment", |of, _| of["authenticatorAttachment"] = "cross-platform".into()),
    ("an unknown attachment", |of, numbers| {
        let values = [json!("cable"), json!("Platform"), json!(""), json!(1), json!({})];
        of["authenticatorAttachment"] = pick(numbers, &values.each_ref()).clone();
    }),
    ("no outputs of extensions", |of, _| {
        of.as_object_mut().into_iter().for_each(|of| drop(of.remove("clientExtensionResults")));
    }),
    ("unknown outputs of extensions", |of, _| {
        of["clientExtensionResults"] = json!({ "appid": true, "prf": { "enabled": false } });
    }),
    ("outputs of extensions of another kind", |of, numbers| {
        of["clientExtensionResults"] =
            pick(numbers, &[json!(null), json!([]), json!("x")].each_ref()).clone();
    }),
    ("credProps of another kind", |of, numbers| {
        let values = [json!({ "rk": 1 }), json!(null), json!([]), json!({ "rk": "true" })];
        of["clientExtensionResults"] =
            json!({ "credProps": pick(numbers, &values.each_ref()).clone() });
    }),
    ("other transports", |of, numbers| {
        let values =
            [json!([]), json!(["usb", "nfc", "hybrid"]), json!(["cable", "internal", "internal"])];
        of["response"]["transports"] = pick(numbers, &values.each_ref()).clone();
    }),
    ("transports of another kind", |of, numbers| {
        let values = [json!("usb"), json!([1]), json!({}), json!(vec!["usb"; 20])];
        of["response"]["transports"] = pick(numbers, &values.each_ref()).clone();
    }),
    ("no user handle", |of, _| of["response"]["userHandle"] = Value::Null),
    ("a user handle of another kind", |of, numbers| {
        let values = [json!(1), json!({}), json!("!"), json!("AA=="), json!(["AA"])];
        of["response"]["userHandle"] = pick(numbers, &values.each_ref()).clone();
    }),
];
