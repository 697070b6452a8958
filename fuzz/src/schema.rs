//! A schema that can be executed, with all that a document can be costly by.

use async_graphql::parser::types::Directive;
use async_graphql::registry::Registry;
use async_graphql::{
    ContextDirective, CustomDirective, CustomDirectiveFactory, EmptySubscription, Enum, ID,
    InputObject, Interface, Object, Schema, ServerError, ServerResult, SimpleObject, Union,
};
use std::borrow::Cow;

use crate::graphql::document::SharedTypes;

pub(crate) type FuzzSchema = Schema<Query, Mutation, EmptySubscription>;

pub(crate) fn build() -> (FuzzSchema, SharedTypes) {
    let types = SharedTypes::default();
    let schema =
        Schema::build(Query, Mutation, EmptySubscription).directive(Reader(types.clone())).finish();
    (schema, types)
}

/// Reads the types, as the directives of the product's policy do.
struct Reader(SharedTypes);

impl CustomDirectiveFactory for Reader {
    fn name(&self) -> Cow<'static, str> {
        "_reader".into()
    }

    fn register(&self, registry: &mut Registry) {
        self.0.read(registry);
    }

    fn create(
        &self,
        _: &ContextDirective<'_>,
        _: &Directive,
    ) -> ServerResult<Box<dyn CustomDirective>> {
        Err(ServerError::new("no document has it", None))
    }
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
enum Node {
    User(User),
    Task(Task),
}

#[derive(Union)]
enum Found {
    User(User),
    Task(Task),
}

#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum Color {
    Red,
    Green,
}

#[derive(InputObject)]
struct Input {
    int: Option<i32>,
    color: Option<Color>,
    name: Option<String>,
    more: Option<Vec<Input>>,
    table: Option<Vec<Vec<i32>>>,
}

struct User;

#[Object]
impl User {
    async fn id(&self) -> ID {
        "user".into()
    }

    async fn name(&self, _of: Option<Input>) -> &'static str {
        "name"
    }

    async fn tags(&self) -> Vec<i32> {
        vec![1; 5]
    }

    async fn best(&self) -> User {
        User
    }

    async fn friends(&self, first: Option<i32>, last: Option<i32>) -> UserConnection {
        page(first, last)
    }
}

struct Task;

#[Object]
impl Task {
    async fn id(&self) -> ID {
        "task".into()
    }

    async fn title(&self) -> &'static str {
        "title"
    }

    async fn owner(&self) -> User {
        User
    }
}

#[derive(SimpleObject)]
struct UserConnection {
    edges: Vec<UserEdge>,
}

#[derive(SimpleObject)]
struct UserEdge {
    node: User,
    cursor: &'static str,
}

fn page(first: Option<i32>, last: Option<i32>) -> UserConnection {
    let size = first.or(last).unwrap_or(20).clamp(0, 100);
    UserConnection { edges: (0..size).map(|_| UserEdge { node: User, cursor: "c" }).collect() }
}

pub(crate) struct Query;

#[Object]
impl Query {
    async fn me(&self) -> User {
        User
    }

    async fn number(&self) -> i32 {
        1
    }

    async fn same(&self) -> Query {
        Query
    }

    async fn users(&self, first: Option<i32>, last: Option<i32>) -> UserConnection {
        page(first, last)
    }

    async fn nodes(&self, ids: Vec<ID>) -> Vec<Node> {
        let node = |(index, _)| match index % 2 {
            0 => Node::User(User),
            _ => Node::Task(Task),
        };
        ids.into_iter().enumerate().map(node).collect()
    }

    /// A list without pages: the pre-scan takes it for a hundred entries.
    async fn found(&self) -> Vec<Found> {
        (0..100)
            .map(|index| if index % 2 == 0 { Found::User(User) } else { Found::Task(Task) })
            .collect()
    }

    async fn table(&self) -> Vec<Vec<Task>> {
        (0..10).map(|_| (0..10).map(|_| Task).collect()).collect()
    }

    async fn takes(
        &self,
        _int: Option<i32>,
        _text: Option<String>,
        _color: Option<Color>,
        _input: Option<Input>,
        _list: Option<Vec<i32>>,
        _inputs: Option<Vec<Input>>,
    ) -> bool {
        true
    }
}

pub(crate) struct Mutation;

#[Object]
impl Mutation {
    async fn login(&self) -> bool {
        true
    }

    async fn set(&self, _to: Option<i32>, _input: Option<Input>) -> i32 {
        1
    }

    async fn change(&self) -> User {
        User
    }
}
