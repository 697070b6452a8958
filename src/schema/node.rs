//! Any object by its id, as Relay asks for them again: `node` and `nodes`.
//!
//! An id carries its type, so one table is asked for it, and once for all ids of a request of that type, by the same
//! rules as on every other way to it: an object that a caller may not see does not exist. The entities of an extension
//! stand among the others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::futures_util::future::{BoxFuture, try_join_all};
use async_graphql::indexmap::IndexSet;
use async_graphql::parser::types::Field;
use async_graphql::registry::{MetaField, MetaType, MetaTypeId, Registry};
use async_graphql::resolver_utils::{ContainerType, Fields, resolve_container};
use async_graphql::{
    Context, ContextSelectionSet, ID, InterfaceType, Object, ObjectType, OutputType, Positioned,
    ServerResult, Value,
};
use portcullis_macros::rules;
use sea_orm::DbErr;

use super::entity::Shown;
use super::{audit_event, organization, session, user};
use crate::features::accounts::Accounts;
use crate::features::audit::Log;
use crate::features::entities::Scope;
use crate::features::organizations::Organizations;
use crate::features::sessions::Sessions;
use crate::graphql::context::ContextExt;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::graphql::loader::{RequestLoader, load_many};
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::clock::Clock;
use crate::kernel::invalid::Invalid;

/// The most ids that one field takes.
const IDS_MAX: usize = 100;
const NAME: &str = "Node";

/// An object with an id that is unique across all types.
#[derive(Clone)]
pub(crate) struct Node(Arc<dyn Resolve>);

/// An object, whatever its type.
trait Resolve: Send + Sync {
    fn name(&self) -> Cow<'static, str>;

    fn field<'a>(&'a self, ctx: &'a Context<'_>) -> BoxFuture<'a, ServerResult<Option<Value>>>;

    fn collect<'a>(
        &'a self,
        ctx: &ContextSelectionSet<'a>,
        fields: &mut Fields<'a>,
    ) -> ServerResult<()>;
}

impl<T: ObjectType> Resolve for T {
    fn name(&self) -> Cow<'static, str> {
        T::type_name()
    }

    fn field<'a>(&'a self, ctx: &'a Context<'_>) -> BoxFuture<'a, ServerResult<Option<Value>>> {
        Box::pin(self.resolve_field(ctx))
    }

    fn collect<'a>(
        &'a self,
        ctx: &ContextSelectionSet<'a>,
        fields: &mut Fields<'a>,
    ) -> ServerResult<()> {
        self.collect_all_fields(ctx, fields)
    }
}

impl Node {
    pub(crate) fn new(object: impl ObjectType + 'static) -> Self {
        Self(Arc::new(object))
    }
}

impl InterfaceType for Node {}

impl ContainerType for Node {
    async fn resolve_field(&self, ctx: &Context<'_>) -> ServerResult<Option<Value>> {
        self.0.field(ctx).await
    }

    fn collect_all_fields<'a>(
        &'a self,
        ctx: &ContextSelectionSet<'a>,
        fields: &mut Fields<'a>,
    ) -> ServerResult<()> {
        self.0.collect(ctx, fields)
    }
}

impl OutputType for Node {
    fn type_name() -> Cow<'static, str> {
        NAME.into()
    }

    fn introspection_type_name(&self) -> Cow<'static, str> {
        self.0.name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| {
            let mut id = MetaField::new("id", Id::create_type_info(registry));
            id.description = Some("An opaque id that is unique across all types.".to_owned());
            MetaType::Interface {
                name: NAME.to_owned(),
                description: Some(
                    "An object with an id that is unique across all types.".to_owned(),
                ),
                fields: [(id.name.clone(), id)].into_iter().collect(),
                possible_types: OWN.iter().map(|implement| implement(registry)).collect(),
                extends: false,
                keys: None,
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
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

/// The types that are nodes in any server.
const OWN: &[fn(&mut Registry) -> String] = &[
    implement::<user::User>,
    implement::<user::UserInvitation>,
    implement::<audit_event::AuditEvent>,
    implement::<session::Session>,
    implement::<organization::Organization>,
    implement::<organization::Membership>,
    implement::<organization::Invitation>,
];

/// Has an object implement the interface, and says what it is called.
fn implement<T: ObjectType>(registry: &mut Registry) -> String {
    T::create_type_info(registry);
    registry.add_implements(&T::type_name(), NAME);
    T::type_name().into_owned()
}

type Finding<'a> = BoxFuture<'a, Result<Vec<(Id, Node)>, DbErr>>;

/// An extension's type among the nodes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NodeType {
    implement: fn(&mut Registry) -> String,
    /// Those of some ids that are of the type, as far as the caller sees them.
    find: for<'a> fn(&'a Scope<'a>, &'a [Id]) -> Finding<'a>,
}

