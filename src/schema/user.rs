//! Accounts in the schema.

mod administration;
mod connection;
mod leftovers;
mod metadata;
mod own_account;
mod pending;
mod private_fields;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{Context, ID, InputObject, Object, SimpleObject};
use chrono::Utc;
use portcullis_macros::{Row, rules};
use sea_orm::DbErr;

pub(crate) use self::administration::AdministrationMutation;
pub(crate) use self::connection::{UserConnection, UserFilter, UserOrder};
pub(crate) use self::leftovers::{LeftoverMutation, Leftovers};
pub(crate) use self::metadata::MetadataMutation;
pub(crate) use self::own_account::{InvitationMutation, OwnAccountMutation, PublicUrl};
pub(crate) use self::pending::{InvitationQuery, UserInvitation, visible_invitations};
use crate::features::accounts::identity::username_rules;
use crate::features::accounts::{
    AVAILABILITIES, Accounts, CreateError, NewAccount, REGISTRATIONS_BY_IP,
    REGISTRATIONS_OF_ADDRESS, Registered,
};
use crate::features::links::LinkError;
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::directive::private;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::feature::ServerFeature;
use crate::graphql::id::Id;
use crate::graphql::loader::{RequestLoader, load_one};
use crate::graphql::messages::translated;
use crate::graphql::page::Window;
use crate::infra::db::Db;
use crate::kernel::access::permission::USERS_READ;
use crate::kernel::access::{self, Grant, Grants, Language, Permission, Role, Viewer, permission};
use crate::kernel::clock::Clock;
use crate::kernel::id::UserId;
use crate::kernel::invalid::{Invalid, Reason};
use crate::schema::sign_in::LoginResult;

/// A user account. Everybody who may know that the user exists can read the id, names, picture and public metadata.
#[derive(SimpleObject, Row, Clone)]
#[graphql(complex)]
pub struct User {
    /// An opaque id that is unique across all types.
    pub(crate) id: Id,
    /// The username, as typed at registration; unique regardless of case.
    pub(crate) username: String,
    /// The email address, as typed at registration; unique in its canonical form.
    #[graphql(directive = private::apply(USERS_READ))]
    email: Option<String>,
    /// Whether the user has verified the email address.
    #[graphql(directive = private::apply(USERS_READ))]
    email_verified: Option<bool>,
    /// The user's display name.
    pub(crate) full_name: Option<String>,
    /// The https URL of the picture that the user chose. The server neither fetches nor checks the picture; a page that
    /// shows it reveals the viewer to the picture's host.
    avatar_url: Option<String>,
    /// The language of mails to the user.
    #[graphql(directive = private::apply(USERS_READ))]
    locale: Option<Language>,
    /// The user's role.
    #[graphql(directive = private::apply(USERS_READ))]
    role: Option<Role>,
    /// Whether the account is active. A deactivated user cannot sign in.
    #[graphql(directive = private::apply(USERS_READ))]
    is_active: Option<bool>,
    /// When the account was created.
    #[graphql(directive = private::apply(USERS_READ))]
    created_at: Option<DateTime>,
    /// When the account was last changed.
    #[graphql(directive = private::apply(USERS_READ))]
    updated_at: Option<DateTime>,
    /// When the user last signed in; null if never.
    #[graphql(directive = private::apply(USERS_READ))]
    last_login_at: Option<DateTime>,
    #[graphql(skip)]
    rights: (Role, Grants),
    /// Whether the caller sees what only the user and holders of a permission see.
    #[graphql(skip)]
    is_open: bool,
    #[graphql(skip)]
    has_second_factor: bool,
}

/// A permission that was granted to a user in addition to those of their role.
#[derive(SimpleObject)]
pub(crate) struct PermissionGrant {
    /// The permission.
    permission: Permission,
    /// When the permission expires; null if it stays until it is revoked.
    expires_at: Option<DateTime>,
}

impl From<&access::User> for User {
    fn from(user: &access::User) -> Self {
        user.clone().into()
    }
}

impl From<access::User> for User {
    fn from(user: access::User) -> Self {
        Self {
            id: Id::from(user.id),
            username: user.username,
            email: Some(user.email),
            email_verified: Some(user.email_verified),
            full_name: user.full_name,
            avatar_url: user.avatar_url,
            locale: Some(user.locale),
            role: Some(user.role),
            is_active: Some(user.is_active),
            created_at: Some(user.created_at.into()),
            updated_at: Some(user.updated_at.into()),
            last_login_at: user.last_login_at.map(Into::into),
            rights: (user.role, user.grants),
            is_open: true,
            has_second_factor: user.second_factor,
        }
    }
}

