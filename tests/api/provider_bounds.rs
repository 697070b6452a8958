//! Many at once, providers that hang, and addresses that nobody is to ask: none of it reaches further than it should.

use std::collections::HashSet;
use std::time::Duration;

use axum::http::header::LOCATION;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::http_client::visit;
use crate::support::issuer::fault::{Endpoint, Fault, Wire};
use crate::support::issuer::{Issuer, Person};
use crate::support::sign_in::{Back, Browser, Instance, RETURN, Started, World, server_with};
use crate::support::{Reply, TestApp};

/// Flows of different people, or of one, that have come back and are to be finished.
async fn come_back(world: &World, people: &[Person]) -> Vec<(Browser, Started, Back)> {
    let mut waiting = Vec::new();
    for person in people {
        world.issuer.has(person.clone());
        let mut browser = Browser::in_body_mode();
        let started = browser.start(world.at(), "startSignIn", "acme").await;
        let back = browser.travel(world.at(), &started).await;
        waiting.push((browser, started, back));
    }
    waiting
}

async fn finish_at_once(app: &TestApp, waiting: Vec<(Browser, Started, Back)>) -> Vec<Reply> {
    let mut finishing = JoinSet::new();
    for (mut browser, started, back) in waiting {
        let app = app.app.clone();
        finishing.spawn(async move {
            browser.finish(Instance::App(&app), "finishSignIn", &started, &back).await
        });
    }
    finishing.join_all().await
}

#[tokio::test]
async fn somebody_who_comes_for_the_first_time_ten_times_at_once_has_one_account() {
    let world = World::trusting().await;
    let waiting = come_back(&world, &vec![Person::named("alice"); 10]).await;
    let replies = finish_at_once(&world.app, waiting).await;
    let ids: HashSet<String> =
        replies.iter().map(|reply| reply.signed_in("finishSignIn").id).collect();
    assert_eq!(ids.len(), 1);
    let counts = ["users", "identities", "sessions"].map(|table| world.app.count(table));
    let [users, identities, sessions] = counts;
    assert_eq!((users.await, identities.await, sessions.await), (1, 1, 10));
}

#[tokio::test]
async fn an_account_is_linked_once_to_somebody_who_comes_ten_times_at_once() {
    let world = World::trusting().await;
    let alice = world.app.register("alice").await;
    let token = world.app.mail("verify-email", "alice@example.com").await.token();
    let verify = format!("verifyEmail(input: {{ token: \"{token}\" }}) {{ outcome }}");
    world.app.mutate(&alice, &verify).await.data();
    let waiting = come_back(&world, &vec![Person::named("alice"); 10]).await;
    for reply in finish_at_once(&world.app, waiting).await {
        assert_eq!(reply.signed_in("finishSignIn").id, alice.id);
    }
    assert_eq!((world.app.count("users").await, world.app.count("identities").await), (1, 1));
    let mails = world.app.mails().await;
    assert_eq!(mails.iter().filter(|mail| mail.kind == "identity-linked").count(), 1);
}

