//! The parser beside graphql-js and beside the library's parser.

use std::collections::BTreeMap;

use async_graphql::parser::parse_query;
use proptest::prelude::*;

use super::*;

mod cases;

fn refused(source: &str) -> (String, Vec<(usize, usize)>) {
    match parse(source) {
        Err(Refusal::Parse { message, positions }) => {
            (message, positions.iter().map(|pos| (pos.line, pos.column)).collect())
        }
        other => panic!("{source}: {other:?}"),
    }
}

/// The arguments of the first field of the only operation.
fn arguments(source: &str) -> Vec<Value> {
    let document = parse(source).unwrap_or_else(|error| panic!("{source}: {error}"));
    let (_, operation) = document.operations.iter().next().unwrap();
    let Selection::Field(field) = &operation.node.selection_set.node.items[0].node else {
        panic!("{source}: no field");
    };
    field.node.arguments.iter().map(|(_, value)| value.node.clone()).collect()
}

/// All of a document with its positions, whatever order the maps have.
fn printed(document: &ExecutableDocument) -> BTreeMap<String, String> {
    let operations = document.operations.iter().map(|(name, node)| (name, format!("{node:?}")));
    let operations = operations.map(|(name, text)| (format!("operation {name:?}"), text));
    let fragments = document.fragments.iter();
    let fragments = fragments.map(|(name, node)| (format!("fragment {name}"), format!("{node:?}")));
    operations.chain(fragments).collect()
}

#[test]
fn strings_have_the_values_that_graphql_js_gives_them() {
    for (literal, expected) in cases::STRINGS {
        let source = format!("{{f(x:{literal})}}");
        match expected {
            Some(value) => {
                let expected = [Value::String((*value).to_owned())];
                assert_eq!(arguments(&source), expected, "{literal}");
            }
            None => assert!(matches!(parse(&source), Err(Refusal::Parse { .. })), "{literal}"),
        }
    }
    // The specification sets no limit to the digits; graphql-js does.
    assert_eq!(arguments("{f(x:\"\\u{000000000041}\")}"), [Value::String("A".to_owned())]);
    assert!(parse("{f(x:\"\\u{100000000}\")}").is_err());
}

#[test]
fn documents_are_accepted_and_refused_as_by_graphql_js() {
    for source in cases::ACCEPTED {
        let parsed = parse(source);
        assert!(matches!(parsed, Ok(_) | Err(Refusal::Invalid { .. })), "{source}: {parsed:?}");
    }
    for source in cases::REFUSED {
        refused(source);
    }
}

#[test]
fn numbers_are_as_exact_as_they_are_written() {
    let numbers =
        "{f(a: 0, b: -0, c: -9223372036854775808, d: 18446744073709551615, e: 0.1, f: 5e-324)}";
    let expected: [serde_json::Number; 4] = [0.into(), 0.into(), i64::MIN.into(), u64::MAX.into()];
    let floats = [0.1, 5e-324].map(|float| serde_json::Number::from_f64(float).unwrap());
    let expected: Vec<_> = expected.into_iter().chain(floats).map(Value::Number).collect();
    assert_eq!(arguments(numbers), expected);
    assert_eq!(
        refused("{ f(a: 1, b: -1e999) }"),
        ("Syntax error: the number is too large.".to_owned(), vec![(1, 14)])
    );
}

#[test]
fn what_looks_like_a_keyword_is_read_by_its_place() {
    let source = "query on($on: on = on) { on: query(on: $on, x: trueish, y: null) ...on_ ... on on { true } } \
                  fragment on_ on fragment { fragment }";
    let document = parse(source).unwrap();
    let DocumentOperations::Multiple(operations) = &document.operations else { panic!("{source}") };
    let operation = &operations["on"].node;
    let definition = &operation.variable_definitions[0].node;
    assert_eq!(definition.default_value.as_ref().unwrap().node, Constant::Enum(Name::new("on")));
    let items = &operation.selection_set.node.items;
    assert!(matches!(&items[0].node, Selection::Field(field) if field.node.name.node == "query"));
    assert!(matches!(&items[1].node, Selection::FragmentSpread(_)));
    assert!(matches!(&items[2].node, Selection::InlineFragment(_)));
    let expected =
        [Value::Variable(Name::new("on")), Value::Enum(Name::new("trueish")), Value::Null];
    assert_eq!(arguments(source), expected);
    assert_eq!(document.fragments["on_"].node.type_condition.node.on.node, "fragment");
}

#[test]
fn comments_stand_wherever_a_space_may() {
    let source = "{ ... on # {\n T # }\n { a } }";
    let spaced = "{ ... on    \n T    \n { a } }";
    assert_eq!(printed(&parse(source).unwrap()), printed(&parse(spaced).unwrap()));
}

#[test]
fn descriptions_change_nothing_but_positions() {
    let described = "\"d\" query Q(\"\"\"d\"\"\" $a: Int) { a } \"d\" fragment F on T { a }";
    let plain = described.replace("\"\"\"d\"\"\"", "       ").replace("\"d\"", "   ");
    assert_eq!(printed(&parse(described).unwrap()), printed(&parse(&plain).unwrap()));
}

