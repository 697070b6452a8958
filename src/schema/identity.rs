//! Identities of users with other providers, in the schema.

use async_graphql::{Context, ID, Object, SimpleObject};
use portcullis_macros::rules;
use secrecy::ExposeSecret;

use crate::features::identities;
use crate::features::links::LinkError;
use crate::features::provider_login::{
    FAILURES_OF_USER, ProviderLogin, ProviderLoginError, Returned, STARTS,
};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, RETRY_AFTER_SECONDS, Result};
use crate::graphql::feature::ServerFeature;
use crate::graphql::guard::FRESH_SECONDS;
use crate::graphql::id::Id;
use crate::graphql::reason::ErrorReason;
use crate::graphql::step_up::StepUp;
use crate::infra::providers::Prompt;
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::id::IdentityId;
use crate::kernel::invalid::Reason;
use crate::schema::provider::{SignInProvider, begin, hand_over};
use crate::schema::sign_in::{AuthPayload, recipient};
use crate::schema::user::User;

/// A user's identity at another provider, with which they can sign in to their account.
#[derive(SimpleObject, Clone)]
pub(crate) struct Identity {
    /// An opaque id that is unique across all types.
    id: Id,
    /// The provider. Null if the server no longer supports it, in which case the user cannot sign in with the identity.
    provider: Option<SignInProvider>,
    /// The email address that the provider shared when the user linked the identity, if any.
    email: Option<String>,
    /// When the user linked the identity.
    created_at: DateTime,
    /// When the user last signed in or reauthenticated with the identity.
    last_used_at: DateTime,
}

impl Identity {
    pub(crate) fn of(login: &ProviderLogin, identity: identities::Identity) -> Self {
        Self {
            id: Id::from(identity.id),
            provider: login.providers().of_issuer(&identity.issuer).map(SignInProvider::from),
            email: identity.email,
            created_at: identity.created_at.into(),
            last_used_at: identity.last_used_at.into(),
        }
    }
}

#[derive(Default)]
pub(crate) struct IdentityMutation;

#[rules(mutation)]
#[Object]
impl IdentityMutation {
    /// Starts linking an identity to the caller's account. It works like startSignIn; complete it with finishLink.
    #[auth]
    #[fresh]
    #[limit(STARTS)]
    #[payload(
        authorization_url = "The URL to send the browser to.",
        flow = "The secret that completes the linking, once and in the same session.",
        expires_in = "Seconds for which the flow is valid."
    )]
    async fn start_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of one of signInProviders.")] provider_id: ID,
        #[graphql(desc = "The URL to return to, as with startSignIn.")] return_to: Option<String>,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &provider_id, return_to.as_deref());
        let (login, viewer) = (ctx.service::<ProviderLogin>(), ctx.viewer()?);
        let begun = login.start_as_holder(ctx.client(), viewer, begin, Prompt::Choose, limits);
        Ok(hand_over(ctx, begun.await?))
    }

    /// Completes startLink: links the identity to the caller's account, so that the caller can sign in with it. Fails
    /// with INVALID_TOKEN if the flow is invalid or expired, with INVALID_CREDENTIALS if the provider's answer is not
    /// acceptable, and with CONFLICT: with the reason IDENTITY_TAKEN if another account has the identity, and with
    /// TOO_MANY if the account has the maximum number of identities.
    #[auth]
    #[fresh]
    #[limit(FAILURES_OF_USER)]
    #[payload(identity = "The linked identity.", user = "The caller, with all identities.")]
    async fn finish_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "StartLinkPayload.flow.")] flow: String,
        #[graphql(desc = "`code` from the URL fragment.")] code: String,
        #[graphql(desc = "`state` from the URL fragment.")] state: String,
        #[graphql(desc = "`iss` from the URL fragment, if present.")] iss: Option<String>,
    ) -> Result<(Identity, User)> {
        let returned = came_back(ctx, (&flow, &code, &state, iss.as_deref()));
        let login = ctx.service::<ProviderLogin>();
        let (user, linked) = login.finish_link(ctx.acting()?, &returned, limits).await?;
        Ok((Identity::of(login, linked), user.into()))
    }

    /// Unlinks an identity from the caller's account. Fails with CONFLICT and the reason LAST_WAY_IN if the caller has
    /// no other way to sign in: choose a password through requestPasswordReset first.
    #[auth]
    #[owner]
    #[fresh]
    #[defence]
    #[payload(
        deleted_identity_id = "The id of the unlinked identity.",
        user = "The caller, with the remaining identities."
    )]
    async fn unlink_identity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identity's id.")] id: ID,
    ) -> Result<(Id, User)> {
        let id = IdentityId::parse(&id).ok_or(ProviderLoginError::NotFound)?;
        let user = ctx.service::<ProviderLogin>().unlink(ctx.acting()?, owner.of(id)).await?;
        Ok((Id::from(id), user.into()))
    }

    /// Starts proving the caller's identity by another provider, which the server asks to authenticate the caller
    /// again. It works like startSignIn; complete it with finishReauthentication.
    #[auth]
    #[limit(STARTS)]
    #[defence]
    #[payload(
        authorization_url = "The URL to send the browser to.",
        flow = "The secret that completes the proof, once and in the same session.",
        expires_in = "Seconds for which the flow is valid."
    )]
    async fn start_reauthentication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the provider of one of the caller's identities.")]
        provider_id: ID,
        #[graphql(desc = "The URL to return to, as with startSignIn.")] return_to: Option<String>,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &provider_id, return_to.as_deref());
        let (login, viewer) = (ctx.service::<ProviderLogin>(), recipient(ctx)?);
        let prompt = Prompt::Reauthenticate;
        let begun = login.start_as_holder(ctx.client(), viewer, begin, prompt, limits).await;
        Ok(hand_over(ctx, StepUp::explain(ctx, begun).await?))
    }

    /// Completes startReauthentication, with the same effect as reauthenticate. The caller must have linked the
    /// identity, and the provider must confirm that it authenticated them within the last five minutes. Otherwise the
    /// call fails with INVALID_CREDENTIALS.
    #[auth]
    #[limit(FAILURES_OF_USER)]
    #[defence]
    async fn finish_reauthentication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "StartReauthenticationPayload.flow.")] flow: String,
        #[graphql(desc = "`code` from the URL fragment.")] code: String,
        #[graphql(desc = "`state` from the URL fragment.")] state: String,
        #[graphql(desc = "`iss` from the URL fragment, if present.")] iss: Option<String>,
    ) -> Result<AuthPayload> {
        recipient(ctx)?;
        let returned = came_back(ctx, (&flow, &code, &state, iss.as_deref()));
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let login = ctx.service::<ProviderLogin>();
        let proved = login.finish_reauthentication(ctx.acting()?, cookie, &returned, limits).await;
        Ok(AuthPayload::hand_over(ctx, StepUp::explain(ctx, proved).await?))
    }
}

