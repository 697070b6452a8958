//! Any object by its id, as Relay asks for them again: `node` and `nodes`.
//!
//! An id carries its type, so one table is asked for it, and once for all ids of a request of that type, by the same
//! rules as on every other way to it: an object that a caller may not see does not exist.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Interface, Object};
use portcullis_macros::rules;
use sea_orm::DbErr;

use crate::features::audit::Log;
use crate::features::organizations::Organizations;
use crate::features::sessions::Sessions;
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::id::Id;
use crate::graphql::loader::{RequestLoader, load_many};
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::clock::Clock;

/// The most ids that one field takes.
const IDS_MAX: usize = 100;

/// Anything with an id that is unique over all types.
#[derive(Interface, Clone)]
#[graphql(field(name = "id", ty = "&Id", desc = "Unique over all types; opaque."))]
pub(crate) enum Node {
    User(super::user::User),
    AuditEvent(super::audit_event::AuditEvent),
    Session(super::session::Session),
    Organization(super::organization::Organization),
    Membership(super::organization::Membership),
    Invitation(super::organization::Invitation),
    PublicProfile(super::organization::PublicProfile),
    Task(super::task::Task),
}

/// Asks each type for the ids of a request.
pub(crate) struct NodeLoader {
    viewer: Viewer,
    db: Db,
    clock: Clock,
    sessions: Sessions,
    organizations: Organizations,
}

impl RequestLoader for NodeLoader {
    fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self {
            viewer: ctx.viewer()?.clone(),
            db: ctx.service::<Db>().clone(),
            clock: ctx.service::<Clock>().clone(),
            sessions: ctx.service::<Sessions>().clone(),
            organizations: ctx.service::<Organizations>().clone(),
        })
    }
}

impl Loader<Id> for NodeLoader {
    type Value = Node;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[Id]) -> Result<HashMap<Id, Node>, Arc<DbErr>> {
        let (viewer, now) = (&self.viewer, self.clock.now());
        let log = Log::new(self.db.clone());
        let mut found = HashMap::new();
        let (users, events, sessions, tasks) = tokio::try_join!(
            super::user::visible(&self.db, viewer, ids, now),
            super::audit_event::visible(&log, viewer, ids, now),
            super::session::visible(&self.sessions, viewer, ids),
            super::task::visible(&self.db, viewer, ids, now),
        )
        .map_err(Arc::new)?;
        keep(&mut found, users, |one| &one.id);
        keep(&mut found, events, |one| &one.id);
        keep(&mut found, sessions, |one| &one.id);
        keep(&mut found, tasks, |one| &one.id);
        // A user who is not seen as one may be seen as a profile.
        let rest: Vec<_> = ids.iter().copied().filter(|id| !found.contains_key(id)).collect();
        let theirs = super::organization::visible(&self.organizations, viewer, &rest);
        let theirs = theirs.await.map_err(Arc::new)?;
        keep(&mut found, theirs.organizations, |one| &one.id);
        keep(&mut found, theirs.memberships, |one| &one.id);
        keep(&mut found, theirs.invitations, |one| &one.id);
        keep(&mut found, theirs.profiles, |one| &one.id);
        Ok(found)
    }
}

/// Adds objects by their ids.
fn keep<T: Into<Node>>(found: &mut HashMap<Id, Node>, objects: Vec<T>, id: fn(&T) -> &Id) {
    for object in objects {
        found.insert(*id(&object), object.into());
    }
}

/// The nodes of these ids, as far as the caller sees them.
async fn load(ctx: &Context<'_>, ids: &[ID]) -> Result<HashMap<Id, Node>> {
    load_many::<NodeLoader, _>(ctx, ids.iter().filter_map(|id| Id::parse(id))).await
}

#[derive(Default)]
pub(crate) struct NodeQuery;

#[rules(query)]
#[Object]
impl NodeQuery {
    /// An object by id; null for an id that names none that the caller sees.
    #[auth]
    async fn node(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The object's id.")] id: ID,
    ) -> Result<Option<Node>> {
        Ok(load(ctx, &[id]).await?.into_values().next())
    }

    /// Objects by their ids, in the order of these; null for each that names none that the caller sees.
    #[auth]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The objects' ids, at most 100.")] ids: Vec<ID>,
    ) -> Result<Vec<Option<Node>>> {
        if ids.len() > IDS_MAX {
            return Err(ApiError::argument("ids", "TOO_LONG", "At most 100 ids at once"));
        }
        let found = load(ctx, &ids).await?;
        Ok(ids.iter().map(|id| found.get(&Id::parse(id)?).cloned()).collect())
    }
}
