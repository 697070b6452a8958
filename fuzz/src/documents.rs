//! Documents, valid and invalid: such as cost much by one means each, at random sizes.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use crate::random::Random;

/// What there is to select from a query, with what is below it, and at the end what there is not.
const FIELDS: &[&str] = &[
    "number",
    "__typename",
    "me { id name tags }",
    "same { number }",
    "me { best { best { name } } }",
    "users { edges { node { id } cursor } }",
    "users(first: 100) { edges { node { tags name } } }",
    "users(first: $i0) { edges { cursor } }",
    "found { ... on User { id tags } ... on Task { title } }",
    "table { id owner { tags } }",
    "nodes(ids: $ids0) { id ... on User { name } }",
    "takes(list: $l0)",
    "takes(input: $in0)",
    "nodes(ids: [\"a\" \"b\" \"c\"]) { __typename id }",
    "me { friends(first: 5) { edges { node { friends(first: 2) { edges { cursor } } } } } }",
    "__schema { types { name } }",
    "takes(input: { more: [$in0, $in0, {}] })",
    "takes(inputs: [$in0 $in0])",
    "login",
    "unknown",
    "me",
    "number { id }",
    "takes(int: \"x\", none: 1)",
    "takes(int: 1 int: 1)",
];
/// How many of them are valid beside each other, under aliases.
const VALID: usize = 16;
const TYPES: &[&str] =
    &["Query", "Query", "Query", "User", "Node", "Found", "Task", "Mutation", "None", "Int"];
const DIRECTIVES: &[&str] = &[
    "",
    "",
    "",
    "",
    "@include(if: true)",
    "@skip(if: false)",
    "@include(if: $b0)",
    "@none",
    "@skip(if: [true])",
    "@skip",
    "@include(if: true) @skip(if: false)",
    "@deprecated",
];
const INTROSPECTIONS: &[&str] = &[
    "name",
    "kind",
    "fields",
    "args",
    "type",
    "ofType",
    "inputFields",
    "interfaces",
    "possibleTypes",
    "enumValues",
    "description",
];
const DEFINITIONS: &str =
    "$i0: Int, $l0: [Int!], $in0: Input, $ids0: [ID!]! = [\"a\"], $b0: Boolean! = true";

/// Values for the variables that documents may define.
pub(crate) fn variables(random: &mut Random) -> Map<String, Value> {
    let input = json!({ "more": vec![json!({ "int": 1 }); random.below(200)] });
    let Value::Object(variables) = json!({
        "i0": random.below(110),
        "l0": vec![1; random.below(200)],
        "in0": input,
        "ids0": vec!["a"; random.below(100)],
        "b0": random.one_in(2),
    }) else {
        return Map::new();
    };
    variables
}

pub(crate) fn any(random: &mut Random) -> String {
    let mut source = of_some_shape(random);
    if !random.one_in(8) {
        // A variable that is not used would be all that is wrong with it.
        for definition in DEFINITIONS.split(", ") {
            let name = definition.split(':').next().unwrap_or_default();
            if source.matches(name).count() == source.matches(definition).count() {
                source = source.replace(definition, "");
            }
        }
        source = source.replace("(, , , , )", "");
    }
    source
}

fn of_some_shape(random: &mut Random) -> String {
    match random.below(11) {
        0 | 1 => chain(random),
        2 => wide(random),
        3 => deep(random),
        4 => used_variables(random),
        5 => literals(random),
        6 => long_names(random),
        7 => pages(random),
        8 => introspection(random),
        9 => arguments(random),
        _ => client(random),
    }
}

