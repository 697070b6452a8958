//! ID tokens of native apps, and providers as the proof for what asks for a fresh one.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::issuer::{AuthTime, Issuer, Person};
use crate::support::sign_in::{Browser, Instance, RESULT, World, server_with};
use crate::support::{Reply, SECOND, SignedIn};

/// Something that a session may do only soon after a proof.
const FRESH: &str = "mutation { exportMyData { export { url } } }";
const PROVE: &str = "finishReauthentication";

/// The flow of an app, and what its ID token is to repeat.
async fn begun(at: Instance<'_>) -> (String, String) {
    let query = "mutation { startIdTokenSignIn { flow nonce expiresIn } }";
    let reply = Browser::in_body_mode().call(at, query, json!({})).await.data();
    let payload = &reply["startIdTokenSignIn"];
    assert_eq!(payload["expiresIn"], 600);
    let text = |name: &str| payload[name].as_str().unwrap().to_owned();
    (text("flow"), text("nonce"))
}

async fn finish(at: Instance<'_>, provider: &str, id_token: &str, flow: &str) -> Reply {
    let query = format!(
        "mutation($input: SignInWithIdTokenInput!) {{ signInWithIdToken(input: $input) {{ {RESULT} }} }}"
    );
    let input = json!({ "providerId": provider, "idToken": id_token, "flow": flow });
    Browser::in_body_mode().call(at, &query, json!({ "input": input })).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

#[tokio::test]
async fn an_app_signs_in_with_an_id_token() {
    let world = World::with("trusted = true\naudiences = [\"the app\"]", &[]).await;
    for audience in ["portcullis:test", "the app"] {
        world.issuer.set(|conduct| audience.clone_into(&mut conduct.audience));
        let (flow, nonce) = begun(world.at()).await;
        let digest = hex(digest(&SHA256, flow.as_bytes()).as_ref());
        assert_eq!(nonce, digest);
        let reply = finish(world.at(), "acme", &world.issuer.id_token(&nonce), &flow).await;
        assert_eq!(reply.signed_in("signInWithIdToken").username, "alice");
    }
    assert_eq!(world.app.count("users").await, 1, "it is the same identity");
    assert_eq!(world.issuer.hits("/token"), 0);
    // A token for the app is none for the server's own flow.
    assert_eq!(world.sign_in().await.code(), "INVALID_CREDENTIALS");
}

#[tokio::test]
async fn an_id_token_is_used_once_and_for_its_own_flow() {
    let world = World::trusting().await;
    let (_, other_nonce) = begun(world.at()).await;
    for nonce in [other_nonce.as_str(), "", "the flow itself"] {
        let (flow, _) = begun(world.at()).await;
        let nonce = if nonce == "the flow itself" { &flow } else { nonce };
        let reply = finish(world.at(), "acme", &world.issuer.id_token(nonce), &flow).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{nonce}: {}", reply.text);
    }
    // Whoever sees the token knows the nonce, and not the flow.
    let (flow, nonce) = begun(world.at()).await;
    let token = world.issuer.id_token(&nonce);
    for other in [nonce.as_str(), ""] {
        let reply = finish(world.at(), "acme", &token, other).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    }
    assert_eq!(world.app.count("sessions").await, 0);
    assert_eq!(finish(world.at(), "acme", &token, &flow).await.code(), "NONE");
    assert_eq!(finish(world.at(), "acme", &token, &flow).await.code(), "INVALID_TOKEN");
    let (other_flow, _) = begun(world.at()).await;
    let reply = finish(world.at(), "acme", &token, &other_flow).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    assert_eq!(world.app.count("sessions").await, 1);
}

#[tokio::test]
async fn twenty_who_use_an_id_token_at_once_get_one_session() {
    let world = World::trusting().await;
    let (flow, nonce) = begun(world.at()).await;
    let token = world.issuer.id_token(&nonce);
    let mut finishing = JoinSet::new();
    for _ in 0..20 {
        let (app, token, flow) = (world.app.app.clone(), token.clone(), flow.clone());
        finishing
            .spawn(async move { finish(Instance::App(&app), "acme", &token, &flow).await.code() });
    }
    let codes = finishing.join_all().await;
    assert_eq!(codes.iter().filter(|code| *code == "NONE").count(), 1, "{codes:?}");
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (1, 1));
}

