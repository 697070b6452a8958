//! Members of organizations in the schema.

use async_graphql::{ComplexObject, Context, ID, Object, SimpleObject};
use chrono::Utc;
use portcullis_macros::{Row, rules};

use super::loader::{CountOf, MembersOf, OrganizationLoader};
use super::{Organization, entrance};
use crate::features::organizations::{Member, OrganizationError, Organizations, Transferred};
use crate::graphql::connection::{Connection, Edge, Source};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::directive::semantic_non_null;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::graphql::loader::load_one;
use crate::graphql::page::{Beyond, ByAge, Window};
use crate::graphql::policy::{About, Place, Within};
use crate::kernel::access::{OrganizationRole, Viewer};
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::page::Page;
use crate::schema::user::User;
use crate::schema::viewer::Access;

/// How members are listed: in the order in which they joined.
const ORDER: ByAge = ByAge::OldestFirst;

/// A user's membership in an organization.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub(crate) struct Membership {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// The user's role in the organization.
    role: OrganizationRole,
    /// When the user joined.
    created_at: DateTime,
    /// The member.
    user: User,
    /// The organization.
    organization: Organization,
}

impl Membership {
    pub(crate) fn of(organization: Organization, member: Member) -> Self {
        Self {
            id: Id::from(member.id),
            role: member.role,
            created_at: member.created_at.into(),
            user: member.user.into(),
            organization,
        }
    }

    /// What a caller sees of it.
    pub(crate) fn seen_by(self, viewer: &Viewer, now: chrono::DateTime<Utc>) -> Self {
        Self { user: self.user.seen_by(viewer, now), ..self }
    }
}

#[ComplexObject]
impl Membership {
    /// Tells for each field whether the caller may use it for this member, as Organization.viewerCan does for any
    /// member.
    #[graphql(directive = semantic_non_null::apply())]
    async fn viewer_can(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The fields with their types, as in `Mutation.removeMember`: at most 100."
        )]
        fields: Vec<String>,
    ) -> Option<async_graphql::Result<Vec<Access>>> {
        let user = self.user.id.typed::<UserId>();
        let place = Place {
            within: Within::Organization(self.organization.my_role),
            about: user.map(|user| About::Member(user, self.role)),
        };
        Access::answer(ctx, place, fields).await
    }
}

/// The members of an organization.
pub(crate) struct Members(MembersOf);

pub(crate) type MembershipConnection = Connection<Members>;

impl MembershipConnection {
    pub(super) async fn load(
        ctx: &Context<'_>,
        organization: &Organization,
        window: Window,
    ) -> Result<Self> {
        let part = window.part(ORDER.name())?;
        let key = MembersOf { id: organization.own.id, part: part.map(|cursor| cursor.id) };
        let page = load(ctx, key).await?;
        let (viewer, now) = (ctx.viewer()?, ctx.service::<Clock>().now());
        Ok(Self::new(Members(key), part, page, |member| {
            let cursor = ORDER.cursor(member.id.0);
            let node = Membership::of(organization.clone(), member).seen_by(viewer, now);
            Edge::new(node, cursor)
        }))
    }
}

async fn load(ctx: &Context<'_>, key: MembersOf) -> Result<Page<Member>> {
    Ok(load_one::<OrganizationLoader, _>(ctx, key).await?.unwrap_or_default())
}

impl Source for Members {
    type Node = Membership;
    type Key = ();

    async fn reaches(&self, ctx: &Context<'_>, beyond: Beyond<'_, ()>) -> Result<bool> {
        let part = ORDER.part_beyond(beyond);
        Ok(load(ctx, MembersOf { part, ..self.0 }).await?.has_more)
    }

    async fn count(&self, ctx: &Context<'_>) -> Result<u64> {
        let count = load_one::<OrganizationLoader, _>(ctx, CountOf(self.0.id)).await?;
        Ok(count.unwrap_or_default())
    }
}

#[derive(Default)]
pub(crate) struct MembershipMutation;

#[rules(mutation)]
#[Object]
impl MembershipMutation {
    /// Changes the role of a member, effective on their next request. Fails with CONFLICT if the member is the last owner.
    #[auth]
    #[member(Admin)]
    #[covers]
    #[fresh]
    #[payload(membership = "The membership with the new role.")]
    async fn set_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The member's user id.")] user_id: ID,
        #[graphql(desc = "The new role.")] role: OrganizationRole,
    ) -> Result<Membership> {
        let organizations = ctx.service::<Organizations>();
        let (entrance, user) = (entrance(&organization_id, least)?, member(&user_id)?);
        let set = organizations.set_role(ctx.acting()?, (entrance, covers), user, role).await?;
        let now = ctx.service::<Clock>().now();
        Ok(Membership::of(set.0.into(), set.1).seen_by(ctx.viewer()?, now))
    }

    /// Removes a member from an organization, effective immediately. Fails with CONFLICT if the member is the last
    /// owner.
    #[auth]
    #[member(Admin)]
    #[covers]
    #[defence]
    #[payload(deleted_membership_id = "The id of the deleted membership.")]
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The member's user id.")] user_id: ID,
    ) -> Result<Id> {
        let organizations = ctx.service::<Organizations>();
        let (entrance, user) = (entrance(&organization_id, least)?, member(&user_id)?);
        Ok(Id::from(organizations.remove(ctx.acting()?, (entrance, covers), user).await?))
    }

    /// Removes the caller from an organization. Fails with CONFLICT if the caller is its last owner.
    #[auth]
    #[member(Member)]
    #[payload(
        organization_id = "The id of the organization that the caller left.",
        deleted_membership_id = "The id of the deleted membership."
    )]
    async fn leave_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<(Id, Id)> {
        let (organizations, entrance) = (ctx.service::<Organizations>(), entrance(&id, least)?);
        let membership = organizations.leave(ctx.acting()?, entrance).await?;
        Ok((Id::from(entrance.id), Id::from(membership)))
    }

    /// Makes another member an owner of the organization and the caller an admin.
    #[auth]
    #[member(Owner)]
    #[fresh]
    #[payload(
        organization = "The organization, in which the caller is now an admin.",
        membership = "The membership of the new owner.",
        own_membership = "The caller's membership."
    )]
    async fn transfer_ownership(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The user id of the new owner.")] user_id: ID,
    ) -> Result<(Organization, Membership, Membership)> {
        let organizations = ctx.service::<Organizations>();
        let (entrance, user) = (entrance(&organization_id, least)?, member(&user_id)?);
        let Transferred { own, heir, former } =
            organizations.transfer(ctx.acting()?, entrance, user).await?;
        let (organization, viewer) = (Organization::from(own), ctx.viewer()?);
        let now = ctx.service::<Clock>().now();
        let of = |member| Membership::of(organization.clone(), member).seen_by(viewer, now);
        let (heir, former) = (of(heir), of(former));
        Ok((organization, heir, former))
    }
}

/// The member a mutation is about. Who asks about another's organization learns of neither.
fn member(id: &ID) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| OrganizationError::NoSuchMember.into())
}
