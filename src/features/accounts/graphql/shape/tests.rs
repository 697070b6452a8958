//! A list by plan says what the derived objects say, whatever is selected.

use std::sync::OnceLock;

use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema, Variables};
use chrono::DateTime;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use tokio::runtime::Builder;

use super::super::User as UserObject;
use super::super::connection::{UserEdge, cursor_of};
use super::*;
use crate::features::accounts::listing::OrderField;
use crate::graphql::document::{Asked, Documents, Refusal, SharedTypes};
use crate::graphql::policy::{Listing, Policy};
use crate::graphql::row::Rows;
use crate::infra::limits::Rates;
use crate::kernel::access::{Grants, Language, Role};
use crate::kernel::id::UserId;
use crate::schema::node::Node;

const ORDER: Order = Order { field: OrderField::Username, descending: true };

struct Query;

#[Object]
impl Query {
    async fn edges(&self) -> Rows<EdgeShape, UserEdge> {
        Rows { shape: EdgeShape(ORDER), list: users(), derive: |_, user| edge(user) }
    }
}

struct Derived;

#[Object(name = "Query")]
impl Derived {
    async fn edges(&self) -> Vec<UserEdge> {
        users().iter().map(edge).collect()
    }
}

fn edge(user: &User) -> UserEdge {
    UserEdge { node: UserObject::from(user), cursor: cursor_of(ORDER, user) }
}

fn users() -> Vec<User> {
    let user = |number: i64| {
        let at = DateTime::from_timestamp_micros(1_790_000_000_000_000 + number).unwrap();
        User {
            id: UserId::new(at),
            username: format!("User{number}"),
            email: format!("user{number}@example.com"),
            email_verified: number == 1,
            full_name: (number == 1).then(|| "Æ \"quoted\" 名".to_owned()),
            role: if number == 1 { Role::Admin } else { Role::User },
            is_active: number != 1,
            created_at: at,
            updated_at: at,
            last_login_at: (number == 1).then_some(at),
            locale: if number == 1 { Language::German } else { Language::English },
            grants: Grants::default(),
        }
    };
    USERS.get_or_init(|| (0..3).map(user).collect()).clone()
}

/// Ids are random but for their time: both schemas must see the same.
static USERS: OnceLock<Vec<User>> = OnceLock::new();

const FIELDS: [&str; 12] = [
    "id",
    "username",
    "email",
    "emailVerified",
    "fullName",
    "role",
    "isActive",
    "createdAt",
    "updatedAt",
    "lastLoginAt",
    "locale",
    "__typename",
];

/// A directive, or none.
fn directive() -> impl Strategy<Value = &'static str> {
    let all =
        ["", "", "@skip(if: true)", "@skip(if: $no)", "@include(if: $no)", "@include(if: $yes)"];
    proptest::sample::select(all.to_vec())
}

fn leaf(fields: Vec<&'static str>) -> impl Strategy<Value = String> {
    (proptest::sample::select(fields), 0..3_u8, directive()).prop_map(
        |(field, alias, directive)| {
            match alias {
                0 => format!("{field} {directive}"),
                // An alias of one field is no other's.
                alias => format!("{}{alias}: {field} {directive}", field.trim_start_matches('_')),
            }
        },
    )
}

/// Selections of an object, in fragments and without.
fn selections(
    of: &'static str,
    leaf: BoxedStrategy<String>,
    spreads: Vec<&'static str>,
) -> impl Strategy<Value = String> {
    let leaf =
        prop_oneof![8 => leaf, 1 => proptest::sample::select(spreads).prop_map(str::to_owned)];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        (vec(inner, 1..4), any::<bool>(), directive()).prop_map(move |(inner, named, directive)| {
            let condition = if named { format!("on {of}") } else { String::new() };
            format!("... {condition} {directive} {{ {} }}", inner.join(" "))
        })
    })
}

fn document() -> impl Strategy<Value = String> {
    let spreads = vec!["...OfUser", "...OnNode", "... on Node { id }"];
    let user = vec(selections("User", leaf(FIELDS.to_vec()).boxed(), spreads), 1..5);
    let node = (user, directive())
        .prop_map(|(set, directive)| format!("node {directive} {{ {} }}", set.join(" ")));
    let edge = prop_oneof![leaf(vec!["cursor", "__typename"]), node];
    let edges = vec(selections("UserEdge", edge.boxed(), vec!["...OfEdge"]), 1..5);
    edges.prop_map(|set| {
        format!(
            "query($yes: Boolean! = true, $no: Boolean! = false) {{ edges {{ {} cursor @skip(if: $yes) \
             a: cursor @include(if: $no) ...OfEdge @skip(if: $yes) node {{ ...OfUser ...OnNode }} }} }} \
             fragment OfUser on User {{ id role }} fragment OnNode on Node {{ id }} \
             fragment OfEdge on UserEdge {{ cursor node {{ fullName }} }}",
            set.join(" ")
        )
    })
}

#[test]
fn a_plan_says_what_the_derived_objects_say() {
    let types = SharedTypes::default();
    let planned = Schema::build(Query, EmptyMutation, EmptySubscription)
        .register_output_type::<Node>()
        .directive(Policy::default().reader(types.clone(), Listing::All, Rates::default()))
        .finish();
    let documents = Documents::new(types, true);
    let derived = Schema::build(Derived, EmptyMutation, EmptySubscription)
        .register_output_type::<Node>()
        .finish();
    let runtime = Builder::new_current_thread().build().unwrap();
    let config = Config { failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&document(), |document| {
        let asked =
            Asked { source: &document, operation_name: None, variables: serde_json::Map::new() };
        let lookup = documents.look_up(&document);
        // As the server has it: a plan is for what the pre-scan leaves of a document.
        let scanned = match runtime.block_on(documents.scan(&planned, lookup, asked)) {
            Ok(scanned) => scanned,
            Err(Refusal::Limit { .. }) => return Ok(()),
            Err(other) => panic!("{document}: {other}"),
        };
        let (planned, derived) = runtime.block_on(async {
            let mut request = Request::new("").variables(scanned.variables);
            request.set_parsed_query(scanned.document);
            // Left alone, the library knows no default of a variable that skips.
            let values = json!({ "yes": true, "no": false });
            let whole = Request::new(&document).variables(Variables::from_json(values));
            (planned.execute(request).await, derived.execute(whole).await)
        });
        prop_assert_eq!(&planned.errors, &derived.errors);
        prop_assert!(derived.errors.is_empty(), "{:?}: {}", derived.errors, document);
        // Objects compare by their entries: the library's merging has an order of its own.
        prop_assert_eq!(&planned.data, &derived.data, "{}", document);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn what_is_in_the_rows_has_a_plan_and_nothing_else() {
    for (set, has_plan) in [
        ("{ node { id a: role } cursor __typename }", true),
        ("{ cursor ... on UserEdge { __typename } }", false),
        ("{ node { id } node { role } }", false),
        ("{ node { id securityEvents { edges { cursor } } } }", false),
        ("{ node { ... on Node { id } } }", false),
        ("{ node { id @unheard } }", false),
        ("{ ...Unknown }", false),
    ] {
        let document = async_graphql::parser::parse_query(set).unwrap();
        let (_, operation) = document.operations.iter().next().unwrap();
        let plan = Plan::of(&EdgeShape(ORDER), &operation.node.selection_set.node);
        assert_eq!(plan.is_some(), has_plan, "{set}");
    }
}