impl NodeType {
    pub(crate) fn of<T: Shown>() -> Self {
        Self {
            implement: implement::<T>,
            find: |scope, ids| Box::pin(super::entity::visible::<T>(scope, ids)),
        }
    }

    /// Adds the type to the interface of a schema that has been put together otherwise.
    pub(crate) fn join(self, registry: &mut Registry) {
        let name = (self.implement)(registry);
        if let Some(MetaType::Interface { possible_types, .. }) = registry.types.get_mut(NAME) {
            possible_types.insert(name);
        }
    }
}

/// The types of the extension.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeTypes(pub(crate) Arc<[NodeType]>);

/// Asks each type for the ids of a request.
pub(crate) struct NodeLoader {
    viewer: Viewer,
    db: Db,
    clock: Clock,
    accounts: Accounts,
    sessions: Sessions,
    organizations: Organizations,
    types: NodeTypes,
}

impl RequestLoader for NodeLoader {
    fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self {
            viewer: ctx.viewer()?.clone(),
            db: ctx.service::<Db>().clone(),
            clock: ctx.service::<Clock>().clone(),
            accounts: ctx.service::<Accounts>().clone(),
            sessions: ctx.service::<Sessions>().clone(),
            organizations: ctx.service::<Organizations>().clone(),
            types: ctx.service::<NodeTypes>().clone(),
        })
    }
}

impl Loader<Id> for NodeLoader {
    type Value = Node;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[Id]) -> Result<HashMap<Id, Node>, Arc<DbErr>> {
        let (viewer, now) = (&self.viewer, self.clock.now());
        let (log, scope) = (Log::new(self.db.clone()), Scope::new(&self.db, viewer, now));
        let mut found = HashMap::new();
        let (users, invitations, events, sessions, others) = tokio::try_join!(
            user::visible(&self.db, viewer, ids, now),
            user::visible_invitations(&self.accounts, viewer, ids, now),
            audit_event::visible(&log, viewer, ids, now),
            session::visible(&self.sessions, viewer, ids),
            try_join_all(self.types.0.iter().map(|of| (of.find)(&scope, ids))),
        )
        .map_err(Arc::new)?;
        keep(&mut found, users, |one| one.id);
        keep(&mut found, invitations, |one| one.id);
        keep(&mut found, events, |one| one.id);
        keep(&mut found, sessions, |one| one.id);
        found.extend(others.into_iter().flatten());
        // Others know of a user by an organization.
        let rest: Vec<_> = ids.iter().copied().filter(|id| !found.contains_key(id)).collect();
        let theirs = organization::visible(&self.organizations, viewer, &rest, now);
        let theirs = theirs.await.map_err(Arc::new)?;
        keep(&mut found, theirs.organizations, |one| one.id);
        keep(&mut found, theirs.memberships, |one| one.id);
        keep(&mut found, theirs.invitations, |one| one.id);
        keep(&mut found, theirs.users, |one| one.id);
        Ok(found)
    }
}

/// Adds objects by their ids.
fn keep<T: ObjectType + 'static>(found: &mut HashMap<Id, Node>, objects: Vec<T>, id: fn(&T) -> Id) {
    found.extend(objects.into_iter().map(|object| (id(&object), Node::new(object))));
}

/// The nodes of these ids, as far as the caller sees them.
pub(super) async fn load(
    ctx: &Context<'_>,
    ids: impl Iterator<Item = Id>,
) -> Result<HashMap<Id, Node>> {
    load_many::<NodeLoader, _>(ctx, ids).await
}

/// The types of a schema that are nodes.
pub(super) fn possible_types(registry: &Registry) -> IndexSet<String> {
    match registry.types.get(NAME) {
        Some(MetaType::Interface { possible_types, .. }) => possible_types.clone(),
        _ => IndexSet::default(),
    }
}

#[derive(Default)]
pub(crate) struct NodeQuery;

#[rules(query)]
#[Object]
impl NodeQuery {
    /// An object by id; null if the caller cannot see an object with this id.
    #[auth]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The object's id.")] id: ID,
    ) -> Result<Option<Node>> {
        Ok(load(ctx, Id::parse(&id).into_iter()).await?.into_values().next())
    }

    /// Objects by their ids, in the same order. Each id without an object that the caller can see yields null.
    #[auth]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The objects' ids: at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > IDS_MAX {
            return Err(Invalid::too_long(IDS_MAX, "Name at most 100 ids.").at("ids").into());
        }
        let found = load(ctx, ids.iter().filter_map(|id| Id::parse(id))).await?;
        Ok(ids.iter().map(|id| found.get(&Id::parse(id)?).cloned()).collect())
    }
}
