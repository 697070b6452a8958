//! Variables and literals.

use serde_json::Map;

use super::*;

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
            Err(Refusal::Invalid { message, positions, .. }) => {
                assert_eq!(positions.len(), 1);
                message
            }
            other => panic!("{source}: {other:?}"),
        }
    };
    let given = |value: Value| json!({ "v": value });
    assert_eq!(
        refused("Int!", "int", json!({})),
        "Variable \"$v\" of the required type \"Int!\" is missing."
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
        .ends_with("at \"v.more[0].int\": expected a value of type \"Int\".")
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
        let is_missing = matches!(&outcome, Err(Refusal::Invalid { message, .. }) if message.contains("is missing"));
        assert_eq!(outcome.is_ok() || is_missing, is_valid, "{source}: {outcome:?}");
    }
    let null =
        OPEN.scan("query($v: Boolean = true) { number @skip(if: $v) }", None, json!({ "v": null }));
    assert!(matches!(null, Err(Refusal::Invalid { .. })), "{null:?}");
}

#[test]
fn literals_are_what_their_types_say() {
    for wrong in [
        "takesMore(input: 5)",
        "takesMore(input: \"a\")",
        "takesMore(input: true)",
        "takesMore(input: RED)",
        "takesMore(input: [])",
        "takesMore(input: [{ name: \"a\" }])",
        "takesMore(input: { name: \"a\", more: [5] })",
        "takesMore(input: { name: \"a\", more: 5 })",
        "takesMore(color: { name: RED })",
        "takesMore(color: [RED])",
        "takesMore(color: 1)",
        "takes(text: { a: \"b\" })",
        "takes(text: [\"a\"])",
        "takes(list: [[1]])",
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
    for wrong in ["5", "[]", "[[\"a\"]]", "{ name: \"a\", more: [5] }"] {
        let source = format!("query($v: Input = {wrong}) {{ takesMore(input: $v) }}");
        let given = json!({ "v": { "name": "a" } });
        assert!(
            OPEN.scan(&source, None, given).is_err(),
            "{source}, though another value is given"
        );
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

#[test]
fn what_is_wrong_in_a_document_is_named_where_it_stands() {
    for (source, message, line, column) in [
        (
            "query($v: Int = \"x\") { takes(int: $v) }",
            "This is not a value of type \"Int\".",
            1,
            17,
        ),
        (
            "query($v: Int! = null) { takes(int: $v) }",
            "This is not a value of type \"Int!\".",
            1,
            18,
        ),
        ("{ takes(float: \"1\") }", "This is not a value of type \"Float\".", 1, 16),
        ("{ takes(text: 1) }", "This is not a value of type \"String\".", 1, 15),
        ("{ takes(list: [1, null]) }", "This is not a value of type \"Int!\".", 1, 15),
        (
            "mutation {\n  rename }",
            "\"rename\" requires the argument \"to\" of type \"Input!\".",
            2,
            3,
        ),
        ("subscription { number }", "This server does not support subscriptions.", 1, 1),
    ] {
        match scanned(source) {
            Err(Refusal::Invalid { message: said, positions, .. }) => {
                assert_eq!(said, message, "{source}");
                assert_eq!(positions, [async_graphql::Pos { line, column }], "{source}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
}

#[test]
fn errors_come_in_the_order_of_the_text() {
    let source = "query($b: Int, $a: Int) {\n number(x: 1)\n takes(y: 2)\n none { none }\n a: number(z: 3) }";
    let Err(Refusal::Errors(errors)) = scanned(source) else { panic!() };
    let lines: Vec<_> = errors.iter().map(|error| error.locations[0].line).collect();
    assert!(lines.is_sorted() && lines.len() > 3, "{errors:?}");
}

#[test]
fn a_variable_fits_also_where_no_object_leads() {
    let accepts = |definition: &str, used: &str| {
        let fragment = format!("fragment F on Node {{ id ... on Task {{ {used} }} }}");
        let source = format!("query($v: {definition}) {{ me {{ ...F }} }} {fragment}");
        OPEN.scan(&source, None, json!({ "v": null })).map_err(|refused| refused.to_string())
    };
    for (definition, used) in [
        ("[Boolean!]", "title @skip(if: $v)"),
        ("Boolean", "title @include(if: $v)"),
        ("[Input!]", "owner { name(of: { name: \"a\", more: [$v] }) }"),
        ("[Input]", "owner { name(of: $v) }"),
    ] {
        let refused = accepts(definition, used).unwrap_err();
        assert!(refused.contains("where it requires"), "{definition}, {used}: {refused}");
    }
    assert!(accepts("Input", "owner { name(of: $v) }").is_ok());
}