#[tokio::test]
async fn an_id_token_is_for_the_provider_that_is_named_and_for_ten_minutes() {
    let (good, evil) = (Issuer::start("good").await, Issuer::start("evil").await);
    let tables = [good.table("good", "trusted = true"), evil.table("evil", "trusted = true")];
    let (app, _file) = server_with(&tables, &[]).await;
    let at = Instance::App(&app.app);
    for issuer in [&good, &evil] {
        issuer.set(|conduct| conduct.clock = app.clock.clone());
    }
    let (flow, nonce) = begun(at).await;
    let reply = finish(at, "good", &evil.id_token(&nonce), &flow).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    let (flow, nonce) = begun(at).await;
    app.clock.advance(SECOND * 600);
    let reply = finish(at, "good", &good.id_token(&nonce), &flow).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    // What begins in a browser is not finished with a token, nor the other way round.
    let mut browser = Browser::in_body_mode();
    let started = browser.start(at, "startSignIn", "good").await;
    let reply = finish(at, "good", &good.id_token("a"), &started.flow).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    assert_eq!(app.count("users").await, 0);
}

/// Alice, whose proof is no longer fresh.
async fn alice_later(world: &World) -> SignedIn {
    let alice = world.sign_in().await.signed_in("finishSignIn");
    world.app.clock.advance(SECOND * 400);
    assert_eq!(world.app.query(FRESH, &alice.access).await.code(), "STEP_UP_REQUIRED");
    alice
}

/// What comes of a proof, and the browser that has made it.
async fn prove(world: &World, user: &SignedIn) -> Reply {
    let mut browser = Browser::with(&user.access);
    let started = browser.start(world.at(), "startReauthentication", "acme").await;
    let back = browser.travel(world.at(), &started).await;
    browser.finish(world.at(), PROVE, &started, &back).await
}

#[tokio::test]
async fn a_provider_is_the_proof_for_what_asks_for_a_fresh_one() {
    let world = World::trusting().await;
    let alice = alice_later(&world).await;
    let proven = prove(&world, &alice).await.signed_in(PROVE);
    let asked = world.issuer.request();
    assert_eq!((asked["prompt"].as_str(), asked["max_age"].as_str()), ("login", "0"));
    assert_eq!(proven.id, alice.id);
    assert_eq!(world.app.query("{ me { id } }", &alice.access).await.code(), "UNAUTHENTICATED");
    assert_eq!(world.app.query(FRESH, &proven.access).await.code(), "NONE");
    assert_eq!(world.issuer.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_proof_that_is_old_or_does_not_say_when_is_none() {
    let world = World::trusting().await;
    let alice = alice_later(&world).await;
    let now = world.app.clock.now().timestamp();
    let times = [
        AuthTime::Absent,
        AuthTime::Is((now - 301).into()),
        AuthTime::Is((now - 400).into()),
        AuthTime::Is((now + 3600).into()),
        AuthTime::Is(now.to_string().into()),
        AuthTime::Is(Value::Null),
        AuthTime::Is(0.into()),
        AuthTime::Is((-1).into()),
        AuthTime::Is(json!(1e300)),
        AuthTime::Is(i64::MAX.into()),
        AuthTime::Is(json!([now])),
        AuthTime::Is(true.into()),
    ];
    for time in times {
        world.issuer.set(|conduct| conduct.auth_time = time.clone());
        let reply = prove(&world, &alice).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{time:?}: {}", reply.text);
    }
    assert_eq!(world.app.query(FRESH, &alice.access).await.code(), "STEP_UP_REQUIRED");
    assert_eq!(world.app.query("{ me { id } }", &alice.access).await.code(), "NONE");
}

#[tokio::test]
async fn another_identity_of_the_same_provider_proves_nothing() {
    let world = World::trusting().await;
    let alice = alice_later(&world).await;
    // One that nobody has, with her address, and one that is somebody else's.
    let same_address = Person { sub: "another".to_owned(), ..Person::named("alice") };
    world.issuer.has(Person::named("bob"));
    world.sign_in().await.signed_in("finishSignIn");
    for person in [same_address, Person::named("bob")] {
        world.issuer.has(person);
        let reply = prove(&world, &alice).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    }
    assert_eq!(world.app.query(FRESH, &alice.access).await.code(), "STEP_UP_REQUIRED");
    assert_eq!(world.app.count("identities").await, 2);
}

#[tokio::test]
async fn an_account_without_an_identity_there_proves_nothing_there() {
    let world = World::trusting().await;
    let bob = world.app.register("bob").await;
    world.issuer.has(Person::named("bob"));
    let reply = prove(&world, &bob).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    assert_eq!(world.app.count("identities").await, 0);
}
