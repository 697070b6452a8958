//! The limits of a document, each at its edge and one beyond, and what else is refused.

use super::*;

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
fn names_are_short_and_few_are_unknown() {
    let long = |length| "x".repeat(length);
    assert_eq!(limit(&format!("{{ {}: number }}", long(256))), None);
    assert_eq!(limit(&format!("{{ {}: number }}", long(257))), Some("nameLength"));
    let unknown =
        |count: usize| (0..count).fold(String::new(), |all, i| all + &format!("numbe{i} "));
    let messages = |count| match scanned(&format!("{{ ... {{ {} }} }}", unknown(count))) {
        Err(Refusal::Errors(errors)) => {
            errors.into_iter().map(|error| error.message).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(
        messages(5)[4],
        "Unknown field \"numbe4\" on type \"Query\". Did you mean \"number\"?"
    );
    assert_eq!(messages(500).len(), 6);
    assert_eq!(messages(500)[4], "Unknown field \"numbe4\" on type \"Query\".");
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
            assert_eq!(fault(&beside).rsplit(' ').next(), Some("used."));
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
        ("{ ...A } fragment A on Query { ...A }", "The fragment A spreads itself."),
        ("{ number } fragment A on Query { number }", "The fragment A is never used."),
        ("{ ...A } fragment A on Query { ...B }", "The fragment B is not defined."),
        ("{ number @skip(if: true) @skip(if: true) }", "The directive @skip is repeated."),
        ("query($a: [Nothing]) { takes(list: $a) }", "\"[Nothing]\" is not an input type."),
        ("query($a: User) { takes(list: $a) }", "\"User\" is not an input type."),
    ] {
        assert_eq!(fault(source), why, "{source}");
    }
    let cycle = "{ ...A } fragment A on Query { ...B } fragment B on Query { same { ...A } }";
    assert!(fault(cycle).ends_with("spreads itself."));
    let beside = "{ number } fragment A on Query { ...B } fragment B on Query { ...A }";
    assert!(fault(beside).ends_with("is never used."));
}

#[test]
fn what_is_refused_is_located() {
    for (source, line, column) in [
        ("{\n ...A }", 2, 5),
        ("{ ...A }\nfragment A on Query { ...A }", 2, 26),
        ("{ number }\nfragment A on Query { number }", 2, 1),
        ("{ number @skip(if: true)\n @skip(if: true) }", 2, 2),
        ("query A { number }\nquery A { number }", 2, 7),
        ("query A { number }\n{ number }", 2, 1),
        ("fragment A on Query { number } { ...A }\nfragment A on Query { number }", 2, 10),
        ("{ takesMore(input: { name: \"a\",\n name: \"b\" }) }", 2, 2),
    ] {
        match scanned(source) {
            Err(Refusal::Invalid { positions, message, .. }) => {
                assert_eq!(positions, [Pos { line, column }], "{source}: {message}");
            }
            other => panic!("{source}: {other:?}"),
        }
    }
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
    assert_eq!(limit("mutation { a: set b: set c: set d: set e: set __typename }"), None);
    assert_eq!(
        limit("mutation { a: set b: set c: set d: set e: set f: set }"),
        Some("rootMutations")
    );
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
    let cost = cost::of(types.get().unwrap(), &operation.node, &entry.variables, 0).unwrap();
    let server = Server::new(true);
    let response = server.run(entry);
    assert!(response.errors.is_empty());
    // The library resolves the entries of lists too, at most as many as fields.
    let resolved = server.resolved.take();
    assert!(resolved <= cost.amount && cost.amount <= resolved * 2, "{cost:?} {resolved}");
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
                assert_eq!(message, "Introspection is off on this server.", "{source}");
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
        limit(&page("(first: 100)", &friends("", "id best { id best { id } }"))),
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
    assert_eq!(limit(&spread(45)), Some("cost"));
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
fn an_answer_of_any_size_is_asked_for_once() {
    assert_eq!(answer("mutation { everything }", json!({})), r#"{"everything":{}}"#);
    assert_eq!(limit("mutation { a: everything b: everything }"), Some("cost"));
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
fn values_count_wherever_they_are_read() {
    // In the directives of what is expanded.
    let end = |arguments| {
        let values = (0..arguments).fold(String::new(), |all, index| format!("{all} a{index}: 1"));
        format!("number @include(if: true {values})")
    };
    assert_eq!(limit(&chain(9, 2, &end(0))), None);
    assert_eq!(limit(&chain(9, 2, &end(150))), Some("cost"));
    // In fields that are compared, argument by argument, in each of the sets around them.
    let twice = |arguments| {
        let values = (0..arguments).fold(String::new(), |all, index| format!("{all} a{index}: 1"));
        format!(
            "{{ {} {} {} }}",
            "...{".repeat(25),
            format!("n({values}) ").repeat(2),
            "}".repeat(25)
        )
    };
    assert_eq!(limit(&twice(60)), None);
    assert_eq!(limit(&twice(150)), Some("cost"));
    // For each object that a field is resolved of, also as a variable and wherever that stands.
    let names = |of| format!("users(first: 100) {{ edges {{ node {{ name(of: {of}) }} }} }}");
    let more = |count| format!("{{ name: \"\", more: [{}] }}", "{ name: \"\" }".repeat(count));
    assert_eq!(limit(&format!("{{ {} }}", names(more(20)))), None);
    assert_eq!(limit(&format!("{{ {} }}", names(more(150)))), Some("cost"));
    let by_variable = |document: String, count| {
        let more = vec![json!({ "name": "" }); count];
        let variables = json!({ "v": { "name": "", "more": more } });
        limit_of(OPEN.scan(&format!("query($v: Input!) {{ {document} }}"), None, variables))
    };
    assert_eq!(by_variable(names("$v".into()), 20), None);
    assert_eq!(by_variable(names("$v".into()), 150), Some("cost"));
    let often =
        |count| format!("takesMore(input: {{ name: \"\" more: [{}] }})", "$v ".repeat(count));
    assert_eq!(by_variable(often(1), 400), None);
    assert_eq!(by_variable(often(100), 400), Some("cost"));
}
