//! Organizations in the schema.

mod invitation;
mod loader;
mod membership;

use async_graphql::{ComplexObject, Context, ID, InputObject, Object, SimpleObject};
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;

pub(crate) use self::invitation::{Invitation, InvitationConnection, MemberInvitationMutation};
pub(crate) use self::loader::OrganizationLoader;
use self::loader::{InvitationsOf, Own};
pub(crate) use self::membership::{Membership, MembershipConnection, MembershipMutation};
use crate::features::organizations::{
    self as domain, Entrance, Member, OrganizationError, Organizations, OwnOrganization,
};
use crate::graphql::connection::Connection;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::loader::load_one;
use crate::graphql::page::{ByAge, Window};
use crate::graphql::policy::Place;
use crate::graphql::rule::Rule;
use crate::graphql::whole::Whole;
use crate::kernel::access::{self, OrganizationRole, Viewer};
use crate::kernel::id::OrganizationId;
use crate::schema::sign_in::{AuthPayload, recipient};
use crate::schema::user::User;
use crate::schema::viewer::Access;

/// People who belong together. It exists for its members only.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub struct Organization {
    /// Unique over all types; opaque.
    pub(crate) id: Id,
    /// What it is called.
    name: String,
    /// When it was made.
    created_at: DateTime,
    /// When it last got another name.
    updated_at: DateTime,
    /// What the caller may do there; null for whoever is no member.
    my_role: Option<OrganizationRole>,
    #[graphql(skip)]
    own: OwnOrganization,
}

impl From<OwnOrganization> for Organization {
    fn from(own: OwnOrganization) -> Self {
        Self {
            id: Id::from(own.id),
            name: own.name.clone(),
            created_at: own.created_at.into(),
            updated_at: own.updated_at.into(),
            my_role: Some(own.role),
            own,
        }
    }
}

impl Organization {
    /// An organization as the caller sees it, if there is one and they belong to it.
    pub async fn load(
        ctx: &Context<'_>,
        id: impl Into<Option<OrganizationId>>,
    ) -> Result<Option<Self>> {
        let Some(id) = id.into() else { return Ok(None) };
        let user = ctx.viewer()?.user.id;
        Ok(load_one::<OrganizationLoader, _>(ctx, Own { user, id }).await?.map(Self::from))
    }
}

#[rules]
#[ComplexObject]
impl Organization {
    /// Who belongs to it, in pages, in the order in which they joined.
    #[auth]
    async fn members(&self, ctx: &Context<'_>, window: Window) -> Result<MembershipConnection> {
        MembershipConnection::load(ctx, self, window).await
    }

    /// Whether the caller may use each of these fields for this organization, as `viewer { access }` says it for the one that
    /// the call acts in.
    async fn viewer_can(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Types and their fields, as in `Mutation.updateOrganization`; at most 100."
        )]
        fields: Vec<String>,
    ) -> Result<Vec<Access>> {
        Access::of_all(ctx, Place::Organization(self.my_role), fields).await
    }

    /// Who is asked to join it and has not yet, in pages, the oldest first.
    #[auth]
    #[member(Admin)]
    async fn invitations(&self, ctx: &Context<'_>, window: Window) -> Result<InvitationConnection> {
        if self.own.role < least {
            return Err(ApiError::below(least));
        }
        invitations(ctx, self.own.id, window).await
    }
}

/// What of some ids the caller sees by their organizations.
pub(crate) struct Visible {
    pub(crate) organizations: Vec<Organization>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) invitations: Vec<Invitation>,
    pub(crate) users: Vec<User>,
}

/// What of these ids the caller sees by their organizations.
pub(crate) async fn visible(
    organizations: &Organizations,
    viewer: &Viewer,
    ids: &[Id],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Visible, DbErr> {
    let seen = organizations.find_seen(&viewer.user, ids).await?;
    let membership = |(own, member): (OwnOrganization, Member)| {
        Membership::of(own.into(), member).seen_by(viewer, now)
    };
    let user = |user| User::from(user).seen_by(viewer, now);
    Ok(Visible {
        organizations: seen.organizations.into_iter().map(Organization::from).collect(),
        memberships: seen.members.into_iter().map(membership).collect(),
        invitations: seen.invitations.into_iter().map(Invitation::from).collect(),
        users: seen.users.into_iter().map(user).collect(),
    })
}

pub(crate) type OrganizationConnection = Connection<Whole<Organization>>;

#[derive(Default)]
pub(crate) struct OrganizationQuery;

#[rules(query)]
#[Object]
impl OrganizationQuery {
    /// An organization that the caller belongs to; null for an id that names none.
    #[auth]
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<Option<Organization>> {
        Organization::load(ctx, OrganizationId::parse(&id)).await
    }

    /// The organizations that the caller belongs to, in pages, in the order in which they were made.
    #[auth]
    async fn my_organizations(
        &self,
        ctx: &Context<'_>,
        window: Window,
    ) -> Result<OrganizationConnection> {
        let organizations = ctx.service::<Organizations>();
        let caller = ctx.viewer()?.user.id;
        let load = async || Ok(organizations.list(caller).await?);
        let node = Organization::from;
        Whole::load(window, ByAge::OldestFirst, load, |own| own.id.0, node).await
    }

    /// The invitations to organizations that were mailed to the caller's address and can still be accepted, in pages, the
    /// newest first. Empty until the address is verified. Accepting one takes what the link in the mail carries: see
    /// acceptInvitation.
    #[auth]
    async fn my_invitations(
        &self,
        ctx: &Context<'_>,
        window: Window,
    ) -> Result<InvitationConnection> {
        let (organizations, caller) = (ctx.service::<Organizations>(), ctx.viewer()?);
        let load = async || Ok(organizations.list_received(&caller.user).await?);
        let id = |invitation: &domain::Invitation| invitation.id.0;
        Whole::load(window, ByAge::NewestFirst, load, id, Invitation::from).await
    }

    /// The organization that the call acts in, if any: the one that the access token names, or in cookie mode the header
    /// Portcullis-Organization.
    #[auth]
    async fn active_organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        let active = ctx.viewer()?.organization.map(|active| active.id);
        Organization::load(ctx, active).await
    }

    /// Who is asked to join the active organization and has not yet, in pages, the oldest first.
    #[auth(organization_role = Admin)]
    async fn invitations(&self, ctx: &Context<'_>, window: Window) -> Result<InvitationConnection> {
        let active = ctx
            .viewer()?
            .organization
            .ok_or_else(|| Rule::OrganizationRole(OrganizationRole::Admin).unmet())?;
        invitations(ctx, active.id, window).await
    }
}

