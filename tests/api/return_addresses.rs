//! Where people may be sent back to: where the operator says, to the letter.

use serde_json::json;

use crate::support::issuer::Issuer;
use crate::support::sign_in::{Browser, Instance, RETURN, Started, World, server_with};

const ALLOWED: &str = "--return-urls=https://app.example.com/signed-in,http://127.0.0.1/back,\
                       http://[::1]/back,com.example.app:/signed-in";

/// Addresses that look like the ones above.
const ELSEWHERE: &[&str] = &[
    "",
    "/signed-in",
    "signed-in",
    "//evil.example.net",
    "//app.example.com/signed-in",
    "///app.example.com/signed-in",
    "https://evil.example.net/signed-in",
    "https://evil.example.net/https://app.example.com/signed-in",
    "https://evil.example.net/?https://app.example.com/signed-in",
    "https://evil.example.net#https://app.example.com/signed-in",
    "https://evil.example.net\\@app.example.com/signed-in",
    "https://app.example.com@evil.example.net/signed-in",
    "https://user@app.example.com/signed-in",
    "https://user:password@app.example.com/signed-in",
    "https://app.example.com.evil.example.net/signed-in",
    "https://evilapp.example.com/signed-in",
    "https://sub.app.example.com/signed-in",
    "https://app.example.com./signed-in",
    "https://app.example.com/",
    "https://app.example.com",
    "https://app.example.com/signed-in/",
    "https://app.example.com/signed-in/more",
    "https://app.example.com/signed-input",
    "https://app.example.com//signed-in",
    "https://app.example.com/x/../signed-in",
    "https://app.example.com/./signed-in",
    "https://app.example.com/signed-in?",
    "https://app.example.com/signed-in?next=https://evil.example.net",
    "https://app.example.com/signed-in#",
    "https://app.example.com/signed-in#code=a",
    "https://app.example.com/%73igned-in",
    "https://app.example.com/signed-in%2f",
    "https://app.example.com/signed-in%00",
    "https%3A%2F%2Fapp.example.com%2Fsigned-in",
    "https://app.example.com:443/signed-in",
    "https://app.example.com:8443/signed-in",
    "https://app.example.com:/signed-in",
    "http://app.example.com/signed-in",
    "HTTPS://app.example.com/signed-in",
    "https://APP.example.com/signed-in",
    "https:app.example.com/signed-in",
    "https:/app.example.com/signed-in",
    "https:\\\\app.example.com\\signed-in",
    "https://app.ex\u{0430}mple.com/signed-in",
    "https://app\u{3002}example.com/signed-in",
    " https://app.example.com/signed-in",
    "https://app.example.com/signed-in ",
    "https://app.example.com/signed-in\t",
    "ht\ttps://app.example.com/signed-in",
    "https://app.example.com/signed-in\r\nset-cookie: a=b",
    "https://app.example.com/signed-in\u{0}",
    "javascript:alert(1)",
    "javascript://app.example.com/signed-in%0aalert(1)",
    "data:text/html,app.example.com/signed-in",
    "http://localhost:51234/back",
    "http://127.0.0.1:51234/",
    "http://127.0.0.1:51234/back/",
    "http://127.0.0.1:51234/back?x",
    "http://127.0.0.1:51234@evil.example.net/back",
    "http://127.0.0.1:99999/back",
    "http://127.0.0.1:0x50/back",
    "http://127.0.0.1:/back",
    "http://127.0.0.1:080/back",
    "http://127.1/back",
    "http://2130706433/back",
    "http://0.0.0.0:51234/back",
    "http://127.0.0.2:51234/back",
    "http://127.0.0.1.evil.example.net:51234/back",
    "https://127.0.0.1:51234/back",
    "http://[::ffff:127.0.0.1]:51234/back",
    "http://[0:0:0:0:0:0:0:1]:51234/back",
    "com.example.app:/signed-in/",
    "com.example.app://signed-in",
    "com.example.app:/",
    "COM.example.app:/signed-in",
];

/// What `startSignIn` answers to an address: the field that it refuses, if any.
async fn refused(at: Instance<'_>, return_to: &str) -> (String, String) {
    let input = json!({ "providerId": "acme", "returnTo": return_to });
    let reply = Browser::in_body_mode().try_start(at, "startSignIn", input).await;
    if reply.code() == "BAD_USER_INPUT" {
        return (reply.refused_field().0, reply.code());
    }
    (String::new(), reply.code())
}

#[tokio::test]
async fn people_come_back_to_the_addresses_that_are_listed() {
    let world = World::with("", &[ALLOWED]).await;
    let listed = [
        "https://app.example.com/signed-in",
        "http://127.0.0.1/back",
        // A native app listens on whatever port it gets (RFC 8252).
        "http://127.0.0.1:51234/back",
        "http://[::1]:51234/back",
        "com.example.app:/signed-in",
    ];
    for address in listed {
        assert_eq!(refused(world.at(), address).await.1, "NONE", "{address}");
        let mut browser = Browser::in_body_mode();
        let input = json!({ "providerId": "acme", "returnTo": address });
        let begun = browser.try_start(world.at(), "startSignIn", input).await;
        let text = |name: &str| begun.data()["startSignIn"][name].as_str().unwrap().to_owned();
        let started = Started { flow: text("flow"), url: text("authorizationUrl") };
        assert_eq!(browser.travel(world.at(), &started).await.page, address);
    }
    let input = json!({ "providerId": "acme" });
    let mut browser = Browser::in_body_mode();
    let begun = browser.try_start(world.at(), "startSignIn", input).await;
    assert_eq!(begun.code(), "NONE", "the first one is where nobody says anything");
}

#[tokio::test]
async fn nobody_is_sent_anywhere_else() {
    let world = World::with("", &[ALLOWED]).await;
    for address in ELSEWHERE {
        let told = refused(world.at(), address).await;
        let expected = ("input.returnTo".to_owned(), "BAD_USER_INPUT".to_owned());
        assert_eq!(told, expected, "{address:?}");
    }
    let long = format!("https://app.example.com/signed-in?{}", "a".repeat(3000));
    assert_eq!(refused(world.at(), &long).await.1, "BAD_USER_INPUT");
}

#[tokio::test]
async fn a_provider_that_nobody_has_configured_is_told_at_its_field() {
    let world = World::trusting().await;
    for provider in ["nobody", "", "ACME", "acme ", "../acme", "\u{0}"] {
        let input = json!({ "providerId": provider, "returnTo": RETURN });
        let reply = Browser::in_body_mode().try_start(world.at(), "startSignIn", input).await;
        assert_eq!(reply.code(), "BAD_USER_INPUT", "{provider:?}: {}", reply.text);
        assert_eq!(reply.refused_field().0, "input.providerId", "{provider:?}");
    }
}

#[tokio::test]
async fn without_a_list_people_come_back_to_the_server_alone() {
    let issuer = Issuer::start("acme").await;
    let (app, _file) = server_with(&[issuer.table("acme", "")], &["--return-urls="]).await;
    let at = Instance::App(&app.app);
    for address in ["https://app.example.com/signed-in", "http://evil.example.net/"] {
        assert_eq!(refused(at, address).await.1, "BAD_USER_INPUT", "{address}");
    }
}
