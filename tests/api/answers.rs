//! Random documents through the real router. That each answer is what the specification has a server
//! say is checked where it is sent (`testing/src/conformance`), as for every other answer of the suite.

use std::cell::Cell;

use axum::body::Body;
use axum::http::Request;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::documents::{Document, World, document};
use crate::support::organizations::{act_in, found_organization, invite_member, join_organization};
use crate::support::{Reply, TestApp, sdl, send};
use portcullis_testing::conformance::schema::Schema;

/// Numbers that a document is made of, at most.
const CHOICES: usize = 400;
/// Documents of one run, unless `TEST_DOCUMENTS` asks for more.
const DOCUMENTS: u32 = 150;

/// A server with something of everything to ask for, and its callers: an admin, a member and nobody.
struct Scene {
    app: TestApp,
    world: World,
    callers: Vec<Option<String>>,
}

impl Scene {
    async fn set() -> Self {
        let app = TestApp::start().await;
        let (alice, bob) = (app.register("alice").await, app.register("bob").await);
        let (carol, boss) = (app.register("carol").await, app.admin("boss").await);
        let organization = found_organization(&app, &alice).await;
        join_organization(&app, &alice, &organization, &bob, "MEMBER").await;
        let invitation = invite_member(&app, &alice, &organization, &carol, "ADMIN").await;
        let member = act_in(&app, &alice, &organization).await.access;
        for bearer in [&alice.access, &member, &member, &bob.access, &boss.access] {
            let made = app
                .query("mutation { createTask(input: { title: \"A\" }) { task { id } } }", bearer);
            made.await.data();
        }
        let lists = "{ me { sessions { edges { cursor node { id } } }
            securityEvents(first: 2) { edges { cursor node { id } } } }
            myTasks { edges { cursor node { id } } }
            activeOrganization { members { edges { cursor node { id } } } } }";
        let lists = app.query(lists, &member).await.data();
        let mut ids = vec![organization, alice.id, bob.id, boss.id, invitation];
        let mut cursors = Vec::new();
        let me = [&lists["me"]["sessions"], &lists["me"]["securityEvents"]];
        let others = [&lists["myTasks"], &lists["activeOrganization"]["members"]];
        for edge in me.into_iter().chain(others).flat_map(|it| it["edges"].as_array().unwrap()) {
            ids.push(edge["node"]["id"].as_str().unwrap().to_owned());
            cursors.push(edge["cursor"].as_str().unwrap().to_owned());
        }
        let world = World { ids, cursors };
        Self { app, world, callers: vec![Some(boss.access), Some(member), None] }
    }

    async fn ask(&self, document: &Document, bearer: Option<&str>) -> Reply {
        let Document { query, variables, operation_name } = document;
        let body =
            json!({ "query": query, "variables": variables, "operationName": operation_name });
        let mut request = Request::post("/graphql").header("content-type", "application/json");
        if let Some(bearer) = bearer {
            request = request.header("authorization", format!("Bearer {bearer}"));
        }
        send(&self.app.app, request.body(Body::from(body.to_string())).unwrap()).await
    }
}

#[expect(clippy::disallowed_methods, reason = "the tests' own setting, not the program's")]
fn documents() -> u32 {
    std::env::var("TEST_DOCUMENTS").map_or(DOCUMENTS, |number| number.parse().unwrap())
}

#[test]
fn random_documents_are_answered_in_the_form_that_they_ask_for() {
    let runtime = Runtime::new().unwrap();
    let scene = runtime.block_on(Scene::set());
    let (whole, partial) = (Cell::new(0), Cell::new(0));
    let config = Config { cases: documents(), failure_persistence: None, ..Config::default() };
    let choices = (
        vec(any::<u16>(), 0..CHOICES),
        prop_oneof![4 => Just(0_usize), 4 => Just(1), 1 => Just(2)],
    );
    let outcome = TestRunner::new(config).run(&choices, |(choices, caller)| {
        let document = document(Schema::cached(sdl()), &scene.world, &choices);
        let reply = runtime.block_on(scene.ask(&document, scene.callers[caller].as_deref()));
        let answer = reply.json();
        prop_assert!(
            answer.get("data").is_some() || reply.code() == "DOCUMENT_LIMIT",
            "{document:?} is refused: {}",
            reply.text
        );
        let is_partial = answer["data"].is_object() && answer["errors"].is_array();
        partial.set(partial.get() + u32::from(is_partial));
        let is_whole = answer["data"].is_object() && answer["errors"] == Value::Null;
        whole.set(whole.get() + u32::from(is_whole));
        Ok(())
    });
    outcome.unwrap();
    let (whole, partial) = (whole.get(), partial.get());
    eprintln!("  of {} documents {whole} were answered and {partial} in part", documents());
    // Of a few it may be that none is.
    let is_some_partial = partial > 0 || documents() < 1_000;
    assert!(whole > documents() / 5 && is_some_partial, "{whole} answered, {partial} in part");
}
#[tokio::test]
async fn a_request_for_many_objects_costs_what_they_can_hold() {
    let app = TestApp::start().await;
    let alice = app.register("alice").await;
    let below = "{ ... on User { securityEvents(first: 100) { edges { node { id } } } } }";
    let query = format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {below} }}");
    let nodes = async |count: usize| {
        let ids = vec![alice.id.as_str(); count];
        app.call(&query, json!({ "ids": ids }), Some(&alice.access)).await
    };
    assert_eq!(nodes(5).await.code(), "NONE");
    let refused = nodes(100).await;
    assert_eq!(
        (refused.code().as_str(), refused.extension("limit")),
        ("DOCUMENT_LIMIT", json!("cost"))
    );
    let written =
        format!("{{ nodes(ids: [{}]) {below} }}", format!("\"{}\" ", alice.id).repeat(100));
    assert_eq!(app.query(&written, &alice.access).await.code(), "DOCUMENT_LIMIT");
}
