//! What people are told of errors, in their language.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::support::{PASSWORD, Reply, TestApp, sdl, send};

/// Messages that only a program can cause, and those about an extension's entities, which have names of their own.
const FOR_PROGRAMMERS: &[&str] = &[
    "The limit is {}. RATE_LIMITS=off turns all limits off on a development server.",
    // Each rule has a sentence of its own: see `graphql/messages.rs`.
    "This needs {needed}.",
    "A filter must not list more types than exist.",
    "The size of a page must not be negative.",
    "A page has at most 100 entries.",
    "A representation must have __typename and id.",
    "Name at most 100 fields.",
    "Name at most 100 ids.",
    "Name at most 100 objects.",
    "Set first or last, not both.",
    "The body is incomplete, or its chunks are malformed.",
    "The only valid Portcullis-Token-Mode is cookie.",
    "Pages of this origin must not use a WebSocket with a cookie: see ALLOWED_ORIGINS.",
    "Leave this out in cookie mode, where the cookie is used instead.",
    "Send 16 random bytes in base64url, without padding.",
    "Send password or newPassword, not both.",
    "This change of the {} has no effect. Reading it requires a permission that you do not have.",
    "This {} does not exist.",
    "This access token is for other services. Call with the cookie that it was exchanged for.",
    "This cursor belongs to another order.",
    "This is not a cursor.",
    "This is not an id.",
];

async fn ask(app: &TestApp, query: &str, variables: Value, language: &str) -> Reply {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let request = Request::post("/graphql").header("content-type", "application/json");
    let request = request.header("accept-language", language);
    send(&app.app, request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn errors_speak_the_language_that_the_caller_accepts() {
    let app = TestApp::start().await;
    app.register("alice").await;
    let register = "mutation($input: RegisterInput!) { register(input: $input) { __typename } }";
    let bad = json!({ "input": { "username": "a", "email": "a", "password": "short" } });
    let german = ask(&app, register, bad.clone(), "de-AT, en;q=0.5").await;
    assert_eq!(german.json()["errors"][0]["message"], "Einige Angaben sind nicht zulässig.");
    let fields = german.extension("fields");
    assert_eq!(fields[0]["message"], "Verwende mindestens 3 Zeichen.");
    assert_eq!(fields[0]["params"], json!({ "min": 3 }));
    assert_eq!(fields[1]["message"], "Gib eine E-Mail-Adresse wie name@example.com ein.");
    assert_eq!(fields[2]["message"], "Verwende mindestens 8 Zeichen.");
    for language in ["en", "fr", ""] {
        let english = ask(&app, register, bad.clone(), language).await;
        assert_eq!(english.extension("fields")[0]["message"], "Use at least 3 characters.");
    }
    let taken =
        json!({ "input": { "username": "alice", "email": "b@example.com", "password": PASSWORD } });
    let reply = ask(&app, register, taken, "de").await;
    assert_eq!(reply.json()["errors"][0]["message"], "Dieser Benutzername ist vergeben.");
    assert_eq!(reply.extension("fields")[0]["message"], "Dieser Benutzername ist vergeben.");
    let availability = "{ usernameAvailability(username: \"alice\") { message } me { id } }";
    let reply = ask(&app, availability, json!({}), "de").await;
    let told = &reply.json()["data"]["usernameAvailability"]["message"];
    assert_eq!(*told, "Dieser Benutzername ist vergeben.");
    assert_eq!(reply.json()["errors"][0]["message"], "Bitte melde dich an.");
}

/// Before GraphQL, too.
#[tokio::test]
async fn refusals_before_graphql_speak_the_language_that_the_caller_accepts() {
    let app = TestApp::start().await;
    let request = |method: &str, path: &str, headers: &[(&str, &str)]| {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::from("{}")).unwrap()
    };
    let json = ("content-type", "application/json");
    for (method, path, headers, status, german) in [
        ("POST", "/graphql", vec![("content-type", "text/plain")], 415, "Sende den Content-Type"),
        ("DELETE", "/graphql", vec![], 405, "Sende Operationen mit POST"),
        ("POST", "/healthz", vec![], 405, "Diese Adresse kennt die Methode nicht"),
        ("GET", "/nothing", vec![], 404, "Unter dieser Adresse ist nichts."),
        (
            "POST",
            "/graphql",
            vec![json, ("portcullis-token-mode", "cookie"), ("origin", "https://evil.example")],
            403,
            "Seiten dieses Ursprungs dürfen den Cookie-Modus nicht benutzen: siehe ALLOWED_ORIGINS.",
        ),
    ] {
        let told = async |language: &str| {
            let mut headers = headers.clone();
            headers.push(("accept-language", language));
            let reply = send(&app.app, request(method, path, &headers)).await;
            assert_eq!(reply.status, status, "{method} {path}: {}", reply.text);
            reply.json()["errors"][0].clone()
        };
        let (theirs, english) = (told("de-CH").await, told("fr").await);
        let message = theirs["message"].as_str().unwrap();
        assert!(message.starts_with(german), "{message}");
        assert_ne!(theirs["message"], english["message"]);
        assert_eq!(theirs["extensions"], english["extensions"]);
    }
}

/// The texts in quotes of a piece of source, lines that are continued put together.
fn quoted(source: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = source;
    while let Some((_, after)) = rest.split_once('"') {
        let mut text = String::new();
        let mut characters = after.char_indices();
        let end = loop {
            match characters.next() {
                Some((_, '\\')) => match characters.next() {
                    Some((_, '\n')) => {
                        let here = characters.as_str();
                        let skipped = here.len() - here.trim_start().len();
                        characters.by_ref().take(skipped).for_each(drop);
                    }
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, escaped)) => text.push(escaped),
                    None => break after.len(),
                },
                Some((end, '"')) => break end + 1,
                Some((_, character)) => text.push(character),
                None => break after.len(),
            }
        };
        texts.push(text);
        rest = &after[end..];
    }
    texts
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => sources(&path),
        false => vec![path],
    });
    found.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// A sentence of the code, with `{}` for each number in it, and for each name such as `USERS_READ`.
