//! Links in mails, in the schema.

use async_graphql::{Context, Enum, Object};
use portcullis_macros::rules;

use crate::features::accounts::identity::Identifier;
use crate::features::accounts::{AddressError, CreateError};
use crate::features::links::{self, LinkError, LinkToken, Purpose};
use crate::features::recovery::{
    Claim, PASSWORDS_OF_LINKS, RESETS, Recovery, RecoveryError, VERIFICATIONS,
};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::invalid::Reason;

/// What a link has done.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkOutcome {
    /// Its work, just now.
    Done,
    /// Nothing: it has done its work before, and the first time was enough.
    DoneBefore,
}

#[derive(Default)]
pub(crate) struct RecoveryMutation;

#[rules(mutation)]
#[Object]
impl RecoveryMutation {
    /// Mails an address that is still to be proven another link for that. The answer is the same, whatever there is.
    #[public]
    #[needs(Mail)]
    #[payload(link_expires_in = "Seconds for which the link is good, if one was mailed.")]
    #[limit(VERIFICATIONS.ip, VERIFICATIONS.ip_and_identifier, VERIFICATIONS.identifier)]
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] email: String,
    ) -> Result<u32> {
        ctx.service::<Recovery>().request_verification(ctx.client(), &email, limits).await?;
        Ok(Purpose::Verification.ttl_seconds())
    }

    /// Shows that an address is the caller's, and so makes the account that waited for it, or gives an
    /// account its new address. The account stays as it is for a caller with a session of it, or its
    /// password. Anybody else gives newPassword: that ends all sessions of the account, and whatever opened
    /// it before is void; of a registration nothing is left but the address. For an account the link allows
    /// that for an hour, and a link to a new address never. Ten passwords an hour may be tried or chosen with
    /// the links to one address. Signs nobody in.
    #[public]
    #[limit(links::FAILURES, PASSWORDS_OF_LINKS)]
    #[payload(outcome = "What the link has done.")]
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
        #[graphql(desc = "The password of the account, or that was chosen at registration.")]
        password: Option<String>,
        #[graphql(desc = "Another password, for who did not choose that. 8 to 128 characters.")]
        new_password: Option<String>,
        #[graphql(
            desc = "The username for an account that is still to be made: with newPassword, or \
                          when the first one is taken meanwhile."
        )]
        username: Option<String>,
    ) -> Result<LinkOutcome> {
        let token = LinkToken::parse(&token);
        if password.is_some() && new_password.is_some() {
            let message = "Send password or newPassword, not both";
            return Err(ApiError::argument("input.newPassword", Reason::InvalidFormat, message));
        }
        let password = password.as_deref().map(Password::parse).transpose();
        let password =
            password.map_err(|invalid| ApiError::invalid(&[invalid.at("input.password")]))?;
        let claim = Claim {
            viewer: ctx.viewer().ok(),
            password: password.as_ref(),
            new_password: new_password.as_deref(),
            username: username.as_deref(),
        };
        let recovery = ctx.service::<Recovery>();
        match recovery.verify(ctx.client(), token.as_ref(), claim, limits).await {
            Ok(()) => Ok(LinkOutcome::Done),
            Err(
                RecoveryError::Link(LinkError::Used)
                | RecoveryError::Registration(CreateError::UsedToken)
                | RecoveryError::Address(AddressError::Link(LinkError::Used)),
            ) => Ok(LinkOutcome::DoneBefore),
            Err(error) => Err(error.into()),
        }
    }

    /// Mails the owner of an account a link to choose another password. The answer is the same whether or not there is
    /// such an account.
    #[public]
    #[needs(Mail)]
    #[payload(link_expires_in = "Seconds for which the link is good, if one was mailed.")]
    #[limit(RESETS.ip, RESETS.ip_and_identifier, RESETS.identifier)]
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The username or the e-mail address.")] identifier: String,
    ) -> Result<u32> {
        let identifier = Identifier::parse(&identifier);
        ctx.service::<Recovery>().request_reset(ctx.client(), &identifier, limits).await?;
        Ok(Purpose::PasswordReset.ttl_seconds())
    }

    /// Chooses another password, and ends all sessions of the account. Signs nobody in.
    #[public]
    #[limit(links::FAILURES, PASSWORDS_OF_LINKS)]
    #[payload(username = "Whose password it is, to sign in with.")]
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
        #[graphql(desc = "8 to 128 characters of any kind.")] new_password: String,
    ) -> Result<String> {
        let token = LinkToken::parse(&token);
        let recovery = ctx.service::<Recovery>();
        Ok(recovery.reset_password(ctx.client(), token.as_ref(), &new_password, limits).await?)
    }
}

impl From<RecoveryError> for ApiError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Invalid(problem) => Self::invalid(&[problem]),
            RecoveryError::WrongPassword => {
                let message = "This is not the password that was chosen";
                Self::new(Code::InvalidCredentials, message)
                    .auditing(Refusal { refused: Refused::Link, target: None })
            }
            RecoveryError::Limited(limited) => limited.into(),
            RecoveryError::Link(error) => error.into(),
            RecoveryError::Fault(fault) => fault.into(),
            RecoveryError::Hash(error) => error.into(),
            RecoveryError::Registration(error) => error.into(),
            RecoveryError::Address(error) => error.into(),
        }
    }
}

impl From<LinkError> for ApiError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Invalid => Self::new(
                Code::InvalidToken,
                "This link is too old, replaced by a newer one or not complete",
            )
            .auditing(Refusal { refused: Refused::Link, target: None }),
            LinkError::Used => Self::new(Code::InvalidToken, "This link has done its work already")
                .because("USED")
                .auditing(Refusal { refused: Refused::Link, target: None }),
            LinkError::Fault(fault) => fault.into(),
        }
    }
}
