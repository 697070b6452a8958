//! The server as a subgraph of a federated graph. `.ci/federation` composes it and puts a gateway in front.

use std::collections::BTreeSet;

use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};
use serde_json::{Value, json};

use crate::support::organizations::Cast;
use crate::support::{Reply, TestApp, call, sdl};

const ON: &str = "--federation-mode=on";
const ENTITIES: &str = "query($representations: [_Any!]!) { _entities(representations: $representations) { \
    __typename ... on User { username email } ... on Organization { name } ... on Membership { role } } }";

/// The fields of objects with the directives that start with one of these names, as in `Query.me @auth`.
fn ruled(sdl: &str, names: &[&str]) -> BTreeSet<(String, String)> {
    let mut ruled = BTreeSet::new();
    for definition in portcullis::schema::parse_sdl(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        for field in object.fields {
            for used in &field.node.directives {
                if names.contains(&used.node.name.node.as_str()) {
                    let arguments = used.node.arguments.iter();
                    let arguments =
                        arguments.map(|(name, value)| format!("{}: {}", name.node, value.node));
                    let rule = [used.node.name.node.to_string()]
                        .into_iter()
                        .chain(arguments)
                        .collect::<Vec<_>>();
                    let name = format!("{}.{}", definition.node.name.node, field.node.name.node);
                    ruled.insert((name, rule.join(" ")));
                }
            }
        }
    }
    ruled
}

/// The text is as large as many answers, and has no rule.
#[tokio::test]
async fn the_schema_is_told_once_a_request() {
    let app = TestApp::start_with(&[ON]).await;
    for query in ["{ _service { a: sdl b: sdl } }", "{ a: _service { sdl } b: _service { sdl } }"] {
        let reply = app.call(query, json!({}), None).await;
        assert_eq!(
            (reply.code(), reply.extension("limit")),
            ("DOCUMENT_LIMIT".into(), json!("cost"))
        );
    }
}