impl User {
    /// The user of an id, as the caller sees them. It asks no rule: call it only where the caller may know that the user
    /// exists.
    pub async fn load(ctx: &Context<'_>, id: UserId) -> Result<Option<Self>> {
        let user = load_one::<UserLoader, _>(ctx, id).await?;
        let (viewer, now) = (ctx.viewer()?, ctx.service::<Clock>().now());
        Ok(user.map(|user| user.seen_by(viewer, now)))
    }

    /// What a caller who knows of the user sees of them: all of themselves, and with permission of everybody.
    pub(crate) fn seen_by(self, viewer: &Viewer, now: chrono::DateTime<Utc>) -> Self {
        if self.id == Id::from(viewer.user.id) || viewer.user.may(USERS_READ, now) {
            return self;
        }
        let Self { id, username, full_name, avatar_url, rights, .. } = self;
        Self {
            id,
            username,
            full_name,
            avatar_url,
            email: None,
            email_verified: None,
            locale: None,
            role: None,
            is_active: None,
            created_at: None,
            updated_at: None,
            last_login_at: None,
            rights,
            is_open: false,
            has_second_factor: false,
        }
    }
}

impl PermissionGrant {
    fn all_of(grants: &Grants, now: chrono::DateTime<Utc>) -> Vec<Self> {
        let shown = |grant: Grant| Self {
            permission: grant.permission,
            expires_at: grant.expires_at.map(Into::into),
        };
        grants.at(now).map(shown).collect()
    }
}

/// The availability of a username.
#[derive(SimpleObject)]
pub(crate) struct UsernameAvailability {
    /// Whether a new account could have the username now. Somebody else can still take it first.
    available: bool,
    /// The rule that the username violates; null if it is available.
    code: Option<Reason>,
    /// The same reason as a message for people; null if the username is available.
    message: Option<Cow<'static, str>>,
}

impl UsernameAvailability {
    const FREE: Self = Self { available: true, code: None, message: None };

    fn none_for(invalid: Invalid, language: Language) -> Self {
        let message = translated(&invalid.message, language).map_or(invalid.message, Cow::Owned);
        Self { available: false, code: Some(invalid.reason), message: Some(message) }
    }
}

/// The account to register.
#[derive(InputObject)]
pub(crate) struct RegisterInput {
    #[doc = concat!("The username: ", username_rules!())]
    username: String,
    /// The email address. Mail must be able to reach it.
    email: String,
    /// The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public
    /// facts about the account or the service.
    password: String,
    /// The user's display name: at most 100 characters.
    full_name: Option<String>,
    /// The language of mails to the account. Defaults to the preferred language in the request's `Accept-Language`
    /// header.
    locale: Option<Language>,
}

/// The account does not exist yet. The server creates it when its owner uses the link that was mailed to the address.
#[derive(SimpleObject)]
pub(crate) struct VerificationRequired {
    /// The address, as the user submitted it or the provider shared it.
    pub(crate) email: String,
}

/// What is told of an address that no field of the input names.
const ADDRESS_TAKEN: &str = "This email address is taken.";

/// Those of the ids that are users whom the caller sees: themselves, or with permission all.
pub(crate) async fn visible(
    db: &Db,
    viewer: &Viewer,
    ids: &[Id],
    now: chrono::DateTime<Utc>,
) -> Result<Vec<User>, DbErr> {
    let sees_all = viewer.user.may(permission::USERS_READ, now);
    let mut ids = Id::all::<UserId>(ids);
    ids.retain(|id| sees_all || *id == viewer.user.id);
    Ok(Accounts::find_all(db, &ids).await?.into_iter().map(User::from).collect())
}

/// Loads the users that one operation looks up by id in one statement.
pub(crate) struct UserLoader(Db);

impl RequestLoader for UserLoader {
    fn of(ctx: &Context<'_>) -> Result<Self> {
        Ok(Self(ctx.service::<Db>().clone()))
    }
}

impl Loader<UserId> for UserLoader {
    type Value = User;
    type Error = Arc<DbErr>;

    async fn load(&self, ids: &[UserId]) -> Result<HashMap<UserId, User>, Self::Error> {
        let users = Accounts::find_all(&self.0, ids).await.map_err(Arc::new)?;
        Ok(users.into_iter().map(|user| (user.id, user.into())).collect())
    }
}

