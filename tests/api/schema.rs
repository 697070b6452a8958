//! The exported schema: fresh, described, and in step with the pre-scan.

use std::process::Command;

use std::collections::{BTreeMap, HashSet};

use async_graphql::parser::types::{
    BaseType, ConstDirective, FieldDefinition, TypeKind, TypeSystemDefinition,
};
use async_graphql::{Positioned, Value};
use portcullis_testing::conformance::schema::innermost;

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
    for definition in portcullis::schema::parse_sdl(sdl()).unwrap().definitions {
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

/// Gateways and editors show it. The library has another text of its own.
#[tokio::test]
async fn the_schema_describes_itself_and_introspection_tells_the_same() {
    let described = sdl().strip_prefix("\"\"\"\n").unwrap();
    let (description, _) = described.split_once("\n\"\"\"\nschema {\n\tquery: Query\n").unwrap();
    let app = TestApp::start().await;
    let query = "query { ours: __schema { text: description ...F } __schema { queryType { name } } } \
                 fragment F on __Schema { description }";
    let told = call(&app.app, query, serde_json::json!({}), None).await.data();
    let expected = serde_json::json!({
        "ours": { "text": description, "description": description },
        "__schema": { "queryType": { "name": "Query" } }
    });
    assert_eq!(told, expected);
}

/// The types of the schema, by their names.
fn types() -> BTreeMap<String, TypeKind> {
    let definitions = portcullis::schema::parse_sdl(sdl()).unwrap().definitions.into_iter();
    let types = definitions.filter_map(|definition| match definition {
        TypeSystemDefinition::Type(of) => Some((of.node.name.node.to_string(), of.node.kind)),
        TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
    });
    types.collect()
}

/// A mutation, as far as these tests look at it.
struct Mutation {
    name: String,
    arguments: Vec<String>,
    /// The names of the fields of its input.
    asked: Vec<String>,
    /// The name of the type that it answers.
    answer: String,
    is_of_admins: bool,
}

fn mutations() -> Vec<Mutation> {
    let types = types();
    let TypeKind::Object(root) = &types["Mutation"] else { panic!("an object") };
    let fields = root.fields.iter().map(|field| &field.node);
    let read = |field: &FieldDefinition| Mutation {
        name: field.name.node.to_string(),
        arguments: field.arguments.iter().map(|it| it.node.name.node.to_string()).collect(),
        asked: field
            .arguments
            .iter()
            .flat_map(|it| match &types[innermost(&it.node.ty.node)] {
                TypeKind::InputObject(input) => &input.fields[..],
                _ => panic!("{}: an input", field.name.node),
            })
            .map(|it| it.node.name.node.to_string())
            .collect(),
        answer: innermost(&field.ty.node).to_owned(),
        is_of_admins: field.directives.iter().any(|directive| {
            directive.node.name.node == "auth" && !directive.node.arguments.is_empty()
        }),
    };
    fields.map(read).collect()
}

/// So that fields can be added to both, and caches learn what changed.
#[test]
fn every_mutation_takes_one_input_and_answers_a_payload() {
    let types = types();
    for Mutation { name, arguments, answer, .. } in mutations() {
        assert!(arguments.is_empty() || arguments == ["input"], "{name}: {arguments:?}");
        let own = format!("{}{}Payload", name[..1].to_uppercase(), &name[1..]);
        let is_payload = match &types[&answer] {
            // What signs somebody in is told by all mutations alike.
            TypeKind::Object(_) => answer == own || answer == "AuthPayload",
            TypeKind::Union(_) => answer.ends_with("Result"),
            _ => false,
        };
        assert!(is_payload, "{name}: {answer}");
    }
}

/// Mutations whose payload names nothing that a client's cache could have, and why.
const NAMES_NOTHING: [(&str, &str); 16] = [
    ("endUserSessions", "its caller need not be allowed to read the user: it names the id"),
    ("exportMyData", "it changes nothing: the data are downloaded elsewhere"),
    ("logout", "its caller may be somebody whose session has ended: it names the id"),
    ("requestEmailVerification", "a stranger must not learn whether there is an account"),
    ("requestPasswordReset", "a stranger must not learn whether there is an account"),
    ("resetPassword", "its caller has no session, and learns the username only"),
    ("startIdTokenSignIn", "it changes no object: what it starts is finished by another"),
    ("startLink", "it changes no object: what it starts is finished by another"),
    ("startPasskeyProof", "it changes no object: what it starts is finished by another"),
    ("startPasskeyRegistration", "it changes no object: what it starts is finished by another"),
    ("startPasskeySignIn", "it changes no object: what it starts is finished by another"),
    ("startReauthentication", "it changes no object: what it starts is finished by another"),
    ("startSignIn", "it changes no object: what it starts is finished by another"),
    ("startTotpEnrollment", "it changes no object: what it starts is finished by another"),
    ("undoEmailChange", "its caller has no session, and the account is its owner's"),
    ("verifyEmail", "its caller need not have a session, and then learns nothing of the account"),
];

/// Whether a payload has an object with an id, of a type that stands in caches, or the id of one that is gone.
fn names_what_changed(types: &BTreeMap<String, TypeKind>, payload: &str) -> bool {
    let has_id = |of: &str| match types.get(of) {
        Some(TypeKind::Object(object)) => object.fields.iter().any(|it| it.node.name.node == "id"),
        _ => false,
    };
    match &types[payload] {
        TypeKind::Object(object) => object.fields.iter().any(|field| {
            let (name, of) = (field.node.name.node.as_str(), innermost(&field.node.ty.node));
            let is_gone = of == "ID" && name.starts_with("deleted") && name.ends_with("Id");
            is_gone || has_id(of)
        }),
        // Of those that are not signed in by it, nothing has changed yet.
        TypeKind::Union(union) => {
            union.members.iter().any(|member| names_what_changed(types, &member.node))
        }
        _ => false,
    }
}

/// So that normalized caches follow without asking again.
#[test]
fn every_payload_names_the_object_that_changed_or_the_id_that_is_gone() {
    let types = types();
    let silent = mutations().into_iter().filter(|it| !names_what_changed(&types, &it.answer));
    let silent: Vec<_> = silent.map(|it| it.name).collect();
    assert_eq!(silent, NAMES_NOTHING.map(|(name, _)| name));
}

/// The rules stand in one macro, and in a literal for the query that checks a name.
#[test]
fn every_argument_that_is_a_username_says_what_one_is() {
    let mut found = BTreeMap::new();
    for (of, kind) in types() {
        let arguments = match kind {
            TypeKind::InputObject(input) => input.fields,
            TypeKind::Object(object) => {
                object.fields.into_iter().flat_map(|field| field.node.arguments).collect()
            }
            _ => continue,
        };
        for argument in arguments.into_iter().filter(|it| it.node.name.node == "username") {
            found.insert(of.clone(), argument.node.description.unwrap().node);
        }
    }
    let takers = [
        "AcceptUserInvitationInput",
        "ChooseUsernameInput",
        "Query",
        "RegisterInput",
        "VerifyEmailInput",
    ];
    assert_eq!(found.keys().collect::<Vec<_>>(), takers);
    let (_, rules) = found["RegisterInput"].split_once(": ").unwrap();
    assert!(rules.starts_with("3 to 64 ASCII letters, digits"), "{rules}");
    for (of, description) in &found {
        assert!(description.ends_with(rules), "{of}: {description}");
    }
}

/// Whatever takes a password or a token is a credential mutation: two of any do not fit into one
/// operation. `logout` only ever gives something up.
#[tokio::test]
async fn every_mutation_with_a_secret_is_limited_to_one_an_operation() {
    let app = TestApp::start().await;
    let mut checked = 0;
    for Mutation { name, asked, .. } in mutations() {
        let is_secret = |asked: &String| {
            ["password", "token", "code", "proof", "credential"]
                .iter()
                .any(|it| asked.to_lowercase().contains(it))
        };
        if asked.iter().any(is_secret) && name != "logout" {
            checked += 1;
            let twice = format!("mutation {{ a: {name} b: {name} }}");
            let reply = call(&app.app, &twice, serde_json::json!({}), None).await;
            assert_eq!(reply.code(), "DOCUMENT_LIMIT", "{name}");
            assert_eq!(reply.extension("limit"), "credentialMutations", "{name}");
        }
    }
    assert_eq!(checked, 20);
}

#[test]
fn no_mutation_on_another_account_takes_a_password() {
    let mut checked = 0;
    for Mutation { name, asked, is_of_admins, .. } in mutations() {
        if is_of_admins || asked.iter().any(|asked| asked == "id") {
            checked += 1;
            assert!(!asked.iter().any(|it| it.to_lowercase().contains("password")), "{name}");
        }
    }
    assert!(checked >= 10, "{checked}");
}

/// The cost of a document counts a list of objects as a page, by its `ids`, or as a hundred entries. A list of
/// another kind must not be longer, or `cost.rs` must know its length.
#[test]
fn every_list_of_objects_has_a_length_that_the_cost_knows() {
    let definitions = portcullis::schema::parse_sdl(sdl()).unwrap().definitions;
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
    // One for each kind of thing that an account has, for each permission that there is, or for each provider.
    let short = [
        "Leftovers.kinds",
        "Query.signInProviders",
        "User.identities",
        "User.passkeys",
        "User.permissionGrants",
    ];
    assert_eq!(lists, short);
}

/// What tells clients what to do, as docs/reference/schema-changes.md asks for it.
fn says_what_to_use(reason: &str) -> bool {
    reason.strip_prefix("Use ").is_some_and(|instead| !instead.trim_matches(['.', ' ']).is_empty())
}

/// Everything that is deprecated, as in `User.email`, with its reason.
fn deprecated(sdl: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut look = |coordinate: String, used: &[Positioned<ConstDirective>]| {
        let deprecated = used.iter().find(|used| used.node.name.node == "deprecated");
        found.extend(deprecated.map(|deprecated| {
            let reason = match deprecated.node.get_argument("reason").map(|reason| &reason.node) {
                Some(Value::String(reason)) => reason.clone(),
                _ => String::new(),
            };
            (coordinate, reason)
        }));
    };
    for definition in portcullis::schema::parse_sdl(sdl).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else { continue };
        let of = definition.node.name.node;
        let fields = match definition.node.kind {
            TypeKind::Object(object) => object.fields,
            TypeKind::Interface(interface) => interface.fields,
            TypeKind::InputObject(input) => {
                for field in input.fields {
                    look(format!("{of}.{}", field.node.name.node), &field.node.directives);
                }
                continue;
            }
            TypeKind::Enum(values) => {
                for value in values.values {
                    look(format!("{of}.{}", value.node.value.node), &value.node.directives);
                }
                continue;
            }
            TypeKind::Scalar | TypeKind::Union(_) => continue,
        };
        for field in fields {
            let name = format!("{of}.{}", field.node.name.node);
            look(name.clone(), &field.node.directives);
            for argument in field.node.arguments {
                let argument = argument.node;
                look(format!("{name}({}:)", argument.name.node), &argument.directives);
            }
        }
    }
    found
}

#[test]
fn what_is_deprecated_says_what_to_use_instead() {
    for (coordinate, reason) in deprecated(sdl()) {
        assert!(says_what_to_use(&reason), "{coordinate}: {reason}");
    }
}

/// So that the test above means something while nothing is deprecated.
#[test]
fn a_deprecation_without_a_way_out_is_found() {
    let made_up = "type Query { a: Int @deprecated(reason: \"Use b.\") b(c: Int @deprecated): Int } \
                   enum E { D @deprecated(reason: \"Gone soon\") F } \
                   input I { g: Int @deprecated(reason: \"Use \") h: Int }";
    let found = deprecated(made_up);
    let names: Vec<_> = found.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Query.a", "Query.b(c:)", "E.D", "I.g"]);
    let unsaid = found.iter().filter(|(_, reason)| !says_what_to_use(reason));
    assert_eq!(unsaid.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names[1..]);
}