/// The pending invitations of an organization whose admin the caller is.
async fn invitations(
    ctx: &Context<'_>,
    id: OrganizationId,
    window: Window,
) -> Result<InvitationConnection> {
    let load = async || {
        let found = load_one::<OrganizationLoader, _>(ctx, InvitationsOf(id)).await?;
        Ok(found.unwrap_or_default())
    };
    let id = |invitation: &domain::Invitation| invitation.id.0;
    Whole::load(window, ByAge::OldestFirst, load, id, Invitation::from).await
}

/// What an organization is to be.
#[derive(InputObject)]
pub(crate) struct CreateOrganizationInput {
    /// 1 to 100 characters. Names that could be taken for the service or its staff are reserved.
    name: String,
}

/// What an organization is to become.
#[derive(InputObject)]
pub(crate) struct UpdateOrganizationInput {
    /// The organization's id.
    id: ID,
    /// 1 to 100 characters. Names that could be taken for the service or its staff are reserved.
    name: String,
}

#[derive(Default)]
pub(crate) struct OrganizationMutation;

#[rules(mutation)]
#[Object]
impl OrganizationMutation {
    /// Makes an organization, whose owner the caller is.
    #[auth]
    #[payload(organization = "The new organization.")]
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization to be.")] input: CreateOrganizationInput,
    ) -> Result<Organization> {
        let organizations = ctx.service::<Organizations>();
        Ok(organizations.create(ctx.acting()?, &input.name).await?.into())
    }

    /// Gives an organization another name.
    #[auth]
    #[member(Admin)]
    #[payload(organization = "The organization, with its new name.")]
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateOrganizationInput,
    ) -> Result<Organization> {
        let organizations = ctx.service::<Organizations>();
        let entrance = entrance(&input.id, least)?;
        Ok(organizations.rename(ctx.acting()?, entrance, &input.name).await?.into())
    }

    /// Deletes an organization, for good; nothing acts in it any more.
    #[auth]
    #[member(Owner)]
    #[fresh]
    #[payload(deleted_organization_id = "The organization that is gone.")]
    async fn delete_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<ID> {
        let organizations = ctx.service::<Organizations>();
        organizations.delete(ctx.acting()?, entrance(&id, least)?).await?;
        Ok(id)
    }

    /// Gives the caller an access token that acts in one of their organizations, or in none. The session, the time of the
    /// sign-in and the refresh token stay what they are, and other tokens of the session act where they did. It ends when
    /// the token that was presented does: see expiresIn. With a cookie, calls name the organization by the header
    /// Portcullis-Organization, and the token is for other services.
    #[auth]
    async fn switch_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id; null for none.")] id: Option<ID>,
    ) -> Result<AuthPayload> {
        recipient(ctx)?;
        let organizations = ctx.service::<Organizations>();
        let id = id.as_ref().map(organization).transpose()?;
        Ok(AuthPayload::hand_over(ctx, organizations.switch(ctx.acting()?, id).await?))
    }
}

/// The organization that a mutation changes, which takes this role.
fn entrance(id: &ID, least: access::OrganizationRole) -> Result<Entrance> {
    Ok(Entrance { id: organization(id)?, least })
}

/// The organization a mutation is about. A malformed id names none, as an unknown one does.
fn organization(id: &ID) -> Result<OrganizationId> {
    OrganizationId::parse(id).ok_or_else(|| OrganizationError::NotFound.into())
}

impl From<OrganizationError> for ApiError {
    fn from(error: OrganizationError) -> Self {
        match error {
            OrganizationError::Invalid(problem) => Self::invalid(&[problem]),
            OrganizationError::NotFound => {
                Self::new(Code::NotFound, "There is no such organization")
            }
            OrganizationError::NoSuchMember => Self::new(Code::NotFound, "There is no such member"),
            OrganizationError::Below(least) => Self::below(least),
            OrganizationError::LastOwner => Self::new(Code::Conflict, "The last owner must stay"),
            OrganizationError::TooMany => {
                Self::new(Code::Conflict, "You belong to as many organizations as one can")
            }
            OrganizationError::Fault(fault) => fault.into(),
        }
    }
}
