//! The pre-scan's limits, each at its edge and one beyond.

use std::fmt::Write;

use async_graphql::parser::types::{Selection, SelectionSet};
use proptest::prelude::*;

use super::*;

fn scanned(source: &str) -> Result<Scanned, Refusal> {
    scan(source, None, &Map::new(), true)
}

fn named(source: &str, name: &str) -> Result<Scanned, Refusal> {
    scan(source, Some(name), &Map::new(), true)
}

fn closed(source: &str) -> Result<Scanned, Refusal> {
    scan(source, None, &Map::new(), false)
}

fn limit(source: &str) -> Option<&'static str> {
    match scanned(source) {
        Err(Refusal::Limit { limit, .. }) => Some(limit),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    }
}

/// `count` fragments, each spreading the next `width` times.
fn chain(count: usize, width: usize) -> String {
    let mut source = String::from("{ ...F0 }");
    for index in 0..count {
        let spreads = format!("...F{} ", index + 1).repeat(width);
        let _ = write!(source, " fragment F{index} on Query {{ {spreads} }}");
    }
    let _ = write!(source, " fragment F{count} on Query {{ a }}");
    source
}

fn nested(depth: usize) -> String {
    format!("{}{}", "{a".repeat(depth), "}".repeat(depth))
}

#[test]
fn characters_tokens_and_nesting_are_limited_before_parsing() {
    assert_eq!(limit(&format!("{{a}}{}", " ".repeat(14_997))), None);
    assert_eq!(limit(&format!("{{a}}{}", " ".repeat(14_998))), Some("characters"));
    assert_eq!(limit(&format!("{{b{{{}}}}}", "a ".repeat(995))), None);
    assert_eq!(limit(&format!("{{b{{{}}}}}", "a ".repeat(996))), Some("tokens"));
    assert_eq!(limit(&format!("{{f(x:{}{})}}", "[".repeat(30), "]".repeat(30))), None);
    for open in ["{f(x:[", "{a", "query($v:[", "query($v:A={b:[", "{f(x:{y:"] {
        assert_eq!(limit(&open.repeat(33)), Some("nesting"), "{open}");
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
    let through = |depth| format!("{{ a {{ ...F }} }} fragment F on A {}", nested(depth));
    assert_eq!(limit(&through(9)), None);
    assert_eq!(limit(&through(10)), Some("depth"));
    // The same fragment, shallow first and deep after.
    let twice = format!("{{ ...F a {{ b {{ ...F }} }} }} fragment F on A {}", nested(9));
    assert_eq!(limit(&twice), Some("depth"));
}

#[test]
fn aliases_are_counted_through_fragments() {
    let aliases = |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("a{i}:b "));
    assert_eq!(limit(&format!("{{ {} }}", aliases(15))), None);
    assert_eq!(limit(&format!("{{ {} }}", aliases(16))), Some("aliases"));
    assert_eq!(limit("{ a:__typename __typename }"), None);
    let doubled = format!("{{ ...F x {{ ...F }} }} fragment F on Query {{ {} }}", aliases(8));
    assert_eq!(limit(&doubled), Some("aliases"));
}

#[test]
fn a_bomb_of_fragments_is_refused_without_being_expanded() {
    for width in [2, 3] {
        for count in [14, 20, 30, 40] {
            let source = chain(count, width);
            assert_eq!(limit(&source), Some("selections"), "{width} to the {count}");
            let document = parser::parse_query(&source).unwrap();
            let (_, operation) = document.operations.iter().next().unwrap();
            let none = Map::new();
            let mut walk = Walk::new(&document, Variables::of(&operation.node, &none));
            for name in document.fragments.keys() {
                walk.fragment(name).unwrap();
            }
            assert_eq!(walk.visited, count * width + 1, "each spread is looked at once");
        }
    }
    assert_eq!(limit(&chain(3, 2)), None);
}

