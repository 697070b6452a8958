//! What a flow is bound to: one browser, one provider, one purpose, one use, ten minutes.

use serde_json::json;
use tokio::task::JoinSet;

use crate::support::http_client::visit;
use crate::support::issuer::{Issuer, Person};
use crate::support::process::Server;
use crate::support::sign_in::{
    Back, Browser, Instance, ProvidersFile, RETURN, Started, World, server_with,
};
use crate::support::{SECOND, TestDatabase};
use portcullis::Clock;

const FINISH: &str = "finishSignIn";
const START: &str = "startSignIn";

/// Nobody was signed in, and nothing of anybody is kept.
async fn assert_nothing_happened(world: &World) {
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (0, 0));
}

#[tokio::test]
async fn a_second_browser_cannot_finish_with_the_state_of_the_first() {
    let world = World::trusting().await;
    let mut first = Browser::in_cookie_mode();
    let started = first.start(world.at(), START, "acme").await;
    let back = first.travel(world.at(), &started).await;
    // It has a flow of its own, and somehow the other one's flow, code and state.
    let mut second = Browser::in_cookie_mode();
    second.start(world.at(), START, "acme").await;
    for mut other in [second, Browser::in_cookie_mode(), Browser::in_body_mode()] {
        let reply = other.finish(world.at(), FINISH, &started, &back).await;
        assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    }
    assert_nothing_happened(&world).await;
    let reply = first.finish(world.at(), FINISH, &started, &back).await;
    assert_eq!(reply.code(), "NONE", "a stranger spoils nothing: {}", reply.text);
}

#[tokio::test]
async fn the_callback_sends_nobody_on_whose_browser_did_not_begin() {
    let world = World::trusting().await;
    let mut victim = Browser::in_cookie_mode();
    let mut attacker = Browser::in_cookie_mode();
    let started = attacker.start(world.at(), START, "acme").await;
    let sent = visit(&started.url).await;
    let callback = sent.headers["location"].to_str().unwrap();
    victim.start(world.at(), START, "acme").await;
    // The attacker has a victim follow the link to an account of the attacker.
    for mut browser in [victim, Browser::in_cookie_mode()] {
        let reply = browser.try_land(world.at(), callback).await;
        assert!(reply.status.is_client_error(), "{reply:?}");
        assert!(reply.headers.get("location").is_none() && !reply.text.contains("code/"));
    }
    attacker.land(world.at(), callback).await;
}

#[tokio::test]
async fn the_callback_knows_no_state_but_its_own() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), START, "acme").await;
    let sent = visit(&started.url).await;
    let callback = sent.headers["location"].to_str().unwrap().to_owned();
    let state = world.issuer.request()["state"].clone();
    let forged = [
        callback.replace(&state, &"A".repeat(state.len())),
        callback.replace(&state, ""),
        callback.replace(&state, &state[..state.len() - 4]),
        callback.replace(&state, &format!("{state}AAAA")),
        callback.replace("/callback/acme", "/callback/nobody"),
        format!("http://localhost:8000/callback/acme?code=a&state={}", "%00".repeat(9)),
        "http://localhost:8000/callback/acme?code=a".to_owned(),
        "http://localhost:8000/callback/acme".to_owned(),
        format!("http://localhost:8000/callback/acme?code=a&state={}", "a".repeat(7000)),
    ];
    for forged in forged {
        let reply = browser.try_land(world.at(), &forged).await;
        assert!(reply.status.is_client_error(), "{forged}: {reply:?}");
        assert!(reply.headers.get("location").is_none(), "{forged}");
    }
    let landed = browser.try_land(world.at(), &callback).await;
    assert_eq!(landed.headers["cache-control"], "no-store");
    assert_eq!(landed.headers["referrer-policy"], "no-referrer");
    Back::of(&landed);
}

#[tokio::test]
async fn nothing_is_swapped_between_two_flows() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let one = browser.start(world.at(), START, "acme").await;
    let back_of_one = browser.travel(world.at(), &one).await;
    world.issuer.has(Person::named("mallory"));
    let two = browser.start(world.at(), START, "acme").await;
    let back_of_two = browser.travel(world.at(), &two).await;
    // All of the other one's answer, and its state alone.
    let reply = browser.finish(world.at(), FINISH, &one, &back_of_two).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    let other_state = Back { state: back_of_two.state.clone(), ..back_of_one.clone() };
    let reply = browser.finish(world.at(), FINISH, &one, &other_state).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    // The code alone: the issuer refuses it for its verifier.
    let other_code = Back { code: back_of_two.code.clone(), ..back_of_one };
    let reply = browser.finish(world.at(), FINISH, &one, &other_code).await;
    assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    assert_eq!(world.issuer.violations(), ["code_verifier"]);
    assert_nothing_happened(&world).await;
}

