//! What people do with their own account, and how they are invited, in the schema.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use portcullis_macros::rules;

use super::{ADDRESS_TAKEN, User};
use crate::features::accounts::{
    ADDRESS_CHANGES, Accounts, AddressError, Capacity, EXPORTS, ExportError, INVITATIONS, Invitee,
    ProfileChange, ProfileError, RevocationError, TICKET_TTL_SECONDS, USERNAMES, UsernameError,
};
use crate::features::links::{self, LinkError, LinkToken, Purpose};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::id::Id;
use crate::kernel::access::permission::USERS_WRITE;
use crate::kernel::access::{Language, Role};
use crate::kernel::id::UserInvitationId;
use crate::schema::recovery::LinkOutcome;
use crate::schema::sign_in::LoginResult;

/// What of a profile is to change; what is not given stays.
#[derive(InputObject)]
pub(crate) struct UpdateProfileInput {
    /// At most 100 characters; null or empty for none.
    full_name: MaybeUndefined<String>,
    /// An https URL without a username or password, of at most 2,048 characters as the URL Standard writes it, which is
    /// how it is kept; null or empty for none.
    avatar_url: MaybeUndefined<String>,
    /// The language of mails to the account; null leaves it as it is.
    locale: Option<Language>,
}

/// What it takes to accept an invitation to make an account.
#[derive(InputObject)]
pub(crate) struct AcceptUserInvitationInput {
    /// What the link in the mail carries.
    token: String,
    /// 3 to 64 letters, digits, dots, underscores and hyphens. Names that could be taken for the service, its
    /// staff or the address of a website are reserved.
    username: String,
    /// 8 to 128 characters of any kind.
    password: String,
    /// At most 100 characters.
    full_name: Option<String>,
    /// The language of mails to the account; by default what `Accept-Language` of the request prefers.
    locale: Option<Language>,
}

/// Where the caller's data is fetched.
#[derive(SimpleObject)]
pub(crate) struct DataExport {
    /// To be fetched by GET: one JSON object, of any size.
    url: String,
    /// To be sent with that as `Authorization: Bearer …`, and nowhere else.
    ticket: String,
    /// Seconds until the ticket expires. A transfer that has begun goes on.
    expires_in: u32,
}

/// Where the server is reached.
#[derive(Clone)]
pub(crate) struct PublicUrl(pub(crate) String);

#[derive(Default)]
pub(crate) struct OwnAccountMutation;

#[rules(mutation)]
#[Object]
impl OwnAccountMutation {
    /// Changes what is shown of the caller.
    #[auth]
    #[payload(user = "The caller, as they are now.")]
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to change.")] input: UpdateProfileInput,
    ) -> Result<User> {
        let change = ProfileChange {
            full_name: given(&input.full_name),
            avatar_url: given(&input.avatar_url),
            locale: input.locale,
        };
        let accounts = ctx.service::<Accounts>();
        let user = accounts.update_profile(ctx.acting()?, change).await?;
        Ok(User::from(&user))
    }

    /// Chooses another username in the place of the one that was proposed when a provider's word made the account. Once: what
    /// the owner has chosen is CONFLICT.
    #[auth]
    #[limit(USERNAMES)]
    #[payload(user = "The caller, as they are now.")]
    async fn choose_username(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "3 to 64 letters, digits, dots, underscores and hyphens. Names that could be taken for the service, its \
                    staff or the address of a website are reserved."
        )]
        username: String,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        Ok(accounts.choose_username(ctx.acting()?, &username, limits).await?.into())
    }

    /// Asks for another address. It is the account's once the link that is mailed there has been used; until
    /// then nothing changes. The answer is the same if the address is taken.
    #[auth]
    #[needs(Mail)]
    #[fresh]
    #[payload(link_expires_in = "Seconds for which the link is good, if one was mailed.")]
    #[limit(ADDRESS_CHANGES)]
    async fn change_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An address that mail reaches.")] new_email: String,
    ) -> Result<u32> {
        let accounts = ctx.service::<Accounts>();
        accounts.change_email(ctx.acting()?, &new_email, limits).await?;
        Ok(Purpose::EmailChange.ttl_seconds())
    }

    /// Gives an account back the address that it had before a change, ends all its sessions, unlinks its identities, and
    /// removes its password, until another is chosen by mail. For whoever reads the mail of that address.
    #[public]
    #[limit(links::FAILURES)]
    #[payload(outcome = "What the link has done.")]
    async fn undo_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
    ) -> Result<LinkOutcome> {
        let token = LinkToken::parse(&token);
        let accounts = ctx.service::<Accounts>();
        match accounts.undo_email_change(ctx.client(), token.as_ref(), limits).await {
            Ok(()) => Ok(LinkOutcome::Done),
            Err(AddressError::Link(LinkError::Used)) => Ok(LinkOutcome::DoneBefore),
            Err(error) => Err(error.into()),
        }
    }

    /// Shuts the caller's account and ends all its sessions; only an admin opens it again. Where mail is
    /// sent, its address must be verified.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(user = "The caller, who is signed out.")]
    async fn deactivate_account(&self, ctx: &Context<'_>) -> Result<User> {
        let own = ctx.viewer()?.user.id;
        let accounts = ctx.service::<Accounts>();
        let user = accounts.deactivate(ctx.acting()?, Capacity::Owner, own).await?;
        ctx.forget_session();
        Ok(user.into())
    }

    /// Deletes the caller's account with all that is theirs, for good.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(deleted_user_id = "The account that is gone.")]
    async fn delete_account(&self, ctx: &Context<'_>) -> Result<Id> {
        let own = ctx.viewer()?.user.id;
        ctx.service::<Accounts>().delete(ctx.acting()?, Capacity::Owner, own).await?;
        ctx.forget_session();
        Ok(Id::from(own))
    }

    /// Lets the caller fetch all that is kept of them, from now on for a minute: account, sessions, security
    /// events, organizations and tasks.
    #[auth]
    #[fresh]
    #[limit(EXPORTS)]
    #[payload(export = "Where the data is fetched.")]
    async fn export_my_data(&self, ctx: &Context<'_>) -> Result<DataExport> {
        let accounts = ctx.service::<Accounts>();
        let ticket = accounts.issue_export(ctx.acting()?, limits).await?;
        let url = format!("{}/export", ctx.service::<PublicUrl>().0);
        Ok(DataExport { url, ticket, expires_in: TICKET_TTL_SECONDS })
    }
}