#[test]
fn fragments_that_spread_themselves_are_refused() {
    for source in [
        "{ ...A } fragment A on Q { ...A }",
        "{ ...A } fragment A on Q { ...B } fragment B on Q { a { ...A } }",
        "{ a } fragment A on Q { ...B } fragment B on Q { ...A }",
    ] {
        assert!(matches!(scanned(source), Err(Refusal::Invalid { .. })), "{source}");
    }
}

#[test]
fn one_operation_checks_one_secret() {
    let hidden = "mutation { login ...F } fragment F on Mutation { ...G } \
                  fragment G on Mutation { x: refreshToken }";
    assert_eq!(limit(hidden), Some("credentialMutations"));
    assert_eq!(limit("mutation { a: login b: login }"), Some("credentialMutations"));
    assert_eq!(limit("mutation { login register: logout }"), None);
    assert_eq!(limit("mutation { a b c d e __typename }"), None);
    assert_eq!(limit("mutation { a b c d e f }"), Some("rootMutations"));
    assert!(named("mutation A { login } mutation B { login }", "A").is_ok());
}

#[test]
fn introspection_is_deep_by_position_and_never_by_name() {
    let types = |depth| format!("{{ __schema {{ types {} }} }}", nested(depth));
    assert_eq!(limit(&types(18)), None);
    assert_eq!(limit(&types(19)), Some("introspectionDepth"));
    assert_eq!(limit(&format!("{{ x: __schema {} }}", nested(19))), None);
    assert_eq!(limit(&format!("{{ __schema: a {} }}", nested(10))), Some("depth"));
    assert_eq!(limit(&format!("{{ a {{ __schema {} }} }}", nested(10))), Some("depth"));
    let named = format!("{{ ...__schema }} fragment __schema on Query {}", nested(11));
    assert_eq!(limit(&named), Some("depth"));
    let lists = "{ __type { fields { type { fields { type { fields { type { %% } } } } } } } }";
    assert_eq!(limit(&lists.replace("%%", "name")), None);
    assert_eq!(limit(&lists.replace("%%", "fields { name }")), Some("introspectionLists"));
    let hidden = lists.replace("%%", "...F") + " fragment F on T { possibleTypes { name } }";
    assert_eq!(limit(&hidden), Some("introspectionLists"));
}

#[test]
fn introspection_that_is_off_is_refused_wherever_it_hides() {
    for source in [
        "{ __schema { queryType { name } } }",
        "{ x: __type(name: \"User\") { name } }",
        "{ ... { ...F } } fragment F on Query { __schema { queryType { name } } }",
    ] {
        let refused = closed(source).unwrap_err();
        assert_eq!(refused, invalid("Introspection is off on this server"), "{source}");
    }
    assert!(closed("{ __typename __schema: a { __schema } }").is_ok());
}

#[test]
fn directives_are_limited_and_not_repeated() {
    assert_eq!(limit("{ a @a @b @c @d @e }"), None);
    assert_eq!(limit("{ a @a @b @c @d @e @f }"), Some("directives"));
    assert!(matches!(scanned("{ a @a @a }"), Err(Refusal::Invalid { .. })));
    assert_eq!(limit(&format!("{{ b {{ {} }} }}", "a @a ".repeat(50))), None);
    assert_eq!(limit(&format!("{{ b {{ {} }} }}", "a @a ".repeat(51))), Some("directives"));
}

#[test]
fn exactly_one_operation_is_chosen() {
    let two = "query A { a } query B { b }";
    assert!(named(two, "A").is_ok());
    assert!(matches!(scanned(two), Err(Refusal::Invalid { .. })));
    assert!(matches!(named(two, "C"), Err(Refusal::Invalid { .. })));
    assert!(matches!(named("{ a }", "A"), Err(Refusal::Invalid { .. })));
    assert!(scanned("fragment F on Query { a }").is_err());
    assert!(matches!(scanned("{ a"), Err(Refusal::Parse { .. })));
    assert!(matches!(scanned(""), Err(Refusal::Parse { .. })));
}

