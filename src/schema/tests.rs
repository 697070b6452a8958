//! A list by plan says what its derived objects say, whatever is selected.

mod costs;

use std::borrow::Cow;

use async_graphql::parser::types::{Field, TypeKind, TypeSystemDefinition};
use async_graphql::{
    ComplexObject, EmptyMutation, EmptySubscription, Name, Object, ObjectType, Pos, Positioned,
    Request, Response, Schema, SchemaBuilder, SimpleObject, TypeName, Variables,
};
use chrono::{DateTime, Utc};
use portcullis_macros::Row;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Map, json};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use uuid::Uuid;

use super::node::Node;
use crate::features::accounts::PendingInvitation;
use crate::features::audit::{EventPlace, Outcome, Recorded, kind};
use crate::features::organizations::{self, Member, OwnOrganization};
use crate::features::sessions::OwnSession;
use crate::graphql::connection::{Connection, Edge};
use crate::graphql::document::{Asked, Documents, Refusal, SharedTypes};
use crate::graphql::error::{ApiError, Result};
use crate::graphql::json;
use crate::graphql::page::{ByAge, Window};
use crate::graphql::policy::{Policy, Visible};
use crate::graphql::row::{Fill, Row};
use crate::graphql::whole::Whole;
use crate::infra::limits::Rates;
use crate::kernel::access::{self, Grants, Language, OrganizationRole, Role};
use crate::kernel::acting::ActorType;
use crate::kernel::id::{
    AuditEventId, InvitationId, MembershipId, OrganizationId, SessionId, UserId, UserInvitationId,
};
use crate::schema::audit_event::AuditEvent;
use crate::schema::organization::{Invitation, Membership, Organization};
use crate::schema::session::Session;
use crate::schema::user::{User, UserInvitation};

const ORDER: ByAge = ByAge::OldestFirst;
const ALL: Window = Window { first: Some(100), after: None, last: None, before: None };

/// A page as the server has it.
struct Planned<T>(Vec<T>);

#[Object(name = "Query")]
impl<T: Row + Clone> Planned<T> {
    async fn page(&self) -> Result<Connection<Whole<T>>> {
        let rows = async || Ok(self.0.iter().cloned().enumerate().collect());
        Whole::load(ALL, ORDER, rows, |(index, _)| id(*index), |(_, row)| row).await
    }
}

/// A page as the library resolves it.
struct Derived<T>(Vec<T>);

#[Object(name = "Query")]
impl<T: Row + Clone> Derived<T> {
    async fn page(&self) -> Page<T> {
        let rows = self.0.iter().cloned().enumerate();
        let edges = rows.map(|(index, row)| Edge::new(row, ORDER.cursor(id(index)))).collect();
        Page { edges, nodes: self.0.clone() }
    }
}

#[derive(SimpleObject)]
#[graphql(name_type)]
struct Page<T: Row> {
    edges: Vec<Edge<Whole<T>>>,
    nodes: Vec<T>,
}

impl<T: Row> TypeName for Page<T> {
    fn type_name() -> Cow<'static, str> {
        "Page".into()
    }
}

fn id(number: usize) -> Uuid {
    Uuid::from_u128(0x0193_6b2e_0000_7000_8000_0000_0000_0000 + number as u128)
}

fn at(number: usize) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(1_790_000_000_000_000 + i64::try_from(number).unwrap()).unwrap()
}

/// One in two texts, with what JSON escapes.
fn maybe(number: usize) -> Option<String> {
    (number % 2 == 1).then(|| "Æ \"quoted\"\n\\ 名 \u{1}\u{2028}".to_owned())
}

fn user(number: usize) -> access::User {
    access::User {
        id: UserId(id(number)),
        username: format!("User{number}"),
        email: format!("user{number}@example.com"),
        email_verified: number == 1,
        full_name: maybe(number),
        avatar_url: maybe(number),
        role: if number == 1 { Role::Admin } else { Role::User },
        is_active: number != 1,
        created_at: at(number),
        updated_at: at(0),
        last_login_at: (number == 1).then(|| at(number)),
        locale: if number == 1 { Language::German } else { Language::English },
        grants: Grants::default(),
        second_factor: false,
    }
}

fn organization(number: usize) -> OwnOrganization {
    OwnOrganization {
        id: OrganizationId(id(number)),
        name: maybe(number).unwrap_or_default(),
        created_at: at(number),
        updated_at: at(number),
        role: if number == 1 { OrganizationRole::Owner } else { OrganizationRole::Member },
    }
}