#[test]
fn directives_of_a_variable_stand_behind_its_default() {
    let document = parse("query ($a: [Int!] = [1] @d(b: 2)) { a }").unwrap();
    let DocumentOperations::Single(operation) = document.operations else { panic!("a name") };
    let definition = &operation.node.variable_definitions[0].node;
    assert_eq!(definition.default_value.as_ref().unwrap().node.to_string(), "[1]");
    assert_eq!(definition.directives[0].node.arguments[0].1.node.to_string(), "2");
}

#[test]
fn names_are_not_given_twice() {
    for (source, message) in [
        ("query A { a } query A { b }", "The document has two operations with the name \"A\"."),
        (
            "{ ...F } fragment F on T { a } fragment F on T { b }",
            "The document has two fragments with the name \"F\".",
        ),
        (
            "{ f(x: [{a: {b: 1, b: 2}}]) }",
            "The document has two fields of one object with the name \"b\".",
        ),
        ("{ a } { b }", "An operation without a name must be the only operation of its document."),
        (
            "{ a } query B { b }",
            "An operation without a name must be the only operation of its document.",
        ),
        (
            "query B { b } mutation { a }",
            "An operation without a name must be the only operation of its document.",
        ),
        ("fragment F on T { a }", "The document has no operation."),
    ] {
        assert_eq!(parse(source).unwrap_err().to_string(), message, "{source}");
        // What the grammar refuses comes first.
        refused(&format!("{source} }}"));
    }
    assert!(
        parse("query A { a } fragment A on T { a } query B { a(A: {A: 1}, B: {A: 1}) }").is_ok()
    );
}

#[test]
fn an_error_says_where_it_is_and_what_was_expected() {
    for (source, message, line, column) in [
        ("", "expected an operation or a fragment, found the end of the document", 1, 1),
        ("{ a", "expected a field or a fragment, found the end of the document", 1, 4),
        ("\"d\" { a }", "expected query, mutation, subscription or fragment, found \"{\"", 1, 5),
        ("query () { a }", "expected \"$\", found \")\"", 1, 8),
        ("query ($a: Int = $b) { a }", "expected a value without variables, found \"$\"", 1, 18),
        ("{ f(x: 01) }", "unexpected \"1\" in a number", 1, 9),
        ("{ f(x: 1.) }", "expected a digit, found \")\"", 1, 10),
        ("{ f(x: \u{201c}y\u{201d}) }", "unexpected U+201C", 1, 8),
        ("{ f(x: \"\u{1F600}\n\") }", "the string does not end on its line", 1, 8),
        ("{ f(x: \"\"\"\n\\\"\"\" ) }", "the block string does not end", 1, 8),
        ("{ # \r\n\u{1F600}", "unexpected U+1F600", 2, 1),
        (
            "{\n\n\r\r\n  \u{feff}\"\"\"\r\u{1F600}\n\"\"\" }",
            "expected a field or a fragment, found a string",
            5,
            4,
        ),
        ("{ f(x: \"\"\"\r\u{1F600}\n\"\"\" !) }", "expected an argument, found \"!\"", 3, 5),
    ] {
        assert_eq!(refused(source), (format!("Syntax error: {message}."), vec![(line, column)]));
    }
    let (message, positions) = refused("{ f(x: \"\u{1F600}\\uD83D\") }");
    assert!(message.starts_with("Syntax error: invalid escape sequence"), "{message}");
    assert_eq!(positions, [(1, 10)]);
}

#[test]
fn a_limit_counts_up_to_the_error_that_comes_first() {
    let fields = |count: usize, tail: &str| format!("{{ {}{tail}", "a ".repeat(count));
    refused(&fields(998, "? }"));
    assert_eq!(
        parse(&fields(999, "? }")).unwrap_err(),
        Refusal::Limit { limit: "tokens", max: 1_000 }
    );
    assert!(parse(&fields(998, "}")).is_ok());
    refused(&format!("{{ a ? {}", "a ".repeat(2_000)));
    assert!(parse(&format!("{{a}}#{}", "\u{1F600}".repeat(14_996))).is_ok());
}

fn one_of(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words).prop_map(str::to_owned).boxed()
}

fn some(item: BoxedStrategy<String>, max: usize) -> BoxedStrategy<String> {
    prop::collection::vec(item, 0..=max).prop_map(|items| items.concat()).boxed()
}

/// What stands between two tokens.
const GAPS: &[&str] = &[" ", "\n", "\r\n", ", ", "\t", " # \u{1F600} \"{\n", "\u{feff}"];
const NAMES: &[&str] = &["a", "_b1", "on", "query", "fragment", "true", "null", "Type"];
const SCALARS: &[&str] = &[
    "0",
    "-1",
    "12",
    "1.5",
    "-2E3",
    "\"\"",
    "\"a \u{1F600} \\n\\u00e9\\\"\"",
    "\"\"\"a \"b\" \"\"\"",
    "\"\"\"\n  a\n\n    b\n  \"\"\"",
    "true",
    "null",
    "RED",
    "on",
];

