//! The pre-scan: its limits, each at its edge and one beyond; what it makes of a document; and that
//! the library does no more than it has counted.

mod limits;
mod merging;
mod schema;
mod values;

use std::fmt::Write;
use std::sync::LazyLock;

use async_graphql::futures_util::FutureExt;
use async_graphql::{Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::schema::{Resolved, TestSchema};
use super::*;

/// A server, as far as documents are concerned.
struct Server {
    documents: Documents,
    schema: TestSchema,
    resolved: Resolved,
}

impl Server {
    fn new(allows_introspection: bool) -> Self {
        let resolved = Resolved::default();
        let (schema, types) = schema::build(&resolved);
        Self { documents: Documents::new(types, allows_introspection), schema, resolved }
    }

    fn scan(
        &self,
        source: &str,
        operation_name: Option<&str>,
        variables: Value,
    ) -> Result<Scanned, Refusal> {
        let Value::Object(variables) = variables else { panic!("not a map") };
        let lookup = self.documents.look_up(source);
        let asked = Asked { source, operation_name, variables };
        // Nothing in it waits.
        self.documents.scan(&self.schema, lookup, asked).now_or_never().unwrap()
    }

    fn run(&self, scanned: Scanned) -> Response {
        let mut request = Request::new("").variables(scanned.variables);
        request.set_parsed_query(scanned.document);
        self.schema.execute(request).now_or_never().unwrap()
    }
}

static OPEN: LazyLock<Server> = LazyLock::new(|| Server::new(true));

fn scanned(source: &str) -> Result<Scanned, Refusal> {
    OPEN.scan(source, None, json!({}))
}

/// The limit that a document exceeds. It need not be valid otherwise.
fn limit(source: &str) -> Option<&'static str> {
    limit_of(scanned(source))
}

fn limit_of(outcome: Result<Scanned, Refusal>) -> Option<&'static str> {
    match outcome {
        Err(Refusal::Limit { limit, .. }) => Some(limit),
        Ok(_) | Err(Refusal::Errors(_)) => None,
        Err(other) => panic!("{other}"),
    }
}

/// Why a document is not valid.
fn fault(source: &str) -> String {
    match scanned(source) {
        Err(Refusal::Invalid { message, .. }) => message,
        Err(Refusal::Errors(errors)) => errors[0].message.clone(),
        other => panic!("{source}: {other:?}"),
    }
}

/// The data that a document is answered with, as JSON.
fn answer(source: &str, variables: Value) -> String {
    let scanned = OPEN.scan(source, None, variables).unwrap();
    let response = OPEN.run(scanned);
    assert!(response.errors.is_empty(), "{:?}", response.errors);
    serde_json::to_string(&response.data).unwrap()
}

/// `count` fragments, each spreading the next `width` times, and the last one `end`.
fn chain(count: usize, width: usize, end: &str) -> String {
    let mut source = String::from("{ ...F0 }");
    for index in 0..count {
        let spreads = format!("...F{} ", index + 1).repeat(width);
        let _ = write!(source, " fragment F{index} on Query {{ {spreads} }}");
    }
    let _ = write!(source, " fragment F{count} on Query {{ {end} }}");
    source
}

fn nested(depth: usize) -> String {
    format!("{}{}", "{a".repeat(depth), "}".repeat(depth))
}

/// The body of a selection set on a `User` that spreads only fragments from `later` on.
fn body(later: usize) -> BoxedStrategy<String> {
    let mut leaves =
        vec!["id".to_owned(), "name".to_owned(), "x: name".to_owned(), "__typename".to_owned()];
    leaves.extend((later..4).map(|index| format!("...F{index}")));
    let skips = ["", "", "", "@skip(if: $yes)", "@include(if: $no)", "@include(if: true)"];
    let set = (prop::sample::select(leaves), prop::sample::select(skips.to_vec()))
        .prop_map(|(leaf, skip)| format!("{leaf} {skip}"))
        .prop_recursive(4, 16, 3, move |inner| {
            let heads = vec![
                ("best", ""),
                ("y: best", ""),
                ("friends(first: 2)", "edges { node"),
                ("z: friends(last: $n)", "edges { cursor node"),
                ("... on User", ""),
                ("... on Node", "... on User"),
                ("...", ""),
            ];
            (
                prop::sample::select(heads),
                prop::sample::select(skips.to_vec()),
                prop::collection::vec(inner, 1..3),
            )
                .prop_map(|((head, inside), skip, items)| {
                    let items = items.join(" ");
                    match inside {
                        "" => format!("{head} {skip} {{ {items} }}"),
                        "... on User" => format!("{head} {skip} {{ {inside} {{ {items} }} }}"),
                        _ => format!("{head} {skip} {{ {inside} {{ {items} }} }} }}"),
                    }
                })
        });
    prop::collection::vec(set, 1..4).prop_map(|items| items.join(" ")).boxed()
}

fn document() -> impl Strategy<Value = String> {
    (body(0), body(1), body(2), body(3), body(4)).prop_map(|(operation, f0, f1, f2, f3)| {
        let mut source = format!(
            "query($yes: Boolean!, $no: Boolean!, $n: Int) {{ me {{ {operation} ...F0 ...F1 ...F2 ...F3 }} \
             s: me @skip(if: $yes) {{ id }} t: me @skip(if: $no) {{ id }} users(first: $n) {{ edges {{ cursor }} }} }}"
        );
        for (index, body) in [f0, f1, f2, f3].iter().enumerate() {
            let _ = write!(source, " fragment F{index} on User {{ {body} }}");
        }
        source
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// What is made of a document answers what the document answers, at no more than it was said to cost.
    #[test]
    fn a_merged_operation_answers_the_same_and_costs_no_more(source in document(), n in 0..4_i32) {
        let variables = json!({ "yes": true, "no": false, "n": n });
        let server = Server::new(true);
        let scanned = match server.scan(&source, None, variables.clone()) {
            Ok(scanned) => scanned,
            Err(Refusal::Limit { .. }) => return Err(TestCaseError::reject("beyond a limit")),
            Err(other) => panic!("{source}: {other:?}"),
        };
        let types = schema::build(&Resolved::default()).1;
        let (_, operation) = scanned.document.operations.iter().next().unwrap();
        let cost = cost::of(types.get().unwrap(), &operation.node, &scanned.variables, 0).unwrap();
        server.resolved.take();
        let merged = server.run(scanned);
        prop_assert!(merged.errors.is_empty(), "{:?}", merged.errors);
        prop_assert!(server.resolved.take() <= cost.amount);
        let request = Request::new(source.as_str()).variables(async_graphql::Variables::from_json(variables));
        let whole = server.schema.execute(request).now_or_never().unwrap();
        prop_assert!(whole.errors.is_empty(), "{source}: {:?}", whole.errors);
        // Objects compare by their entries, whatever their order.
        prop_assert_eq!(merged.data, whole.data);
    }

    #[test]
    fn no_text_makes_the_scan_panic(source in ".{0,400}") {
        let _ = scanned(&source);
    }

    #[test]
    fn no_near_document_makes_the_scan_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "(", ")", "[", "]", "me", ":", "...", "F", "fragment", "on", "query", "User", "id",
                "mutation", "$", "!", "=", "@", "\"", "\"\"\"", "\\", "#", "\n", "1", "-1.5e3", "|", "Int", "skip",
            ]),
            0..80,
        ),
    ) {
        let _ = scanned(&words.join(" "));
        let _ = scanned(&words.concat());
    }
}
