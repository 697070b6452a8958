//! The exported schema: fresh, described, and in step with the pre-scan.

use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{TypeKind, TypeSystemDefinition};

use crate::support::{TestApp, call};

#[test]
fn the_exported_schema_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let exported = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        exported == portcullis::schema::sdl(),
        "schema.graphql is stale: run `cargo run -- schema > schema.graphql`"
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    for definition in parse_schema(portcullis::schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let definition = definition.node;
        let name = definition.name.node.as_str();
        assert!(definition.description.is_some(), "{name}");
        match definition.kind {
            TypeKind::Object(object) => {
                for field in object.fields {
                    let field = field.node;
                    assert!(field.description.is_some(), "{name}.{}", field.name.node);
                    for argument in field.arguments {
                        let argument = argument.node;
                        assert!(argument.description.is_some(), "{name}.{}", argument.name.node);
                    }
                }
            }
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    assert!(field.node.description.is_some(), "{name}.{}", field.node.name.node);
                }
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    assert!(value.node.description.is_some(), "{name}.{}", value.node.value.node);
                }
            }
            _ => {}
        }
    }
}

/// Whatever takes a password or a token is a credential mutation: two of any do not fit into one
/// operation. `logout` only ever gives something up.
#[tokio::test]
async fn every_mutation_with_a_secret_is_limited_to_one_an_operation() {
    let app = TestApp::start().await;
    let mut checked = 0;
    for definition in parse_schema(portcullis::schema::sdl()).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let TypeKind::Object(object) = definition.node.kind else { continue };
        if definition.node.name.node != "Mutation" {
            continue;
        }
        for field in object.fields {
            let field = field.node;
            let name = field.name.node.as_str();
            let takes_secret = field.arguments.iter().any(|argument| {
                let argument = format!("{:?}", argument.node).to_lowercase();
                ["password", "token", "secret", "registerinput", "logininput"]
                    .iter()
                    .any(|word| argument.contains(word))
            });
            if takes_secret && name != "logout" {
                checked += 1;
                let twice = format!("mutation {{ a: {name} b: {name} }}");
                let reply = call(&app.app, &twice, serde_json::json!({}), None).await;
                assert_eq!(reply.code(), "DOCUMENT_LIMIT", "{name}");
                assert_eq!(reply.extension("limit"), "credentialMutations", "{name}");
            }
        }
    }
    assert_eq!(checked, 10);
}