/// Fragments that spread each other, ending in something.
fn chain(random: &mut Random) -> String {
    let fan = random.within(1, 4);
    let limit = [30, 14, 9, 7][fan - 1];
    let length = random.within(1, limit);
    let mut source = String::new();
    let operations = if random.one_in(2) { 1 } else { random.within(1, 20) };
    let definitions = if random.one_in(2) { format!("({DEFINITIONS})") } else { String::new() };
    for index in 0..operations {
        let selects = if random.one_in(4) { random.pick(FIELDS) } else { "" };
        let _ = write!(source, "query Q{index}{definitions} {{ {selects} ...F0 }} ");
    }
    let of = if random.one_in(3) { random.pick(TYPES) } else { "Query" };
    let directive = directive(random);
    for index in 0..length {
        let next = if random.one_in(40) { random.below(length + 2) } else { index + 1 };
        let spread = format!("...F{next} {directive} ");
        let _ = write!(source, "fragment F{index} on {of} {{ {} }} ", spread.repeat(fan));
    }
    let count = random.within(1, 8);
    let end = fields(random, count);
    let end = if random.one_in(3) { arguments_of(random, "takes") } else { end };
    let _ = write!(source, "fragment F{length} on {of} {{ {end} }}");
    source
}

/// A directive, now and then with many arguments.
fn directive(random: &mut Random) -> String {
    if random.one_in(4) {
        let name = random.pick(&["include", "skip", "none"]);
        let mut arguments = String::from("if: true ");
        for index in 0..random.below(200) {
            let _ = write!(arguments, "a{index}: {} ", random.pick(&["1", "$i0", "[$i0 1]"]));
        }
        format!("@{name}({arguments})")
    } else {
        random.pick(DIRECTIVES).to_owned()
    }
}

fn fields(random: &mut Random, count: usize) -> String {
    let mut set = String::new();
    let from = if random.one_in(3) { FIELDS } else { &FIELDS[..VALID] };
    let distance = if random.one_in(3) { 12 } else { 1_000 };
    for _ in 0..count {
        if random.one_in(4) {
            let _ = write!(set, "a{}: ", random.below(distance));
        }
        let _ = write!(set, "{} ", random.pick(from));
    }
    set
}

/// One selection set with much in it, some of it twice.
fn wide(random: &mut Random) -> String {
    let few = random.within(1, 3);
    let repeated = fields(random, few);
    let count = random.within(1, 300);
    let (open, close) = *[("", ""), ("... {", "}"), ("me {", "}"), ("same {", "}")]
        .get(random.below(4))
        .unwrap_or(&("", ""));
    let body = format!("{open} {repeated} {close} ").repeat(count / few);
    format!("query({DEFINITIONS}) {{ {body} }}")
}

/// Inline fragments and fields inside each other, with much in the innermost, or in each.
fn deep(random: &mut Random) -> String {
    let depth = random.within(1, 30);
    let opens: Vec<_> = (0..depth)
        .map(|_| {
            random
                .pick(&[
                    "... {",
                    "... {",
                    "... on Query {",
                    "same {",
                    "... on User {",
                    "... @none {",
                ])
                .to_owned()
        })
        .collect();
    let each = if random.one_in(2) { random.pick(FIELDS) } else { "" };
    let count = random.within(1, 60);
    let inner = if random.one_in(2) {
        fields(random, count)
    } else {
        random
            .pick(&["n: number ", "me { id } ", "takes(int: 1) ", "takes(int: $x) "])
            .repeat(count)
    };
    format!("{{ {} {inner} {} }}", opens.join(&format!(" {each} ")), "}".repeat(depth))
}

/// Many operations with many variables that are used often.
fn used_variables(random: &mut Random) -> String {
    let (operations, defined) = (random.within(1, 20), random.within(1, 60));
    let ty = random.pick(&["Int", "Int!", "[Int!]", "Input", "None", "Int = 1"]);
    let mut source = String::new();
    for operation in 0..operations {
        let _ = write!(source, "query Q{operation}(");
        for variable in 0..defined {
            let _ = write!(source, "$v{variable}: {ty} ");
        }
        let selects = if random.one_in(4) { arguments_of(random, "takes") } else { String::new() };
        let _ = write!(source, ") {{ ...F {selects} }} ");
    }
    let argument = random.pick(&["int", "list", "none", "input", "inputs"]);
    let mut usages = String::new();
    for _ in 0..random.within(1, 200) {
        let _ = write!(usages, "$v{} ", random.below(defined + 1));
    }
    let used = match random.below(3) {
        0 => format!("takes({argument}: [{usages}])"),
        1 => format!("takes(input: {{ table: [[{usages}]] more: [{usages}] }})"),
        _ => format!("me {{ name @include(if: [{usages}]) }}"),
    };
    let _ = write!(source, "fragment F on Query {{ {used} }}");
    source
}

