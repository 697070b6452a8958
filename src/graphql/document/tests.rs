//! The pre-scan: its limits, each at its edge and one beyond; what it makes of a document; and that
//! the library does no more than it has counted.

mod schema;

use std::fmt::Write;
use std::sync::LazyLock;

use async_graphql::futures_util::FutureExt;
use async_graphql::{Request, Response};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use self::schema::{Resolved, TestSchema};
use super::*;

/// A server, as far as documents are concerned.
struct Server {
    documents: Documents,
    schema: TestSchema,
    resolved: Resolved,
}

impl Server {
    fn new(introspects: bool) -> Self {
        let resolved = Resolved::default();
        let (schema, types) = schema::build(&resolved);
        Self { documents: Documents::new(types, introspects), schema, resolved }
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

/// The operation that is made of a document, on one line.
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

#[test]
fn characters_tokens_and_nesting_are_limited_while_parsing() {
    assert_eq!(limit(&format!("{{number}}{}", " ".repeat(14_992))), None);
    assert_eq!(limit(&format!("{{number}}{}", " ".repeat(14_993))), Some("characters"));
    assert_eq!(limit(&format!("{{b{{{}}}}}", "a ".repeat(995))), None);
    assert_eq!(limit(&format!("{{b{{{}}}}}", "a ".repeat(996))), Some("tokens"));
    assert_eq!(limit(&format!("{{f(x:{}{})}}", "[".repeat(30), "]".repeat(30))), None);
    for (head, open) in
        [("", "{a"), ("query($v:", "["), ("query($v:A=", "{b:["), ("{f(x:", "{y:"), ("", "{...")]
    {
        assert_eq!(limit(&format!("{head}{}", open.repeat(33))), Some("nesting"), "{open}");
    }
}

#[test]
fn brackets_in_strings_and_comments_are_not_nesting() {
    let open = "{[(".repeat(40);
    assert_eq!(limit(&format!("{{ f(x: \"{open}\") }}")), None);
    assert_eq!(limit(&format!("{{ f(x: \"\"\"{open} \\\"\"\" {open}\"\"\") }}")), None);
    assert_eq!(limit(&format!("# {open}\n{{ a }}")), None);
    assert_eq!(limit(&format!("{{ f(x: \"\\\"{open}\") }}")), None);
}

#[test]
fn depth_is_counted_through_fragments() {
    assert_eq!(limit(&nested(10)), None);
    assert_eq!(limit(&nested(11)), Some("depth"));
    let through = |depth| format!("{{ same {{ ...F }} }} fragment F on Query {}", nested(depth));
    assert_eq!(limit(&through(9)), None);
    assert_eq!(limit(&through(10)), Some("depth"));
    // The same fragment, shallow first and deep after.
    let twice = format!("{{ ...F same {{ same {{ ...F }} }} }} fragment F on Query {}", nested(9));
    assert_eq!(limit(&twice), Some("depth"));
    // Fragments inside each other nest, whether there is a field between them or not.
    assert_eq!(limit(&chain(30, 1, "number")), None);
    assert_eq!(limit(&chain(31, 1, "number")), Some("nesting"));
}

#[test]
fn aliases_are_counted_in_what_is_executed() {
    let aliases =
        |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("a{i}:number "));
    assert_eq!(limit(&format!("{{ {} }}", aliases(15))), None);
    assert_eq!(limit(&format!("{{ {} }}", aliases(16))), Some("aliases"));
    assert_eq!(limit("{ a:__typename __typename }"), None);
    let spread = |at: &str| format!("{{ ...F {at} }} fragment F on Query {{ {} }}", aliases(8));
    assert_eq!(limit(&spread("...F")), None, "one and the same");
    assert_eq!(limit(&spread("same { ...F }")), Some("aliases"));
}

#[test]
fn a_bomb_of_fragments_is_refused_without_being_expanded() {
    for width in [2, 3] {
        for count in [15, 20, 29] {
            assert_eq!(
                limit(&chain(count, width, "number")),
                Some("cost"),
                "{width} to the {count}"
            );
            for end in ["...Unknown", "...F0"] {
                let refused = scanned(&chain(count, width, end));
                assert!(matches!(refused, Err(Refusal::Invalid { .. })), "{refused:?}");
            }
            let beside = chain(count, width, "number").replacen("{ ...F0 }", "{ number }", 1);
            assert_eq!(fault(&beside).rsplit(' ').next(), Some("used"));
        }
    }
    assert_eq!(limit(&chain(3, 2, "number")), None);
}

#[test]
fn operations_that_do_not_run_count_too() {
    let operations = |count: usize| {
        let all = (0..count).fold(String::new(), |all, i| all + &format!("query Q{i} {{ ...F }} "));
        let (spreads, fields) = ("...G ".repeat(40), "number ".repeat(40));
        format!("{all} fragment F on Query {{ {spreads} }} fragment G on Query {{ {fields} }}")
    };
    let limit = |count| limit_of(OPEN.scan(&operations(count), Some("Q0"), json!({})));
    assert_eq!(limit(5), None);
    assert_eq!(limit(20), Some("cost"));
}

#[test]
fn what_cannot_be_resolved_is_refused() {
    for (source, why) in [
        ("{ ...A } fragment A on Query { ...A }", "The fragment A spreads itself"),
        ("{ number } fragment A on Query { number }", "The fragment A is never used"),
        ("{ ...A } fragment A on Query { ...B }", "The fragment B is not defined"),
        ("{ number @skip(if: true) @skip(if: true) }", "The directive @skip is repeated"),
        ("query($a: [Nothing]) { takes(list: $a) }", "\"[Nothing]\" is not a type for variables"),
        ("query($a: User) { takes(list: $a) }", "\"User\" is not a type for variables"),
    ] {
        assert_eq!(fault(source), why, "{source}");
    }
    let cycle = "{ ...A } fragment A on Query { ...B } fragment B on Query { same { ...A } }";
    assert!(fault(cycle).ends_with("spreads itself"));
    let beside = "{ number } fragment A on Query { ...B } fragment B on Query { ...A }";
    assert!(fault(beside).ends_with("is never used"));
}

#[test]
fn the_library_validates_the_whole_document() {
    for source in [
        "{ nothing }",
        "query A { number } query B { nothing }",
        "query A { number } query B($unused: Int) { number }",
        "{ me { id } } ",
    ] {
        let outcome = OPEN.scan(source, source.contains('A').then_some("A"), json!({}));
        assert_eq!(outcome.is_ok(), source.contains("me"), "{source}: {outcome:?}");
    }
    // Also of an operation that has the name that none has.
    assert!(matches!(
        OPEN.scan("query A { nothing }", Some("-"), json!({})),
        Err(Refusal::Errors(_))
    ));
}

#[test]
fn one_operation_checks_one_secret() {
    let hidden = "mutation { login ...F } fragment F on Mutation { ...G } \
                  fragment G on Mutation { x: refreshToken }";
    assert_eq!(limit(hidden), Some("credentialMutations"));
    assert_eq!(limit("mutation { a: login b: login }"), Some("credentialMutations"));
    assert_eq!(limit("mutation { login login ...F } fragment F on Mutation { login }"), None);
    assert_eq!(limit("mutation { login register: set }"), None);
    assert_eq!(limit("mutation { a b c d e __typename }"), None);
    assert_eq!(limit("mutation { a b c d e f }"), Some("rootMutations"));
    let two = OPEN.scan("mutation A { login } mutation B { login }", Some("A"), json!({}));
    assert_eq!(limit_of(two), None);
}

#[test]
fn introspection_is_deep_by_position_and_never_by_name() {
    assert_eq!(limit(&format!("{{ x: __schema {} }}", nested(20))), None);
    assert_eq!(limit(&format!("{{ __schema: same {} }}", nested(10))), Some("depth"));
    assert_eq!(limit(&format!("{{ same {{ __schema {} }} }}", nested(9))), Some("depth"));
    let named = format!("{{ ...__schema }} fragment __schema on Query {}", nested(11));
    assert_eq!(limit(&named), Some("depth"));
}

#[test]
fn introspection_costs_what_it_resolves() {
    let types = "query($name: String = \"User\") { __schema { queryType { name } directives { args { name } } \
                 types { name kind fields(includeDeprecated: true) { name args { type { ...T } } type { ...T } } \
                 inputFields { type { ...T } } enumValues { name } interfaces { name } \
                 possibleTypes { name } } } __type(name: $name) { fields { type { name } } } } \
                 fragment T on __Type { name ofType { name ofType { name ofType { name } } } }";
    let entry = OPEN.scan(types, None, json!({})).unwrap();
    let scanned = entry.document.clone();
    let (_, operation) = scanned.operations.iter().next().unwrap();
    let types = schema::build(&OPEN.resolved).1;
    let cost = cost::of(types.get(), &operation.node, &entry.variables, 0).unwrap();
    let server = Server::new(true);
    let response = server.run(entry);
    assert!(response.errors.is_empty());
    // The library resolves entries of lists too, at no more than twice the fields.
    let resolved = server.resolved.take();
    assert!(cost.amount <= resolved && resolved <= cost.amount * 2, "{cost:?} {resolved}");
}

#[test]
fn introspection_that_is_off_is_refused_wherever_it_hides() {
    let closed = Server::new(false);
    for source in [
        "{ __schema { queryType { name } } }",
        "{ x: __type(name: \"User\") { name } }",
        "{ ... { ...F } } fragment F on Query { __schema { queryType { name } } }",
    ] {
        match closed.scan(source, None, json!({})) {
            Err(Refusal::Invalid { message, .. }) => {
                assert_eq!(message, "Introspection is off on this server", "{source}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(closed.scan("{ __typename __schema: number }", None, json!({})).is_ok());
}

#[test]
fn directives_are_limited() {
    assert_eq!(limit("{ a @a @b @c @d @e }"), None);
    assert_eq!(limit("{ a @a @b @c @d @e @f }"), Some("directives"));
    assert_eq!(limit(&format!("{{ b {{ {} }} }}", "a @a ".repeat(50))), None);
    assert_eq!(limit(&format!("{{ b {{ {} }} }}", "a @a ".repeat(51))), Some("directives"));
}

#[test]
fn exactly_one_operation_is_chosen() {
    let two = "query A { number } query B { number }";
    let scan = |source, name| OPEN.scan(source, name, json!({}));
    assert!(scan(two, Some("A")).is_ok());
    assert!(matches!(scan(two, None), Err(Refusal::Invalid { .. })));
    assert!(matches!(scan(two, Some("C")), Err(Refusal::Invalid { .. })));
    assert!(matches!(scan("{ number }", Some("A")), Err(Refusal::Invalid { .. })));
    assert!(scan("fragment F on Query { number }", None).is_err());
    assert!(matches!(scan("{ number", None), Err(Refusal::Parse { .. })));
    assert!(matches!(scan("", None), Err(Refusal::Parse { .. })));
}

#[test]
fn what_is_selected_in_a_list_counts_for_every_row() {
    let page = |arguments: &str, inner: &str| {
        format!("{{ users{arguments} {{ edges {{ node {{ {inner} }} }} }} }}")
    };
    let friends =
        |first: &str, inner: &str| format!("friends{first} {{ edges {{ node {{ {inner} }} }} }}");
    assert_eq!(limit(&page("(first: 100)", &friends("(first: 5)", "id"))), None);
    assert_eq!(limit(&page("(first: 100)", &friends("(last: 100)", "id"))), Some("cost"));
    assert_eq!(
        limit(&page("(first: 100)", &friends("", "id best { id }"))),
        Some("cost"),
        "20 by default"
    );
    assert_eq!(limit(&page("", &friends("(first: null)", "id"))), None);
    assert_eq!(
        limit(&page("(first: 100)", &friends("(first: -1)", "id"))),
        Some("cost"),
        "a full page"
    );
    let spread = |first| {
        format!(
            "{{ users(first: {first}) {{ edges {{ node {{ ...F }} }} }} }} fragment F on User {{ {} }}",
            friends("(first: 99)", "id")
        )
    };
    assert_eq!(limit(&spread(20)), None);
    assert_eq!(limit(&spread(30)), Some("cost"));
    let nodes = |ids: usize| {
        format!(
            "{{ nodes(ids: [{}]) {{ ... on User {{ {} }} }} }}",
            "1 ".repeat(ids),
            friends("(first: 100)", "id")
        )
    };
    assert_eq!((limit(&nodes(15)), limit(&nodes(40))), (None, Some("cost")));
    // An owner whose fields are written thousands of times is one owner.
    let owners =
        format!("{{ nodes(ids: [1 2]) {{ ... on Task {{ {} }} }} }}", "owner { id } ".repeat(200));
    assert_eq!(limit(&owners), None);
    assert_eq!(answer(&owners, json!({})), r#"{"nodes":[{},{"owner":{"id":"user"}}]}"#);
}

#[test]
fn rows_are_counted_with_the_variables_of_the_operation_that_runs() {
    let source = "query A($n: Int = 20) { users(first: $n) { ...F } } \
                  query B($n: Int = 100) { users(first: $n) { ...F } } \
                  fragment F on UserConnection { edges { node { friends(first: 99) { edges { node { id } } } } } }";
    let limit = |name, variables| limit_of(OPEN.scan(source, Some(name), variables));
    assert_eq!(limit("A", json!({})), None);
    assert_eq!(limit("B", json!({})), Some("cost"));
    assert_eq!(limit("B", json!({ "n": 20 })), None);
    assert_eq!(limit("A", json!({ "n": 40 })), Some("cost"));
    assert_eq!(limit("B", json!({ "n": null })), None, "20 by default");
}

#[test]
fn one_field_is_resolved_once_however_often_it_is_written() {
    assert_eq!(answer(&format!("{{ {} }}", "number ".repeat(500)), json!({})), r#"{"number":1}"#);
    assert_eq!(OPEN.scan("{ number }", None, json!({})).map(|_| ()).ok(), Some(()));
    let server = Server::new(true);
    let source = "{ users(first: 2) { ...A } ... on Query { ...B } users(first: 2) { edges { cursor } } } \
                  fragment A on UserConnection { edges { node { id } } } \
                  fragment B on Query { users(first: 2) { edges { node { name id } } } }";
    let response = server.run(server.scan(source, None, json!({})).unwrap());
    assert_eq!(
        serde_json::to_string(&response.data).unwrap(),
        r#"{"users":{"edges":[{"node":{"id":"user","name":"name"},"cursor":"c"},{"node":{"id":"user","name":"name"},"cursor":"c"}]}}"#
    );
    // users, edges, and of each of two edges itself, its node, id, name and cursor.
    assert_eq!(server.resolved.take(), 2 + 2 * 5);
}

#[test]
fn keys_stand_in_the_order_of_the_selection() {
    for (source, answered) in [
        (
            "{ b: number a: number ...F number } fragment F on Query { c: number a: number }",
            r#"{"b":1,"a":1,"c":1,"number":1}"#,
        ),
        (
            "{ nodes(ids: [1 2]) { ... on User { name } id ... on Task { title } ... on Node { __typename } ... on User { x: id } } }",
            r#"{"nodes":[{"name":"name","id":"user","__typename":"User","x":"user"},{"id":"task","title":"title","__typename":"Task"}]}"#,
        ),
    ] {
        assert_eq!(answer(source, json!({})), answered);
    }
}

#[test]
fn what_is_skipped_is_gone_and_an_object_stays() {
    let of = |source: &str, variables| answer(source, variables);
    assert_eq!(of("{ me @skip(if: true) { id } }", json!({})), "{}");
    assert_eq!(of("{ me { id @skip(if: true) } }", json!({})), r#"{"me":{}}"#);
    assert_eq!(
        of("{ nodes(ids: [1]) { ... on User @include(if: false) { id } } }", json!({})),
        r#"{"nodes":[{}]}"#
    );
    let source = "query($a: Boolean!, $b: Boolean = true, $n: Int) { me { id @skip(if: $a) ...F @include(if: $b) } \
                  users(first: $n) @include(if: $a) { edges { cursor } } } fragment F on User { name }";
    assert_eq!(of(source, json!({ "a": false })), r#"{"me":{"id":"user","name":"name"}}"#);
    assert_eq!(
        of(source, json!({ "a": true, "n": 1 })),
        r#"{"me":{"name":"name"},"users":{"edges":[{"cursor":"c"}]}}"#
    );
    assert_eq!(
        of(source, json!({ "a": true, "b": false, "n": 0 })),
        r#"{"me":{},"users":{"edges":[]}}"#
    );
    // One that is skipped in one place and not in another is there.
    let twice = "{ me @skip(if: true) { id } me { name } ...F } fragment F on Query { me { id @skip(if: true) } }";
    assert_eq!(of(twice, json!({})), r#"{"me":{"name":"name"}}"#);
}

#[test]
fn fields_of_one_key_that_differ_conflict_wherever_they_stand() {
    for source in [
        "{ a: number a: me { id } }",
        "{ users(first: 1) { edges { cursor } } users { edges { cursor } } }",
        "{ me { a: id } ...F } fragment F on Query { me { a: name } }",
        "query($n: Int) { users(first: $n) { edges { cursor } } users(last: $n) { edges { cursor } } }",
        "{ a: number @skip(if: true) a: __typename }",
        "{ nodes(ids: []) { a: id ... on User { a: name } } }",
        "{ nodes(ids: []) { ... on User { a: name } ... on Task { a: owner { id } } } }",
        "{ nodes(ids: []) { ... on User { a: best { b: id } } ... on Task { a: owner { b: name } } } }",
        "{ me { a: name ... on Node { ... on Task { a: id } } } }",
    ] {
        assert!(fault(source).contains("conflict"), "{source}");
    }
    for source in [
        "query($n: Int) { users(first: $n, last: 1) { edges { cursor } } users(last: 1, first: $n) { edges { cursor } } }",
        "{ nodes(ids: []) { ... on User { a: name } ... on Task { a: title } } }",
    ] {
        assert!(scanned(source).is_ok(), "{source}");
    }
}

/// A query whose one variable is an argument.
fn taking(definition: &str, argument: &str) -> String {
    let field = if matches!(argument, "input" | "color") { "takesMore" } else { "takes" };
    format!("query($v: {definition}) {{ a: {field}({argument}: $v) }}")
}

#[test]
fn variables_are_coerced_before_anything_runs() {
    let refused = |definition: &str, argument: &str, given: Value| {
        let source = taking(definition, argument);
        match OPEN.scan(&source, None, given) {
            Err(Refusal::Invalid { message, positions }) => {
                assert_eq!(positions.len(), 1);
                message
            }
            other => panic!("{source}: {other:?}"),
        }
    };
    let given = |value: Value| json!({ "v": value });
    assert_eq!(
        refused("Int!", "int", json!({})),
        "Variable \"$v\" of the required type \"Int!\" was not given"
    );
    for (definition, argument, wrong) in [
        ("Int!", "int", json!(null)),
        ("Int", "int", json!(2_147_483_648_u64)),
        ("Int", "int", json!(-2_147_483_649_i64)),
        ("Int", "int", json!(1.5)),
        ("Int", "int", json!("1")),
        ("Int! = 3", "int", json!(null)),
        ("Float", "float", json!("1")),
        ("String", "text", json!(1)),
        ("Color", "color", json!("BLUE")),
        ("Color", "color", json!(1)),
        ("[Int!]", "list", json!([1, null])),
        ("[Int!]", "list", json!(["1"])),
        ("Input", "input", json!({})),
        ("Input", "input", json!({ "name": null })),
        ("Input", "input", json!({ "name": "a", "other": 1 })),
        ("Input", "input", json!({ "name": "a", "more": [{ "name": "a", "int": 1e10 }] })),
        ("Input", "input", json!([])),
    ] {
        let message = refused(definition, argument, given(wrong.clone()));
        assert!(message.starts_with("Variable \"$v\" has an invalid value"), "{wrong}: {message}");
    }
    assert!(
        refused(
            "Input",
            "input",
            given(json!({ "name": "a", "more": [{ "name": "secret", "int": "secret" }] }))
        )
        .ends_with("at \"v.more[0].int\": expected a value of type \"Int\"")
    );
    for (definition, argument, right) in [
        ("Int", "int", json!(1.0)),
        ("Int", "int", json!(-2_147_483_648_i64)),
        ("Int = 3", "int", json!(null)),
        ("Float", "float", json!(1)),
        ("Color", "color", json!("RED")),
        ("[Int!]", "list", json!(7)),
        ("Input", "input", json!({ "name": "a", "more": { "name": "b", "color": "GREEN" } })),
    ] {
        let source = taking(definition, argument);
        assert_eq!(answer(&source, given(right)), r#"{"a":true}"#, "{source}");
    }
    assert_eq!(
        answer("query($v: Int! = 3) { takes(int: $v) }", json!({ "other": [1, 2] })),
        r#"{"takes":true}"#
    );
}

#[test]
fn variables_stand_only_where_their_types_may() {
    for (source, is_valid) in [
        ("query($v: Int) { takes(int: $v) }", true),
        ("query($v: Int!) { takes(int: $v) }", true),
        ("query($v: String) { takes(int: $v) }", false),
        ("query($v: Int) { takes(list: $v) }", false),
        ("query($v: Int!) { takes(list: [$v]) }", true),
        ("query($v: Int) { takes(list: [$v]) }", false),
        ("query($v: Int = 1) { takes(list: [$v]) }", true),
        ("query($v: [Int!]) { takes(list: $v) }", true),
        ("query($v: [Int]) { takes(list: $v) }", false),
        ("query($v: String!) { takesMore(input: { name: $v }) }", true),
        ("query($v: String) { takesMore(input: { name: $v }) }", false),
        (
            "query($v: String) { ...F } fragment F on Query { takesMore(input: { name: $v }) }",
            false,
        ),
        ("query($v: Boolean!) { number @skip(if: $v) }", true),
        ("query($v: Boolean = true) { number @skip(if: $v) }", true),
        ("query($v: Boolean) { number @skip(if: $v) }", false),
        ("query($v: Int!) { number @skip(if: $v) }", false),
        ("query($v: Int @skip(if: true)) { takes(int: $v) }", false),
    ] {
        let outcome = scanned(source);
        // Without a value, what is required is missing.
        let is_missing = matches!(&outcome, Err(Refusal::Invalid { message, .. }) if message.contains("was not given"));
        assert_eq!(outcome.is_ok() || is_missing, is_valid, "{source}: {outcome:?}");
    }
    let null =
        OPEN.scan("query($v: Boolean = true) { number @skip(if: $v) }", None, json!({ "v": null }));
    assert!(matches!(null, Err(Refusal::Invalid { .. })), "{null:?}");
}

#[test]
fn what_stands_at_a_typename_counts() {
    let source =
        "query($v: Boolean!) { __typename @include(if: $v) me { __typename @skip(if: $v) id } }";
    assert_eq!(
        answer(source, json!({ "v": true })),
        r#"{"__typename":"Query","me":{"id":"user"}}"#
    );
    assert_eq!(
        answer(source, json!({ "v": false })),
        r#"{"me":{"__typename":"User","id":"user"}}"#
    );
    for source in [
        "{ __typename @unknown }",
        "{ __typename(of: 1) }",
        "{ me { __typename { id } } }",
        "query($v: Int!) { __typename @skip(if: $v) }",
    ] {
        assert!(scanned(source).is_err(), "{source}");
    }
}

#[test]
fn literals_are_what_their_types_say() {
    for wrong in [
        "takes(int: 2147483648)",
        "takes(int: -2147483649)",
        "takes(list: [1, 4294967296])",
        "takesMore(color: \"RED\")",
        "takesMore(input: { name: \"a\", int: 2147483648 })",
        "takesMore(input: { name: \"a\", more: [{ name: \"b\", color: \"RED\" }] })",
        "takes(text: RED)",
        "me { name(of: { name: \"a\", int: 2147483648 }) }",
    ] {
        for source in [
            format!("{{ {wrong} }}"),
            format!("{{ ... {{ {wrong} }} }}"),
            format!("{{ ...F }} fragment F on Query {{ {wrong} }}"),
        ] {
            assert!(scanned(&source).is_err(), "{source}");
        }
    }
    assert!(scanned("query($v: Int = 2147483648) { takes(int: $v) }").is_err());
    assert!(scanned("query($v: Color = \"RED\") { takesMore(color: $v) }").is_err());
    assert!(scanned("{ takes(int: 2147483647, list: 1, float: 3) takesMore(color: RED) }").is_ok());
}

#[test]
fn variables_are_few_and_their_strings_short() {
    let check = |variables| limit_of(OPEN.scan("{ number }", None, variables));
    let many = |count: usize| {
        Value::Object((0..count).map(|i| (format!("v{i}"), 1.into())).collect::<Map<_, _>>())
    };
    assert_eq!(check(many(100)), None);
    assert_eq!(check(many(101)), Some("variables"));
    let long = |length| "x".repeat(length);
    assert_eq!(check(json!({ "v": [{ "k": long(10_240) }] })), None);
    assert_eq!(check(json!({ "v": [{ "k": long(10_241) }] })), Some("stringLength"));
    assert_eq!(check(json!({ "v": { long(10_241): 1 } })), Some("stringLength"));
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
            Err(Refusal::Limit { .. }) => return Ok(()),
            Err(other) => panic!("{source}: {other:?}"),
        };
        let types = schema::build(&Resolved::default()).1;
        let (_, operation) = scanned.document.operations.iter().next().unwrap();
        let cost = cost::of(types.get(), &operation.node, &scanned.variables, 0).unwrap();
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

    /// Whether a document is valid or not, checking it takes no more steps than were counted.
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