fn came_back<'a>(
    ctx: &'a Context<'_>,
    (flow, code, state, iss): (&'a str, &'a str, &'a str, Option<&'a str>),
) -> Returned<'a> {
    let browser = ctx.caller().flow_cookie.as_ref().map(ExposeSecret::expose_secret);
    Returned { flow, code, state, iss, user: None, browser }
}

impl From<ProviderLoginError> for ApiError {
    fn from(error: ProviderLoginError) -> Self {
        let conflict = |message, reason| Self::new(Code::Conflict, message).because(reason);
        let refused = |code, message: &'static str| {
            Self::new(code, message).auditing(Refusal { refused: Refused::SignIn, target: None })
        };
        let provider = |message| Self::argument("input.providerId", Reason::NotAllowed, message);
        match error {
            ProviderLoginError::UnknownProvider => {
                provider("This server does not know this provider: see signInProviders.")
            }
            ProviderLoginError::ReturnTo => {
                let message = "Use one of the URLs in RETURN_URLS.";
                Self::argument("input.returnTo", Reason::NotAllowed, message)
            }
            ProviderLoginError::Flow => {
                let message =
                    "This sign-in has expired or began in another browser. Please start again.";
                refused(Code::InvalidToken, message)
            }
            ProviderLoginError::Link => LinkError::Invalid.into(),
            ProviderLoginError::Refused { account } => {
                let target = account.map(|id| id.0);
                Self::new(Code::InvalidCredentials, "We could not sign you in with this provider.")
                    .auditing(Refusal { refused: Refused::SignIn, target })
            }
            ProviderLoginError::Stale => {
                let message =
                    "The provider did not confirm a recent sign-in. Please sign in there again.";
                refused(Code::InvalidCredentials, message)
            }
            ProviderLoginError::NoReauthentication => {
                provider("This provider cannot ask you to sign in again.")
            }
            ProviderLoginError::SecondFactorNeeded => Self::step_up(FRESH_SECONDS, &[]),
            ProviderLoginError::NoIdTokens => provider("This provider does not issue ID tokens."),
            ProviderLoginError::Unavailable(_) | ProviderLoginError::Contended => {
                Self::unavailable(RETRY_AFTER_SECONDS)
            }
            ProviderLoginError::AccountExists => {
                let message = "An account with this email address already exists. Sign in to it, then \
                               link this provider.";
                conflict(message, ErrorReason::AccountExists)
            }
            ProviderLoginError::NoAddress => {
                let message = "The provider did not share a usable email address. Register with a \
                               password instead.";
                conflict(message, ErrorReason::NoEmail)
            }
            ProviderLoginError::Closed => Self::lacks(ServerFeature::OpenRegistration),
            ProviderLoginError::NoMail => Self::lacks(ServerFeature::Mail),
            ProviderLoginError::Taken => {
                conflict("This identity is linked to another account.", ErrorReason::IdentityTaken)
            }
            ProviderLoginError::TooMany => conflict(
                "Your account has the maximum of 20 identities. Unlink one first.",
                ErrorReason::TooMany,
            ),
            ProviderLoginError::NotFound => {
                Self::new(Code::NotFound, "Your account does not have this identity.")
            }
            ProviderLoginError::LastWayIn => {
                let message =
                    "This is the only way to sign in to your account. Set a password first.";
                conflict(message, ErrorReason::LastWayIn)
            }
            ProviderLoginError::Account(error) => error.into(),
            ProviderLoginError::Limited(limited) => limited.into(),
            ProviderLoginError::Fault(fault) => fault.into(),
        }
    }
}
