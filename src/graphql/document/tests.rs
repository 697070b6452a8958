//! The pre-scan's limits, each at its edge and one beyond.

use std::fmt::Write;

use proptest::prelude::*;

use super::*;

fn scanned(source: &str) -> Result<ExecutableDocument, Refusal> {
    scan(source, None, true)
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
    assert_eq!(limit(&format!("{{{}}}", "a ".repeat(998))), None);
    assert_eq!(limit(&format!("{{{}}}", "a ".repeat(999))), Some("tokens"));
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
            let mut walk = Walk::new(&document);
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
    assert!(scan("mutation A { login } mutation B { login }", Some("A"), true).is_ok());
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
        let refused = scan(source, None, false).unwrap_err();
        assert_eq!(refused, invalid("Introspection is off on this server"), "{source}");
    }
    assert!(scan("{ __typename a { __schema } }", None, false).is_ok());
}

#[test]
fn directives_are_limited_and_not_repeated() {
    assert_eq!(limit("{ a @a @b @c @d @e }"), None);
    assert_eq!(limit("{ a @a @b @c @d @e @f }"), Some("directives"));
    assert!(matches!(scanned("{ a @a @a }"), Err(Refusal::Invalid { .. })));
    assert_eq!(limit(&format!("{{ {} }}", "a @a ".repeat(50))), None);
    assert_eq!(limit(&format!("{{ {} }}", "a @a ".repeat(51))), Some("directives"));
}

#[test]
fn exactly_one_operation_is_chosen() {
    let two = "query A { a } query B { b }";
    assert!(scan(two, Some("A"), true).is_ok());
    assert!(matches!(scan(two, None, true), Err(Refusal::Invalid { .. })));
    assert!(matches!(scan(two, Some("C"), true), Err(Refusal::Invalid { .. })));
    assert!(matches!(scan("{ a }", Some("A"), true), Err(Refusal::Invalid { .. })));
    assert!(scanned("fragment F on Query { a }").is_err());
    assert!(matches!(scanned("{ a"), Err(Refusal::Parse { .. })));
    assert!(matches!(scanned(""), Err(Refusal::Parse { .. })));
}

proptest! {
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
