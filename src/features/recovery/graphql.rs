//! Links in mails, in the schema.

use async_graphql::{Context, Object};

use super::{RESET_LIMITS, Recovery, RecoveryError, VERIFICATION_LIMITS};
use crate::features::accounts::identity::Identifier;
use crate::features::links::{self, LinkError, LinkToken};
use crate::graphql::context::ContextExt;
use crate::graphql::directive::{limit, public};
use crate::graphql::error::{ApiError, Code, Result};
use crate::platform::access::{Refusal, Refused};

#[derive(Default)]
pub(crate) struct RecoveryMutation;

#[Object]
impl RecoveryMutation {
    /// Mails an address that is still to be proven another link for that. Always true, whatever there
    /// is. Anybody may call this.
    #[graphql(
        directive = public::apply(),
        directive = limit::apply(&VERIFICATION_LIMITS[0]),
        directive = limit::apply(&VERIFICATION_LIMITS[1]),
        directive = limit::apply(&VERIFICATION_LIMITS[2])
    )]
    async fn request_email_verification(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The address.")] email: String,
    ) -> Result<bool> {
        ctx.service::<Recovery>().request_verification(ctx.client(), &email).await?;
        Ok(true)
    }

    /// Shows that an address is the caller's, and so makes the account that waited for it, or gives an
    /// account its new address. Signs nobody in. Anybody may call this.
    #[graphql(directive = public::apply(), directive = limit::apply(&links::LIMITS[0]))]
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
        #[graphql(
            desc = "Another username for the account, when the first one is taken meanwhile."
        )]
        username: Option<String>,
    ) -> Result<bool> {
        let token = LinkToken::parse(&token);
        let recovery = ctx.service::<Recovery>();
        recovery.verify(ctx.client(), token.as_ref(), username.as_deref()).await?;
        Ok(true)
    }

    /// Mails whoever is meant, if there is anybody, a link to choose another password. Always true,
    /// whoever there is. Anybody may call this.
    #[graphql(
        directive = public::apply(),
        directive = limit::apply(&RESET_LIMITS[0]),
        directive = limit::apply(&RESET_LIMITS[1]),
        directive = limit::apply(&RESET_LIMITS[2])
    )]
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The username or the e-mail address.")] identifier: String,
    ) -> Result<bool> {
        let identifier = Identifier::parse(&identifier);
        ctx.service::<Recovery>().request_reset(ctx.client(), &identifier).await?;
        Ok(true)
    }

    /// Chooses another password, and ends all sessions of the account. Signs nobody in. Anybody may
    /// call this.
    #[graphql(directive = public::apply(), directive = limit::apply(&links::LIMITS[0]))]
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the link in the mail carries.")] token: String,
        #[graphql(desc = "8 to 128 characters of any kind.")] new_password: String,
    ) -> Result<bool> {
        let token = LinkToken::parse(&token);
        let recovery = ctx.service::<Recovery>();
        recovery.reset_password(ctx.client(), token.as_ref(), &new_password).await?;
        Ok(true)
    }
}

impl From<RecoveryError> for ApiError {
    fn from(error: RecoveryError) -> Self {
        match error {
            RecoveryError::Invalid(problem) => Self::invalid(&[problem]),
            RecoveryError::Limited(limited) => limited.into(),
            RecoveryError::Link(error) => error.into(),
            RecoveryError::Hash(error) => error.into(),
            RecoveryError::Registration(error) => error.into(),
            RecoveryError::Address(error) => error.into(),
        }
    }
}

impl From<LinkError> for ApiError {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Invalid => {
                Self::new(Code::InvalidToken, "This link is used up, too old or not complete")
                    .auditing(Refusal { refused: Refused::Link, target: None })
            }
            LinkError::Crypto(cause) => Self::internal(cause),
            LinkError::Db(cause) => Self::database(cause),
        }
    }
}
