//! What a document costs by the directives of the exported schema is what the pre-scan charges for it.

mod text;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_graphql::parser::types::{BaseType, FieldDefinition, Type};
use async_graphql::{ID, Json};
use portcullis_macros::rules;
use serde_json::Value as JsonValue;

use self::text::{Text, innermost};
use super::*;
use crate::graphql::document::Lookup;
use crate::schema::{Making, Roots};

/// A document, and the variables that it is sent with.
struct Sample {
    source: String,
    variables: JsonValue,
    field: String,
}

/// Documents that select each field of each type, in several ways if it is a list.
fn samples(text: &Text) -> Vec<Sample> {
    let mut samples = Vec::new();
    for (of, (operation, head, tail)) in ways(text) {
        for (name, field) in text.fields.get(&of).into_iter().flatten() {
            let body = body(text, innermost(&field.ty.node), 1);
            for (declared, arguments, variables) in arguments(text, field) {
                samples.push(Sample {
                    source: format!(
                        "{operation}{declared} {{ {head} {name}{arguments} {body} {tail} }}"
                    ),
                    variables,
                    field: format!("{of}.{name}"),
                });
            }
        }
    }
    samples
}

/// The shortest way to each type: the kind of operation, and what opens and closes the selection sets on it.
fn ways(text: &Text) -> BTreeMap<String, (&'static str, String, String)> {
    let mut ways = BTreeMap::new();
    let mut next = VecDeque::new();
    for (root, operation) in
        [("Query", "query"), ("Mutation", "mutation"), ("Subscription", "subscription")]
    {
        next.push_back((root.to_owned(), (operation, String::new(), String::new())));
        while let Some((of, way)) = next.pop_front() {
            if ways.contains_key(&of) {
                continue;
            }
            let (operation, head, tail) = &way;
            let further = |on: &str, opening: &str| {
                (on.to_owned(), (*operation, format!("{head} {opening} {{"), format!("}} {tail}")))
            };
            for member in text.unions.get(&of).into_iter().flatten() {
                next.push_back(further(member, &format!("... on {member}")));
            }
            for (name, field) in text.fields.get(&of).into_iter().flatten() {
                let on = innermost(&field.ty.node);
                if text.is_composite(on) {
                    next.push_back(further(on, &format!("{name}{}", required(text, field))));
                }
            }
            ways.insert(of, way);
        }
    }
    ways
}

/// What is selected: all that needs no argument, and of the objects in it their types.
fn body(text: &Text, of: &str, depth: u32) -> String {
    if !text.is_composite(of) {
        return String::new();
    }
    let fields = text.fields.get(of).into_iter().flatten();
    let fields = fields.filter(|(_, field)| depth > 0 && required(text, field).is_empty());
    let all = fields.map(|(name, field)| {
        format!("{name} {} ", body(text, innermost(&field.ty.node), depth - 1))
    });
    format!("{{ __typename {} }}", all.collect::<String>())
}

/// Variables that are declared, arguments, and the values of the variables.
fn arguments(text: &Text, field: &FieldDefinition) -> Vec<(String, String, JsonValue)> {
    let plain = |arguments: String| (String::new(), arguments, json!({}));
    let mut all = vec![plain(required(text, field))];
    let of = |name: &str| field.arguments.iter().find(|it| it.node.name.node == name);
    if of("first").is_some() {
        for asked in ["first: 7", "last: 3", "first: 0", "first: null"] {
            let (name, _) = asked.split_once(':').unwrap();
            all.extend(of(name).map(|_| plain(format!("({asked})"))));
        }
        for (declared, value) in
            [("Int", json!(9)), ("Int", JsonValue::Null), ("Int = 4", json!(4))]
        {
            let variables = json!({ "size": value });
            all.push((format!("($size: {declared})"), "(first: $size)".into(), variables));
        }
    }
    for name in ["ids", "fields"] {
        let Some(argument) = of(name) else { continue };
        let ty = &argument.node.ty.node;
        for length in [0, 1, 12] {
            let values = vec!["x"; length];
            all.push(plain(format!("({name}: {values:?})")));
            let variables = json!({ "values": values });
            all.push((format!("($values: {ty})"), format!("({name}: $values)"), variables));
        }
    }
    all
}

/// The arguments that a field needs.
fn required(text: &Text, field: &FieldDefinition) -> String {
    let needed = field.arguments.iter().map(|it| &it.node);
    let needed = needed.filter(|it| !it.ty.node.nullable && it.default_value.is_none());
    let given: Vec<_> =
        needed.map(|it| format!("{}: {}", it.name.node, value(text, &it.ty.node))).collect();
    if given.is_empty() { String::new() } else { format!("({})", given.join(", ")) }
}

