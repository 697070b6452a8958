//! What people do with their own account, and how they are invited, in the schema.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use portcullis_macros::rules;

use super::{ADDRESS_TAKEN, User, UserInvitation};
use crate::features::accounts::identity::username_rules;
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

/// The changes of a profile. Omitted fields stay unchanged.
#[derive(InputObject)]
pub(crate) struct UpdateProfileInput {
    /// The display name: at most 100 characters; null or empty removes it.
    full_name: MaybeUndefined<String>,
    /// The picture's https URL, without a username or password; null or empty removes it. The server stores the URL as
    /// the URL Standard writes it, in at most 2,048 characters.
    avatar_url: MaybeUndefined<String>,
    /// The language of mails to the account; null leaves it unchanged.
    locale: Option<Language>,
}

/// The account that an invited person creates.
#[derive(InputObject)]
pub(crate) struct AcceptUserInvitationInput {
    /// The token from the link in the mail.
    token: String,
    #[doc = concat!("The username: ", username_rules!())]
    username: String,
    /// The password: 8 to 128 characters of any kind. The server refuses common passwords and those that repeat public
    /// facts about the account or the service.
    password: String,
    /// The user's display name: at most 100 characters.
    full_name: Option<String>,
    /// The language of mails to the account. Defaults to the preferred language in the request's `Accept-Language`
    /// header.
    locale: Option<Language>,
}

/// Where and how to download the caller's data.
#[derive(SimpleObject)]
pub(crate) struct DataExport {
    /// The URL to fetch with GET. The answer is one JSON object of any size.
    url: String,
    /// The ticket, to send as `Authorization: Bearer …` to this URL and nowhere else.
    ticket: String,
    /// Seconds until the ticket expires. A download that has started continues after that.
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
    /// Changes the caller's profile.
    #[auth]
    #[payload(user = "The caller, with the changes.")]
    async fn update_profile(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateProfileInput,
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

    /// Replaces the username that the server proposed when it created the account for a sign-in with another provider.
    /// Each account can do this once. Fails with CONFLICT if the owner has already chosen a username, or if another
    /// account has it.
    #[auth]
    #[limit(USERNAMES)]
    #[payload(user = "The caller, with the changes.")]
    async fn choose_username(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = concat!("The username: ", username_rules!()))] username: String,
    ) -> Result<User> {
        let accounts = ctx.service::<Accounts>();
        Ok(accounts.choose_username(ctx.acting()?, &username, limits).await?.into())
    }

    /// Requests a change of the caller's email address. The address changes only when somebody uses the link that the
    /// server mails to the new one. The answer is the same if another account has the address.
    #[auth]
    #[needs(Mail)]
    #[fresh]
    #[payload(
        user = "The caller, with the pending change of address.",
        link_expires_in = "Seconds for which the mailed link is valid. The value is the same whether or \
        not a mail was sent."
    )]
    #[limit(ADDRESS_CHANGES)]
    async fn change_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email address. Mail must be able to reach it.")] new_email: String,
    ) -> Result<(User, u32)> {
        let accounts = ctx.service::<Accounts>();
        let user = accounts.change_email(ctx.acting()?, &new_email, limits).await?;
        Ok((user.into(), Purpose::EmailChange.ttl_seconds()))
    }

    /// Undoes a change of address with the link that the server mailed to the previous address: restores that address,
    /// ends all sessions of the account, unlinks its identities, and removes its password until the owner chooses a new
    /// one through requestPasswordReset. Fails with INVALID_TOKEN if the link is invalid.
    #[public]
    #[limit(links::FAILURES)]
    #[payload(outcome = "The effect of the link.")]
    async fn undo_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link in the mail.")] token: String,
    ) -> Result<LinkOutcome> {
        let token = LinkToken::parse(&token);
        let accounts = ctx.service::<Accounts>();
        match accounts.undo_email_change(ctx.client(), token.as_ref(), limits).await {
            Ok(()) => Ok(LinkOutcome::Done),
            Err(AddressError::Link(LinkError::Used)) => Ok(LinkOutcome::DoneBefore),
            Err(error) => Err(error.into()),
        }
    }

    /// Deactivates the caller's account and ends all its sessions. Only an admin can reactivate it. Fails with CONFLICT
    /// if the caller is the last active admin, or if the server sends mail and the address is not verified.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(user = "The caller, whose sessions have all ended.")]
    async fn deactivate_account(&self, ctx: &Context<'_>) -> Result<User> {
        let own = ctx.viewer()?.user.id;
        let accounts = ctx.service::<Accounts>();
        let user = accounts.deactivate(ctx.acting()?, Capacity::Owner, own).await?;
        ctx.forget_session();
        Ok(user.into())
    }

    /// Deletes the caller's account with all its data, permanently. Fails with CONFLICT if the caller is the last
    /// active admin, or the only owner of an organization that has other members.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(deleted_user_id = "The id of the deleted account.")]
    async fn delete_account(&self, ctx: &Context<'_>) -> Result<Id> {
        let own = ctx.viewer()?.user.id;
        ctx.service::<Accounts>().delete(ctx.acting()?, Capacity::Owner, own).await?;
        ctx.forget_session();
        Ok(Id::from(own))
    }

    /// Issues a ticket with which the caller can download all their data: account, sessions, security events,
    /// organizations and the data of extensions. The ticket is valid for one minute.
    #[auth]
    #[fresh]
    #[limit(EXPORTS)]
    #[payload(export = "Where and how to download the data.")]
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
    /// Mails an invitation to create an account, valid for one day.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[needs(NewAccounts, Mail)]
    #[fresh]
    #[limit(INVITATIONS)]
    #[payload(
        invitation = "The invitation that the server is mailing.",
        link_expires_in = "Seconds for which the mailed link is valid."
    )]
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The email address. Mail must be able to reach it.")] email: String,
        #[graphql(desc = "The role that the account will have.")] role: Role,
    ) -> Result<(UserInvitation, u32)> {
        let accounts = ctx.service::<Accounts>();
        let invitation = accounts.invite(ctx.acting()?, covers, &email, role, limits).await?;
        Ok((invitation.into(), Purpose::Invitation.ttl_seconds()))
    }

    /// Revokes an invitation to create an account, which invalidates its link immediately. Fails with NOT_FOUND if the
    /// invitation can no longer be accepted. The account that it is about is its sender's.
    #[auth(permission = USERS_WRITE)]
    #[covers]
    #[defence]
    #[payload(deleted_user_invitation_id = "The id of the revoked invitation.")]
    async fn revoke_user_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The invitation's id.")] id: ID,
    ) -> Result<Id> {
        let id = UserInvitationId::parse(&id).ok_or(RevocationError::NotFound)?;
        ctx.service::<Accounts>().revoke_invitation(ctx.acting()?, covers, id).await?;
        Ok(Id::from(id))
    }

    /// Creates the account of an invitation and signs its owner in. Fails with INVALID_TOKEN if the link is invalid,
    /// and with the reason USED if it was used already.
    #[public]
    #[needs(NewAccounts)]
    #[limit(links::FAILURES)]
    async fn accept_user_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The account to create.")] input: AcceptUserInvitationInput,
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
            RevocationError::NotFound => {
                Self::new(Code::NotFound, "This invitation does not exist.")
            }
            RevocationError::Account(error) => error.into(),
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
                Self::new(Code::Conflict, "You have already chosen your username.")
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
