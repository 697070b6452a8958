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
use crate::graphql::directive::semantic_non_null;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::loader::load_one;
use crate::graphql::page::{ByAge, Window};
use crate::graphql::policy::{Place, Within};
use crate::graphql::rule::Rule;
use crate::graphql::whole::Whole;
use crate::kernel::access::{self, OrganizationRole, Viewer};
use crate::kernel::id::OrganizationId;
use crate::schema::sign_in::{AuthPayload, recipient};
use crate::schema::user::User;
use crate::schema::viewer::Access;

/// A group of users. Only its members can see that it exists.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub struct Organization {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// The organization's name.
    name: String,
    /// When the organization was created.
    created_at: DateTime,
    /// When the organization was last renamed.
    updated_at: DateTime,
    /// The caller's role in the organization; null if the caller is not a member.
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
    /// The members of the organization, in the order in which they joined.
    #[auth]
    async fn members(&self, ctx: &Context<'_>, window: Window) -> Result<MembershipConnection> {
        MembershipConnection::load(ctx, self, window).await
    }

    /// Tells for each field whether the caller may use it for this organization. Viewer.access tells the same for the
    /// organization that the call acts in.
    #[graphql(directive = semantic_non_null::apply())]
    async fn viewer_can(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The fields with their types, as in `Mutation.updateOrganization`: at most 100."
        )]
        fields: Vec<String>,
    ) -> Option<async_graphql::Result<Vec<Access>>> {
        let place = Place { within: Within::Organization(self.my_role), about: None };
        Access::answer(ctx, place, fields).await
    }

    /// The pending invitations to join the organization, oldest first.
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
    /// An organization by id; null if the caller does not belong to an organization with this id.
    #[auth]
    async fn organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<Option<Organization>> {
        Organization::load(ctx, OrganizationId::parse(&id)).await
    }

    /// The organizations that the caller belongs to, in the order of their creation.
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

    /// The pending invitations to join organizations that were mailed to the caller's address, newest first. Empty
    /// until the address is verified. Accepting one requires the token from its mail: see acceptInvitation.
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

    /// The organization that the call acts in; null if it acts in none. The access token names it or, in cookie mode,
    /// the header Portcullis-Organization.
    #[auth]
    async fn active_organization(&self, ctx: &Context<'_>) -> Result<Option<Organization>> {
        let active = ctx.viewer()?.organization.map(|active| active.id);
        Organization::load(ctx, active).await
    }

    /// The pending invitations to join the organization that the call acts in, oldest first.
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

/// The organization to create.
#[derive(InputObject)]
pub(crate) struct CreateOrganizationInput {
    /// The organization's name: 1 to 100 characters. Names that look like the service or its staff are reserved.
    name: String,
}

/// The changes of an organization.
#[derive(InputObject)]
pub(crate) struct UpdateOrganizationInput {
    /// The organization's id.
    id: ID,
    /// The organization's name: 1 to 100 characters. Names that look like the service or its staff are reserved.
    name: String,
}

#[derive(Default)]
pub(crate) struct OrganizationMutation;

#[rules(mutation)]
#[Object]
impl OrganizationMutation {
    /// Creates an organization and makes the caller its owner. Fails with CONFLICT if the caller belongs to too many
    /// organizations.
    #[auth]
    #[payload(organization = "The new organization.")]
    async fn create_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization to create.")] input: CreateOrganizationInput,
    ) -> Result<Organization> {
        let organizations = ctx.service::<Organizations>();
        Ok(organizations.create(ctx.acting()?, &input.name).await?.into())
    }

    /// Changes the name of an organization.
    #[auth]
    #[member(Admin)]
    #[payload(organization = "The organization with its new name.")]
    async fn update_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateOrganizationInput,
    ) -> Result<Organization> {
        let organizations = ctx.service::<Organizations>();
        let entrance = entrance(&input.id, least)?;
        Ok(organizations.rename(ctx.acting()?, entrance, &input.name).await?.into())
    }

    /// Deletes an organization permanently. Calls can no longer act in it.
    #[auth]
    #[member(Owner)]
    #[fresh]
    #[payload(deleted_organization_id = "The id of the deleted organization.")]
    async fn delete_organization(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] id: ID,
    ) -> Result<ID> {
        let organizations = ctx.service::<Organizations>();
        organizations.delete(ctx.acting()?, entrance(&id, least)?).await?;
        Ok(id)
    }

    /// Issues an access token that acts in one of the caller's organizations, or in none. The session, the time of the
    /// sign-in and the refresh token do not change, and other tokens of the session keep their organization. The new
    /// token expires together with the presented one: see expiresIn. In cookie mode, calls name the organization in the
    /// header Portcullis-Organization, and the token is for other services.
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
                Self::new(Code::NotFound, "This organization does not exist.")
            }
            OrganizationError::NoSuchMember => {
                Self::new(Code::NotFound, "This member does not exist.")
            }
            OrganizationError::Below(least) => Self::below(least),
            OrganizationError::Outranked(by, rule) => Self::outranked(by, rule),
            OrganizationError::LastOwner => Self::new(
                Code::Conflict,
                "An organization needs an owner. Make another \
                                                                       member an owner first.",
            ),
            OrganizationError::TooMany => Self::new(
                Code::Conflict,
                "You belong to the maximum number of organizations. Leave one first.",
            ),
            OrganizationError::Fault(fault) => fault.into(),
        }
    }
}