/// Values; only those of variables that the library reads as the specification says.
fn value(scalars: &'static [&'static str]) -> BoxedStrategy<String> {
    let scalar = (one_of(scalars), one_of(GAPS)).prop_map(|(scalar, gap)| scalar + &gap);
    let value = scalar.prop_recursive(3, 12, 3, |inner| {
        let list = some(inner.clone().boxed(), 3).prop_map(|items| format!("[{items}]"));
        let object = prop::collection::vec(inner, 0..3).prop_map(|values| {
            let keys = NAMES.iter().zip(values);
            let fields = keys.map(|(key, value)| format!("{key}: {value}"));
            format!("{{{}}}", fields.collect::<String>())
        });
        prop_oneof![list, object]
    });
    value.boxed()
}

fn arguments_and_directives() -> BoxedStrategy<String> {
    let scalars = (one_of(NAMES), one_of(GAPS), value(SCALARS))
        .prop_map(|(name, gap, value)| format!("{name}{gap}:{gap}{value}"));
    let variables = one_of(NAMES).prop_map(|name| format!("{name}: ${name} "));
    let argument = prop_oneof![3 => scalars, 1 => variables].boxed();
    let list = prop::option::of(prop::collection::vec(argument, 1..3))
        .prop_map(|list| list.map_or_else(String::new, |list| format!("({})", list.concat())));
    let list = list.boxed();
    let directive =
        (one_of(NAMES), list.clone()).prop_map(|(name, list)| format!("@{name}{list} "));
    (list, some(directive.boxed(), 2)).prop_map(|(list, directives)| list + &directives).boxed()
}

fn selection_set() -> BoxedStrategy<String> {
    let leaf = (one_of(GAPS), one_of(&["a", "on", "b: true", "...F", "...onward", "... _b1"]))
        .prop_map(|(gap, leaf)| gap + &leaf);
    let set = leaf.boxed().prop_recursive(4, 16, 4, |inner| {
        let head = one_of(&["a", "on: query", "... on Type", "...on\n on", "... "]);
        (head, arguments_and_directives(), prop::collection::vec(inner, 1..4), one_of(GAPS))
            .prop_map(|(head, more, items, gap)| {
                let more = if head.contains('.') && more.starts_with('(') { "" } else { &more };
                format!(" {head}{more}{{{}{gap}}}", items.concat())
            })
    });
    prop::collection::vec(set, 1..4).prop_map(|items| format!("{{{}}}", items.concat())).boxed()
}

fn document() -> BoxedStrategy<String> {
    let types = one_of(&["Int", "[Int!]!", "[[on]]", "query!"]);
    let default = prop::option::of(value(SCALARS))
        .prop_map(|value| value.map_or_else(String::new, |value| format!("= {value}")));
    let variable = (one_of(NAMES), one_of(GAPS), types, default)
        .prop_map(|(name, gap, ty, default)| format!("${name}{gap}:{gap}{ty}{gap}{default}"));
    let variables = prop::option::of(prop::collection::vec(variable, 1..3))
        .prop_map(|list| list.map_or_else(String::new, |list| format!("({})", list.concat())));
    let operation = (one_of(&["query", "mutation", "subscription"]), one_of(GAPS), variables)
        .prop_map(|(ty, gap, variables)| format!("{ty}{gap}NAME{gap}{variables}"));
    let fragment = one_of(GAPS).prop_map(|gap| format!("fragment{gap}NAME{gap}on\tType{gap}"));
    let definition = (prop_oneof![operation, fragment], selection_set());
    (prop::collection::vec(definition, 1..4), one_of(GAPS))
        .prop_map(|(definitions, gap)| {
            let named = definitions.iter().enumerate().map(|(index, (head, set))| {
                format!("{gap}{}{set}", head.replace("NAME", &format!("onward{index}")))
            });
            named.collect::<String>() + "query last{a}"
        })
        .boxed()
}

proptest! {
    #[test]
    fn what_the_library_reads_rightly_is_read_the_same(source in document()) {
        let theirs = parse_query(&source).unwrap();
        prop_assert_eq!(printed(&parse(&source).unwrap()), printed(&theirs));
    }

    #[test]
    fn no_text_makes_the_parser_panic(source in "\\PC{0,60}|.{0,400}") {
        let _ = parse(&source);
        let _ = parse(&format!("{{f(x:\"{source}\")}}"));
        let _ = parse(&format!("{{f(x:\"\"\"{source}\"\"\")}}"));
    }

    #[test]
    fn no_near_document_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "{", "}", "(", ")", "[", "]", "a", ":", "...", "F", "fragment", "on", "query", "$",
                "!", "=", "@", "\"", "\"\"\"", "\\", "\\u", "\\u{", "\\uD83D", "\\uDE00", "#", "\n",
                "\r", "1", "-1.5e3", "0", "|", "\u{feff}", "\u{1F600}", "\u{e9}", "  ", "{a}",
            ]),
            0..80,
        ),
    ) {
        let _ = parse(&words.join(" "));
        let _ = parse(&words.concat());
        let _ = parse(&format!("{{f(x:[{}])}}", words.concat()));
    }
}
