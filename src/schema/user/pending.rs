//! What waits for somebody to use the link in a mail, in the schema.

use async_graphql::{Context, Object, SimpleObject};
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;

use crate::features::accounts::{Accounts, PendingChange, PendingInvitation};
use crate::graphql::connection::Connection;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::Result;
use crate::graphql::id::Id;
use crate::graphql::page::{ByAge, Window};
use crate::graphql::whole::Whole;
use crate::kernel::access::permission::USERS_READ;
use crate::kernel::access::{Role, Viewer};
use crate::kernel::id::UserInvitationId;

/// An unconfirmed change of address. It takes effect when somebody uses the link that the server mailed to the new
/// address.
#[derive(SimpleObject)]
pub(crate) struct PendingEmailChange {
    /// The new address, as typed. The server does not tell whether another account has it.
    new_email: String,
    /// When the link expires.
    expires_at: DateTime,
}

impl From<PendingChange> for PendingEmailChange {
    fn from(change: PendingChange) -> Self {
        Self { new_email: change.email, expires_at: change.expires_at.into() }
    }
}

/// An invitation to create an account.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct UserInvitation {
    /// An opaque id that is unique across all types. It differs from the token in the mail.
    pub(crate) id: Id,
    /// The email address of the invited person, as the sender typed it.
    email: String,
    /// The role that the account will have.
    role: Role,
    /// The id of the user who sent the invitation.
    invited_by: Id,
    /// When the invitation was sent.
    created_at: DateTime,
    /// When the invitation expires.
    expires_at: DateTime,
}

impl From<PendingInvitation> for UserInvitation {
    fn from(invitation: PendingInvitation) -> Self {
        Self {
            id: Id::from(invitation.id),
            email: invitation.email,
            role: invitation.role,
            invited_by: Id::from(invitation.invited_by),
            created_at: invitation.created_at.into(),
            expires_at: invitation.expires_at.into(),
        }
    }
}

/// Those of the ids that are invitations which can still be accepted, for a caller who may list them.
pub(crate) async fn visible_invitations(
    accounts: &Accounts,
    viewer: &Viewer,
    ids: &[Id],
    now: chrono::DateTime<chrono::Utc>,
) -> Result<Vec<UserInvitation>, DbErr> {
    let ids = Id::all::<UserInvitationId>(ids);
    if ids.is_empty() || !viewer.user.may(USERS_READ, now) {
        return Ok(Vec::new());
    }
    let found = accounts.find_invitations(&ids).await?;
    Ok(found.into_iter().map(UserInvitation::from).collect())
}

pub(crate) type UserInvitationConnection = Connection<Whole<UserInvitation>>;

#[derive(Default)]
pub(crate) struct InvitationQuery;

#[rules(query)]
#[Object]
impl InvitationQuery {
    /// The pending invitations to create an account, newest first: at most the newest 1,000. The list omits invitations
    /// whose sender may no longer invite. An invited person may have created an account in another way meanwhile, and a
    /// server with closed registration accepts no invitation.
    #[auth(permission = USERS_READ)]
    async fn user_invitations(
        &self,
        ctx: &Context<'_>,
        window: Window,
    ) -> Result<UserInvitationConnection> {
        let accounts = ctx.service::<Accounts>();
        let load = async || Ok(accounts.list_invitations().await?);
        let id = |invitation: &PendingInvitation| invitation.id.0;
        Whole::load(window, ByAge::NewestFirst, load, id, UserInvitation::from).await
    }
}
