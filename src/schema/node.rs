//! Any object by its id, as Relay asks for them again: `node` and `nodes`.
//!
//! An id does not say of what type it is. So each type is asked for all of a request's ids at once, by
//! the same rules as on every other way to it: what a caller may not see does not exist.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, Interface, Object};
use portcullis_macros::rules;
use sea_orm::DbErr;
use uuid::Uuid;

use crate::features::audit::Log;
use crate::features::organizations::Organizations;
use crate::features::sessions::Sessions;
use crate::features::{accounts, audit, organizations, sessions, tasks};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Result};
use crate::graphql::id::Id;
use crate::graphql::loader::{RequestLoader, load_many};
use crate::infra::db::Db;
use crate::kernel::access::Viewer;
use crate::kernel::clock::Clock;
use crate::kernel::id;

/// The most ids that one field takes.
const IDS_MAX: usize = 100;

/// Anything with an id that is unique over all types.
#[derive(Interface, Clone)]
#[graphql(field(name = "id", ty = "&Id", desc = "Unique over all types; opaque."))]
pub(crate) enum Node {
    User(accounts::graphql::User),
    AuditEvent(audit::graphql::AuditEvent),
    Session(sessions::graphql::Session),
    Organization(organizations::graphql::Organization),
    Membership(organizations::graphql::Membership),
    Invitation(organizations::graphql::Invitation),
    PublicProfile(organizations::graphql::PublicProfile),
    Task(tasks::graphql::Task),
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
            db: ctx.service::<Log>().db.clone(),
            clock: ctx.service::<Clock>().clone(),
            sessions: ctx.service::<Sessions>().clone(),
            organizations: ctx.service::<Organizations>().clone(),
        })
    }
}

impl Loader<Uuid> for NodeLoader {
    type Value = Node;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, Node>, Arc<DbErr>> {
        let (viewer, now) = (&self.viewer, self.clock.now());
        let log = Log { db: self.db.clone() };
        let (users, events, sessions, theirs, tasks) = tokio::try_join!(
            accounts::graphql::visible(&self.db, viewer, ids, now),
            audit::graphql::visible(&log, viewer, ids, now),
            sessions::graphql::visible(&self.sessions, viewer, ids),
            organizations::graphql::visible(&self.organizations, viewer, ids),
            tasks::graphql::visible(&self.db, viewer, ids, now),
        )
        .map_err(Arc::new)?;
        let mut found = HashMap::new();
        // Who is seen as a user is not seen as a profile only.
        keep(&mut found, users, |one| &one.id);
        keep(&mut found, events, |one| &one.id);
        keep(&mut found, sessions, |one| &one.id);
        keep(&mut found, theirs.organizations, |one| &one.id);
        keep(&mut found, theirs.memberships, |one| &one.id);
        keep(&mut found, theirs.invitations, |one| &one.id);
        keep(&mut found, theirs.profiles, |one| &one.id);
        keep(&mut found, tasks, |one| &one.id);
        Ok(found)
    }
}

/// Adds objects by their ids, where there is none yet.
fn keep<T: Into<Node>>(found: &mut HashMap<Uuid, Node>, objects: Vec<T>, id: fn(&T) -> &Id) {
    for object in objects {
        found.entry(id(&object).0).or_insert_with(|| object.into());
    }
}

/// The nodes of these ids, as far as the caller sees them.
async fn load(ctx: &Context<'_>, ids: &[ID]) -> Result<HashMap<Uuid, Node>> {
    load_many::<NodeLoader, _>(ctx, ids.iter().filter_map(|id| id::parse(id))).await
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
        Ok(ids.iter().map(|id| found.get(&id::parse(id)?).cloned()).collect())
    }
}
