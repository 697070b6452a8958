//! Signing in with a provider, as it goes when all is well.

use serde_json::{Value, json};

use crate::support::http_client::{form_of, visit};
use crate::support::issuer::Person;
use crate::support::issuer::keys::Algorithm;
use crate::support::sign_in::{Back, Browser, Instance, RETURN, Started, World, server_with};
use crate::support::{SECOND, TestApp};

const ME: &str = "{ me { username email emailVerified fullName } }";

#[tokio::test]
async fn the_providers_are_listed_in_the_order_of_the_file() {
    let issuer = crate::support::issuer::Issuer::start("acme").await;
    let tables = ["zeta", "acme"].map(|id| issuer.table(id, ""));
    let (app, _file) = server_with(&tables, &[]).await;
    let query = "{ signInProviders { id kind name } }";
    let listed = app.call(query, json!({}), None).await.data();
    let expected = json!([
        { "id": "zeta", "kind": "OIDC", "name": "The zeta" },
        { "id": "acme", "kind": "OIDC", "name": "The acme" },
    ]);
    assert_eq!(listed["signInProviders"], expected);
    assert_eq!(issuer.hits("/.well-known/openid-configuration"), 0, "a list asks nobody");
    let without = TestApp::start().await;
    let listed = without.call(query, json!({}), None).await.data();
    assert_eq!(listed["signInProviders"], json!([]));
}

#[tokio::test]
async fn a_first_sign_in_registers_and_a_second_one_finds_the_account() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    assert!(!started.url.contains(&started.flow), "the flow stands in no address");
    let back = browser.travel(world.at(), &started).await;
    assert_eq!((back.page.as_str(), back.iss.as_deref()), (RETURN, Some(world.issuer.url())));
    let first = browser.finish(world.at(), "finishSignIn", &started, &back).await;
    let alice = first.signed_in("finishSignIn");
    assert_eq!(alice.username, "alice");
    let me = world.app.query(ME, &alice.access).await.data();
    let expected = json!({
        "username": "alice", "email": "alice@example.com", "emailVerified": true,
        "fullName": "alice of the issuer",
    });
    assert_eq!(me["me"], expected);

    let second = world.sign_in().await.signed_in("finishSignIn");
    assert_eq!(second.id, alice.id);
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (1, 2));
    assert_eq!(world.issuer.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_asked_of_the_issuer_is_fresh_for_every_flow() {
    let world = World::trusting().await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut browser = Browser::in_body_mode();
        let started = browser.start(world.at(), "startSignIn", "acme").await;
        browser.travel(world.at(), &started).await;
        let asked = world.issuer.request();
        for name in ["state", "nonce", "code_challenge"] {
            let value = asked[name].clone();
            // 128 bits are 22 letters.
            assert!(value.len() >= 22 && !started.flow.contains(&value), "{name}");
            assert!(!seen.contains(&value), "{name}");
            seen.push(value);
        }
        assert_eq!(asked.get("max_age"), None);
        let scopes: Vec<&str> = asked["scope"].split(' ').collect();
        assert!(["openid", "email", "profile"].iter().all(|scope| scopes.contains(scope)));
    }
}

#[tokio::test]
async fn in_cookie_mode_the_flow_and_the_session_are_cookies() {
    let world = World::trusting().await;
    let mut browser = Browser::in_cookie_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    assert!(browser.holds_flow());
    let back = browser.travel(world.at(), &started).await;
    let reply = browser.finish(world.at(), "finishSignIn", &started, &back).await;
    let payload = &reply.data()["finishSignIn"];
    assert_eq!((&payload["accessToken"], &payload["refreshToken"]), (&Value::Null, &Value::Null));
    let me = browser.call(world.at(), ME, json!({})).await.data();
    assert_eq!(me["me"]["username"], "alice");
}

#[tokio::test]
async fn every_algorithm_is_understood_and_odd_keys_beside_are_no_matter() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let world = World::trusting().await;
        world.issuer.set(|conduct| {
            conduct.algorithm = algorithm;
            conduct.has_odd_keys = true;
        });
        assert_eq!(world.sign_in().await.signed_in("finishSignIn").username, "alice");
    }
}

