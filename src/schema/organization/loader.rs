//! What one operation looks up of organizations, each in one statement however many there are.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::Context;
use async_graphql::dataloader::Loader;
use sea_orm::DbErr;

use crate::features::organizations::{Invitation, Member, Organizations, OwnOrganization};
use crate::graphql::context::ContextExt;
use crate::graphql::error;
use crate::graphql::loader::RequestLoader;
use crate::kernel::id::{OrganizationId, UserId};
use crate::kernel::page::{Page, Part};

/// The loader of one operation.
pub(crate) struct OrganizationLoader(Organizations);

impl RequestLoader for OrganizationLoader {
    fn of(ctx: &Context<'_>) -> error::Result<Self> {
        Ok(Self(ctx.service::<Organizations>().clone()))
    }
}

/// An organization, as one of its members sees it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Own {
    pub(super) user: UserId,
    pub(super) id: OrganizationId,
}

/// A page of an organization's members.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct MembersOf {
    pub(super) id: OrganizationId,
    pub(super) part: Part,
}

/// How many members an organization has.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct CountOf(pub(super) OrganizationId);

/// The pending invitations of an organization.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct InvitationsOf(pub(super) OrganizationId);

impl Loader<Own> for OrganizationLoader {
    type Value = OwnOrganization;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[Own]) -> Result<HashMap<Own, OwnOrganization>, Self::Error> {
        // Of one operation there is one caller.
        let Some(Own { user, .. }) = keys.first().copied() else { return Ok(HashMap::new()) };
        let ids: Vec<_> = keys.iter().map(|key| key.id).collect();
        let found = self.0.find_all(user, &ids).await.map_err(Arc::new)?;
        Ok(found.into_iter().map(|own| (Own { user, id: own.id }, own)).collect())
    }
}

impl Loader<MembersOf> for OrganizationLoader {
    type Value = Page<Member>;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        keys: &[MembersOf],
    ) -> Result<HashMap<MembersOf, Page<Member>>, Self::Error> {
        let mut alike: HashMap<Part, Vec<OrganizationId>> = HashMap::new();
        for key in keys {
            alike.entry(key.part).or_default().push(key.id);
        }
        let mut pages = HashMap::new();
        for (part, ids) in alike {
            let found = self.0.list_members(&ids, part).await.map_err(Arc::new)?;
            pages.extend(found.into_iter().map(|(id, page)| (MembersOf { id, part }, page)));
        }
        Ok(pages)
    }
}

impl Loader<CountOf> for OrganizationLoader {
    type Value = u64;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, u64>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let counts = self.0.count_members(&ids).await.map_err(Arc::new)?;
        Ok(counts.into_iter().map(|(id, count)| (CountOf(id), count)).collect())
    }
}

impl Loader<InvitationsOf> for OrganizationLoader {
    type Value = Vec<Invitation>;
    type Error = Arc<DbErr>;

    async fn load(
        &self,
        keys: &[InvitationsOf],
    ) -> Result<HashMap<InvitationsOf, Vec<Invitation>>, Self::Error> {
        let ids: Vec<_> = keys.iter().map(|key| key.0).collect();
        let lists = self.0.list_invitations(&ids).await.map_err(Arc::new)?;
        Ok(lists.into_iter().map(|(id, list)| (InvitationsOf(id), list)).collect())
    }
}
