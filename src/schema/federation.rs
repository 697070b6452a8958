//! What the gateway of a federated graph asks its subgraphs (Apollo Federation): for their schema, and for objects that others
//! refer to by key.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::indexmap::IndexSet;
use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaType, MetaTypeId, Registry};
use async_graphql::resolver_utils::{ContainerType, Fields, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, InputValueError, InputValueResult, Object, OutputType,
    Positioned, Scalar, ScalarType, ServerResult, SimpleObject, UnionType, Value,
};
use portcullis_macros::rules;

use super::ServedSdl;
use super::node::{self, Node};
use crate::graphql::context::ContextExt;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::kernel::invalid::Invalid;

/// The fields and types that a server has only where it is part of a graph.
const FIELDS: [&str; 2] = ["_entities", "_service"];
const TYPES: [&str; 3] = ["_Any", ENTITY, "_Service"];
const ENTITY: &str = "_Entity";
/// The most objects that one call asks for.
const REPRESENTATIONS_MAX: usize = 100;

/// The schema of this server for the gateway.
#[derive(SimpleObject)]
#[graphql(name = "_Service")]
pub(crate) struct Service {
    /// The schema as a subgraph, in the definition language.
    sdl: String,
}

/// What another service knows of an object: its type and its id.
pub(crate) struct Representation {
    of: String,
    /// An id that names something, if it is one.
    id: Option<Id>,
}

impl Representation {
    fn read(value: &Value) -> Option<Self> {
        let Value::Object(fields) = value else { return None };
        let (Value::String(of), Value::String(id)) = (fields.get("__typename")?, fields.get("id")?)
        else {
            return None;
        };
        Some(Self { of: of.clone(), id: Id::parse(id) })
    }
}

/// A representation of an object: an object with `__typename` and `id`.
#[Scalar(name = "_Any")]
impl ScalarType for Representation {
    fn parse(value: Value) -> InputValueResult<Self> {
        let read = Self::read(&value);
        read.ok_or_else(|| InputValueError::custom("A representation must have __typename and id."))
    }

    /// Asked before anything of an operation runs.
    fn is_valid(value: &Value) -> bool {
        Self::read(value).is_some()
    }

    fn to_value(&self) -> Value {
        Value::Null
    }
}

/// An object that has a key.
#[derive(Clone)]
pub(crate) struct Entity(Node);

impl UnionType for Entity {}

impl ContainerType for Entity {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.resolve_field(ctx).await
    }

    fn collect_all_fields<'a>(
        &'a self,
        ctx: &ContextSelectionSet<'a>,
        fields: &mut Fields<'a>,
    ) -> ServerResult<()> {
        self.0.collect_all_fields(ctx, fields)
    }
}

impl OutputType for Entity {
    fn type_name() -> Cow<'static, str> {
        ENTITY.into()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.introspection_type_name()
    }

    /// The types are those of [`Node`], which are complete only when the extension has joined: see [`complete`].
    fn create_type_info(registry: &mut Registry) -> String {
        Node::create_type_info(registry);
        registry.create_output_type::<Self, _>(MetaTypeId::Union, |_| MetaType::Union {
            name: ENTITY.to_owned(),
            description: Some("An object that has a key.".to_owned()),
            possible_types: IndexSet::default(),
            visible: None,
            inaccessible: false,
            tags: Vec::new(),
            rust_typename: Some(std::any::type_name::<Self>()),
            directive_invocations: Vec::new(),
        })
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        _: &Positioned<Field>,
    ) -> ServerResult<Value> {
        resolve_container(ctx, self).await
    }
}

/// Says which objects have a key: all that have an id.
pub(super) fn complete(registry: &mut Registry) {
    let nodes = node::possible_types(registry);
    if let Some(MetaType::Union { possible_types, .. }) = registry.types.get_mut(ENTITY) {
        *possible_types = nodes;
    }
}

/// Takes all of this out of a schema that is no part of a graph.
pub(super) fn leave_out(registry: &mut Registry) {
    if let Some(MetaType::Object { fields, .. }) = registry.types.get_mut(&registry.query_type) {
        fields.retain(|name, _| !FIELDS.contains(&name.as_str()));
    }
    registry.types.retain(|name, _| !TYPES.contains(&name.as_str()));
}

#[derive(Default)]
pub(crate) struct FederationQuery;

#[rules(query)]
#[Object]
impl FederationQuery {
    /// The schema of this server as a subgraph.
    #[public]
    #[graphql(name = "_service")]
    async fn service(&self, ctx: &Context<'_>) -> Service {
        Service { sdl: ctx.service::<Arc<ServedSdl>>().subgraph().to_owned() }
    }

    /// Objects by their keys, in the same order. Each key without an object that the caller can see yields null.
    #[auth]
    #[graphql(name = "_entities")]
    async fn entities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The types and ids of the objects: at most 100.")] representations: Vec<
            Representation,
        >,
    ) -> Result<Vec<Option<Entity>>> {
        if representations.len() > REPRESENTATIONS_MAX {
            let refused = Invalid::too_long(REPRESENTATIONS_MAX, "Name at most 100 objects.");
            return Err(refused.at("representations").into());
        }
        let ids = representations.iter().filter_map(|it| it.id);
        let found = node::load(ctx, ids).await?;
        let entity = |it: Representation| {
            let node = found.get(&it.id?)?;
            (node.introspection_type_name() == it.of).then(|| Entity(node.clone()))
        };
        Ok(representations.into_iter().map(entity).collect())
    }
}
