//! Invitations to organizations in the schema.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::{Row, rules};

use super::{Organization, entrance};
use crate::features::links::{self, LinkToken};
use crate::features::organizations::{
    self as domain, INVITED_BY_USER, INVITED_BY_USER_TO_ADDRESS, INVITED_TO_ADDRESS,
    InvitationError, Organizations,
};
use crate::graphql::connection::Connection;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::graphql::whole::Whole;
use crate::kernel::access::OrganizationRole;
use crate::kernel::id::InvitationId;

/// That somebody is asked to join an organization.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct Invitation {
    /// Unique over all types; opaque.
    pub(crate) id: Id,
    /// What the organization is called.
    organization_name: String,
    /// The address it was sent to, as typed.
    email: String,
    /// What they are to be in the organization.
    role: OrganizationRole,
    /// The user id of whoever invited them, if that account still exists.
    invited_by: Option<Id>,
    /// When it was sent.
    created_at: DateTime,
    /// Until when it can be accepted.
    expires_at: DateTime,
}

impl From<domain::Invitation> for Invitation {
    fn from(invitation: domain::Invitation) -> Self {
        Self {
            id: Id::from(invitation.id),
            organization_name: invitation.organization_name,
            email: invitation.email,
            role: invitation.role,
            invited_by: invitation.invited_by.map(Id::from),
            created_at: invitation.created_at.into(),
            expires_at: invitation.expires_at.into(),
        }
    }
}

pub(crate) type InvitationConnection = Connection<Whole<Invitation>>;

#[derive(Default)]
pub(crate) struct MemberInvitationMutation;

#[rules(mutation)]
#[Object]
impl MemberInvitationMutation {
    /// Mails somebody an invitation to join an organization, good for a day; one to the same address before
    /// it is void. Nobody gives a role above their own.
    #[auth]
    #[member(Admin)]
    #[needs(Mail)]
    #[fresh]
    #[limit(INVITED_BY_USER, INVITED_BY_USER_TO_ADDRESS, INVITED_TO_ADDRESS)]
    #[payload(invitation = "The invitation, which is on its way.")]
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "An address that mail reaches.")] email: String,
        #[graphql(desc = "The role that they will have.")] role: OrganizationRole,
    ) -> Result<Invitation> {
        let organizations = ctx.service::<Organizations>();
        let entrance = entrance(&organization_id, least)?;
        let invite = organizations.invite(ctx.acting()?, entrance, &email, role, limits);
        Ok(invite.await?.into())
    }

    /// Takes an invitation back.
    #[auth]
    #[member(Admin)]
    #[defence]
    #[payload(deleted_invitation_id = "The invitation that is gone.")]
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation's id.")] id: ID,
    ) -> Result<Id> {
        let organizations = ctx.service::<Organizations>();
        let id = InvitationId::parse(&id).ok_or(InvitationError::NotFound)?;
        organizations.revoke_invitation(ctx.acting()?, id, least).await?;
        Ok(Id::from(id))
    }

    /// Makes the caller a member of the organization that an invitation names, which was mailed to the
    /// address of their account.
    #[auth]
    #[limit(links::FAILURES)]
    #[payload(organization = "The organization that the caller belongs to now.")]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
    ) -> Result<Organization> {
        let (organizations, token) = (ctx.service::<Organizations>(), LinkToken::parse(&token));
        let accept = organizations.accept_invitation(ctx.acting()?, token.as_ref(), limits);
        Ok(accept.await?.into())
    }
}

impl From<InvitationError> for ApiError {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Invalid(problem) => Self::invalid(&[problem]),
            InvitationError::NotFound => Self::new(Code::NotFound, "There is no such invitation"),
            InvitationError::TooMany => {
                Self::new(Code::Conflict, "Too many invitations of this organization are pending")
            }
            InvitationError::AlreadyMember => {
                Self::new(Code::Conflict, "You belong to this organization already")
            }
            InvitationError::Organization(error) => error.into(),
            InvitationError::Limited(limited) => limited.into(),
            InvitationError::Link(error) => error.into(),
            InvitationError::Fault(fault) => fault.into(),
        }
    }
}