#[tokio::test]
async fn nothing_is_swapped_between_two_providers() {
    let (good, evil) = (Issuer::start("good").await, Issuer::start("evil").await);
    let tables = [good.table("good", "trusted = true"), evil.table("evil", "trusted = true")];
    let (app, _file) = server_with(&tables, &[]).await;
    let at = Instance::App(&app.app);
    for issuer in [&good, &evil] {
        issuer.set(|conduct| conduct.clock = app.clock.clone());
    }
    let mut browser = Browser::in_cookie_mode();
    let of_good = browser.start(at, START, "good").await;
    let asked = visit(&of_good.url).await;
    let callback = asked.headers["location"].to_str().unwrap().to_owned();
    // The answer of one at the callback of the other.
    let swapped = browser.try_land(at, &callback.replace("/callback/good", "/callback/evil")).await;
    assert!(swapped.status.is_client_error(), "{swapped:?}");
    let back = browser.land(at, &callback).await;
    let of_evil = browser.start(at, START, "evil").await;
    let reply = browser.finish(at, FINISH, &of_evil, &back).await;
    assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
    // It says that the other one has answered, or nobody.
    for iss in [Some(evil.url().to_owned()), Some(format!("{}/", good.url())), None] {
        let of_good = browser.start(at, START, "good").await;
        let mixed = Back { iss, ..browser.travel(at, &of_good).await };
        let reply = browser.finish(at, FINISH, &of_good, &mixed).await;
        assert_eq!(reply.code(), "INVALID_CREDENTIALS", "{}", reply.text);
    }
    assert_eq!((good.hits("/token"), evil.hits("/token")), (0, 0), "no code went anywhere");
    assert_eq!((app.count("users").await, app.count("sessions").await), (0, 0));
}

#[tokio::test]
async fn a_flow_is_finished_once() {
    let world = World::trusting().await;
    for mut browser in [Browser::in_body_mode(), Browser::in_cookie_mode()] {
        let started = browser.start(world.at(), START, "acme").await;
        let back = browser.travel(world.at(), &started).await;
        let with_cookie = browser.clone();
        assert_eq!(browser.finish(world.at(), FINISH, &started, &back).await.code(), "NONE");
        for mut again in [browser, with_cookie] {
            let reply = again.finish(world.at(), FINISH, &started, &back).await;
            assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
        }
    }
    assert_eq!(world.app.count("sessions").await, 2);
}

#[tokio::test]
async fn twenty_who_finish_a_flow_at_once_get_one_session() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), START, "acme").await;
    let back = browser.travel(world.at(), &started).await;
    let mut finishing = JoinSet::new();
    for _ in 0..20 {
        let (app, started, back) = (world.app.app.clone(), started.clone(), back.clone());
        let mut browser = browser.clone();
        finishing.spawn(async move {
            browser.finish(Instance::App(&app), FINISH, &started, &back).await.code()
        });
    }
    let mut codes = finishing.join_all().await;
    codes.sort();
    assert_eq!(codes.iter().filter(|code| *code == "NONE").count(), 1, "{codes:?}");
    let refusals = ["NONE", "INVALID_TOKEN", "INVALID_CREDENTIALS"];
    assert!(codes.iter().all(|code| refusals.contains(&code.as_str())), "{codes:?}");
    assert_eq!((world.app.count("users").await, world.app.count("sessions").await), (1, 1));
}

#[tokio::test]
async fn a_flow_is_over_after_ten_minutes() {
    let world = World::trusting().await;
    for (seconds, code) in [(599, "NONE"), (600, "INVALID_TOKEN"), (86_400, "INVALID_TOKEN")] {
        let mut browser = Browser::in_body_mode();
        let started = browser.start(world.at(), START, "acme").await;
        let back = browser.travel(world.at(), &started).await;
        world.app.clock.advance(SECOND * seconds);
        let reply = browser.finish(world.at(), FINISH, &started, &back).await;
        assert_eq!(reply.code(), code, "after {seconds} s: {}", reply.text);
    }
}

#[tokio::test]
async fn a_flow_that_is_altered_is_none() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), START, "acme").await;
    let back = browser.travel(world.at(), &started).await;
    let flow = &started.flow;
    let middle = flow.len() / 2;
    let flipped = if flow.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let altered = [
        String::new(),
        "a".repeat(flow.len()),
        "a".repeat(5000),
        format!("{}{flipped}{}", &flow[..middle], &flow[middle + 1..]),
        flow[..flow.len() - 1].to_owned(),
        format!("{flow}A"),
        format!(" {flow}"),
        flow.to_uppercase(),
        back.state.clone(),
        "\u{1f600}\0".to_owned(),
    ];
    for flow in altered {
        let of = Started { flow: flow.clone(), ..started.clone() };
        let reply = browser.clone().finish(world.at(), FINISH, &of, &back).await;
        let refusals = ["INVALID_TOKEN", "BAD_USER_INPUT"];
        assert!(refusals.contains(&reply.code().as_str()), "{flow:?}: {}", reply.text);
    }
    assert_nothing_happened(&world).await;
}

