//! Signing in with other providers, in the schema.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use portcullis_macros::rules;
use secrecy::ExposeSecret;

use crate::features::accounts::{REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS};
use crate::features::identities;
use crate::features::links::{self, LinkError};
use crate::features::provider_login::{
    Begin, Begun, FAILURES, FAILURES_OF_USER, FLOW_TTL_SECONDS, ProviderLogin, ProviderLoginError,
    Returned, STARTS, SignedIn,
};
use crate::graphql::context::ContextExt;
use crate::graphql::date_time::DateTime;
use crate::graphql::error::{ApiError, Code, RETRY_AFTER_SECONDS, Result};
use crate::graphql::feature::ServerFeature;
use crate::graphql::id::Id;
use crate::infra::providers::{Kind, Prompt, Provider};
use crate::kernel::access::{Refusal, Refused};
use crate::kernel::id::IdentityId;
use crate::kernel::invalid::Reason;
use crate::schema::sign_in::{AuthPayload, LoginResult, recipient};
use crate::schema::user::VerificationRequired;

/// How a provider is spoken with.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, which is not OpenID Connect.
    Github,
    /// Microsoft Entra ID and personal Microsoft accounts.
    Microsoft,
    /// Apple.
    Apple,
    /// Any other provider of OpenID Connect.
    Oidc,
    /// A provider of OAuth 2.0 alone, whose endpoints the operator names.
    Oauth2,
}

impl From<Kind> for ProviderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Google => Self::Google,
            Kind::Github => Self::Github,
            Kind::Microsoft => Self::Microsoft,
            Kind::Apple => Self::Apple,
            Kind::Oidc => Self::Oidc,
            Kind::Oauth2 => Self::Oauth2,
        }
    }
}

/// A provider that people can sign in with here.
#[derive(SimpleObject, Clone)]
pub(crate) struct SignInProvider {
    /// What the operator calls it; unique on this server.
    id: ID,
    /// How it is spoken with, for its logo.
    kind: ProviderKind,
    /// What people call it, as in "Google".
    name: String,
}

impl From<&Provider> for SignInProvider {
    fn from(provider: &Provider) -> Self {
        Self {
            id: ID::from(provider.id()),
            kind: provider.kind().into(),
            name: provider.name().to_owned(),
        }
    }
}

/// Who a user is to another provider. It opens their account.
#[derive(SimpleObject, Clone)]
pub(crate) struct Identity {
    /// Unique over all types; opaque.
    id: Id,
    /// The provider; null if this server no longer works with it, so that the identity opens nothing.
    provider: Option<SignInProvider>,
    /// The e-mail address that the provider told when the identity was linked, if it told any.
    email: Option<String>,
    /// When it was linked.
    created_at: DateTime,
    /// When it last signed the user in, or proved who they are.
    last_used_at: DateTime,
}

impl Identity {
    pub(crate) fn of(login: &ProviderLogin, identity: identities::Identity) -> Self {
        Self {
            id: Id::from(identity.id),
            provider: login.providers().find(&identity.provider).map(SignInProvider::from),
            email: identity.email,
            created_at: identity.created_at.into(),
            last_used_at: identity.last_used_at.into(),
        }
    }
}

#[derive(Default)]
pub(crate) struct ProviderQuery;

#[rules(query)]
#[Object]
impl ProviderQuery {
    /// The providers that people can sign in with, in the operator's order.
    #[public]
    async fn sign_in_providers(&self, ctx: &Context<'_>) -> Result<Vec<SignInProvider>> {
        let login = ctx.service::<ProviderLogin>();
        Ok(login.providers().all().map(SignInProvider::from).collect())
    }
}

/// With whom somebody signs in, and where they go on.
#[derive(InputObject)]
pub(crate) struct StartSignInInput {
    /// The id of one of signInProviders.
    provider: ID,
    /// Where the browser goes on with the provider's answer: one of the URLs that the operator allows. By default the
    /// first of them.
    return_to: Option<String>,
    /// What the link in the mail carries that asks to finish a registration.
    verification_token: Option<String>,
}

