//! A small schema that counts what the library resolves of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, ResolveInfo,
};
use async_graphql::{
    EmptySubscription, Enum, ID, InputObject, Interface, Json, Object, Schema, ServerResult,
    SimpleObject, Value,
};

use super::super::types::SharedTypes;
use crate::graphql::policy::{Policy, Visible};
use crate::infra::limits::Rates;

pub(super) type TestSchema = Schema<Query, Mutation, EmptySubscription>;

pub(super) fn build(resolved: &Resolved) -> (TestSchema, SharedTypes) {
    let types = SharedTypes::default();
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .extension(resolved.clone())
        .directive(Policy::default().reader(
            Box::new(|_| ()),
            types.clone(),
            Visible::All,
            Rates::default(),
        ))
        .finish();
    (schema, types)
}

#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID"))]
enum Node {
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
    name: String,
    more: Option<Vec<Input>>,
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

pub(super) struct Query;

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

    async fn takes(
        &self,
        _int: Option<i32>,
        _float: Option<f64>,
        _text: Option<String>,
        _list: Option<Vec<i32>>,
    ) -> bool {
        true
    }

    async fn takes_more(&self, _color: Option<Color>, _input: Option<Input>) -> bool {
        true
    }
}

pub(super) struct Mutation;

#[Object]
impl Mutation {
    async fn login(&self) -> bool {
        true
    }

    async fn refresh_token(&self) -> bool {
        true
    }

    async fn set(&self, _to: Option<i32>) -> i32 {
        1
    }

    async fn rename(&self, _to: Input) -> bool {
        true
    }

    async fn everything(&self) -> Json<BTreeMap<String, i32>> {
        Json(BTreeMap::new())
    }
}

/// Counts the fields and the entries of lists that the library resolves.
#[derive(Clone, Default)]
pub(super) struct Resolved(Arc<AtomicU64>);

impl Resolved {
    pub(super) fn take(&self) -> u64 {
        self.0.swap(0, SeqCst)
    }
}

impl ExtensionFactory for Resolved {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(self.clone())
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for Resolved {
    async fn resolve(
        &self,
        ctx: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        self.0.fetch_add(1, SeqCst);
        next.run(ctx, info).await
    }
}
