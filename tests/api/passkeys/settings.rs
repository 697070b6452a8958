//! Who passkeys are made for, and which pages may use them.

use portcullis::cli;
use portcullis::config::Config;
use portcullis_webauthn::authenticator::SoftwareAuthenticator;
use serde_json::{Value, json};

use crate::support::passkey::{Ceremony, ORIGIN, add, ask, verifying};
use crate::support::sign_in::Instance;
use crate::support::{Reply, TestApp};

/// No mail comes from an address without a domain.
const FROM: &str = "--mail-from=Example <no-reply@example.com>";

const PRODUCTION: [&str; 3] = [
    "--env=production",
    "--public-url=https://auth.example.org",
    "--secret-key=mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R",
];

fn problems(flags: &[&str]) -> Vec<String> {
    let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
    Config::new(&cli::settings(&flags).unwrap()).map_or_else(|problems| problems.0, |_| Vec::new())
}

#[test]
fn a_domain_or_a_page_that_nobody_can_mean_is_refused_by_name_and_never_repeated() {
    for (flag, name) in [
        ("--passkey-rp-id=zanzibar.example", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=zanzibar.auth.example.org", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=xample.org", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=Example.org", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=https://example.org", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=example.org:443", "PASSKEY_RP_ID"),
        ("--passkey-rp-id=192.0.2.1", "PASSKEY_RP_ID"),
        ("--passkey-rp-id= ", "PASSKEY_RP_ID"),
        ("--passkey-origins=zanzibar", "PASSKEY_ORIGINS"),
        ("--passkey-origins=*", "PASSKEY_ORIGINS"),
        ("--passkey-origins=null", "PASSKEY_ORIGINS"),
        ("--passkey-origins=http://zanzibar.example", "PASSKEY_ORIGINS"),
        ("--passkey-origins=http://localhost:5173", "PASSKEY_ORIGINS"),
        ("--passkey-origins=https://zanzibar.example/", "PASSKEY_ORIGINS"),
        ("--passkey-origins=https://zanzibar.example:443", "PASSKEY_ORIGINS"),
        ("--passkey-origins=https://*.zanzibar.example", "PASSKEY_ORIGINS"),
        ("--passkey-origins=capacitor://zanzibar", "PASSKEY_ORIGINS"),
        ("--passkey-origins=https://a.example,http://zanzibar.example", "PASSKEY_ORIGINS"),
    ] {
        let told = problems(&[&PRODUCTION[..], &[flag]].concat());
        assert!(matches!(&told[..], [one] if one.contains(name)), "{flag}: {told:?}");
        assert!(!told[0].contains("zanzibar"), "{flag}: {told:?}");
    }
    for flags in [
        &["--passkey-rp-id=example.org"][..],
        &["--passkey-rp-id=auth.example.org"],
        &["--passkey-rp-id="],
        &["--passkey-origins="],
        &["--passkey-origins=https://app.example.org, android:apk-key-hash:q0-0AJ"],
        // Browsers ask the other domain whether it agrees.
        &["--passkey-rp-id=example.com", "--passkey-origins=https://auth.example.org"],
    ] {
        assert_eq!(problems(&[&PRODUCTION[..], flags].concat()), [""; 0], "{flags:?}");
    }
}

/// What comes of a passkey on a page of this origin.
async fn sign_in_on(app: &TestApp, authenticator: &SoftwareAuthenticator, origin: &str) -> Reply {
    let begun = Ceremony::of_sign_in(&app.app).await;
    let shown = authenticator.clone().get(&begun.options, origin).to_json();
    begun.finish_sign_in(&app.app, &shown).await
}

/// The pages that browsers are told of.
async fn related(app: &TestApp) -> Reply {
    Instance::App(&app.app).ask("GET", "/.well-known/webauthn", &[], "").await
}

/// That pages of the first origins may use a passkey, and pages of the others not.
async fn assert_pages(app: &TestApp, allowed: &[&str], refused: &[&str]) {
    let alice = app.register("alice").await;
    let begun = Ceremony::of_registration(&app.app, &alice.access).await;
    let mut authenticator = verifying();
    let made = authenticator.create(&begun.options, allowed[0]).to_json();
    begun.finish_registration(&app.app, &made, &alice.access).await.data();
    for origin in allowed {
        let reply = sign_in_on(app, &authenticator, origin).await;
        assert_eq!(reply.code(), "NONE", "{origin}: {}", reply.text);
    }
    for origin in refused {
        let reply = sign_in_on(app, &authenticator, origin).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{origin}");
        let begun = Ceremony::of_registration(&app.app, &alice.access).await;
        let made = verifying().create(&begun.options, origin).to_json();
        let reply = begun.finish_registration(&app.app, &made, &alice.access).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{origin}");
    }
    let told = related(app).await;
    assert_eq!(told.status, 200, "{}", told.text);
    assert_eq!(told.headers["content-type"], "application/json");
    assert_eq!(told.json(), json!({ "origins": allowed }));
}

#[tokio::test]
async fn the_pages_of_the_domain_that_may_call_may_use_its_passkeys() {
    let flag = "--allowed-origins=http://localhost:5173,https://app.example.com";
    let app = TestApp::start_with(&[flag]).await;
    let others = ["https://app.example.com", "http://localhost:8001", "https://evil.example.com"];
    assert_pages(&app, &[ORIGIN, "http://localhost:5173"], &others).await;
}

#[tokio::test]
async fn the_operator_names_the_pages_of_other_domains() {
    let flags = [
        "--passkey-origins=https://app.example.com,http://localhost:8000",
        "--allowed-origins=http://localhost:5173",
    ];
    let app = TestApp::start_with(&flags).await;
    let others = ["http://localhost:5173", "https://example.com", "https://app.example.com:8443"];
    assert_pages(&app, &["https://app.example.com", ORIGIN], &others).await;
}

#[tokio::test]
async fn where_pages_are_named_the_servers_own_are_none_of_them() {
    let app = TestApp::start_with(&["--passkey-origins=https://app.example.com"]).await;
    assert_pages(&app, &["https://app.example.com"], &[ORIGIN]).await;
}

#[tokio::test]
async fn passkeys_may_be_of_a_domain_above_the_servers() {
    let flags = [
        "--public-url=https://auth.example.com",
        "--passkey-rp-id=example.com",
        "--allowed-origins=https://app.example.com,https://app.example.org",
    ];
    let app = TestApp::start_with(&flags).await;
    let begun = Ceremony::of_sign_in(&app.app).await;
    assert_eq!(begun.options["rpId"], "example.com");
    let own = ["https://auth.example.com", "https://app.example.com"];
    let others =
        ["https://app.example.org", "https://example.com", "http://auth.example.com", ORIGIN];
    assert_pages(&app, &own, &others).await;
}

#[tokio::test]
async fn a_development_instance_at_the_address_of_the_machine_has_passkeys_of_localhost() {
    let url = "http://127.0.0.1:8000";
    let app = TestApp::start_with(&[&format!("--public-url={url}"), FROM]).await;
    let begun = Ceremony::of_sign_in(&app.app).await;
    assert_eq!(begun.options["rpId"], "localhost");
    assert_pages(&app, &[ORIGIN], &[url]).await;
}

#[tokio::test]
async fn a_server_at_an_address_has_no_passkeys() {
    let with = TestApp::start().await;
    let features = "{ config { features } }";
    let names_passkeys = |features: &Value| {
        features["config"]["features"].as_array().unwrap().contains(&json!("PASSKEYS"))
    };
    assert!(names_passkeys(&with.call(features, json!({}), None).await.data()));
    for url in ["--public-url=https://192.0.2.1", "--public-url=https://[2001:db8::1]"] {
        assert_eq!(problems(&[PRODUCTION[0], url, PRODUCTION[2]]), [""; 0]);
        // What calls itself production has stronger passwords than tests have.
        let app = TestApp::start_with(&[url, FROM]).await;
        assert!(!names_passkeys(&app.call(features, json!({}), None).await.data()), "{url}");
        assert_eq!(related(&app).await.status, 404);
        let alice = app.register("alice").await;
        let begin = "startPasskeySignIn { ceremony }";
        let mut replies = vec![app.mutate(&alice, begin).await];
        let finish = json!({ "ceremony": "", "credential": {} });
        for (field, input) in [
            ("finishPasskeySignIn", finish.clone()),
            ("startPasskeyProof", json!({})),
            ("startPasskeyRegistration", json!({})),
            ("finishPasskeyRegistration", finish),
        ] {
            replies.push(ask(&app.app, field, input, Some(&alice.access)).await);
        }
        for reply in replies {
            assert_eq!(reply.code(), "FORBIDDEN", "{}", reply.text);
            assert_eq!(reply.extension("feature"), "PASSKEYS", "{}", reply.text);
        }
    }
    let alice = with.register("alice").await;
    add(&with.app, &alice, &mut verifying()).await;
}
