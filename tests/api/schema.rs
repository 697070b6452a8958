//! The exported schema: fresh, described, and in step with the pre-scan.

use std::process::Command;

use std::collections::HashSet;

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, InputValueDefinition, TypeKind, TypeSystemDefinition,
};

use crate::support::sdl;
use crate::support::{TestApp, call};

#[test]
fn the_exported_schema_is_fresh() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schema.graphql");
    let exported = std::fs::read_to_string(path).unwrap_or_default();
    let own = Command::new(env!("CARGO_BIN_EXE_portcullis")).arg("schema").output().unwrap();
    assert!(
        exported.as_bytes() == own.stdout,
        "schema.graphql is stale: run `cargo run -- schema > schema.graphql`"
    );
}

#[test]
fn everything_in_the_schema_is_described() {
    for definition in parse_schema(sdl()).unwrap().definitions {
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
    for definition in parse_schema(sdl()).unwrap().definitions {
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

#[test]
fn no_mutation_on_another_account_takes_a_password() {
    let definitions = parse_schema(sdl()).unwrap().definitions;
    let types: Vec<_> = definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(of) => Some(of.node),
            _ => None,
        })
        .collect();
    let is_secret = |arguments: &[Positioned<InputValueDefinition>]| {
        arguments.iter().any(|it| it.node.name.node.to_lowercase().contains("password"))
    };
    let inputs: HashSet<_> = types
        .iter()
        .filter(|of| matches!(&of.kind, TypeKind::InputObject(it) if is_secret(&it.fields)))
        .map(|of| of.name.node.to_string())
        .collect();
    let mut checked = 0;
    for of in &types {
        let TypeKind::Object(object) = &of.kind else { continue };
        for field in object.fields.iter().filter(|_| of.name.node == "Mutation") {
            let arguments = &field.node.arguments;
            let takes_input =
                arguments.iter().any(|it| inputs.contains(&it.node.ty.node.base.to_string()));
            let takes_id = arguments.iter().any(|it| it.node.name.node == "id");
            let is_of_admins = field.node.directives.iter().any(|directive| {
                directive.node.name.node == "auth" && !directive.node.arguments.is_empty()
            });
            if takes_id || is_of_admins {
                checked += 1;
                assert!(!is_secret(arguments) && !takes_input, "{}", field.node.name.node);
            }
        }
    }
    assert!(checked >= 10, "{checked}");
}

/// The cost of a document counts a list of objects as a page, by its `ids`, or as a hundred entries. A list of
/// another kind must not be longer, or `cost.rs` must know its length.
#[test]
fn every_list_of_objects_has_a_length_that_the_cost_knows() {
    let definitions = parse_schema(sdl()).unwrap().definitions;
    let types: Vec<_> = definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(of) => Some(of.node),
            _ => None,
        })
        .collect();
    let composites: HashSet<_> = types
        .iter()
        .filter(|of| {
            matches!(of.kind, TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
        })
        .map(|of| of.name.node.as_str())
        .collect();
    let mut lists = Vec::new();
    for of in &types {
        let TypeKind::Object(object) = &of.kind else { continue };
        for field in object.fields.iter().map(|field| &field.node) {
            let BaseType::List(inner) = &field.ty.node.base else { continue };
            let BaseType::Named(inner) = &inner.base else { continue };
            let is_listed = |name: &str| ["ids", "fields"].contains(&name);
            let mut arguments = field.arguments.iter();
            let is_as_long = arguments.any(|argument| is_listed(&argument.node.name.node));
            let is_page = of.name.node.ends_with("Connection")
                && ["edges", "nodes"].contains(&field.name.node.as_str());
            if composites.contains(inner.as_str()) && !is_as_long && !is_page {
                lists.push(format!("{}.{}", of.name.node, field.name.node));
            }
        }
    }
    // One for each kind of thing that an account has, or for each permission that there is.
    let short = [
        "Leftovers.kinds",
        "Mutation.grantPermission",
        "Mutation.revokePermission",
        "User.permissionGrants",
    ];
    assert_eq!(lists, short);
}