/// What came back from a provider: the members of the fragment of the URL that the browser went on to.
#[derive(InputObject)]
pub(crate) struct FinishSignInInput {
    /// What startSignIn answered.
    flow: String,
    /// `code` of the fragment.
    code: String,
    /// `state` of the fragment.
    state: String,
    /// `iss` of the fragment, if it has one.
    iss: Option<String>,
    /// `user` of the fragment, if it has one: Apple tells a name there, at the first sign-in only.
    user: Option<String>,
}

/// An ID token that an app got by itself.
#[derive(InputObject)]
pub(crate) struct SignInWithIdTokenInput {
    /// The id of one of signInProviders.
    provider: ID,
    /// The token, which was issued for the nonce that startIdTokenSignIn answered.
    id_token: String,
    /// What startIdTokenSignIn answered.
    flow: String,
}

#[derive(Default)]
pub(crate) struct ProviderLoginMutation;

#[rules(mutation)]
#[Object]
impl ProviderLoginMutation {
    /// Begins a sign-in with another provider. Keep `flow` out of URLs, and send the browser to `authorizationUrl`. It comes
    /// back to `returnTo` with `code`, `state` and perhaps `iss` in the fragment, or with `error`. In cookie mode only the same
    /// browser can finish the flow.
    #[public]
    #[limit(STARTS, links::FAILURES)]
    #[payload(
        authorization_url = "Where to send the browser.",
        flow = "What finishes the sign-in, once. A secret of whoever signs in.",
        expires_in = "Seconds for which the flow is good."
    )]
    async fn start_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "With whom somebody signs in.")] input: StartSignInInput,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &input.provider, input.return_to.as_deref());
        let mailed = input.verification_token.as_deref();
        let login = ctx.service::<ProviderLogin>();
        let begun = login.start_sign_in(ctx.client(), begin, mailed, limits).await?;
        Ok(hand_over(ctx, begun))
    }

    /// Signs in whoever came back from a provider. The first time this makes an account, or finds that of a proven address
    /// where the operator trusts the provider's word on it. Where that word does not count, the address is written to, whether
    /// there is an account with it or not. An account that the identity has to be linked to by hand is CONFLICT with the
    /// reason ACCOUNT_EXISTS.
    #[public]
    #[limit(FAILURES, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS)]
    async fn finish_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What came back.")] input: FinishSignInInput,
    ) -> Result<LoginResult> {
        let browser = ctx.caller().flow_cookie.as_ref().map(ExposeSecret::expose_secret);
        let returned = Returned {
            flow: &input.flow,
            code: &input.code,
            state: &input.state,
            iss: input.iss.as_deref(),
            user: input.user.as_deref(),
            browser,
        };
        let login = ctx.service::<ProviderLogin>();
        Ok(result(ctx, login.finish_sign_in(ctx.client(), &returned, limits).await?))
    }

    /// Begins the sign-in of an app that gets an ID token by itself, as with a provider's library for phones.
    #[public]
    #[limit(STARTS)]
    #[payload(
        flow = "What finishes the sign-in, once. A secret of whoever signs in.",
        nonce = "What the app asks the provider to put into the token: the SHA-256 of the flow in hexadecimal digits.",
        expires_in = "Seconds for which the flow is good."
    )]
    async fn start_id_token_sign_in(&self, ctx: &Context<'_>) -> Result<(String, String, u32)> {
        let login = ctx.service::<ProviderLogin>();
        let begun = login.start_id_token(ctx.client(), limits).await?;
        Ok((begun.flow, begun.nonce, FLOW_TTL_SECONDS))
    }

    /// Signs in whoever has an ID token of a provider that is meant for this server, or for one of the apps that the operator
    /// names. What it leads to is as with finishSignIn.
    #[public]
    #[limit(FAILURES, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS)]
    async fn sign_in_with_id_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The token.")] input: SignInWithIdTokenInput,
    ) -> Result<LoginResult> {
        let token = (input.provider.as_str(), input.id_token.as_str(), input.flow.as_str());
        let login = ctx.service::<ProviderLogin>();
        Ok(result(ctx, login.sign_in_with_id_token(ctx.client(), token, limits).await?))
    }
}

#[derive(Default)]
pub(crate) struct IdentityMutation;