#[tokio::test]
async fn a_flow_serves_the_purpose_that_it_was_begun_for() {
    let world = World::trusting().await;
    let alice = world.sign_in().await.signed_in("finishSignIn");
    let bob = world.app.register("bob").await;
    let starts = ["startSignIn", "startLink", "startReauthentication"];
    let finishes = ["finishSignIn", "finishLink", "finishReauthentication"];
    for (begun, start) in starts.into_iter().enumerate() {
        let mut browser = Browser::with(&alice.access);
        let started = browser.start(world.at(), start, "acme").await;
        let back = browser.travel(world.at(), &started).await;
        for (ended, finish) in finishes.into_iter().enumerate() {
            if begun != ended {
                let reply = browser.finish(world.at(), finish, &started, &back).await;
                assert_eq!(reply.code(), "INVALID_TOKEN", "{start}, {finish}: {}", reply.text);
            }
        }
        // Of another account's session.
        if begun != 0 {
            let mut other = Browser::with(&bob.access);
            let reply = other.finish(world.at(), finishes[begun], &started, &back).await;
            assert_eq!(reply.code(), "INVALID_TOKEN", "{start}: {}", reply.text);
        }
    }
    assert_eq!((world.app.count("users").await, world.app.count("identities").await), (2, 1));
}

#[tokio::test]
async fn an_issuer_that_is_away_in_the_middle_is_told_as_that() {
    let mut world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), START, "acme").await;
    let back = browser.travel(world.at(), &started).await;
    world.issuer.stop();
    let finished = browser.finish(world.at(), FINISH, &started, &back).await;
    let input = json!({ "providerId": "acme", "returnTo": RETURN });
    // What was learnt of the issuer may still serve to begin with.
    let begun = browser.try_start(world.at(), START, input.clone()).await;
    assert!(["NONE", "SERVICE_UNAVAILABLE"].contains(&begun.code().as_str()), "{}", begun.text);
    assert_eq!(finished.code(), "SERVICE_UNAVAILABLE", "{}", finished.text);
    assert!(finished.extension("retryAfter").as_u64().is_some_and(|seconds| seconds > 0));
    assert!(!finished.text.contains("127.0.0.1") && !finished.text.contains("refused"));
    assert_nothing_happened(&world).await;
    // The rest of the server does not mind.
    world.app.register("bob").await;

    world.issuer.come_back().await;
    world.app.clock.advance(SECOND * 61);
    assert_eq!(world.sign_in().await.signed_in("finishSignIn").username, "alice");
}

#[tokio::test]
async fn an_issuer_that_was_never_there_is_told_as_that_until_it_is() {
    let mut world = World::trusting().await;
    world.issuer.stop();
    let input = json!({ "providerId": "acme", "returnTo": RETURN });
    let mut browser = Browser::in_body_mode();
    let begun = browser.try_start(world.at(), START, input).await;
    assert_eq!(begun.code(), "SERVICE_UNAVAILABLE", "{}", begun.text);
    assert!(begun.extension("retryAfter").as_u64().is_some_and(|seconds| seconds > 0));
    world.issuer.come_back().await;
    world.app.clock.advance(SECOND * 61);
    assert_eq!(world.sign_in().await.signed_in("finishSignIn").username, "alice");
}

#[tokio::test]
async fn two_instances_share_a_flow_and_its_one_use() {
    let issuer = Issuer::start("acme").await;
    issuer.set(|conduct| conduct.clock = Clock::system());
    let file = ProvidersFile::of(&[issuer.table("acme", "trusted = true")]);
    let [providers, urls] = file.flags();
    let flags = ["--public-url=http://localhost:8000", &providers, &urls];
    let database = TestDatabase::create().await;
    let start = || Server::start_with(&database.url, database.folder.path(), &flags, &[]);
    let (a, b) = (start(), start());
    let (at_a, at_b) = (Instance::Port(a.port), Instance::Port(b.port));
    for mut browser in [Browser::in_body_mode(), Browser::in_cookie_mode()] {
        let started = browser.start(at_a, START, "acme").await;
        let back = browser.travel(at_b, &started).await;
        let before = browser.clone();
        let reply = browser.finish(at_a, FINISH, &started, &back).await;
        assert_eq!(reply.data()[FINISH]["user"]["username"], "alice");
        for at in [at_b, at_a] {
            let reply = before.clone().finish(at, FINISH, &started, &back).await;
            assert_eq!(reply.code(), "INVALID_TOKEN", "{}", reply.text);
        }
        // Both at once, on both.
        let started = browser.start(at_b, START, "acme").await;
        let back = browser.travel(at_a, &started).await;
        let (mut one, mut two) = (browser.clone(), browser.clone());
        let (one, two) = tokio::join!(
            one.finish(at_a, FINISH, &started, &back),
            two.finish(at_b, FINISH, &started, &back)
        );
        let codes = [one.code(), two.code()];
        assert_eq!(codes.iter().filter(|code| *code == "NONE").count(), 1, "{codes:?}");
    }
}