fn literal(random: &mut Random) -> String {
    let count = random.within(1, 250);
    match random.below(7) {
        0 => format!("[{}]", "1 ".repeat(count)),
        1 => format!("[{}]", "[] ".repeat(count)),
        2 => format!("{{ more: [{}] }}", "{} ".repeat(count)),
        3 => format!("{{ more: [{}] }}", "$in0 ".repeat(count)),
        4 => format!("[{}]", "$in0 ".repeat(count)),
        5 => format!("\"{}\"", "x".repeat(count * 40)),
        _ => format!("{{ table: [[{}]] }}", "1 ".repeat(count)),
    }
}

/// Large values, in places where they are looked at again and again.
fn literals(random: &mut Random) -> String {
    let literal = literal(random);
    let argument = random.pick(&["list", "input", "inputs", "text", "ids", "int"]);
    match random.below(4) {
        0 => format!("query({DEFINITIONS} $d: Input = {literal}) {{ takes(input: $d) }}"),
        1 => {
            let first = random.within(1, 100);
            format!(
                "query({DEFINITIONS}) {{ users(first: {first}) {{ edges {{ node {{ name(of: {literal}) }} }} }} }}"
            )
        }
        2 => format!(
            "query({DEFINITIONS}) {{ ...F ...F ...F }} fragment F on Query {{ takes({argument}: {literal}) }}"
        ),
        _ => {
            let mut set = String::new();
            for index in 0..random.within(1, 15) {
                let _ = write!(set, "a{index}: takes({argument}: $in0) ");
            }
            format!("query({DEFINITIONS}) {{ {set} takes({argument}: {literal}) }}")
        }
    }
}

/// Names of great length, where the library looks for similar ones or repeats them.
fn long_names(random: &mut Random) -> String {
    let long = random.pick(&["x", "number", "__", "e"]).repeat(random.within(1, 3_000));
    let long: String = long.chars().take(14_000).collect();
    let count = (14_000 / long.len()).clamp(1, random.within(1, 200));
    match random.below(6) {
        0 => format!("{{ {} }}", format!("{long} ").repeat(count)),
        1 => format!("{{ takes({}) }}", format!("{long}: 1 ").repeat(count)),
        2 => format!("{{ ...F ...F }} fragment F on Query {{ {long} }}"),
        3 => format!(
            "query(${long}: Int) {{ takes(list: [{}]) }}",
            format!("${long} ").repeat(count)
        ),
        4 => {
            let (open, close) = ("... {".repeat(25), "}".repeat(25));
            format!("{{ {open} {} {close} }}", format!("{long}: number ").repeat(count))
        }
        _ => format!("{{ number @{long} takes(color: {long}) ... on {long} {{ a }} }}"),
    }
}

/// Lists inside lists.
fn pages(random: &mut Random) -> String {
    let depth = random.within(1, 3);
    let mut source = format!("query({DEFINITIONS}) {{ ");
    let mut field = "users";
    let most = [100, 20, 6][depth - 1];
    for _ in 0..depth {
        let size =
            if random.one_in(6) { "$i0".to_owned() } else { random.within(0, most).to_string() };
        let name = random.pick(&["first", "last"]);
        let _ = write!(source, "{field}({name}: {size}) {{ edges {{ cursor node {{ ");
        field = random.pick(&["friends", "best { id } friends", "tags friends"]);
    }
    let inner = match random.below(4) {
        0 => "id tags ".to_owned(),
        1 => format!("name(of: {})", literal(random)),
        2 => "... on Node { id } ".repeat(random.within(1, 20)),
        _ => "best { best { tags } } ".to_owned(),
    };
    let _ = write!(source, "{inner} {}", "} } } ".repeat(depth));
    source.push('}');
    source
}

