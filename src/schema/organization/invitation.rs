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

/// An invitation to join an organization.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct Invitation {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// The organization's name.
    organization_name: String,
    /// The email address of the invited person, as the sender typed it.
    email: String,
    /// The role that the invited person will have in the organization.
    role: OrganizationRole,
    /// The id of the user who sent the invitation; null if that account no longer exists.
    invited_by: Option<Id>,
    /// When the invitation was sent.
    created_at: DateTime,
    /// When the invitation expires.
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
    /// Mails an invitation to join an organization, valid for one day. It invalidates any earlier invitation of the
    /// organization to the same address. Fails with CONFLICT if too many invitations are pending.
    #[auth]
    #[member(Admin)]
    #[covers]
    #[needs(Mail)]
    #[fresh]
    #[limit(INVITED_BY_USER, INVITED_BY_USER_TO_ADDRESS, INVITED_TO_ADDRESS)]
    #[payload(invitation = "The invitation that the server is mailing.")]
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The organization's id.")] organization_id: ID,
        #[graphql(desc = "The email address. Mail must be able to reach it.")] email: String,
        #[graphql(desc = "The role that the invited person will have.")] role: OrganizationRole,
    ) -> Result<Invitation> {
        let organizations = ctx.service::<Organizations>();
        let entrance = entrance(&organization_id, least)?;
        let invite = organizations.invite(ctx.acting()?, (entrance, covers), &email, role, limits);
        Ok(invite.await?.into())
    }

    /// Revokes an invitation to join an organization.
    #[auth]
    #[member(Admin)]
    #[defence]
    #[payload(deleted_invitation_id = "The id of the revoked invitation.")]
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

    /// Makes the caller a member of the organization that invited them. The invitation must have been mailed to the
    /// address of the caller's account. Fails with INVALID_TOKEN if the link is invalid or its sender may no longer
    /// grant the role, and with CONFLICT if the caller already belongs to the organization or belongs to too many.
    #[auth]
    #[limit(links::FAILURES)]
    #[payload(
        organization = "The organization that the caller belongs to now.",
        deleted_invitation_id = "The id of the accepted invitation, which is no longer pending."
    )]
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link in the mail.")] token: String,
    ) -> Result<(Organization, Id)> {
        let (organizations, token) = (ctx.service::<Organizations>(), LinkToken::parse(&token));
        let accept = organizations.accept_invitation(ctx.acting()?, token.as_ref(), limits);
        let (organization, invitation) = accept.await?;
        Ok((organization.into(), Id::from(invitation)))
    }
}

impl From<InvitationError> for ApiError {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::Invalid(problem) => Self::invalid(&[problem]),
            InvitationError::NotFound => {
                Self::new(Code::NotFound, "This invitation does not exist.")
            }
            InvitationError::TooMany => Self::new(
                Code::Conflict,
                "This organization has too many pending invitations. Revoke one first.",
            ),
            InvitationError::AlreadyMember => {
                Self::new(Code::Conflict, "You already belong to this organization.")
            }
            InvitationError::Organization(error) => error.into(),
            InvitationError::Limited(limited) => limited.into(),
            InvitationError::Link(error) => error.into(),
            InvitationError::Fault(fault) => fault.into(),
        }
    }
}
