//! Accounts in the schema.

mod connection;
mod life;
mod own;
mod shape;

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};

pub(crate) use self::connection::{UserConnection, UserFilter, UserOrder};
pub(crate) use self::life::{InvitationMutation, OwnAccountMutation};
use super::{Accounts, AdminError, By, CreateError, LIMITS, NewAccount, Registered};
use crate::features::links::LinkError;
use crate::features::login::graphql::AuthPayload;
use crate::graphql::context::ContextExt;
use crate::graphql::directive::{self, auth, fresh, limit, public};
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::guard::{FRESH_SECONDS, Fresh, PermissionGuard, RoleGuard, SignedIn};
use crate::graphql::page::Window;
use crate::graphql::rule::Rule;
use crate::platform::access::{self, Anonymity, Grant, Grants, Permission, Role};
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::id::UserId;

/// An account.
#[derive(SimpleObject, Clone)]
#[graphql(complex)]
pub(crate) struct User {
    /// Unique over all types; opaque.
    pub(crate) id: ID,
    /// As typed at registration; unique whatever the case.
    username: String,
    /// As typed at registration; unique in its canonical form.
    email: String,
    /// Whether the owner has shown that mail to the address reaches them.
    email_verified: bool,
    /// What the owner wants to be called.
    full_name: Option<String>,
    /// What the user may do.
    role: directive::Role,
    /// Whether the user may sign in.
    is_active: bool,
    /// When the account was made.
    created_at: DateTime<Utc>,
    /// When the account was last changed.
    updated_at: DateTime<Utc>,
    /// When the user last signed in.
    last_login_at: Option<DateTime<Utc>>,
    #[graphql(skip)]
    standing: (Role, Grants),
}

/// A permission that a user was given beside what their role implies.
#[derive(SimpleObject)]
pub(crate) struct PermissionGrant {
    /// The permission.
    permission: directive::Permission,
    /// Until when it counts; null: until it is revoked.
    expires_at: Option<DateTime<Utc>>,
}

impl From<&access::User> for User {
    fn from(user: &access::User) -> Self {
        Self {
            id: user.id.to_string().into(),
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified: user.email_verified,
            full_name: user.full_name.clone(),
            role: user.role.into(),
            is_active: user.is_active,
            created_at: user.created_at,
            updated_at: user.updated_at,
            last_login_at: user.last_login_at,
            standing: (user.role, user.grants.clone()),
        }
    }
}

/// What it takes to get an account.
#[derive(InputObject)]
pub(crate) struct RegisterInput {
    /// 3 to 64 letters, digits, dots, underscores and hyphens.
    username: String,
    /// An address that mail reaches.
    email: String,
    /// 8 to 128 characters of any kind.
    password: String,
    /// At most 100 characters.
    full_name: Option<String>,
}

/// What registration leads to.
#[derive(Union)]
#[expect(clippy::large_enum_variant, reason = "made once a request, to be taken apart at once")]
pub(crate) enum RegisterResult {
    AuthPayload(AuthPayload),
    VerificationRequired(VerificationRequired),
}

/// The account will be there once the link has been used that was mailed to its address.
#[derive(SimpleObject)]
pub(crate) struct VerificationRequired {
    /// The address, as submitted.
    email: String,
}

/// Loads the users that one operation looks up by id in one statement.
pub(crate) struct UserLoader(pub(crate) Db);

impl Loader<UserId> for UserLoader {
    type Value = User;
    type Error = Arc<sea_orm::DbErr>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Self::Error> {
        let users = Accounts::find_all(&self.0, ids).await.map_err(Arc::new)?;
        Ok(users.iter().map(|user| (user.id, user.into())).collect())
    }
}

#[derive(Default)]
pub(crate) struct AccountQuery;