fn membership(number: usize) -> Membership {
    let member = Member {
        id: MembershipId(id(number)),
        role: OrganizationRole::Admin,
        created_at: at(number),
        user: user(number),
    };
    Membership::of(organization(number).into(), member)
}

fn invitation(number: usize) -> organizations::Invitation {
    organizations::Invitation {
        id: InvitationId(id(number)),
        organization: OrganizationId(id(number)),
        organization_name: maybe(number).unwrap_or_default(),
        email: "new@example.com".to_owned(),
        email_key: String::new(),
        role: OrganizationRole::Member,
        invited_by: (number == 1).then(|| UserId(id(0))),
        created_at: at(number),
        expires_at: at(number),
    }
}

fn user_invitation(number: usize) -> PendingInvitation {
    PendingInvitation {
        id: UserInvitationId(id(number)),
        email: maybe(number).unwrap_or_default(),
        role: if number == 1 { Role::Admin } else { Role::User },
        invited_by: UserId(id(number)),
        created_at: at(number),
        expires_at: at(number),
    }
}

fn session(number: usize) -> OwnSession {
    OwnSession {
        id: SessionId(id(number)),
        created_at: at(number),
        last_used_at: at(number),
        expires_at: at(number),
        ended_at: (number == 1).then(|| at(number)),
        ip: maybe(number),
        user_agent: maybe(number),
    }
}

fn event(number: usize) -> Recorded {
    Recorded {
        place: EventPlace { created_at: at(number), id: AuditEventId(id(number)) },
        kind: (number == 1).then_some(kind::REGISTERED),
        outcome: if number == 1 { Outcome::Done } else { Outcome::Refused },
        actor_type: (number > 0).then_some(ActorType::User),
        actor: None,
        target: (number == 1).then(|| id(number)),
        organization: (number == 1).then(|| OrganizationId(id(number))),
        detail: maybe(number),
        ip: (number == 1).then(|| [192, 0, 2, 1].into()),
        user_agent: maybe(number),
        request_id: None,
        occurrences: 3,
    }
}

/// With fields that take futures, and that are refused row by row.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
struct Item {
    number: i32,
    inner: Inner,
}

#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
struct Inner {
    text: Option<String>,
    #[graphql(skip)]
    number: i32,
}

#[ComplexObject]
impl Item {
    async fn later(&self) -> Inner {
        yield_now().await;
        self.inner.clone()
    }

    async fn more(&self, first: i32) -> Result<Connection<Whole<Inner>>> {
        let rows = async || Ok(vec![self.inner.clone(), self.inner.clone()]);
        let window = Window { first: Some(first), ..ALL };
        Whole::load(window, ORDER, rows, |_| id(0), |row| row).await
    }
}

#[ComplexObject]
impl Inner {
    async fn refused(&self) -> Option<async_graphql::Result<i32>> {
        yield_now().await;
        Some(if self.number == 1 {
            Err(ApiError::forbidden("Not this one.").into())
        } else {
            Ok(self.number)
        })
    }

    async fn failing(&self) -> Result<i32> {
        if self.number == 1 { Err(ApiError::forbidden("Not this one.")) } else { Ok(self.number) }
    }
}

fn item(number: i32) -> Item {
    Item { number, inner: Inner { text: maybe(number.unsigned_abs() as usize), number } }
}

/// A type's fields that are selected here.
type Selected = fn(&str) -> bool;

