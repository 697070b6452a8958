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
    /// Whether it can prove by startReauthentication that the caller is who they are.
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
    /// The providers that people can sign in with, in the operator's order.
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
    /// names. The result is the same as for finishSignIn.
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