fn pattern(sentence: &str) -> String {
    let is_of_name = |c: char| c.is_ascii_uppercase() || c == '_';
    let is_name = |word: &&str| word.contains('_') && word.len() > 1;
    let names = sentence.split(|c| !is_of_name(c)).filter(is_name);
    let sentence = names.fold(sentence.to_owned(), |text, name| text.replacen(name, "{}", 1));
    let mut pattern = String::new();
    let mut rest = sentence.as_str();
    while let Some(start) = rest.find(|c: char| c == '{' || c.is_ascii_digit()) {
        pattern.push_str(&rest[..start]);
        pattern.push_str("{}");
        let number = &rest[start..];
        rest = match number.split_once('}') {
            Some((_, rest)) if number.starts_with('{') => rest,
            _ => number.trim_start_matches(|c: char| c.is_ascii_digit()),
        };
    }
    pattern + rest
}

#[test]
fn every_message_for_people_is_there_in_german() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = ["src/schema", "src/features", "kernel/src"]
        .map(|folder| sources(&root.join(folder)))
        .concat();
    let single = ["graphql/error", "graphql/feature", "graphql/page", "infra/passwords/policy"];
    files.extend(single.map(|file| root.join(format!("src/{file}.rs"))));
    let german = quoted(&fs::read_to_string(root.join("src/graphql/messages/german.rs")).unwrap());
    let german: BTreeSet<_> = german.into_iter().collect();
    let described = sdl();
    let mut messages = BTreeSet::new();
    // The names of browsers, and descriptions.
    let others = ["tests.rs", "device.rs", "acting.rs", "description.rs"];
    files.retain(|file| {
        let within = file.strip_prefix(root).unwrap();
        let is_test = within.components().any(|part| part.as_os_str() == "tests");
        !is_test && !others.iter().any(|other| file.ends_with(other))
    });
    for file in &files {
        let source = fs::read_to_string(file).unwrap();
        let source = source.split("#[cfg(test)]").next().unwrap();
        // A description that goes on in the next line is left whole: it stands in the schema.
        let is_whole = |line: &str| line.matches('"').count().is_multiple_of(2);
        let is_message = |line: &&str| {
            !(line.trim_start().starts_with("//") || line.contains("desc") && is_whole(line))
        };
        let code = source.lines().filter(is_message);
        let code = code.collect::<Vec<_>>().join("\n");
        let sentences = quoted(&code).into_iter().filter(|text| {
            let (first, more) = text.split_once(' ').unwrap_or_default();
            let is_word = first.chars().skip(1).all(char::is_lowercase);
            is_word && text.starts_with(char::is_uppercase) && !more.is_empty()
        });
        messages.extend(sentences.filter(|text| !described.contains(text.as_str())));
    }
    assert!(messages.len() > 60, "{messages:#?}");
    let missing: Vec<_> = messages
        .iter()
        .filter(|text| {
            !FOR_PROGRAMMERS.contains(&text.as_str()) && !german.contains(&pattern(text))
        })
        .collect();
    assert!(missing.is_empty(), "no German for {missing:#?}");
}