fn in_row<T: Row>(name: &str) -> bool {
    let at = |name: &str| Positioned::new(Name::new(name), Pos::default());
    let field = Field {
        alias: None,
        name: at(name),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    matches!(T::fill(&Positioned::new(field, Pos::default())), Some(Fill::Now(_)))
}

const TYPES: [(&str, Selected); 9] = [
    ("User", in_row::<User>),
    ("Session", in_row::<Session>),
    ("AuditEvent", in_row::<AuditEvent>),
    ("Organization", in_row::<Organization>),
    ("Membership", in_row::<Membership>),
    ("Invitation", in_row::<Invitation>),
    ("UserInvitation", in_row::<UserInvitation>),
    ("Item", |name| name != "more"),
    ("Inner", |name| name != "failing"),
];

/// The fields of a type, each with its type if that has fields.
fn fields(sdl: &str, of: &str) -> Vec<(String, Option<String>)> {
    let selected = TYPES.iter().find(|(name, _)| *name == of).unwrap().1;
    let document = crate::schema::parse_sdl(sdl).unwrap();
    let found = document.definitions.iter().find_map(|definition| match definition {
        TypeSystemDefinition::Type(of_type) if of_type.node.name.node == of => {
            match &of_type.node.kind {
                TypeKind::Object(object) => Some(&object.fields),
                _ => None,
            }
        }
        _ => None,
    });
    let field = |field: &Positioned<async_graphql::parser::types::FieldDefinition>| {
        let of = field.node.ty.node.to_string().replace('!', "");
        let of = TYPES.iter().any(|(name, _)| *name == of).then_some(of);
        (field.node.name.node.to_string(), of)
    };
    found.unwrap().iter().map(field).filter(|(name, _)| selected(name)).collect()
}

/// A directive, or none.
fn directive() -> impl Strategy<Value = &'static str> {
    let all =
        ["", "", "@skip(if: true)", "@skip(if: $no)", "@include(if: $no)", "@include(if: $yes)"];
    select(all.to_vec())
}

/// What is selected of an object, in fragments and without.
fn selections(sdl: &str, of: &str) -> BoxedStrategy<String> {
    let mut all = vec![Just("__typename".to_owned()).boxed()];
    for (name, below) in fields(sdl, of) {
        let below = match below {
            Some(below) => selections(sdl, &below).prop_map(|set| format!("{{ {set} }}")).boxed(),
            None => Just(String::new()).boxed(),
        };
        let field = (0..3_u8, directive(), below).prop_map(move |(alias, directive, below)| {
            // An alias of one field is no other's.
            let alias = if alias == 0 { String::new() } else { format!("{name}{alias}: ") };
            format!("{alias}{name} {directive} {below}")
        });
        all.push(field.boxed());
    }
    let (leaf, of) = (proptest::strategy::Union::new(all), of.to_owned());
    let any = leaf.prop_recursive(3, 12, 4, move |inner| {
        let of = of.clone();
        (vec(inner, 1..4), any::<bool>(), directive()).prop_map(move |(inner, named, directive)| {
            let condition = if named { format!("on {of}") } else { String::new() };
            format!("... {condition} {directive} {{ {} }}", inner.join(" "))
        })
    });
    vec(any, 1..5).prop_map(|set| set.join(" ")).boxed()
}

fn document(sdl: &str, of: &str) -> impl Strategy<Value = String> + use<> {
    let node = selections(sdl, of);
    (node.clone(), node.clone(), node, directive(), directive()).prop_map(
        |(one, other, nodes, a, b)| {
            format!(
                "query($yes: Boolean! = true, $no: Boolean! = false) {{ page {{ \
                 edges {{ cursor {a} node {b} {{ {one} }} __typename x: cursor @include(if: $no) }} \
                 ... {{ edges {a} {{ node {{ {other} }} cursor @skip(if: $yes) }} }} \
                 nodes {{ {nodes} }} }} }}"
            )
        },
    )
}

/// A schema in which the lists of a type come from here, and all others from where they do.
fn builder<T: Row, Q: ObjectType + 'static>(
    query: Q,
) -> SchemaBuilder<Q, EmptyMutation, EmptySubscription> {
    let names = ["Edge", "Connection"].map(|name| format!("{}{name}", T::type_name()));
    Schema::build_with_ignore_name_conflicts(query, EmptyMutation, EmptySubscription, names)
        .register_output_type::<Node>()
}

/// The answers to a document by plan, as the server gets it after the pre-scan.
struct Server<T: Row + Clone> {
    planned: Schema<Planned<T>, EmptyMutation, EmptySubscription>,
    documents: Documents,
}

impl<T: Row + Clone> Server<T> {
    fn new(rows: &[T]) -> Self {
        let types = SharedTypes::default();
        let reader = Policy::default().reader(
            Box::new(|_| ()),
            types.clone(),
            Visible::All,
            Rates::default(),
        );
        let planned = builder::<T, _>(Planned(rows.to_vec())).directive(reader).finish();
        Self { planned, documents: Documents::new(types, true) }
    }