#[rules(mutation)]
#[Object]
impl IdentityMutation {
    /// Begins the linking of an identity to the caller's account, as startSignIn begins a sign-in.
    #[auth]
    #[fresh]
    #[limit(STARTS)]
    #[payload(
        authorization_url = "Where to send the browser.",
        flow = "What finishes the linking, once, in the same session.",
        expires_in = "Seconds for which the flow is good."
    )]
    async fn start_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of one of signInProviders.")] provider: ID,
        #[graphql(desc = "Where the browser goes on, as with startSignIn.")] return_to: Option<
            String,
        >,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &provider, return_to.as_deref());
        let (login, viewer) = (ctx.service::<ProviderLogin>(), ctx.viewer()?);
        let begun = login.start_as_holder(ctx.client(), viewer, begin, Prompt::Choose, limits);
        Ok(hand_over(ctx, begun.await?))
    }

    /// Links the identity of whoever came back to the caller's account, which it opens from then on. One that is linked to
    /// another account is CONFLICT with the reason IDENTITY_TAKEN.
    #[auth]
    #[fresh]
    #[limit(FAILURES_OF_USER)]
    #[payload(identity = "The identity.")]
    async fn finish_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What startLink answered.")] flow: String,
        #[graphql(desc = "`code` of the fragment.")] code: String,
        #[graphql(desc = "`state` of the fragment.")] state: String,
        #[graphql(desc = "`iss` of the fragment, if it has one.")] iss: Option<String>,
    ) -> Result<Identity> {
        let returned = came_back(ctx, (&flow, &code, &state, iss.as_deref()));
        let login = ctx.service::<ProviderLogin>();
        let linked = login.finish_link(ctx.acting()?, &returned, limits).await?;
        Ok(Identity::of(login, linked))
    }

    /// Unlinks an identity from the caller's account. The last way into it is CONFLICT with the reason LAST_WAY_IN: a password
    /// can be chosen by requestPasswordReset first.
    #[auth]
    #[fresh]
    #[defence]
    #[payload(deleted_identity_id = "The identity that is gone.")]
    async fn unlink_identity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The identity's id.")] id: ID,
    ) -> Result<Id> {
        let id = IdentityId::parse(&id).ok_or(ProviderLoginError::NotFound)?;
        ctx.service::<ProviderLogin>().unlink(ctx.acting()?, id).await?;
        Ok(Id::from(id))
    }

    /// Begins a proof by a provider that the caller is who they are, as startSignIn begins a sign-in. The provider is asked to
    /// have them prove it anew.
    #[auth]
    #[limit(STARTS)]
    #[payload(
        authorization_url = "Where to send the browser.",
        flow = "What finishes the proof, once, in the same session.",
        expires_in = "Seconds for which the flow is good."
    )]
    async fn start_reauthentication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of a provider of one of the caller's identities.")] provider: ID,
        #[graphql(desc = "Where the browser goes on, as with startSignIn.")] return_to: Option<
            String,
        >,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &provider, return_to.as_deref());
        let (login, viewer) = (ctx.service::<ProviderLogin>(), recipient(ctx)?);
        let prompt = Prompt::Reauthenticate;
        let begun = login.start_as_holder(ctx.client(), viewer, begin, prompt, limits).await?;
        Ok(hand_over(ctx, begun))
    }

    /// Proves by a provider that the caller is who they are, with the effect of reauthenticate. It takes an identity of the
    /// caller's, and a provider that says when they proved there who they are: within the last five minutes. Otherwise it
    /// proves nothing.
    #[auth]
    #[limit(FAILURES_OF_USER)]
    #[defence]
    async fn finish_reauthentication(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What startReauthentication answered.")] flow: String,
        #[graphql(desc = "`code` of the fragment.")] code: String,
        #[graphql(desc = "`state` of the fragment.")] state: String,
        #[graphql(desc = "`iss` of the fragment, if it has one.")] iss: Option<String>,
    ) -> Result<AuthPayload> {
        recipient(ctx)?;
        let returned = came_back(ctx, (&flow, &code, &state, iss.as_deref()));
        let cookie = ctx.caller().session_cookie.as_ref().map(ExposeSecret::expose_secret);
        let login = ctx.service::<ProviderLogin>();
        let proved = login.finish_reauthentication(ctx.acting()?, cookie, &returned, limits);
        Ok(AuthPayload::hand_over(ctx, proved.await?))
    }
}

