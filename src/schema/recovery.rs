//! Links in mails, in the schema.

use async_graphql::{Context, Enum, Object};
use portcullis_macros::rules;

use crate::features::accounts::identity::{Identifier, username_rules};
use crate::features::accounts::{AddressError, CreateError};
use crate::features::links::{self, LinkError, LinkToken, Purpose};
use crate::features::recovery::{
    Claim, PASSWORDS_OF_LINKS, RESETS, Recovery, RecoveryError, VERIFICATIONS,
};
use crate::graphql::context::ContextExt;
use crate::graphql::error::{ApiError, Code, Result};
use crate::graphql::reason::ErrorReason;
use crate::infra::passwords::policy::Password;
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::invalid::Reason;

/// The effect of a mailed link.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkOutcome {
    /// The link took effect with this call.
    Done,
    /// The link had already taken effect earlier, so this call changed nothing.
    DoneBefore,
}

#[derive(Default)]
pub(crate) struct RecoveryMutation;

#[rules(mutation)]
#[Object]
impl RecoveryMutation {
    /// Mails a new verification link to an address that is not verified yet. The answer is the same whether or not such
    /// an address exists.
    #[public]
    #[needs(Mail)]
    #[payload(
        link_expires_in = "Seconds for which the mailed link is valid. The value is the same whether or \
        not a mail was sent."
    )]
    #[limit(VERIFICATIONS.ip, VERIFICATIONS.ip_and_identifier, VERIFICATIONS.identifier)]
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] email: String,
    ) -> Result<u32> {
        ctx.service::<Recovery>().request_verification(ctx.client(), &email, limits).await?;
        Ok(Purpose::Verification.ttl_seconds())
    }

    /// Verifies an email address with the token of a mailed link: creates the account that was waiting for the
    /// verification, verifies the address of an account, or completes changeEmail. The account stays unchanged if the
    /// caller has a session of it or sends its password. Any other caller must send newPassword, which ends all
    /// sessions of the account and invalidates all earlier ways into it; of a pending registration, only the address
    /// remains. For an existing account, a link accepts newPassword for one hour; a link from changeEmail never does.
    /// The links to one address accept ten attempts with a password per hour. Does not sign anyone in. Fails with
    /// INVALID_TOKEN if the link is invalid, and with INVALID_CREDENTIALS if the password is wrong.
    #[public]
    #[limit(links::FAILURES, PASSWORDS_OF_LINKS)]
    #[payload(outcome = "The effect of the link.")]
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link in the mail.")] token: String,
        #[graphql(desc = "The password of the account, or the one chosen at registration.")]
        password: Option<String>,
        #[graphql(
            desc = "A new password, 8 to 128 characters, for a caller who did not choose the previous one."
        )]
        new_password: Option<String>,
        #[graphql(
            desc = concat!(
                "The username of an account that does not exist yet, required with newPassword and if the previous \
                    one has been taken meanwhile: ",
                username_rules!()
            )
        )]
        username: Option<String>,
    ) -> Result<LinkOutcome> {
        let token = LinkToken::parse(&token);
        if password.is_some() && new_password.is_some() {
            let message = "Send password or newPassword, not both.";
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

    /// Mails a link to reset the password to the owner of an account. The answer is the same whether or not the account
    /// exists.
    #[public]
    #[needs(Mail)]
    #[payload(
        link_expires_in = "Seconds for which the mailed link is valid. The value is the same whether or \
        not a mail was sent."
    )]
    #[limit(RESETS.ip, RESETS.ip_and_identifier, RESETS.identifier)]
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The username or the email address.")] identifier: String,
    ) -> Result<u32> {
        let identifier = Identifier::parse(&identifier);
        ctx.service::<Recovery>().request_reset(ctx.client(), &identifier, limits).await?;
        Ok(Purpose::PasswordReset.ttl_seconds())
    }

    /// Sets a new password with the token of a mailed link, and ends all sessions of the account. Does not sign anyone
    /// in. Fails with INVALID_TOKEN if the link is invalid, and with the reason USED if it was used already.
    #[public]
    #[limit(links::FAILURES, PASSWORDS_OF_LINKS)]
    #[payload(username = "The username of the account, to sign in with.")]
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token from the link in the mail.")] token: String,
        #[graphql(
            desc = "The password: 8 to 128 characters of any kind. The server refuses common passwords \
            and those that repeat public facts about the account or the service."
        )]
        new_password: String,
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
                let message = "The password is not the one that was chosen.";
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
                "This link has expired, is incomplete or was replaced by a newer one.",
            )
            .auditing(Refusal { refused: Refused::Link, target: None }),
            LinkError::Used => Self::new(Code::InvalidToken, "This link was already used.")
                .because(ErrorReason::Used)
                .auditing(Refusal { refused: Refused::Link, target: None }),
            LinkError::Fault(fault) => fault.into(),
        }
    }
}