    async fn answer(&self, source: &str) -> Option<Response> {
        let asked = Asked { source, operation_name: None, variables: Map::new() };
        let lookup = self.documents.look_up(source);
        match self.documents.scan(&self.planned, lookup, asked).await {
            Ok(scanned) => {
                let mut request = Request::new("").variables(scanned.variables);
                request.set_parsed_query(scanned.document);
                Some(self.planned.execute(request).await)
            }
            Err(Refusal::Limit { .. }) => None,
            Err(other) => panic!("{source}: {other}"),
        }
    }
}

fn data(response: &Response) -> serde_json::Value {
    let mut text = Vec::new();
    json::write(&response.data, &mut text);
    serde_json::from_slice(&text).unwrap()
}

/// Compares the two ways for lists of a type.
fn compare<T: Row + Clone>(rows: Vec<T>) {
    let server = Server::new(&rows);
    let derived = builder::<T, _>(Derived(rows)).finish();
    let runtime = Builder::new_current_thread().build().unwrap();
    let config = Config { failure_persistence: None, cases: 64, ..Config::default() };
    let documents = document(&derived.sdl(), &T::type_name());
    let outcome = TestRunner::new(config).run(&documents, |document| {
        // Left alone, the library knows no default of a variable that skips.
        let values = Variables::from_json(json!({ "yes": true, "no": false }));
        let whole = Request::new(&document).variables(values);
        let Some(planned) = runtime.block_on(server.answer(&document)) else { return Ok(()) };
        let whole = runtime.block_on(derived.execute(whole));
        let told = |response: &Response| {
            let path = |error: &async_graphql::ServerError| format!("{:?}", error.path);
            let mut paths: Vec<_> = response.errors.iter().map(path).collect();
            paths.sort();
            paths.dedup();
            paths
        };
        prop_assert_eq!(told(&planned), told(&whole), "{}", document);
        // Objects compare by their entries: the library's merging has an order of its own.
        prop_assert_eq!(data(&planned), data(&whole), "{}", document);
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_plan_says_what_the_derived_objects_say() {
    compare::<User>((0..3).map(|number| user(number).into()).collect());
    let seen = |number| Session::seen_from(SessionId(id(1)), session(number));
    compare::<Session>((0..3).map(seen).collect());
    compare::<AuditEvent>((0..3).map(|number| event(number).into()).collect());
    compare::<Organization>((0..3).map(|number| organization(number).into()).collect());
    compare::<Membership>((0..3).map(membership).collect());
    compare::<Invitation>((0..3).map(|number| invitation(number).into()).collect());
    compare::<UserInvitation>((0..3).map(|number| user_invitation(number).into()).collect());
    compare::<User>(Vec::new());
}

#[test]
fn what_takes_a_future_or_is_refused_leaves_its_siblings_alone() {
    compare::<Item>((0..40).map(item).collect());
}

#[test]
fn an_error_has_the_path_of_its_row() {
    let server = Server::new(&[item(0), item(1), item(2)]);
    let runtime = Builder::new_current_thread().build().unwrap();
    let answer = |document| runtime.block_on(server.answer(document)).unwrap();
    let paths = |response: &Response| {
        let errors = serde_json::to_value(&response.errors).unwrap();
        errors.as_array().unwrap().iter().map(|error| error["path"].clone()).collect::<Vec<_>>()
    };
    let nulled = answer("{ page { edges { node { number inner { refused text } } } } }");
    assert_eq!(paths(&nulled), [json!(["page", "edges", 1, "node", "inner", "refused"])]);
    let edges = data(&nulled)["page"]["edges"].clone();
    assert_eq!(
        edges[1],
        json!({ "node": { "number": 1, "inner": { "refused": null, "text": maybe(1) } } })
    );
    assert_eq!(edges[2]["node"]["inner"]["refused"], 2);
    let failed = answer("{ page { nodes { number inner { failing } } } }");
    assert_eq!(paths(&failed), [json!(["page", "nodes", 1, "inner", "failing"])]);
    assert_eq!(failed.data, async_graphql::Value::Null);
    let nested = answer(
        "{ page { nodes { more(first: 2) { nodes { refused } edges { node { text } } } } } }",
    );
    assert_eq!(paths(&nested)[0], json!(["page", "nodes", 1, "more", "nodes", 0, "refused"]));
    assert_eq!(
        data(&nested)["page"]["nodes"][1]["more"]["edges"][1]["node"]["text"],
        json!(maybe(1))
    );
}