fn value(text: &Text, ty: &Type) -> String {
    let name = match &ty.base {
        BaseType::List(inner) => return format!("[{0}, {0}]", value(text, inner)),
        BaseType::Named(name) => name.as_str(),
    };
    match text.kinds.get(name) {
        // Exactly one of its fields.
        Some(TypeKind::InputObject(_)) if name == "Proof" => "{ password: \"x\" }".into(),
        Some(TypeKind::Enum(of)) => of.values[0].node.value.node.to_string(),
        Some(TypeKind::InputObject(of)) => {
            let fields = of.fields.iter().map(|it| &it.node).filter(|it| !it.ty.node.nullable);
            let fields: Vec<_> = fields
                .map(|it| format!("{}: {}", it.name.node, value(text, &it.ty.node)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
        _ => match name {
            "Int" => "1".into(),
            "Boolean" => "true".into(),
            "DateTime" => "\"2030-01-01T00:00:00Z\"".into(),
            "JSON" => "{ a: \"x\" }".into(),
            "_Any" => "{ __typename: \"User\", id: \"x\" }".into(),
            _ => "\"x\"".into(),
        },
    }
}

/// Compares what the two say of each sample. Returns the fields.
fn compare_costs(roots: &Roots, is_federated: bool) -> BTreeSet<String> {
    let rates = Rates::default();
    let making = || Making { is_federated, ..Making::shown(Visible::All, &rates) };
    let text = Text::read(&roots.export_made(making()));
    let schema = roots.make(making());
    let documents = Documents::new(schema.types.clone(), true);
    let runtime = Builder::new_current_thread().build().unwrap();
    let mut compared = BTreeSet::new();
    for Sample { source, variables, field } in samples(&text) {
        let JsonValue::Object(given) = variables.clone() else { unreachable!() };
        let asked = Asked { source: &source, operation_name: None, variables: given };
        let scanned = runtime.block_on(documents.scan(&schema, documents.look_up(&source), asked));
        let told = text.cost(&source, &variables);
        match scanned {
            Ok(scanned) => {
                let Lookup::Known(proven) = documents.look_up(&source) else { panic!("{source}") };
                let charged = u64::from(scanned.cost) - proven.checking();
                assert_eq!(told, charged, "{source} {variables}");
            }
            Err(Refusal::Limit { limit: "cost", max }) => {
                assert!(max == text.max && told > max, "{source} {variables}: {told}");
            }
            Err(refused) => panic!("{source}: {refused}"),
        }
        compared.insert(field);
    }
    let all = text
        .fields
        .iter()
        .flat_map(|(of, fields)| fields.keys().map(move |name| format!("{of}.{name}")));
    let left: Vec<_> = all.filter(|field| !compared.contains(field)).collect();
    assert!(left.is_empty(), "{left:?}");
    compared
}

#[test]
fn the_exported_schema_says_what_each_field_costs() {
    let compared = compare_costs(&Roots::default(), false);
    assert!(compared.len() > 200, "{}", compared.len());
    for list in ["Query.users", "UserConnection.edges", "Query.nodes", "User.permissionGrants"] {
        assert!(compared.contains(list), "{list}");
    }
}

/// As docs/reference/document-limits.md computes it.
#[test]
fn a_page_of_ten_ids_costs_120() {
    let roots = Roots::default();
    let source = "{ users(first: 10) { nodes { id } } }";
    let text = Text::read(&roots.export(Visible::All, &Rates::default()));
    assert_eq!(text.cost(source, &json!({})), 112);
    let schema = roots.make(Making::shown(Visible::All, &Rates::default()));
    let documents = Documents::new(schema.types.clone(), true);
    let asked = Asked { source, operation_name: None, variables: Map::new() };
    let scan = documents.scan(&schema, documents.look_up(source), asked);
    let runtime = Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(scan).unwrap().cost, 120);
}

#[test]
fn the_schema_of_a_subgraph_says_what_its_fields_cost() {
    let compared = compare_costs(&Roots::default(), true);
    assert!(compared.contains("Query._entities") && compared.contains("_Service.sdl"));
}

#[derive(SimpleObject)]
struct Thing {
    name: String,
    parts: Vec<Vec<Part>>,
}

#[derive(SimpleObject)]
struct Part {
    name: String,
    owner: Option<Owner>,
}

#[derive(SimpleObject)]
struct Owner {
    tools: Vec<Part>,
}

#[derive(SimpleObject)]
struct ThingConnection {
    edges: Vec<ThingEdge>,
    page_info: i32,
    total_count: i32,
}

#[derive(SimpleObject)]
struct ThingEdge {
    node: Option<Thing>,
}

#[derive(Default)]
struct Things;

#[rules(query)]
#[Object]
impl Things {
    /// A page.
    #[public]
    async fn things(&self, first: Option<i32>) -> ThingConnection {
        let _ = first;
        ThingConnection { edges: Vec::new(), page_info: 0, total_count: 0 }
    }

    /// A list that is asked for by number.
    #[public]
    async fn top_things(&self, first: Option<i32>, last: Option<i32>) -> Vec<Thing> {
        let _ = (first, last);
        Vec::new()
    }

    /// An object that is taken for a page, and is one elsewhere too.
    #[public]
    async fn thing(&self, first: Option<i32>) -> Option<Thing> {
        let _ = first;
        None
    }

    /// All, or some.
    #[public]
    async fn which_things(&self, ids: Option<Vec<ID>>) -> Vec<Thing> {
        let _ = ids;
        Vec::new()
    }

    /// Everything.
    #[public]
    async fn everything(&self) -> Json<BTreeMap<String, i32>> {
        Json(BTreeMap::new())
    }
}

#[test]
fn an_extension_says_what_its_fields_cost() {
    let roots = Roots::with::<Things, EmptyMutation>(Vec::new()).unwrap();
    let compared = compare_costs(&roots, false);
    for field in ["Query.topThings", "Query.whichThings", "Query.everything", "Thing.parts"] {
        assert!(compared.contains(field), "{field}");
    }
    let sdl = roots.export(Visible::All, &Rates::default());
    for line in [
        "ThingConnection @public @semanticNonNull @cost(weight: \"51\") @listSize(assumedSize: 20, slicingArguments: \
         [\"first\"], sizedFields: [\"edges\"], requireOneSlicingArgument: false)",
        "@listSize(assumedSize: 100, slicingArguments: [\"ids\"], requireOneSlicingArgument: false)",
        "tools: [Part!]! @listSize(assumedSize: 100)",
        "everything: JSON @public @semanticNonNull @cost(weight: \"12502\")",
    ] {
        assert!(sdl.contains(line), "{line}: {sdl}");
    }
}