/// What a gateway is told.
async fn subgraph(app: &TestApp) -> String {
    let served = app.call("{ _service { sdl } }", json!({}), None).await.data();
    served["_service"]["sdl"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn gateways_read_what_fields_cost() {
    let app = TestApp::start_with(&[ON]).await;
    let told = ruled(&subgraph(&app).await, &["cost", "listSize"]);
    let expected: BTreeSet<_> = ruled(sdl(), &["cost", "listSize"])
        .into_iter()
        .map(|(field, cost)| match cost.strip_prefix("cost ") {
            Some(weight) => (field, format!("cost {}", weight.replace('"', ""))),
            // Composers take numbers only for what slices.
            None => (field, cost.replace(" slicingArguments: [\"ids\"]", "")),
        })
        .map(|(field, cost)| (field, cost.replace(" slicingArguments: [\"fields\"]", "")))
        .collect();
    assert!(expected.len() > 20, "{}", expected.len());
    assert_eq!(told, expected);
}

#[tokio::test]
async fn gateways_read_every_rule_that_a_token_shows() {
    let app = TestApp::start_with(&[ON]).await;
    let subgraph = subgraph(&app).await;
    let told = ruled(&subgraph, &["authenticated", "requiresScopes"]);
    let expected: BTreeSet<_> = ruled(sdl(), &["auth"])
        .into_iter()
        .map(|(field, rule)| {
            let rule = match rule.split_once("permission: ") {
                Some((_, permission)) => {
                    let scope = permission.to_lowercase().replacen('_', ":", 1);
                    format!("requiresScopes scopes: [[\"{scope}\"]]")
                }
                None => "authenticated".to_owned(),
            };
            (field, rule)
        })
        .collect();
    assert!(expected.len() > 40, "{}", expected.len());
    assert_eq!(told, expected);
    assert!(!subgraph.contains("@auth ") && !subgraph.contains("@public"), "{subgraph}");
    for of in ["User", "Organization", "Membership", "Session", "Task"] {
        let keyed = format!("type {of} implements Node @key(fields: \"id\") {{");
        assert!(subgraph.contains(&keyed), "{of}");
    }
    assert!(subgraph.starts_with("extend schema @link(url: "), "{subgraph}");
}

#[tokio::test]
async fn a_server_that_is_no_part_of_a_graph_has_no_fields_for_a_gateway() {
    let app = TestApp::start().await;
    assert!(!sdl().contains("_entities") && !sdl().contains("_Any"));
    for query in ["{ _service { sdl } }", "{ _entities(representations: []) { __typename } }"] {
        assert_eq!(app.call(query, json!({}), None).await.code(), "GRAPHQL_VALIDATION_FAILED");
    }
}

#[tokio::test]
async fn the_command_line_prints_the_same_of_its_own_schema() {
    let app = TestApp::start().await;
    let [plain, printed] = [&["schema"][..], &["schema", "--federation"]];
    let (plain, printed) = (app.cli(plain).await.stdout, app.cli(printed).await.stdout);
    assert!(printed.starts_with("extend schema @link(url: "), "{printed}");
    let told = ruled(&printed, &["authenticated", "requiresScopes"]);
    assert_eq!(told.len(), ruled(&plain, &["auth"]).len());
}

async fn entities(it: &Cast, representations: Value, bearer: Option<&str>) -> Reply {
    let federated = it.app.second_instance_with(&[ON]).await;
    call(&federated, ENTITIES, json!({ "representations": representations }), bearer).await
}

#[tokio::test]
async fn an_object_by_its_key_is_what_node_shows_the_caller() {
    let it = Cast::meet().await;
    let (owner, member, stranger) = (&it.owner, &it.member, &it.stranger);
    let asked = json!([
        { "__typename": "User", "id": owner.id },
        { "__typename": "Organization", "id": it.organization },
        { "__typename": "Organization", "id": owner.id },
        { "__typename": "User", "id": "nothing" },
        { "__typename": "User", "id": stranger.id, "email": "of another subgraph" },
        { "__typename": "User", "id": member.id },
    ]);
    let reply = entities(&it, asked.clone(), Some(&member.access)).await;
    let expected = json!([
        { "__typename": "User", "username": "olivia", "email": null },
        { "__typename": "Organization", "name": "Acme" },
        null,
        null,
        null,
        { "__typename": "User", "username": "member", "email": "member@example.com" },
    ]);
    assert_eq!(reply.data()["_entities"], expected);
    let theirs = entities(&it, asked.clone(), Some(&stranger.access)).await.data();
    let seen = theirs["_entities"].as_array().unwrap().iter().filter(|one| !one.is_null()).count();
    assert_eq!(seen, 1, "a stranger sees themselves: {theirs}");
    assert_eq!(entities(&it, asked, None).await.code(), "UNAUTHENTICATED");
}

#[tokio::test]
async fn what_is_no_representation_is_refused() {
    let it = Cast::meet().await;
    let bearer = Some(it.owner.access.as_str());
    for bad in [
        json!(null),
        json!("User"),
        json!({}),
        json!({ "__typename": "User" }),
        json!({ "id": "x" }),
        json!({ "__typename": 1, "id": "x" }),
        json!({ "__typename": "User", "id": 1 }),
        json!([{ "__typename": "User", "id": "x" }]),
    ] {
        let reply = entities(&it, json!([bad]), bearer).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{bad}: {}", reply.text);
    }
    let one = json!({ "__typename": "User", "id": it.owner.id });
    let of = |number| json!(vec![one.clone(); number]);
    assert_eq!(entities(&it, of(100), bearer).await.code(), "NONE");
    let reply = entities(&it, of(101), bearer).await;
    assert_eq!(
        (reply.code(), reply.extension("fields")[0]["code"].clone()),
        ("BAD_USER_INPUT".into(), json!("TOO_LONG"))
    );
}