/// A text that is to change, if any; null is as good as an empty one.
fn given(text: &MaybeUndefined<String>) -> Option<&str> {
    match text {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(""),
        MaybeUndefined::Value(text) => Some(text),
    }
}

#[derive(Default)]
pub(crate) struct InvitationMutation;

#[rules(mutation)]
#[Object]
impl InvitationMutation {
    /// Mails somebody an invitation to make an account, good for a day.
    #[auth(permission = USERS_WRITE)]
    #[needs(NewAccounts, Mail)]
    #[fresh]
    #[limit(INVITATIONS)]
    #[payload(link_expires_in = "Seconds for which the link in the mail is good.")]
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "An address that mail reaches.")] email: String,
        #[graphql(desc = "The role that the account will have.")] role: Role,
    ) -> Result<u32> {
        let accounts = ctx.service::<Accounts>();
        accounts.invite(ctx.acting()?, &email, role, limits).await?;
        Ok(Purpose::Invitation.ttl_seconds())
    }

    /// Takes an invitation to make an account back: the link in its mail is void at once. One that cannot be accepted any
    /// more is NOT_FOUND, and one of a user who may do more than the caller FORBIDDEN.
    #[auth(permission = USERS_WRITE)]
    #[defence]
    #[payload(deleted_user_invitation_id = "The invitation that is gone.")]
    async fn revoke_user_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation's id.")] id: ID,
    ) -> Result<Id> {
        let id = UserInvitationId::parse(&id).ok_or(RevocationError::NotFound)?;
        ctx.service::<Accounts>().revoke_invitation(ctx.acting()?, id).await?;
        Ok(Id::from(id))
    }

    /// Makes the account that an invitation promised, and signs its owner in.
    #[public]
    #[needs(NewAccounts)]
    #[limit(links::FAILURES)]
    async fn accept_user_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to be.")] input: AcceptUserInvitationInput,
    ) -> Result<LoginResult> {
        let token = LinkToken::parse(&input.token);
        let invitee = Invitee {
            username: &input.username,
            password: &input.password,
            full_name: input.full_name.as_deref(),
            locale: input.locale.unwrap_or(ctx.client().language),
        };
        let accounts = ctx.service::<Accounts>();
        let accept = accounts.accept_invitation(ctx.client(), token.as_ref(), &invitee, limits);
        Ok(LoginResult::hand_over(ctx, accept.await?))
    }
}

impl From<RevocationError> for ApiError {
    fn from(error: RevocationError) -> Self {
        match error {
            RevocationError::NotFound => Self::new(Code::NotFound, "There is no such invitation"),
            RevocationError::Forbidden => Self::forbidden(
                "You cannot take back an invitation by an account that has more permissions than yours.",
            ),
            RevocationError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ExportError> for ApiError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Limited(limited) => limited.into(),
            ExportError::Fault(fault) => fault.into(),
        }
    }
}

impl From<ProfileError> for ApiError {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Invalid(problem) => Self::invalid(&[problem]),
            ProfileError::Fault(fault) => fault.into(),
        }
    }
}

impl From<UsernameError> for ApiError {
    fn from(error: UsernameError) -> Self {
        match error {
            UsernameError::Invalid(problem) => Self::invalid(&[problem]),
            UsernameError::Taken => Self::taken("input.username"),
            UsernameError::Chosen => {
                Self::new(Code::Conflict, "You have already chosen your username")
            }
            UsernameError::Limited(limited) => limited.into(),
            UsernameError::Fault(fault) => fault.into(),
        }
    }
}

impl From<AddressError> for ApiError {
    fn from(error: AddressError) -> Self {
        match error {
            AddressError::Invalid(problem) => Self::invalid(&[problem]),
            AddressError::Taken => Self::new(Code::Conflict, ADDRESS_TAKEN),
            AddressError::Limited(limited) => limited.into(),
            AddressError::Hash(error) => error.into(),
            AddressError::Link(error) => error.into(),
            AddressError::Fault(fault) => fault.into(),
        }
    }
}
