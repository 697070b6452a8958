//! Signing in with other providers, in the schema.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use portcullis_macros::rules;
use secrecy::ExposeSecret;

use crate::features::accounts::{REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS};
use crate::features::links;
use crate::features::provider_login::{
    Begin, Begun, FAILURES, FLOW_TTL_SECONDS, ProviderLogin, Returned, STARTS, SignedIn,
};
use crate::graphql::context::ContextExt;
use crate::graphql::error::Result;
use crate::infra::providers::{Kind, Provider};
use crate::schema::sign_in::LoginResult;
use crate::schema::user::VerificationRequired;

/// The protocol of a provider.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProviderKind {
    /// Google.
    Google,
    /// GitHub, which does not support OpenID Connect.
    Github,
    /// Microsoft Entra ID and personal Microsoft accounts.
    Microsoft,
    /// Apple.
    Apple,
    /// Any other provider that supports OpenID Connect.
    Oidc,
    /// A provider that supports only OAuth 2.0. The operator configures its endpoints.
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

/// A provider that users can sign in with on this server.
#[derive(SimpleObject, Clone)]
pub(crate) struct SignInProvider {
    /// The operator's name for the provider, unique on this server.
    id: ID,
    /// The kind of provider, for example to show its logo.
    kind: ProviderKind,
    /// The name for people, as in "Google".
    name: String,
    /// Whether the provider supports startReauthentication.
    can_reauthenticate: bool,
}

impl From<&Provider> for SignInProvider {
    fn from(provider: &Provider) -> Self {
        Self {
            id: ID::from(provider.id()),
            kind: provider.kind().into(),
            name: provider.name().to_owned(),
            can_reauthenticate: provider.can_reauthenticate(),
        }
    }
}

#[derive(Default)]
pub(crate) struct ProviderQuery;

#[rules(query)]
#[Object]
impl ProviderQuery {
    /// The providers that users can sign in with, in the operator's order.
    #[public]
    async fn sign_in_providers(&self, ctx: &Context<'_>) -> Result<Vec<SignInProvider>> {
        let login = ctx.service::<ProviderLogin>();
        Ok(login.providers().all().map(SignInProvider::from).collect())
    }
}

/// The provider to sign in with, and the URL to return to.
#[derive(InputObject)]
pub(crate) struct StartSignInInput {
    /// The id of one of signInProviders.
    provider_id: ID,
    /// The URL to which the browser returns with the provider's answer: one of the URLs that the operator allows in
    /// RETURN_URLS. Defaults to the first of them.
    return_to: Option<String>,
    /// The token from the mail that asks the user to complete a registration.
    verification_token: Option<String>,
}

/// The provider's answer: the parameters in the fragment of the URL that the browser returned to.
#[derive(InputObject)]
pub(crate) struct FinishSignInInput {
    /// StartSignInPayload.flow.
    flow: String,
    /// `code` from the URL fragment.
    code: String,
    /// `state` from the URL fragment.
    state: String,
    /// `iss` from the URL fragment, if present.
    iss: Option<String>,
    /// `user` from the URL fragment, if present. Apple sends the user's name there, at the first sign-in only.
    user: Option<String>,
}

/// An ID token that an app obtained itself.
#[derive(InputObject)]
pub(crate) struct SignInWithIdTokenInput {
    /// The id of one of signInProviders.
    provider_id: ID,
    /// The ID token. The provider must have issued it for StartIdTokenSignInPayload.nonce.
    id_token: String,
    /// StartIdTokenSignInPayload.flow.
    flow: String,
}

#[derive(Default)]
pub(crate) struct ProviderLoginMutation;