/// What the schema says of itself, and more than once.
fn introspection(random: &mut Random) -> String {
    let mut source =
        random.pick(&["{ __schema { types {", "{ __type(name: \"User\") {"]).to_owned();
    let mut open = source.matches('{').count();
    for _ in 0..random.within(1, 9) {
        let leaf = random.pick(&["name", "kind", "a: name", ""]);
        let _ = write!(source, " {leaf} {} {{", random.pick(INTROSPECTIONS));
        open += 1;
    }
    let count = random.within(1, 6);
    let _ = write!(source, " {} {}", "name kind ".repeat(count), "}".repeat(open));
    source
}

fn arguments_of(random: &mut Random, field: &str) -> String {
    let mut arguments = String::new();
    for index in 0..random.within(1, 150) {
        let name = random.pick(&["int", "a", "none"]);
        let value = random.pick(&["1", "$i0", "{}", "null", "[1 2]"]);
        let _ = write!(arguments, "{name}{index}: {value} ");
    }
    format!("{field}({arguments})")
}

/// Fields with many arguments, which are compared.
fn arguments(random: &mut Random) -> String {
    let field = random.pick(&["takes", "unknown", "number", "a: takes"]);
    let one = arguments_of(random, field);
    let count = random.within(1, 8);
    let (open, close) =
        if random.one_in(2) { ("... {".repeat(20), "}".repeat(20)) } else { Default::default() };
    format!("{{ {open} {} {close} }}", format!("{one} ").repeat(count))
}

/// What a front end might send.
fn client(random: &mut Random) -> String {
    let (one, two) = (random.within(1, 4), random.within(1, 3));
    let (first, second) = (fields(random, one), fields(random, two));
    format!(
        "query Page({DEFINITIONS}) {{ {first} ...Part }} fragment Part on {} {{ {second} }}",
        random.pick(TYPES)
    )
}

/// Changes a document here and there.
pub(crate) fn mutate(random: &mut Random, source: &str, other: &str) -> String {
    let mut tokens = tokens(source);
    for _ in 0..random.within(1, 4) {
        let at = random.below(tokens.len());
        let span = if random.one_in(2) { 1 } else { random.within(1, 12) };
        let end = (at + span).min(tokens.len());
        match random.below(6) {
            0 => drop(tokens.drain(at..end)),
            1 | 2 => {
                let times = random.within(1, 30);
                let span = tokens[at..end].to_vec();
                tokens.splice(at..at, std::iter::repeat_n(span, times).flatten());
            }
            3 => {
                let others = self::tokens(other);
                let from = random.below(others.len());
                let to = (from + span).min(others.len());
                tokens.splice(at..end, others[from..to].iter().cloned());
            }
            4 => {
                let with = random.below(tokens.len());
                if at < tokens.len() {
                    tokens.swap(at, with);
                }
            }
            _ => {
                if let Some(token) = tokens.get_mut(at) {
                    *token = random
                        .pick(&["$in0", "$v1", "1", "{}", "[]", "number", "Query", "..."])
                        .to_owned();
                }
            }
        }
        if tokens.is_empty() {
            break;
        }
    }
    tokens.join(" ")
}

/// Roughly the tokens: words with what stands before them, and marks.
fn tokens(source: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut is_open = false;
    for character in source.chars() {
        let is_word = character.is_alphanumeric() || "_$@\".".contains(character);
        match tokens.last_mut() {
            Some(last) if is_word && is_open => last.push(character),
            _ if character.is_whitespace() => {}
            _ => tokens.push(character.to_string()),
        }
        is_open = is_word;
    }
    tokens
}