#[Object]
impl AccountQuery {
    /// The caller's own account. Requires a signed-in caller.
    #[graphql(guard = "SignedIn", directive = auth::apply(Rule::SignedIn))]
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&*ctx.viewer()?.user))
    }

    /// A user by id; null for an id that names none. Requires permission USERS_READ.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersRead)",
        directive = auth::apply(Rule::Permission(Permission::UsersRead))
    )]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Option<User>> {
        let Some(id) = UserId::parse(&id) else { return Ok(None) };
        let loader = ctx.data_unchecked::<DataLoader<UserLoader>>();
        loader.load_one(id).await.map_err(|cause| ApiError::database((*cause).clone()))
    }

    /// All users, in pages. Requires permission USERS_READ.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersRead)",
        directive = auth::apply(Rule::Permission(Permission::UsersRead))
    )]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "At most this many from the beginning, 0 to 100.")] first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "At most this many from the end, 0 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
        #[graphql(desc = "Which users are meant; all by default.")] filter: Option<UserFilter>,
        #[graphql(desc = "By default the newest first.")] order_by: Option<UserOrder>,
    ) -> Result<UserConnection> {
        let listing = connection::listing(
            Window { first, after, last, before },
            filter.unwrap_or_default(),
            &order_by.unwrap_or_default(),
        )?;
        UserConnection::load(ctx.service::<Accounts>(), listing).await
    }
}

#[derive(Default)]
pub(crate) struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Makes an account and signs its owner in; or has them first show that the address is theirs, where
    /// the server is set up so. Anybody may call this.
    #[graphql(
        directive = public::apply(),
        directive = limit::apply(&LIMITS[0]),
        directive = limit::apply(&LIMITS[1])
    )]
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to be.")] input: RegisterInput,
    ) -> Result<RegisterResult> {
        let new = NewAccount {
            username: &input.username,
            email: &input.email,
            password: &input.password,
            full_name: input.full_name.as_deref(),
        };
        Ok(match ctx.service::<Accounts>().register(ctx.client(), &new).await? {
            Registered::SignedIn(user, tokens) => {
                RegisterResult::AuthPayload(AuthPayload::hand_over(ctx, (user, tokens)))
            }
            Registered::VerificationRequired => {
                RegisterResult::VerificationRequired(VerificationRequired { email: input.email })
            }
        })
    }
}

#[derive(Default)]
pub(crate) struct AdministrationMutation;

