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
    /// Gives a user a role; it takes effect on their next request.
    #[auth(role = Admin)]
    #[fresh]
    #[payload(user = "The user, with the role.")]
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The role to give.")] role: Role,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.set_role(ctx.acting()?, Capacity::Staff, target(&id)?, role).await?;
        Ok(User::from(&user))
    }

    /// Gives a user a permission that the caller holds for at least as long; it takes effect on their next
    /// request.
    #[auth(permission = PERMISSIONS_GRANT)]
    #[fresh]
    #[payload(user = "The user, with all that was granted to them.")]
    async fn grant_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to give.")] permission: Permission,
        #[graphql(desc = "Until when it counts; until it is revoked by default.")]
        expires_at: Option<DateTime>,
    ) -> Result<User> {
        let now = ctx.service::<Clock>().now();
        let expires_at = expires_at.map(Into::into);
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            let message = "This time is over";
            return Err(ApiError::argument("input.expiresAt", Reason::InvalidFormat, message));
        }
        let accounts = ctx.service::<Accounts>();
        let grant = Grant { permission, expires_at };
        let user = accounts.grant(ctx.acting()?, target(&id)?, grant).await?;
        Ok(user.into())
    }

    /// Takes a permission back that was given to a user, and that the caller holds; it takes effect on their
    /// next request. What their role implies stays.
    #[auth(permission = PERMISSIONS_GRANT)]
    #[fresh]
    #[defence]
    #[payload(user = "The user, with what was granted to them else.")]
    async fn revoke_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to take back.")] permission: Permission,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.revoke(ctx.acting()?, target(&id)?, permission).await?;
        Ok(user.into())
    }

    /// Removes all second factors and passkeys of a user who has lost them, and ends all their sessions. It is never for the
    /// caller's own account.
    #[auth(permission = USERS_WRITE)]
    #[fresh]
    #[payload(
        user = "The user, who signs in without from now on, or is asked to set a second factor up."
    )]
    async fn reset_second_factors(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.reset_factors(ctx.acting()?, Capacity::Staff, target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Shuts a user out and ends all their sessions.
    #[auth(permission = USERS_WRITE)]
    #[fresh]
    #[defence]
    #[payload(user = "The user, who is shut out.")]
    async fn deactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.deactivate(ctx.acting()?, Capacity::Staff, target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Lets a deactivated user sign in again.
    #[auth(permission = USERS_WRITE)]
    #[fresh]
    #[payload(user = "The user, who may sign in.")]
    async fn reactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.reactivate(ctx.acting()?, Capacity::Staff, target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Deletes a user with all that is theirs.
    #[auth(permission = USERS_WRITE)]
    #[fresh]
    #[payload(deleted_user_id = "The user that is gone.")]
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Id> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.delete(ctx.acting()?, Capacity::Staff, target(&id)?).await?;
        Ok(Id::from(user.id))
    }

    /// Ends all sessions of a user.
    #[auth(permission = USERS_WRITE)]
    #[fresh]
    #[defence]
    #[payload(
        user_id = "The user who is signed out.",
        ended_sessions = "How many sessions were ended."
    )]
    async fn end_user_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<(Id, u64)> {
        let (accounts, id) = (ctx.service::<Accounts>(), target(&id)?);
        let ended = accounts.end_sessions(ctx.acting()?, Capacity::Staff, id).await?;
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
            AdminError::NotFound => Self::new(Code::NotFound, "There is no such user"),
            AdminError::Forbidden => Self::forbidden(
                "You cannot change an account that has more permissions than yours.",
            ),
            AdminError::Oneself => {
                Self::forbidden("You cannot reset your own second factors: turn them off instead.")
            }
            AdminError::LastAdmin => Self::new(Code::Conflict, "The last active admin must stay"),
            AdminError::LastOwner => {
                let message = "Hand over or delete the organizations whose only owner this is";
                Self::new(Code::Conflict, message)
            }
            AdminError::SoleHeir => Self::new(
                Code::Conflict,
                "This user owns an organization whose only other member you are: leave it first",
            ),
            AdminError::Unverified => {
                Self::new(Code::Conflict, "Verify your address first, or delete the account")
            }
            AdminError::Unchanged => Self::new(
                Code::Conflict,
                "The user is already as you ask. Reading users needs the permission USERS_READ",
            ),
            AdminError::Fault(fault) => fault.into(),
        }
    }
}
