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

/// A change of address that takes effect when the link in the mail to the new address is used.
#[derive(SimpleObject)]
pub(crate) struct PendingEmailChange {
    /// The new address, as typed. Whether another account has it is not told here either.
    new_email: String,
    /// Until when the link can be used.
    expires_at: DateTime,
}

impl From<PendingChange> for PendingEmailChange {
    fn from(change: PendingChange) -> Self {
        Self { new_email: change.email, expires_at: change.expires_at.into() }
    }
}

/// An invitation to make an account.
#[derive(SimpleObject, Row, Clone)]
pub(crate) struct UserInvitation {
    /// Unique over all types; opaque. It is not what the link in the mail carries.
    pub(crate) id: Id,
    /// The address it was sent to, as typed.
    email: String,
    /// The role that the account will have.
    role: Role,
    /// The user id of whoever invited them.
    invited_by: Id,
    /// When it was sent.
    created_at: DateTime,
    /// Until when it can be accepted.
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
    /// The invitations to make an account that can still be accepted, in pages, the newest first; at most the newest 1,000.
    /// Those whose sender may no longer invite are left out. Who is invited may have made an account in another way meanwhile, and a
    /// server with registration closed accepts none.
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