#[tokio::test]
async fn people_of_one_name_who_come_at_once_get_different_ones() {
    let world = World::trusting().await;
    let people: Vec<Person> = (0..6)
        .map(|number| Person {
            preferred_username: Some("smith".to_owned()),
            ..Person::named(&format!("smith{number}"))
        })
        .collect();
    let waiting = come_back(&world, &people).await;
    let replies = finish_at_once(&world.app, waiting).await;
    let codes: Vec<String> = replies.iter().map(Reply::code).collect();
    let signed_in: Vec<&Reply> = replies.iter().filter(|reply| reply.code() == "NONE").collect();
    let names: HashSet<String> =
        signed_in.iter().map(|reply| reply.signed_in("finishSignIn").username).collect();
    assert_eq!(names.len(), signed_in.len(), "{codes:?}");
    assert_eq!(signed_in.len(), people.len(), "{codes:?}");
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_nobody_else() {
    let (slow, quick) = (Issuer::start("slow").await, Issuer::start("quick").await);
    let tables = [slow.table("slow", ""), quick.table("quick", "trusted = true")];
    let (app, _file) = server_with(&tables, &[]).await;
    quick.set(|conduct| conduct.clock = app.clock.clone());
    slow.set(|conduct| conduct.fault = Some(Fault::Wire(Endpoint::Discovery, Wire::Hang)));
    let mut hanging = JoinSet::new();
    for _ in 0..100 {
        let app = app.app.clone();
        hanging.spawn(async move {
            let input = json!({ "providerId": "slow", "returnTo": RETURN });
            let mut browser = Browser::in_body_mode();
            browser.try_start(Instance::App(&app), "startSignIn", input).await.code()
        });
    }
    while slow.hits("/.well-known/openid-configuration") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reply = Browser::in_body_mode().sign_in(Instance::App(&app.app), "quick").await;
    assert_eq!(reply.signed_in("finishSignIn").username, "alice");
    app.register("bob").await;
    let codes = hanging.join_all().await;
    assert!(codes.iter().all(|code| code == "SERVICE_UNAVAILABLE"), "{codes:?}");
    // Those who ask while somebody asks already do not ask again.
    assert!(slow.hits("/.well-known/openid-configuration") <= 32);
}

#[tokio::test]
async fn nothing_of_this_machine_or_its_network_is_asked_unless_a_table_says_so() {
    let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let hosts = [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "10.0.0.1",
        "169.254.169.254",
        "192.168.0.1",
        "198.18.0.1",
        "[fe80::1]",
        "[fc00::1]",
        "[64:ff9b::7f00:1]",
    ];
    let tables: Vec<String> = hosts
        .iter()
        .enumerate()
        .map(|(number, host)| {
            format!(
                "[p{number}]\nkind = \"oidc\"\nissuer = \"https://{host}:{port}\"\nclient_id = \"a\"\n"
            )
        })
        .collect();
    let (app, _file) = server_with(&tables, &[]).await;
    for (number, host) in hosts.iter().enumerate() {
        let input = json!({ "providerId": format!("p{number}"), "returnTo": RETURN });
        let mut browser = Browser::in_body_mode();
        let reply = browser.try_start(Instance::App(&app.app), "startSignIn", input).await;
        assert_eq!(reply.code(), "SERVICE_UNAVAILABLE", "{host}: {}", reply.text);
        assert!(!reply.text.contains(host), "{}", reply.text);
    }
    let asked = tokio::time::timeout(Duration::from_millis(50), socket.accept()).await;
    assert!(asked.is_err(), "somebody was asked");
}

#[tokio::test]
async fn who_finishes_flows_in_vain_is_told_to_wait() {
    let world = World::with("trusted = true", &["--rate-limits=on"]).await;
    let mut codes = Vec::new();
    for _ in 0..31 {
        let mut browser = Browser::in_body_mode();
        let started = Started { flow: "pcf_none".to_owned(), url: String::new() };
        let back = Back {
            page: RETURN.to_owned(),
            code: "a".to_owned(),
            state: "b".to_owned(),
            iss: None,
            error: None,
        };
        codes.push(browser.finish(world.at(), "finishSignIn", &started, &back).await.code());
    }
    assert_eq!((codes[0].as_str(), codes[29].as_str()), ("INVALID_TOKEN", "INVALID_TOKEN"));
    assert_eq!(codes[30], "RATE_LIMITED");
}

#[tokio::test]
async fn a_callback_repeats_nothing_and_takes_no_other_method() {
    let world = World::trusting().await;
    let mut browser = Browser::in_body_mode();
    let started = browser.start(world.at(), "startSignIn", "acme").await;
    let sent = visit(&started.url).await;
    let callback = sent.headers[LOCATION].to_str().unwrap();
    let path = callback.strip_prefix("http://localhost:8000").unwrap();
    for method in ["PUT", "DELETE", "PATCH"] {
        let reply = world.at().ask(method, path, &[], "").await;
        assert_eq!(reply.status, 405, "{method}");
    }
    let marked = format!("{path}&state=%3Cscript%3E&marked=%3Cscript%3E");
    let reply = world.at().ask("GET", &marked, &[("accept-language", "de")], "").await;
    assert_eq!(reply.status, 400, "one state, or none");
    assert!(!reply.text.contains("script") && reply.text.contains("Anmeldung"), "{}", reply.text);
}
