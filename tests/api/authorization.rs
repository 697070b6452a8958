//! The access policy, proven: every root field of the schema as every kind of caller.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{FieldDefinition, TypeKind, TypeSystemDefinition};
use serde_json::json;

use crate::support::{PASSWORD, SignedIn, TestApp};

/// What a directive says.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Rule {
    Public,
    SignedIn,
    Admin,
}

/// A root field, as the SDL has it.
pub(crate) struct Field {
    pub(crate) operation: &'static str,
    pub(crate) name: String,
    rules: Vec<Rule>,
    description: String,
}

fn rule(field: &FieldDefinition) -> Vec<Rule> {
    let mut rules = Vec::new();
    for directive in &field.directives {
        // How often, not by whom.
        if directive.node.name.node == "rateLimit" {
            continue;
        }
        let role = directive.node.arguments.iter().find(|(name, _)| name.node == "role");
        rules.push(match (directive.node.name.node.as_str(), role) {
            ("public", None) => Rule::Public,
            ("auth", None) => Rule::SignedIn,
            ("auth", Some((_, value))) if value.node.to_string() == "ADMIN" => Rule::Admin,
            other => panic!("{}: no test knows {other:?}", field.name.node),
        });
    }
    rules
}

pub(crate) fn root_fields() -> Vec<Field> {
    let mut fields = Vec::new();
    for definition in parse_schema(portcullis::schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let operation = match definition.node.name.node.as_str() {
            "Query" => "query",
            "Mutation" => "mutation",
            _ => continue,
        };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        fields.extend(object.fields.into_iter().map(|field| Field {
            operation,
            name: field.node.name.node.to_string(),
            rules: rule(&field.node),
            description: field.node.description.map(|text| text.node).unwrap_or_default(),
        }));
    }
    fields
}

/// A valid call of a field about `target`. A field without one fails the test.
pub(crate) fn sample(field: &str, target: &SignedIn) -> String {
    let id = &target.id;
    match field {
        "me" => "me { id }".to_owned(),
        "user" => format!("user(id: \"{id}\") {{ id }}"),
        "auditEvents" => "auditEvents(first: 2) { edges { node { id } } }".to_owned(),
        "users" => "users { totalCount }".to_owned(),
        "register" => format!(
            "register(input: {{ username: \"fresh\", email: \"fresh@example.com\", password: \
             \"{PASSWORD}\" }}) {{ __typename }}"
        ),
        "login" => format!(
            "login(input: {{ identifier: \"{}\", password: \"{PASSWORD}\" }}) {{ __typename }}",
            target.username
        ),
        "refreshToken" => {
            format!("refreshToken(refreshToken: \"{}\") {{ expiresIn }}", target.refresh)
        }
        "logout" => format!("logout(refreshToken: \"{}\")", target.refresh),
        "setUserRole" => format!("setUserRole(id: \"{id}\", role: USER) {{ id }}"),
        "deactivateUser" => format!("deactivateUser(id: \"{id}\") {{ id }}"),
        "reactivateUser" => format!("reactivateUser(id: \"{id}\") {{ id }}"),
        "deleteUser" => format!("deleteUser(id: \"{id}\")"),
        other => panic!("{other}: write a sample call of it"),
    }
}

#[test]
fn every_root_field_says_who_may_call_it_in_the_sdl_and_in_words() {
    let fields = root_fields();
    assert!(fields.len() >= 11);
    for Field { name, rules, description, .. } in fields {
        let [rule] = rules[..] else {
            panic!("{name}: mark it @public or @auth, exactly one, not {rules:?}");
        };
        let words = match rule {
            Rule::Public => "Anybody may call this.",
            Rule::SignedIn => "Requires a signed-in caller.",
            Rule::Admin => "Requires role ADMIN.",
        };
        let description = description.replace('\n', " ");
        assert!(description.ends_with(words), "{name} ends with {words:?}: {description}");
    }
}

#[tokio::test]
async fn every_root_field_keeps_its_rule_for_every_kind_of_caller() {
    for field in root_fields() {
        for caller in ["anonymous", "forged", "expired", "user", "deactivated", "demoted", "admin"]
        {
            let app = TestApp::start().await;
            let target = app.register("target").await;
            let bearer = bearer(&app, caller).await;
            let query = format!("{} {{ {} }}", field.operation, sample(&field.name, &target));
            // Its own session must not be what a signed-out caller presents.
            let reply = app.call(&query, json!({}), bearer.as_deref()).await;
            let expected = expected(field.rules[0], caller);
            assert_eq!(reply.code(), expected, "{} as {caller}: {}", field.name, reply.text);
        }
    }
}

async fn bearer(app: &TestApp, caller: &str) -> Option<String> {
    match caller {
        "anonymous" => None,
        "forged" => Some("e30.e30.AAAA".to_owned()),
        "expired" => {
            let user = app.admin("caller").await;
            app.clock.advance(std::time::Duration::from_secs(906));
            Some(user.access)
        }
        "user" => Some(app.register("caller").await.access),
        "admin" => Some(app.admin("caller").await.access),
        "deactivated" | "demoted" => {
            let user = app.admin("caller").await;
            let boss = app.admin("boss").await;
            app.query("{ me { id } }", &user.access).await.data();
            let change = if caller == "demoted" {
                format!("mutation {{ setUserRole(id: \"{}\", role: USER) {{ id }} }}", user.id)
            } else {
                format!("mutation {{ deactivateUser(id: \"{}\") {{ id }} }}", user.id)
            };
            app.query(&change, &boss.access).await.data();
            Some(user.access)
        }
        other => panic!("{other}"),
    }
}

fn expected(rule: Rule, caller: &str) -> &'static str {
    match (rule, caller) {
        (Rule::Public, _) | (_, "admin") | (Rule::SignedIn, "user" | "demoted") => "NONE",
        (Rule::Admin, "user" | "demoted") => "FORBIDDEN",
        _ => "UNAUTHENTICATED",
    }
}