#[test]
fn rows_multiply_through_connections_and_fragments() {
    let page = |arguments: &str, inner: &str| format!("{{ users({arguments}) {{ {inner} }} }}");
    assert_eq!(limit(&page("first: 100", "users(first: 19) { id }")), None);
    assert_eq!(limit(&page("first: 100", "users(last: 20) { id }")), Some("rows"));
    assert_eq!(limit(&page("first: 100", "users { id }")), Some("rows"), "20 by default");
    assert_eq!(limit(&page("first: null", "users(first: 99) { id }")), None);
    assert_eq!(limit(&page("first: -1", "users(first: \"x\") { users { id } }")), Some("rows"));
    let spread = |first| {
        format!(
            "{{ users(first: {first}) {{ ...F }} }} fragment F on C {{ users(first: 99) {{ id }} }}"
        )
    };
    assert_eq!(limit(&spread(20)), None);
    assert_eq!(limit(&spread(21)), Some("rows"));
    assert_eq!(limit("{ users(first: 100) { nodes { id name } } }"), None);
    let nodes = |ids: usize| {
        format!("{{ nodes(ids: [{}]) {{ tasks(first: 100) {{ id }} }} }}", "1 ".repeat(ids))
    };
    assert_eq!((limit(&nodes(19)), limit(&nodes(20))), (None, Some("rows")));
    let towers = "users(first: 100) { ".repeat(9) + "id" + &" }".repeat(9);
    assert_eq!(limit(&format!("{{ {towers} }}")), Some("rows"), "it saturates");
}

#[test]
fn rows_are_counted_with_the_variables_of_the_operation_that_runs() {
    let source = "query A($n: Int = 20) { users(first: $n) { ...F } } \
                  query B($n: Int = 100) { users(first: $n) { ...F } } \
                  fragment F on C { users(first: 99) { id } }";
    let limit = |name, variables: serde_json::Value| match scan(
        source,
        Some(name),
        variables.as_object().unwrap(),
        true,
    ) {
        Err(Refusal::Limit { limit, .. }) => Some(limit),
        Ok(_) => None,
        Err(other) => panic!("{other}"),
    };
    assert_eq!(limit("A", serde_json::json!({})), None);
    assert_eq!(limit("B", serde_json::json!({})), Some("rows"));
    assert_eq!(limit("B", serde_json::json!({ "n": 20 })), None);
    assert_eq!(limit("A", serde_json::json!({ "n": 21 })), Some("rows"));
    assert_eq!(limit("B", serde_json::json!({ "n": null })), None, "20 by default");
    assert_eq!(limit("A", serde_json::json!({ "n": "a lot" })), Some("rows"));
    assert_eq!(limit("A", serde_json::json!({ "n": 1_u64 << 63 })), Some("rows"));
}

#[test]
fn fields_on_top_are_limited_however_often_one_is_written() {
    assert_eq!(limit(&format!("{{ {} }}", "a ".repeat(50))), None);
    assert_eq!(limit(&format!("{{ {} }}", "a ".repeat(51))), Some("rootFields"));
    assert_eq!(limit(&format!("{{ {} }}", "__typename ".repeat(500))), None);
    let spread = format!("{{ {} }} fragment F on Query {{ a b }}", "...F ".repeat(26));
    assert_eq!(limit(&spread), Some("rootFields"));
}

#[test]
fn variables_are_few_and_their_strings_short() {
    let check = |variables: serde_json::Value| match scan(
        "{ a }",
        None,
        variables.as_object().unwrap(),
        true,
    ) {
        Err(Refusal::Limit { limit, .. }) => Some(limit),
        _ => None,
    };
    let many = |count: usize| (0..count).map(|i| (format!("v{i}"), 1.into())).collect();
    assert_eq!(check(serde_json::Value::Object(many(100))), None);
    assert_eq!(check(serde_json::Value::Object(many(101))), Some("variables"));
    let long = |length| "x".repeat(length);
    assert_eq!(check(serde_json::json!({ "v": [{ "k": long(10_240) }] })), None);
    assert_eq!(check(serde_json::json!({ "v": [{ "k": long(10_241) }] })), Some("stringLength"));
    assert_eq!(check(serde_json::json!({ "v": { long(10_241): 1 } })), Some("stringLength"));
}