#[tokio::test]
async fn an_issuer_may_tell_about_people_at_its_userinfo_endpoint_alone() {
    let world = World::trusting().await;
    world.issuer.set(|conduct| conduct.has_facts_at_userinfo = true);
    let alice = world.sign_in().await.signed_in("finishSignIn");
    let me = world.app.query(ME, &alice.access).await.data();
    assert_eq!(
        (&me["me"]["email"], &me["me"]["username"]),
        (&json!("alice@example.com"), &json!("alice"))
    );
    assert_eq!(world.issuer.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn an_issuer_may_change_its_keys_between_two_sign_ins() {
    let world = World::trusting().await;
    let first = world.sign_in().await.signed_in("finishSignIn");
    assert_eq!(world.issuer.hits("/jwks"), 1);
    world.sign_in().await.signed_in("finishSignIn");
    assert_eq!(world.issuer.hits("/jwks"), 1, "they are remembered");
    world.issuer.rotate();
    world.app.clock.advance(SECOND * 61);
    let second = world.sign_in().await.signed_in("finishSignIn");
    assert_eq!((second.id, world.issuer.hits("/jwks")), (first.id, 2));
}

#[tokio::test]
async fn keys_that_an_issuer_lacks_are_asked_for_once_a_minute() {
    use crate::support::issuer::fault::{Fault, TokenFault};
    let world = World::trusting().await;
    world.sign_in().await.signed_in("finishSignIn");
    world.issuer.set(|conduct| conduct.fault = Some(Fault::Token(TokenFault::UnknownKid)));
    let before = world.issuer.hits("/jwks");
    for minute in 1..=2 {
        world.app.clock.advance(SECOND * 61);
        for _ in 0..5 {
            assert_eq!(world.sign_in().await.code(), "INVALID_CREDENTIALS");
        }
        assert_eq!(world.issuer.hits("/jwks"), before + minute);
    }
}

#[tokio::test]
async fn a_change_of_facts_at_the_issuer_changes_nothing_here() {
    let world = World::trusting().await;
    let alice = world.sign_in().await.signed_in("finishSignIn");
    let before = world.app.query(ME, &alice.access).await.data();
    let other = Person { sub: "sub-of-alice".to_owned(), ..Person::named("mallory") };
    world.issuer.has(other);
    let again = world.sign_in().await.signed_in("finishSignIn");
    assert_eq!(again.id, alice.id);
    assert_eq!(world.app.query(ME, &again.access).await.data(), before);
}

#[tokio::test]
async fn who_does_not_agree_comes_back_with_nothing_of_what_the_issuer_said() {
    let world = World::trusting().await;
    let mut browser = Browser::in_cookie_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    browser.travel(world.at(), &started).await;
    let state = &world.issuer.request()["state"];
    for error in ["access_denied", "server_error", "%3Cscript%3E"] {
        let callback = format!(
            "http://localhost:8000/callback/acme?error={error}&error_description=%3Cscript%3E&state={state}"
        );
        let reply = browser.try_land(world.at(), &callback).await;
        let back = Back::of(&reply);
        assert_eq!((back.page.as_str(), back.code.as_str(), &back.state), (RETURN, "", state));
        assert!(back.error.is_some(), "{reply:?}");
        let told = format!("{reply:?}");
        assert!(!told.contains("script") && !told.contains("description"), "{told}");
    }
}

#[tokio::test]
async fn what_an_issuer_posts_to_a_flow_of_a_browser_is_posted_again_from_here() {
    let world = World::with("trusted = true\nresponse_mode = \"form_post\"", &[]).await;
    let mut browser = Browser::in_cookie_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let posted = posted_by(&world, &started).await;
    // It comes from another site, so no Lax cookie comes along.
    let page = post(world.at(), &Browser::in_body_mode(), world.issuer.url(), &posted).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert_eq!(page.headers["cache-control"], "no-store");
    let (action, again) = form_of(&page.text);
    assert_eq!(action, "", "where it is");
    assert!(posted.iter().all(|field| again.contains(field)), "{again:?}");
    // Of another browser, and posted once more without a cookie, it is over.
    for other in [Browser::in_body_mode(), Browser::in_cookie_mode()] {
        let reply = post(world.at(), &other, "http://localhost:8000", &again).await;
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    let landed = post(world.at(), &browser, "http://localhost:8000", &again).await;
    let reply = browser.finish(world.at(), "finishSignIn", &started, &Back::of(&landed)).await;
    assert_eq!(reply.data()["finishSignIn"]["user"]["username"], "alice");
}

#[tokio::test]
async fn what_an_issuer_posts_to_whoever_holds_the_flow_goes_on_at_once() {
    let world = World::with("trusted = true\nresponse_mode = \"form_post\"", &[]).await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let posted = posted_by(&world, &started).await;
    let landed = post(world.at(), &browser, world.issuer.url(), &posted).await;
    let reply = browser.finish(world.at(), "finishSignIn", &started, &Back::of(&landed)).await;
    assert_eq!(reply.data()["finishSignIn"]["user"]["username"], "alice");
}

/// What the issuer's page posts.
async fn posted_by(world: &World, started: &Started) -> Vec<(String, String)> {
    let page = visit(&started.url).await;
    assert_eq!(world.issuer.request()["response_mode"], "form_post");
    let (action, posted) = form_of(&page.text);
    assert_eq!(action, "http://localhost:8000/callback/acme");
    posted
}

#[tokio::test]
async fn what_is_posted_is_text_to_the_page_that_posts_it_again() {
    let world = World::with("response_mode = \"form_post\"", &[]).await;
    let mut browser = Browser::in_cookie_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let mut posted = posted_by(&world, &started).await;
    for (name, value) in &mut posted {
        if name != "state" {
            "\"><script>marked()</script>' & &amp; \u{1f600}".clone_into(value);
        }
    }
    let page = post(world.at(), &Browser::in_body_mode(), world.issuer.url(), &posted).await;
    assert_eq!(page.status, 200, "{page:?}");
    assert!(!page.text.contains("<script>marked"), "{}", page.text);
    let (_, again) = form_of(&page.text);
    assert!(posted.iter().all(|field| again.contains(field)), "{again:?}");
}

async fn post(
    at: Instance<'_>,
    browser: &Browser,
    origin: &str,
    fields: &[(String, String)],
) -> crate::support::Reply {
    let body: String =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let cookie = browser.cookie();
    let site = if origin == "http://localhost:8000" { "same-origin" } else { "cross-site" };
    let mut headers = vec![
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", origin),
        ("sec-fetch-site", site),
    ];
    if !cookie.is_empty() {
        headers.push(("cookie", &cookie));
    }
    at.ask("POST", "/callback/acme", &headers, &body).await
}