fn begin<'a>(ctx: &'a Context<'_>, provider: &'a ID, return_to: Option<&'a str>) -> Begin<'a> {
    let browser = ctx.caller().flow_cookie.as_ref().map(ExposeSecret::expose_secret);
    Begin { provider: provider.as_str(), return_to, browser }
}

fn came_back<'a>(
    ctx: &'a Context<'_>,
    (flow, code, state, iss): (&'a str, &'a str, &'a str, Option<&'a str>),
) -> Returned<'a> {
    let browser = ctx.caller().flow_cookie.as_ref().map(ExposeSecret::expose_secret);
    Returned { flow, code, state, iss, user: None, browser }
}

/// What whoever begins a flow is given; in cookie mode their browser keeps a token beside.
fn hand_over(ctx: &Context<'_>, begun: Begun) -> (String, String, u32) {
    if let Some(browser) = &begun.browser {
        ctx.keep_flow(browser.expose(), FLOW_TTL_SECONDS.into());
    }
    (begun.authorization_url, begun.flow, FLOW_TTL_SECONDS)
}

fn result(ctx: &Context<'_>, signed_in: SignedIn) -> LoginResult {
    match signed_in {
        SignedIn::Session(user, tokens) => {
            LoginResult::AuthPayload(AuthPayload::hand_over(ctx, (user, tokens)))
        }
        SignedIn::AddressToProve { email } => {
            LoginResult::VerificationRequired(VerificationRequired { email })
        }
    }
}

impl From<ProviderLoginError> for ApiError {
    fn from(error: ProviderLoginError) -> Self {
        let conflict = |message, reason| Self::new(Code::Conflict, message).because(reason);
        match error {
            ProviderLoginError::UnknownProvider => {
                let message = "There is no such provider: see signInProviders";
                Self::argument("input.provider", Reason::NotAllowed, message)
            }
            ProviderLoginError::ReturnTo => {
                let message = "Name one of the URLs that this server allows people to return to";
                Self::argument("input.returnTo", Reason::NotAllowed, message)
            }
            ProviderLoginError::Flow => {
                let message = "This sign-in is over, or was begun elsewhere; please start again";
                Self::new(Code::InvalidToken, message)
                    .auditing(Refusal { refused: Refused::SignIn, target: None })
            }
            ProviderLoginError::Link => LinkError::Invalid.into(),
            ProviderLoginError::Refused { account } => {
                let target = account.map(|id| id.0);
                Self::new(Code::InvalidCredentials, "The provider's answer opens no account here")
                    .auditing(Refusal { refused: Refused::SignIn, target })
            }
            ProviderLoginError::Stale => {
                let message = "The provider does not say that you have just proved who you are";
                Self::new(Code::InvalidCredentials, message)
                    .auditing(Refusal { refused: Refused::SignIn, target: None })
            }
            ProviderLoginError::Unavailable(_) => Self::unavailable(RETRY_AFTER_SECONDS),
            ProviderLoginError::AccountExists => {
                let message = "An account has this e-mail address: sign in to it, and link the provider there";
                conflict(message, "ACCOUNT_EXISTS")
            }
            ProviderLoginError::NoAddress => {
                let message = "The provider tells no e-mail address that an account can have";
                conflict(message, "NO_EMAIL")
            }
            ProviderLoginError::NoMail => Self::lacks(ServerFeature::Mail),
            ProviderLoginError::Taken => {
                conflict("This identity is linked to another account", "IDENTITY_TAKEN")
            }
            ProviderLoginError::TooMany => {
                conflict("Your account has as many identities as one may", "TOO_MANY")
            }
            ProviderLoginError::NotFound => Self::new(Code::NotFound, "There is no such identity"),
            ProviderLoginError::LastWayIn => {
                let message = "Nothing else opens your account: choose a password by mail first";
                conflict(message, "LAST_WAY_IN")
            }
            ProviderLoginError::Account(error) => error.into(),
            ProviderLoginError::Limited(limited) => limited.into(),
            ProviderLoginError::Fault(fault) => fault.into(),
        }
    }
}
