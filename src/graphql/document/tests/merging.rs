//! What is executed of a document.

use super::*;

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
fn a_list_under_one_condition_is_resolved_once_however_far_apart_it_is_selected() {
    let server = Server::new(true);
    let source = "{ nodes(ids: [1]) { ... on User { friends(first: 1) { edges { cursor } } } id \
                  ... on Task { title } ... on User { friends(first: 1) { edges { node { name } } } name } } }";
    let response = server.run(server.scan(source, None, json!({})).unwrap());
    assert_eq!(
        serde_json::to_string(&response.data).unwrap(),
        r#"{"nodes":[{"friends":{"edges":[{"cursor":"c","node":{"name":"name"}}]},"id":"user","name":"name"}]}"#
    );
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
        "{ nodes(ids: []) { ... on User { best { a: id } } id ... on User { best { a: name } } } }",
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