#[derive(Default)]
pub(crate) struct AccountQuery;

#[rules(query)]
#[Object]
impl AccountQuery {
    /// The caller's account.
    #[auth]
    async fn me(&self, ctx: &Context<'_>) -> Result<User> {
        Ok(User::from(&*ctx.viewer()?.user))
    }

    /// A user by id; null if no user has this id.
    #[auth(permission = USERS_READ)]
    async fn user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The user's id.")] id: ID,
    ) -> Result<Option<User>> {
        let Some(id) = UserId::parse(&id) else { return Ok(None) };
        load_one::<UserLoader, _>(ctx, id).await
    }

    /// Checks whether a new account could have this username, while its owner is still filling in the form.
    #[public]
    #[needs(NewAccounts)]
    #[limit(AVAILABILITIES)]
    async fn username_availability(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "The username, as typed: 3 to 64 ASCII letters, digits, dots, underscores and hyphens, with a \
                letter or digit first and last. Names that look like the service, its staff or a website address \
                are reserved."
        )]
        username: String,
    ) -> Result<UsernameAvailability> {
        let (accounts, language) = (ctx.service::<Accounts>(), ctx.client().language);
        match accounts.check_username(ctx.client(), &username, limits).await {
            Ok(()) => Ok(UsernameAvailability::FREE),
            Err(CreateError::Taken(_)) => {
                let taken = Invalid::new(Reason::Taken, "This username is taken.");
                Ok(UsernameAvailability::none_for(taken, language))
            }
            Err(CreateError::Invalid(problems)) => {
                let invalid = problems.into_iter().next().map(|problem| problem.invalid);
                let none = |invalid| UsernameAvailability::none_for(invalid, language);
                Ok(invalid.map_or(UsernameAvailability::FREE, none))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// All users, newest first by default.
    #[auth(permission = USERS_READ)]
    #[expect(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    async fn users(
        &self,
        ctx: &Context<'_>,
        window: Window,
        #[graphql(desc = "Selects users; all by default.")] filter: Option<UserFilter>,
        #[graphql(desc = "The order of the list; newest first by default.")] order_by: Option<
            UserOrder,
        >,
    ) -> Result<UserConnection> {
        let (filter, order) = (filter.unwrap_or_default(), order_by.unwrap_or_default());
        UserConnection::load(ctx.service::<Accounts>(), window, filter, &order).await
    }
}

#[derive(Default)]
pub(crate) struct AccountMutation;

#[rules(mutation)]
#[Object]
impl AccountMutation {
    /// Creates an account and signs its owner in. If the server requires verified addresses, it mails a link instead,
    /// creates the account when the link is used, and returns VerificationRequired. Fails with CONFLICT if the username
    /// is taken. A server that does not require verified addresses also fails with CONFLICT if the address is taken.
    #[public]
    #[needs(OpenRegistration)]
    #[limit(AVAILABILITIES, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS)]
    async fn register(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to create.")] input: RegisterInput,
    ) -> Result<LoginResult> {
        let new = NewAccount {
            username: &input.username,
            email: &input.email,
            password: &input.password,
            full_name: input.full_name.as_deref(),
            locale: input.locale.unwrap_or(ctx.client().language),
        };
        Ok(match ctx.service::<Accounts>().register(ctx.client(), &new, limits).await? {
            Registered::Admitted(user, admitted) => LoginResult::hand_over(ctx, (user, admitted)),
            Registered::VerificationRequired => {
                LoginResult::VerificationRequired(VerificationRequired { email: input.email })
            }
        })
    }
}

impl From<CreateError> for ApiError {
    fn from(error: CreateError) -> Self {
        match error {
            CreateError::Invalid(problems) => Self::invalid(&problems),
            CreateError::Taken(path) => Self::taken(path),
            CreateError::AddressTaken => Self::new(Code::Conflict, ADDRESS_TAKEN),
            CreateError::Closed => Self::lacks(ServerFeature::NewAccounts),
            CreateError::Forbidden(rule) => {
                Self::uncovered("You cannot invite somebody to a role above yours.", rule)
            }
            CreateError::InvalidToken => LinkError::Invalid.into(),
            CreateError::UsedToken => LinkError::Used.into(),
            CreateError::Limited(limited) => limited.into(),
            CreateError::Hash(error) => error.into(),
            CreateError::Fault(fault) => fault.into(),
        }
    }
}
