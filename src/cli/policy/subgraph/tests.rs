use async_graphql::{EmptyMutation, Object};
use portcullis_macros::rules;

use super::super::Graph;
use super::*;
use crate::kernel::access::permission::AUDIT_READ;
use crate::schema::Roots;

const LINK_ALL: &str = "extend schema @link(url: \"https://specs.apollo.dev/federation/v2.6\", import: [\"@tag\", \
                        \"@authenticated\", \"@requiresScopes\", \"@policy\"])";

fn sdl(file: &str, text: &str) -> Sdl {
    Sdl::parse(file.to_owned(), text.to_owned()).unwrap()
}

/// The fields of a file with their rules, and its findings with their lines.
fn read(text: &str) -> (Vec<String>, Vec<String>) {
    let subgraph = Subgraph::read(&sdl("a.graphql", text));
    let field = |field: RootField| format!("{}: {}", field.name, field.rule.unwrap_or_default());
    let finding = |finding: Finding| format!("{}: {}", finding.line, finding.message);
    (
        subgraph.fields.into_iter().map(field).collect(),
        subgraph.findings.into_iter().map(finding).collect(),
    )
}

/// With all directives imported in the first line.
fn read_linked(text: &str) -> (Vec<String>, Vec<String>) {
    read(&format!("{LINK_ALL}\n{text}"))
}

/// What is found in several files together, beside what is found in each.
fn compare(files: &[(&str, &str)]) -> Vec<(Level, String)> {
    let files: Vec<_> =
        files.iter().map(|(file, text)| sdl(file, &format!("{LINK_ALL}\n{text}"))).collect();
    let graph = Graph::of(&Roots::default().policy(), &files);
    graph.findings.into_iter().map(|finding| (finding.level, finding.message)).collect()
}

#[test]
fn a_field_states_its_rule_or_that_it_is_public() {
    let (fields, findings) = read_linked(
        r#"type Query {
             mine: Int @authenticated
             users: Int @requiresScopes(scopes: [["users:read"]])
             orders: Int @policy(policies: [["open"]])
             news: Int @public
             prices: Int @tag(name: "internal") @tag(name: "public")
             "one that is forgotten"
             secrets: Int @deprecated @tag(name: "internal")
           }"#,
    );
    assert_eq!(
        fields,
        [
            "Query.mine: a signed-in caller",
            "Query.users: the scope users:read",
            "Query.orders: the policy open",
            "Query.news: anybody",
            "Query.prices: anybody",
            "Query.secrets: ",
        ]
    );
    assert_eq!(findings, ["9: Query.secrets states no rule"]);
}

#[test]
fn roots_are_found_by_their_names_and_what_routers_answer_is_left_out() {
    let (fields, findings) = read_linked(
        "schema { query: RootQuery }
         extend schema { mutation: Changes }
         type RootQuery { _service: Int! _entities: Int! a: Int @public }
         extend type RootQuery { __b: Int c: Int @public }
         type Changes { d: Int }
         extend type Subscription { e: Int _service: Int }
         type Query { f: Int }
         type Mutation { g: Int }
         interface Other { h: Int }",
    );
    let names: Vec<_> = fields.iter().filter_map(|field| field.split(':').next()).collect();
    assert_eq!(
        names,
        ["Query.a", "Query.c", "Mutation.d", "Subscription.e", "Subscription._service"]
    );
    assert_eq!(
        findings,
        [
            "6: Mutation.d states no rule",
            "7: Subscription.e states no rule",
            "7: Subscription._service states no rule",
        ]
    );
}

#[test]
fn a_rule_at_a_root_type_counts_for_its_fields_in_all_parts() {
    let (fields, findings) = read_linked(
        r#"extend type Query { a: Int  b: Int @requiresScopes(scopes: [["users:read"]]) }
           type Query @authenticated { c: Int @policy(policies: [["p"]])  d: Int @public }
           type Mutation @public { e: Int  f: Int @authenticated }"#,
    );
    assert_eq!(
        fields,
        [
            "Query.a: a signed-in caller",
            "Query.b: the scope users:read",
            "Query.c: a signed-in caller; the policy p",
            "Query.d: a signed-in caller",
            "Mutation.e: anybody",
            "Mutation.f: a signed-in caller",
        ]
    );
    assert_eq!(findings, ["3: Query.d is marked as public but states a rule"]);
}

#[test]
fn a_rule_is_stated_once() {
    let (fields, findings) = read_linked(
        r#"type Query @authenticated { a: Int @policy(policies: [["p"]]) @policy(policies: [["q"]]) }
           extend type Query @authenticated { b: Int @tag(name: "public") @tag(name: "public") }"#,
    );
    assert_eq!(fields[0], "Query.a: a signed-in caller; the policy p");
    assert_eq!(
        findings,
        [
            "3: type Query states @authenticated twice",
            "2: Query.a states @policy twice",
            "3: Query.b is marked as public but states a rule",
        ]
    );
}

#[test]
fn directives_count_by_the_names_that_federation_has_in_the_file() {
    let (fields, findings) = read(
        r#"extend schema @link(
             url: "https://specs.apollo.dev/federation/v2.6", as: "fed"
             import: [{name: "@requiresScopes", as: "@scopes"}])
           directive @authenticated on FIELD_DEFINITION
           type Query {
             a: Int @scopes(scopes: [["users:read"]])
             b: Int @fed__authenticated
             c: Int @authenticated
             d: Int @federation__authenticated
             e: Int @tag(name: "public")
           }"#,
    );
    assert_eq!(fields[..2], ["Query.a: the scope users:read", "Query.b: a signed-in caller"]);
    assert_eq!(
        findings,
        [
            "8: Query.c states @authenticated, but the @link does not import it: no router enforces it",
            "9: Query.d states no rule",
            "10: Query.e states @tag, but the @link does not import it: no router enforces it",
        ]
    );
}

