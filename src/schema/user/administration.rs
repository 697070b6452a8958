//! What admins, and others who may, do to accounts, in the schema.

use async_graphql::{Context, ID, Object};
use portcullis_macros::rules;

use super::User;
use crate::features::accounts::{Accounts, AdminError, Capacity};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::kernel::access::permission::{PERMISSIONS_GRANT, USERS_WRITE};
use crate::kernel::access::{Grant, Permission, Role};
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::invalid::Reason;

#[derive(Default)]
pub(crate) struct AdministrationMutation;

#[rules(mutation)]
#[Object]
impl AdministrationMutation {
    /// Changes the role of a user, effective on their next request. Lowering a role also revokes the permissions that
    /// were granted to the user. Fails with CONFLICT if the user is the last active admin.
    #[auth(role = Admin)]
    #[covers]
    #[fresh]
    #[payload(user = "The user with the new role.")]
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The new role.")] role: Role,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user =
            accounts.set_role(ctx.acting()?, Capacity::Staff(covers), target(&id)?, role).await?;
        Ok(User::from(&user))
    }

    /// Grants a user a permission, effective on their next request. Fails with FORBIDDEN unless the caller holds the
    /// permission for at least as long.
    #[auth(permission = PERMISSIONS_GRANT)]
    #[covers]
    #[fresh]
    #[payload(user = "The user, with all granted permissions.")]
    async fn grant_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to grant.")] permission: Permission,
        #[graphql(desc = "When the permission expires. By default, it stays until it is revoked.")]
        expires_at: Option<DateTime>,
    ) -> Result<User> {
        let now = ctx.service::<Clock>().now();
        let expires_at = expires_at.map(Into::into);
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            let message = "This time is in the past.";
            return Err(ApiError::argument("input.expiresAt", Reason::InvalidFormat, message));
        }
        let accounts = ctx.service::<Accounts>();
        let grant = Grant { permission, expires_at };
        let user = accounts.grant(ctx.acting()?, covers, target(&id)?, grant).await?;
        Ok(user.into())
    }

    /// Revokes a permission that was granted to a user, effective on their next request. Permissions that the user's
    /// role implies stay. Fails with FORBIDDEN unless the caller holds the permission.
    #[auth(permission = PERMISSIONS_GRANT)]
    #[covers]
    #[fresh]
    #[defence]
    #[payload(user = "The user, with the remaining granted permissions.")]
    async fn revoke_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to revoke.")] permission: Permission,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.revoke(ctx.acting()?, covers, target(&id)?, permission).await?;
        Ok(user.into())
    }

    /// Removes all second factors and passkeys of a user who lost them, and ends all their sessions.
    #[auth(permission = USERS_WRITE)]
    #[covers(others)]
    #[fresh]
    #[payload(
        user = "The user, who now signs in without a second factor, or must set up a new one if the account \
            requires it."
    )]
    async fn reset_second_factors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user =
            accounts.reset_factors(ctx.acting()?, Capacity::Staff(covers), target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Deactivates a user's account and ends all its sessions. Fails with CONFLICT if the user is the last active
    /// admin.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[fresh]
    #[defence]
    #[payload(user = "The deactivated user.")]
    async fn deactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user =
            accounts.deactivate(ctx.acting()?, Capacity::Staff(covers), target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Reactivates a user's account, so that the user can sign in again. Ended sessions stay ended.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[fresh]
    #[payload(user = "The reactivated user.")]
    async fn reactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user =
            accounts.reactivate(ctx.acting()?, Capacity::Staff(covers), target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Deletes a user with all their data, permanently. Fails with CONFLICT if the user is the last active admin, or owns
    /// an organization whose only other member is the caller.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[fresh]
    #[payload(deleted_user_id = "The id of the deleted user.")]
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Id> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.delete(ctx.acting()?, Capacity::Staff(covers), target(&id)?).await?;
        Ok(Id::from(user.id))
    }

    /// Ends all sessions of a user.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[fresh]
    #[defence]
    #[payload(
        user_id = "The id of the user whose sessions ended.",
        ended_sessions = "The number of sessions that this call ended."
    )]
    async fn end_user_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<(Id, u64)> {
        let (accounts, id) = (ctx.service::<Accounts>(), target(&id)?);
        let ended = accounts.end_sessions(ctx.acting()?, Capacity::Staff(covers), id).await?;
        Ok((Id::from(id), ended))
    }
}

/// The user a mutation is about. A malformed id names nobody, as an unknown one does.
pub(super) fn target(id: &ID) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| AdminError::NotFound.into())
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound => Self::new(Code::NotFound, "This user does not exist."),
            AdminError::Forbidden(rule) => Self::uncovered(
                "You can only grant and revoke permissions that you have for as long.",
                rule,
            ),
            AdminError::Uncovered(uncovered) => uncovered.into(),
            AdminError::LastAdmin => {
                Self::new(Code::Conflict, "The last active admin must stay an active admin.")
            }
            AdminError::LastOwner => {
                let message =
                    "First transfer or delete the organizations that only this user owns.";
                Self::new(Code::Conflict, message)
            }
            AdminError::SoleHeir => Self::new(
                Code::Conflict,
                "You are the only other member of an organization that this user owns. Leave it first.",
            ),
            AdminError::Unverified => {
                Self::new(Code::Conflict, "Verify your address first, or delete the account.")
            }
            AdminError::Unchanged => Self::new(
                Code::Conflict,
                "This change has no effect. Reading the user requires the permission USERS_READ.",
            ),
            AdminError::Fault(fault) => fault.into(),
        }
    }
}