#[Object]
impl AdministrationMutation {
    /// Gives a user a role; it takes effect on their next request. A sign-in of the last five minutes
    /// is needed. Requires role ADMIN.
    #[graphql(
        guard = "RoleGuard(Role::Admin).and(Fresh)",
        directive = auth::apply(Rule::Role(Role::Admin)),
        directive = fresh::apply(FRESH_SECONDS)
    )]
    async fn set_user_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The role to give.")] role: directive::Role,
    ) -> Result<User> {
        let (accounts, by) = (ctx.service::<Accounts>(), By::Staff(ctx.viewer()?));
        let user = accounts.set_role(ctx.client(), by, target(&id)?, role.into()).await?;
        Ok(User::from(&user))
    }

    /// Gives a user a permission that the caller holds for at least as long; it takes effect on their next
    /// request. A sign-in of the last five minutes is needed. Requires permission PERMISSIONS_GRANT.
    #[graphql(
        guard = "PermissionGuard(Permission::PermissionsGrant).and(Fresh)",
        directive = auth::apply(Rule::Permission(Permission::PermissionsGrant)),
        directive = fresh::apply(FRESH_SECONDS)
    )]
    async fn grant_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to give.")] permission: directive::Permission,
        #[graphql(desc = "Until when it counts; until it is revoked by default.")]
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<User> {
        let now = ctx.service::<Clock>().now();
        if expires_at.is_some_and(|expires_at| expires_at <= now) {
            let message = "This time is over";
            return Err(ApiError::argument("expiresAt", "INVALID_FORMAT", message));
        }
        let (accounts, viewer) = (ctx.service::<Accounts>(), ctx.viewer()?);
        let grant = Grant { permission: permission.into(), expires_at };
        let user = accounts.grant(ctx.client(), viewer, target(&id)?, grant).await?;
        Ok(User::from(&user))
    }

    /// Takes a permission back that was given to a user, and that the caller holds; it takes effect on
    /// their next request. What their role implies stays. A sign-in of the last five minutes is
    /// needed. Requires permission PERMISSIONS_GRANT.
    #[graphql(
        guard = "PermissionGuard(Permission::PermissionsGrant).and(Fresh)",
        directive = auth::apply(Rule::Permission(Permission::PermissionsGrant)),
        directive = fresh::apply(FRESH_SECONDS)
    )]
    async fn revoke_permission(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
        #[graphql(desc = "The permission to take back.")] permission: directive::Permission,
    ) -> Result<User> {
        let (accounts, viewer) = (ctx.service::<Accounts>(), ctx.viewer()?);
        let permission = permission.into();
        let user = accounts.revoke(ctx.client(), viewer, target(&id)?, permission).await?;
        Ok(User::from(&user))
    }

    /// Shuts a user out and ends all their sessions. Requires permission USERS_WRITE.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersWrite)",
        directive = auth::apply(Rule::Permission(Permission::UsersWrite))
    )]
    async fn deactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let (accounts, by) = (ctx.service::<Accounts>(), By::Staff(ctx.viewer()?));
        let user = accounts.deactivate(ctx.client(), by, target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Lets a deactivated user sign in again. Requires permission USERS_WRITE.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersWrite)",
        directive = auth::apply(Rule::Permission(Permission::UsersWrite))
    )]
    async fn reactivate_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<User> {
        let (accounts, by) = (ctx.service::<Accounts>(), By::Staff(ctx.viewer()?));
        let user = accounts.reactivate(ctx.client(), by, target(&id)?).await?;
        Ok(User::from(&user))
    }

    /// Deletes a user with all that is theirs, and answers the id. A sign-in of the last five minutes is
    /// needed. Requires permission USERS_WRITE.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersWrite).and(Fresh)",
        directive = auth::apply(Rule::Permission(Permission::UsersWrite)),
        directive = fresh::apply(FRESH_SECONDS)
    )]
    async fn delete_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<ID> {
        let (accounts, by) = (ctx.service::<Accounts>(), By::Staff(ctx.viewer()?));
        let user = accounts.delete(ctx.client(), by, target(&id)?).await?;
        Ok(user.id.to_string().into())
    }

    /// Ends all sessions of a user, and says how many there were. Requires permission USERS_WRITE.
    #[graphql(
        guard = "PermissionGuard(Permission::UsersWrite)",
        directive = auth::apply(Rule::Permission(Permission::UsersWrite))
    )]
    async fn end_user_sessions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<u64> {
        let (accounts, by) = (ctx.service::<Accounts>(), By::Staff(ctx.viewer()?));
        Ok(accounts.end_sessions(ctx.client(), by, target(&id)?).await?)
    }
}

/// The user a mutation is about. A malformed id names nobody, as an unknown one does.
fn target(id: &ID) -> Result<UserId> {
    UserId::parse(id).ok_or_else(|| AdminError::NotFound.into())
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(problems) => Self::invalid(&problems),
            CreateError::Taken(field) => Self::taken(field),
            CreateError::Closed => {
                Self::new(Code::Forbidden, "Accounts are not to be had in this way here")
            }
            CreateError::Forbidden => Self::forbidden(),
            CreateError::SessionEnded => Self::unauthenticated(Anonymity::SessionEnded),
            CreateError::NoMail => Self::new(Code::Forbidden, "This server sends no mail"),
            CreateError::InvalidToken => LinkError::Invalid.into(),
            CreateError::Limited(limited) => limited.into(),
            CreateError::Hash(error) => error.into(),
            CreateError::Crypto(cause) => Self::internal(cause),
            CreateError::Db(cause) => Self::database(cause),
        }
    }
}

impl From<AdminError> for ApiError {
    fn from(error: AdminError) -> Self {
        match error {
            AdminError::NotFound => Self::new(Code::NotFound, "There is no such user"),
            AdminError::Forbidden => Self::forbidden(),
            AdminError::SessionEnded => Self::unauthenticated(Anonymity::SessionEnded),
            AdminError::LastAdmin => Self::new(Code::Conflict, "The last active admin must stay"),
            AdminError::Db(cause) => Self::database(cause),
        }
    }
}
