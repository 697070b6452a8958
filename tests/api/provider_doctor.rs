//! `portcullis doctor` looks at every provider, and says what to do about it.

use std::collections::HashMap;
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

use crate::support::TestApp;
use crate::support::untrusted::UntrustedServer;

/// Answers with what stands at a path, under a header with a date if one is given.
async fn publishing(
    documents: impl Fn(&str) -> HashMap<&'static str, Value>,
    date: &str,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let documents = Arc::new(documents(&url));
    let date = date.to_owned();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut reader = BufReader::new(&mut socket);
            let mut line = String::new();
            reader.read_line(&mut line).await.unwrap();
            loop {
                let mut header = String::new();
                if reader.read_line(&mut header).await.unwrap_or(0) <= 2 {
                    break;
                }
            }
            let path = line.split(' ').nth(1).unwrap_or_default();
            let (status, body) = match documents.get(path) {
                Some(document) => (200, document.to_string()),
                None => (404, "{}".to_owned()),
            };
            let answer = format!(
                "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close\r\n\
                 {date}content-length: {}\r\n\r\n{body}",
                body.len()
            );
            let _gone = socket.write_all(answer.as_bytes()).await;
        }
    });
    url
}

fn good(url: &str) -> HashMap<&'static str, Value> {
    let metadata = json!({
        "issuer": url, "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"), "jwks_uri": format!("{url}/keys"),
    });
    let key = json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "a",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    });
    HashMap::from([
        ("/.well-known/openid-configuration", metadata),
        ("/keys", json!({ "keys": [key] })),
        // Where an account at GitHub is found.
        ("/api/v3/user", json!({ "message": "Requires authentication" })),
    ])
}

/// One that signs with a secret that it shares with this server.
fn shared(url: &str) -> HashMap<&'static str, Value> {
    let mut documents = good(url);
    let metadata = documents.get_mut("/.well-known/openid-configuration").unwrap();
    metadata["id_token_signing_alg_values_supported"] = json!(["HS256"]);
    documents
}

fn with(
    mut documents: HashMap<&'static str, Value>,
    path: &'static str,
    document: Value,
) -> HashMap<&'static str, Value> {
    documents.insert(path, document);
    documents
}

/// The level, message and advice of each finding about providers.
async fn findings(app: &TestApp, tables: &str) -> Vec<(String, String, String)> {
    let file = app.database.folder.path().join("providers.toml");
    fs::write(&file, tables).unwrap();
    let flag = format!("--providers-file={}", file.display());
    let outcome = app.cli(&["doctor", "--json", &flag]).await;
    let told: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let findings = told["findings"].as_array().unwrap().iter();
    findings
        .filter(|finding| finding["about"] == "providers")
        .map(|finding| {
            (text(&finding["level"]), text(&finding["message"]), text(&finding["advice"]))
        })
        .collect()
}

fn oidc(id: &str, issuer: &str) -> String {
    format!(
        "[{id}]\nkind = \"oidc\"\nissuer = \"{issuer}\"\nclient_id = \"a\"\n\
         allow_private_addresses = true\n"
    )
}

#[tokio::test]
async fn the_doctor_finds_good_providers_good_and_says_what_to_register() {
    let app = TestApp::start_now(&[]).await;
    assert_eq!(findings(&app, "").await, []);
    let url = publishing(good, "").await;
    let github = format!(
        "[hub]\nkind = \"github\"\nissuer = \"{url}\"\nclient_id = \"a\"\nclient_secret = \"b\"\n\
         allow_private_addresses = true\n"
    );
    let found = findings(&app, &(oidc("company", &url) + &github)).await;
    assert!(found.iter().all(|(level, ..)| level == "ok"), "{found:#?}");
    let messages: Vec<_> = found.iter().map(|(_, message, _)| message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "company: the redirect URI to register there is http://localhost:8000/callback/company",
            "company answers",
            "company publishes 1 keys for ID tokens",
            "hub: the redirect URI to register there is http://localhost:8000/callback/hub",
            "hub answers",
        ]
    );
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_with_a_provider_and_repeats_nothing_of_it() {
    let app = TestApp::start_now(&[]).await;
    let metadata = "/.well-known/openid-configuration";
    let other = |url: &str| {
        let mut documents = good(url);
        documents.get_mut(metadata).unwrap()["issuer"] = json!("https://zanzibar.example");
        documents
    };
    let keyless = |url: &str| with(good(url), "/keys", json!({ "keys": [{ "kty": "zanzibar" }] }));
    let broken = |url: &str| with(good(url), "/keys", json!(["zanzibar"]));
    let silent = |_: &str| HashMap::new();
    let page = |url: &str| with(good(url), metadata, json!("zanzibar"));
    let late = "date: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    for (url, level, message, advice) in [
        (
            publishing(other, "").await,
            "problem",
            "p: its metadata does not name the configured",
            "copy issuer",
        ),
        (publishing(keyless, "").await, "problem", "p has no key with which", "sign with RS256"),
        (publishing(shared, "").await, "problem", "p has no key with which", "sign with RS256"),
        (
            publishing(broken, "").await,
            "problem",
            "p: its answer is not valid JSON for a list",
            "its table",
        ),
        (publishing(silent, "").await, "problem", "p: it answers with status 404", "its table"),
        (
            publishing(page, "").await,
            "problem",
            "p: its answer is not valid JSON for a prov",
            "its table",
        ),
        (publishing(good, late).await, "warning", "the clock of p differs", "synchronize"),
        (
            "http://127.0.0.1:1".to_owned(),
            "problem",
            "p: it cannot be reached",
            "whether this machine",
        ),
    ] {
        let found = findings(&app, &oidc("p", &url)).await;
        let is_told =
            found.iter().any(|(l, m, a)| l == level && m.contains(message) && a.contains(advice));
        assert!(is_told, "no {level} that says {message:?}: {found:#?}");
        assert!(!format!("{found:?}").contains("zanzibar"), "{found:#?}");
    }
    let private = "[p]\nkind = \"oidc\"\nissuer = \"https://localhost:1\"\nclient_id = \"a\"\n";
    let found = findings(&app, private).await;
    let is_told = found.iter().any(|(level, message, advice)| {
        level == "problem"
            && message.contains("p: its host name has a private address")
            && advice.contains("allow_private_addresses")
    });
    assert!(is_told, "{found:#?}");
}

#[tokio::test]
async fn a_provider_whose_certificate_nobody_vouches_for_is_not_believed() {
    let Some(server) = UntrustedServer::start().await else { return };
    let app = TestApp::start_now(&[]).await;
    let found = findings(&app, &oidc("p", &format!("https://localhost:{}", server.port))).await;
    let is_told = found.iter().any(|(level, message, _)| {
        level == "problem"
            && message.contains("it cannot be reached")
            && message.contains("certificate")
    });
    assert!(is_told, "{found:#?}");
}