/// What a selection set costs when its fragments are really expanded, one after another.
struct Naive<'a> {
    document: &'a ExecutableDocument,
    selections: u64,
    aliases: u64,
    depth: u32,
    roots: u64,
}

impl<'a> Naive<'a> {
    /// Adds `set`, which stands at `depth`, and returns its rows.
    fn add(&mut self, set: &'a SelectionSet, depth: u32) -> u64 {
        set.items.iter().map(|item| self.add_one(&item.node, depth)).sum()
    }

    fn add_one(&mut self, selection: &'a Selection, depth: u32) -> u64 {
        match selection {
            Selection::Field(field) => {
                let field = &field.node;
                self.selections += 1;
                self.aliases += u64::from(field.alias.is_some());
                self.depth = self.depth.max(depth);
                self.roots += u64::from(depth == 1 && field.name.node != "__typename");
                let below = self.add(&field.selection_set.node, depth + 1);
                if field.name.node == "users" { 20 * (1 + below) } else { below }
            }
            Selection::FragmentSpread(spread) => {
                let fragment = &self.document.fragments[&spread.node.fragment_name.node];
                self.add(&fragment.node.selection_set.node, depth)
            }
            Selection::InlineFragment(inline) => self.add(&inline.node.selection_set.node, depth),
        }
    }
}

/// The body of a selection set that spreads only fragments from `later` on.
fn body(later: usize) -> BoxedStrategy<String> {
    let mut leaves = vec!["a".to_owned(), "b: a".to_owned(), "__typename".to_owned()];
    leaves.extend((later..4).map(|index| format!("...F{index}")));
    let set = prop::sample::select(leaves).prop_recursive(4, 12, 3, |inner| {
        (
            prop::sample::select(vec!["a", "users", "c: users", "... on Q", "..."]),
            prop::collection::vec(inner, 1..3),
        )
            .prop_map(|(head, items)| format!("{head} {{ {} }}", items.join(" ")))
    });
    prop::collection::vec(set, 1..4).prop_map(|items| items.join(" ")).boxed()
}

proptest! {
    #[test]
    fn the_measure_is_that_of_the_expanded_document(
        operation in body(0), bodies in (body(1), body(2), body(3), body(4)),
    ) {
        let (f0, f1, f2, f3) = bodies;
        let source = format!(
            "{{ {operation} }} fragment F0 on Q {{ {f0} }} fragment F1 on Q {{ {f1} }} \
             fragment F2 on Q {{ {f2} }} fragment F3 on Q {{ {f3} }}"
        );
        let document = parser::parse_query(&source).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let (none, top) = (Map::new(), &operation.node.selection_set.node);
        let mut naive = Naive { document: &document, selections: 0, aliases: 0, depth: 0, roots: 0 };
        let rows = naive.add(top, 1);
        let mut walk = Walk::new(&document, Variables::of(&operation.node, &none));
        let cost = walk.selection_set(top).unwrap();
        prop_assert_eq!(
            (cost.selections, cost.aliases, cost.depth, cost.roots, cost.rows),
            (naive.selections, naive.aliases, naive.depth, naive.roots, rows)
        );
        prop_assert!(walk.visited <= source.split_whitespace().count(), "no more than is written");
        let is_cheap = naive.selections <= SELECTIONS_MAX && naive.aliases <= ALIASES_MAX
            && naive.depth <= DEPTH_MAX && naive.roots <= ROOT_FIELDS_MAX && rows <= ROWS_MAX;
        prop_assert!(is_cheap || scanned(&source).is_err());
    }

    #[test]
    fn no_text_makes_the_scan_panic(source in ".{0,400}") {
        let _ = scanned(&source);
    }

    #[test]
    fn no_near_document_makes_the_scan_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "(", ")", "[", "]", "a", ":", "...", "F", "fragment", "on", "query",
                "mutation", "$", "!", "=", "@", "\"", "\"\"\"", "\\", "#", "\n", "1", "-1.5e3", "|",
            ]),
            0..80,
        ),
    ) {
        let _ = scanned(&words.join(" "));
        let _ = scanned(&words.concat());
    }
}
