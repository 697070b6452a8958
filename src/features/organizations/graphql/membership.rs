//! Members of organizations in the schema.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;

use super::loader::{CountOf, MembersOf, OrganizationLoader};
use super::{Organization, organization};
use crate::features::accounts::graphql::User;
use crate::features::organizations::{Member, OrganizationError, Organizations, Profile};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::directive;
use crate::graphql::error::Result;
use crate::graphql::loader::load_one;
use crate::graphql::page::{ByAge, Found, PageInfo, Window};
use crate::kernel::id::UserId;
use crate::kernel::page::Page;

/// How members are listed: in the order in which they joined.
const ORDER: ByAge = ByAge::OldestFirst;

/// What other members see of a user.
#[derive(SimpleObject, Clone)]
pub(crate) struct PublicProfile {
    /// Unique over all types; opaque.
    pub(crate) id: ID,
    /// As typed at registration.
    username: String,
    /// What the user wants to be called.
    full_name: Option<String>,
}

impl From<&Profile> for PublicProfile {
    fn from(profile: &Profile) -> Self {
        Self {
            id: profile.id.to_string().into(),
            username: profile.username.clone(),
            full_name: profile.full_name.clone(),
        }
    }
}

impl From<User> for PublicProfile {
    fn from(user: User) -> Self {
        Self { id: user.id, username: user.username, full_name: user.full_name }
    }
}

/// That a user belongs to an organization.
#[derive(SimpleObject, Clone)]
pub(crate) struct Membership {
    /// Unique over all types; opaque.
    pub(crate) id: ID,
    /// What the user may do in the organization.
    role: directive::OrganizationRole,
    /// When the user joined.
    created_at: DateTime,
    /// Who belongs to it.
    user: PublicProfile,
    /// What they belong to.
    organization: Organization,
}

impl Membership {
    pub(super) fn of(organization: &Organization, member: &Member) -> Self {
        Self {
            id: member.id.to_string().into(),
            role: member.role.into(),
            created_at: member.created_at.into(),
            user: PublicProfile::from(&member.user),
            organization: organization.clone(),
        }
    }
}

/// A place in a list of members.
#[derive(SimpleObject)]
pub(crate) struct MembershipEdge {
    /// The membership.
    node: Membership,
    /// Where it stands; opaque.
    cursor: String,
}

/// A page of members.
pub(crate) struct MembershipConnection {
    organization: Organization,
    key: MembersOf,
    page: Page<Member>,
}

impl MembershipConnection {
    pub(super) async fn load(
        ctx: &Context<'_>,
        organization: &Organization,
        window: Window,
    ) -> Result<Self> {
        let key = MembersOf { id: organization.own.id, part: window.part(ORDER)? };
        Ok(Self { organization: organization.clone(), key, page: load(ctx, key).await? })
    }
}

async fn load(ctx: &Context<'_>, key: MembersOf) -> Result<Page<Member>> {
    Ok(load_one::<OrganizationLoader, _>(ctx, key).await?.unwrap_or_default())
}

/// A page of members.
#[Object]
impl MembershipConnection {
    /// The memberships of this page.
    async fn edges(&self) -> Vec<MembershipEdge> {
        let edge = |member: &Member| MembershipEdge {
            node: Membership::of(&self.organization, member),
            cursor: ORDER.cursor(member.id.0),
        };
        self.page.rows.iter().map(edge).collect()
    }

    /// Which part of the list this is.
    async fn page_info(&self, ctx: &Context<'_>) -> Result<PageInfo> {
        let Page { rows, has_more } = &self.page;
        let ends = rows.first().zip(rows.last()).map(|(first, last)| (first.id.0, last.id.0));
        let found = Found { order: ORDER, part: self.key.part, ends, has_more: *has_more };
        found.page_info(ctx, |part| load(ctx, MembersOf { part, ..self.key })).await
    }

    /// How many members there are, whatever the page.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64> {
        let count = load_one::<OrganizationLoader, _>(ctx, CountOf(self.key.id)).await?;
        Ok(count.unwrap_or_default())
    }
}

#[derive(Default)]
pub(crate) struct MembershipMutation;

#[rules(mutation)]
#[Object]
impl MembershipMutation {
    /// Gives a member another role; it takes effect on their next request. For owners, and for admins as far
    /// as no owner is concerned.
    #[auth]
    #[fresh]
    async fn set_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The member's user id.")] user_id: ID,
        #[graphql(desc = "The role to give.")] role: directive::OrganizationRole,
    ) -> Result<Membership> {
        let organizations = ctx.service::<Organizations>();
        let (id, user) = (organization(&organization_id)?, member(&user_id)?);
        let set = organizations.set_role(ctx.acting()?, id, user, role.into()).await?;
        Ok(Membership::of(&set.0.into(), &set.1))
    }

    /// Takes a member out of an organization, at once. For owners, and for admins as far as no owner is
    /// concerned.
    #[auth]
    #[defence]
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The member's user id.")] user_id: ID,
    ) -> Result<bool> {
        let organizations = ctx.service::<Organizations>();
        let (id, user) = (organization(&organization_id)?, member(&user_id)?);
        organizations.remove(ctx.acting()?, id, user).await?;
        Ok(true)
    }

    /// Takes the caller out of an organization. The last owner stays.
    #[auth]
    async fn leave_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<bool> {
        let organizations = ctx.service::<Organizations>();
        organizations.leave(ctx.acting()?, organization(&id)?).await?;
        Ok(true)
    }

    /// Makes another member an owner in the caller's place, who is an admin from then on. For owners.
    #[auth]
    #[fresh]
    async fn transfer_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The user id of the member to be an owner.")] user_id: ID,
    ) -> Result<Organization> {
        let organizations = ctx.service::<Organizations>();
        let (id, user) = (organization(&organization_id)?, member(&user_id)?);
        Ok(organizations.transfer(ctx.acting()?, id, user).await?.into())
    }
}

/// The member a mutation is about. Who asks about another's organization learns of neither.
fn member(id: &ID) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| OrganizationError::NoSuchMember.into())
}