#[rules(mutation)]
#[Object]
impl ProviderLoginMutation {
    /// Starts a sign-in with another provider. Keep `flow` out of URLs, and send the browser to `authorizationUrl`. The
    /// browser returns to `returnTo` with `code`, `state` and, for some providers, `iss` in the fragment, or with
    /// `error`. Complete the sign-in with finishSignIn; in cookie mode, only the same browser can do so.
    #[public]
    #[limit(STARTS, links::FAILURES)]
    #[payload(
        authorization_url = "The URL to send the browser to.",
        flow = "The secret that completes the sign-in, once. Keep it private.",
        expires_in = "Seconds for which the flow is valid."
    )]
    async fn start_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider and the URL to return to.")] input: StartSignInInput,
    ) -> Result<(String, String, u32)> {
        let begin = begin(ctx, &input.provider_id, input.return_to.as_deref());
        let mailed = input.verification_token.as_deref();
        let login = ctx.service::<ProviderLogin>();
        let begun = login.start_sign_in(ctx.client(), begin, mailed, limits).await?;
        Ok(hand_over(ctx, begun))
    }

    /// Signs a user in with the answer of another provider. The first sign-in creates an account, or links the account
    /// with the same address if both the account and the provider have verified it and the operator trusts the
    /// provider. If the server cannot rely on the provider's word, it mails the address, whether or not an account has
    /// it, and returns VerificationRequired. Fails with INVALID_TOKEN if the flow is invalid or expired, with
    /// INVALID_CREDENTIALS if the provider's answer is not acceptable, and with CONFLICT: with the reason
    /// ACCOUNT_EXISTS if the owner of an existing account must link the identity themselves by startLink, and with
    /// NO_EMAIL if the provider shares no usable address.
    #[public]
    #[limit(FAILURES, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS)]
    async fn finish_sign_in(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The provider's answer.")] input: FinishSignInInput,
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

    /// Starts a sign-in for an app that obtains an ID token itself, for example through a provider's mobile library.
    /// Complete it with signInWithIdToken.
    #[public]
    #[limit(STARTS)]
    #[payload(
        flow = "The secret that completes the sign-in, once. Keep it private.",
        nonce = "The nonce that the app asks the provider to include in the token: the SHA-256 of the flow in \
            hexadecimal digits.",
        expires_in = "Seconds for which the flow is valid."
    )]
    async fn start_id_token_sign_in(&self, ctx: &Context<'_>) -> Result<(String, String, u32)> {
        let login = ctx.service::<ProviderLogin>();
        let begun = login.start_id_token(ctx.client(), limits).await?;
        Ok((begun.flow, begun.nonce, FLOW_TTL_SECONDS))
    }

    /// Signs a user in with an ID token of another provider. The token's audience must be this server or one of the
    /// apps that the operator configured. Returns and fails like finishSignIn.
    #[public]
    #[limit(FAILURES, REGISTRATIONS_BY_IP, REGISTRATIONS_OF_ADDRESS)]
    async fn sign_in_with_id_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The ID token and its flow.")] input: SignInWithIdTokenInput,
    ) -> Result<LoginResult> {
        let token = (input.provider_id.as_str(), input.id_token.as_str(), input.flow.as_str());
        let login = ctx.service::<ProviderLogin>();
        Ok(result(ctx, login.sign_in_with_id_token(ctx.client(), token, limits).await?))
    }
}

/// What somebody begins a flow with, in their browser.
pub(super) fn begin<'a>(
    ctx: &'a Context<'_>,
    provider: &'a ID,
    return_to: Option<&'a str>,
) -> Begin<'a> {
    let browser = ctx.caller().flow_cookie.as_ref().map(ExposeSecret::expose_secret);
    Begin { provider: provider.as_str(), return_to, browser }
}

/// What whoever begins a flow is given; in cookie mode their browser keeps a token beside.
pub(super) fn hand_over(ctx: &Context<'_>, begun: Begun) -> (String, String, u32) {
    if let Some(browser) = &begun.browser {
        ctx.keep_flow(browser.expose(), FLOW_TTL_SECONDS.into());
    }
    (begun.authorization_url, begun.flow, FLOW_TTL_SECONDS)
}

fn result(ctx: &Context<'_>, signed_in: SignedIn) -> LoginResult {
    match signed_in {
        SignedIn::Admitted(user, admitted) => LoginResult::hand_over(ctx, (user, admitted)),
        SignedIn::AddressToProve { email } => {
            LoginResult::VerificationRequired(VerificationRequired { email })
        }
    }
}