#[test]
fn without_a_link_no_router_enforces_anything() {
    let (fields, findings) = read("type Query { a: Int @authenticated }");
    assert_eq!(fields, ["Query.a: a signed-in caller"]);
    let told = "1: there is no @link to federation, so no router enforces the rules of this file";
    assert_eq!(findings, [told]);
    // Nothing is to be enforced here.
    assert!(read("type Query { a: Int @public  b: Int @tag(name: \"public\") }").1.is_empty());
}

#[test]
fn an_older_federation_does_not_have_every_directive() {
    let at = |version: &str| {
        let text = format!(
            "extend schema\n@link(url: \"https://specs.apollo.dev/federation/{version}\", import: [\"@authenticated\"])
             type Query {{ a: Int @authenticated  b: Int @federation__policy(policies: [[\"p\"]]) }}"
        );
        read(&text).1
    };
    assert!(at("v2.6").is_empty());
    assert_eq!(at("v2.5"), ["2: @policy needs federation v2.6, but the @link names v2.5"]);
    assert_eq!(
        at("v2.4"),
        [
            "2: @authenticated needs federation v2.5, but the @link names v2.4",
            "2: @policy needs federation v2.6, but the @link names v2.4",
        ]
    );
}

#[test]
fn lists_that_admit_everybody_are_no_rule() {
    let (fields, findings) = read_linked(
        r#"type Query {
             a: Int @requiresScopes(scopes: [[]])
             b: Int @policy(policies: [])
             c: Int @requiresScopes(scopes: ["users:read"])
             d: Int @requiresScopes
             e: Int @authenticated @requiresScopes(scopes: [])
           }"#,
    );
    assert_eq!(fields[0], "Query.a: ");
    assert_eq!(fields[4], "Query.e: a signed-in caller");
    assert_eq!(
        findings,
        [
            "3: the scopes of @requiresScopes at Query.a admit everybody, so they are not a rule",
            "4: the policies of @policy at Query.b admit everybody, so they are not a rule",
            "5: the scopes of @requiresScopes at Query.c must be a list of lists of strings",
            "6: the scopes of @requiresScopes at Query.d must be a list of lists of strings",
            "7: the scopes of @requiresScopes at Query.e admit everybody, so they are not a rule",
        ]
    );
}

#[test]
fn a_scope_that_no_token_has_is_told_with_what_is_like_it() {
    let text = r#"type Query {
        a: Int @requiresScopes(scopes: [["users:raed"], ["users:read", "orders:read"]])
        b: Int @requiresScopes(scopes: [["USERS_WRITE"]])
        c: Int @policy(policies: [["any"]])
    }"#;
    let findings = Subgraph::read(&sdl("a", &format!("{LINK_ALL}\n{text}"))).findings;
    let told: Vec<_> =
        findings.into_iter().map(|told| (told.line, told.message, told.advice)).collect();
    let told_at = |line, message: &str, advice: &str| (line, message.to_owned(), advice.to_owned());
    assert_eq!(
        told,
        [
            told_at(
                3,
                "Query.a: no token has the scope \"orders:read\"",
                "the scopes of tokens are users:read, users:write, audit:read, permissions:grant, documents:any"
            ),
            told_at(
                3,
                "Query.a: no token has the scope \"users:raed\"",
                "did you mean users:read?"
            ),
            told_at(
                4,
                "Query.b: no token has the scope \"USERS_WRITE\"",
                "did you mean users:write?"
            ),
        ]
    );
}

#[test]
fn a_field_has_the_same_rule_in_every_subgraph() {
    let signed_in = ("a", "type Query { shared: Int @shareable @authenticated }");
    let told = compare(&[signed_in, ("b", "extend type Query { shared: Int @authenticated }")]);
    assert_eq!(told, []);
    let told = compare(&[signed_in, ("b", "type Query { shared: Int @public }")]);
    let message = "Query.shared has different rules: a signed-in caller (a:2), anybody (b:2)";
    assert_eq!(told, [(Level::Problem, message.to_owned())]);
    // Each states one.
    let told = compare(&[signed_in, ("b", "type Query { shared: Int }")]);
    assert_eq!(told, [(Level::Problem, "Query.shared states no rule".to_owned())]);
    let told = compare(&[("a", "type Query { me: Int @public }")]);
    let message = "Query.me has different rules: a signed-in caller (portcullis), anybody (a:2)";
    assert_eq!(told, [(Level::Problem, message.to_owned())]);
}

#[derive(Default)]
struct Invoices;

#[rules(query)]
#[Object]
impl Invoices {
    #[auth(permission = AUDIT_READ)]
    async fn invoices(&self) -> i32 {
        1
    }
}

#[test]
fn the_fields_of_an_extension_are_in_the_graph() {
    let roots = Roots::with::<Invoices, EmptyMutation>(Vec::new()).unwrap();
    let graph = Graph::of(&roots.policy(), &[]);
    let rule = |name: &str| graph.fields.iter().find(|field| field.name == name)?.rule.as_deref();
    assert_eq!(rule("Query.invoices"), Some("the scope audit:read"));
    assert_eq!(rule("Query.me"), Some("a signed-in caller"));
}

#[test]
fn a_rule_at_a_root_type_is_one_of_other_subgraphs_too() {
    let told = compare(&[("a", "type Mutation @authenticated { a: Int }")]);
    let [(Level::Warning, message)] = &told[..] else { panic!("{told:?}") };
    assert!(
        message.contains("including Mutation.") && message.contains("in portcullis"),
        "{message}"
    );
    assert_eq!(compare(&[("a", "type Subscription @authenticated { a: Int }")]), []);
}
