//! Signing in, staying signed in and signing out, in the schema.

use async_graphql::{Context, InputObject, Object, SimpleObject, Union};
use secrecy::ExposeSecret;

use super::{Login, LoginError};
use crate::features::accounts::graphql::User;
use crate::features::accounts::identity::Identifier;
use crate::features::sessions::{RefreshError, RefreshToken, SessionError, Sessions, Tokens};
use crate::graphql::context::ContextExt;
use crate::graphql::directive::public;
use crate::graphql::error::{ApiError, Code, Result};
use crate::platform::access::{self, Refusal, Refused};
use crate::platform::passwords::policy::Password;

/// A signed-in user and what keeps them signed in.
#[derive(SimpleObject)]
pub(crate) struct AuthPayload {
    /// To be sent as `Authorization: Bearer …` with every request.
    access_token: String,
    /// To be exchanged for the next pair, once. Keep it where scripts of others cannot read it.
    refresh_token: Option<String>,
    /// Always "Bearer".
    token_type: &'static str,
    /// Seconds until the access token expires.
    expires_in: u32,
    /// Who is signed in.
    user: User,
}

impl From<(access::User, Tokens)> for AuthPayload {
    fn from((user, tokens): (access::User, Tokens)) -> Self {
        Self {
            access_token: tokens.access,
            refresh_token: Some(tokens.refresh.expose().to_owned()),
            token_type: "Bearer",
            expires_in: tokens.access_ttl_seconds,
            user: User::from(&user),
        }
    }
}

/// What it takes to sign in.
#[derive(InputObject)]
pub(crate) struct LoginInput {
    /// The username or the e-mail address.
    identifier: String,
    /// The password.
    password: String,
}

/// What signing in leads to.
#[derive(Union)]
pub(crate) enum LoginResult {
    AuthPayload(AuthPayload),
}

#[derive(Default)]
pub(crate) struct LoginMutation;

#[Object]
impl LoginMutation {
    /// Exchanges a password for a session. Anybody may call this.
    #[graphql(directive = public::apply())]
    async fn login(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who signs in.")] input: LoginInput,
    ) -> Result<LoginResult> {
        let identifier = Identifier::parse(&input.identifier);
        let password = Password::parse(&input.password)
            .map_err(|invalid| ApiError::invalid(&[invalid.at("input.password")]))?;
        let login = ctx.service::<Login>();
        let signed_in = login.login(ctx.client(), &identifier, &password).await?;
        Ok(LoginResult::AuthPayload(signed_in.into()))
    }

    /// Exchanges a refresh token for a new pair; using one twice ends its session. Anybody may
    /// call this.
    #[graphql(directive = public::apply())]
    async fn refresh_token(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token of the last pair.")] refresh_token: Option<String>,
    ) -> Result<AuthPayload> {
        let presented = refresh_token
            .and_then(|text| RefreshToken::parse(&text))
            .ok_or(RefreshError::Unknown)?;
        let signed_in = ctx.service::<Sessions>().rotate(ctx.client(), &presented).await?;
        Ok(signed_in.into())
    }

    /// Ends the session of the bearer token, or else that of the refresh token, and says whether
    /// either named one. Never fails for a stale token. Anybody may call this.
    #[graphql(directive = public::apply())]
    async fn logout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The refresh token, for callers without a bearer.")] refresh_token: Option<
            String,
        >,
    ) -> Result<bool> {
        let bearer = ctx.caller().bearer.as_ref().map(ExposeSecret::expose_secret);
        let refresh = refresh_token.and_then(|text| RefreshToken::parse(&text));
        let sessions = ctx.service::<Sessions>();
        Ok(sessions.end_named(ctx.client(), bearer, refresh.as_ref()).await?)
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::InvalidCredentials { account } => {
                let target = account.map(|id| id.0);
                Self::new(Code::InvalidCredentials, "Wrong username, e-mail address or password")
                    .auditing(Refusal { refused: Refused::SignIn, target })
            }
            LoginError::Hash(error) => error.into(),
            LoginError::Crypto(cause) => Self::internal(cause),
            LoginError::Db(cause) => Self::database(cause),
        }
    }
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        match error {
            // One answer for both: a thief must not learn that the theft was noticed.
            RefreshError::Unknown => Self::new(Code::InvalidToken, "Please sign in again")
                .auditing(Refusal { refused: Refused::Refresh, target: None }),
            // Its event is in the transaction that has ended the session.
            RefreshError::Reused => Self::new(Code::InvalidToken, "Please sign in again"),
            RefreshError::Unsettled => Self::unavailable(1),
            RefreshError::Crypto(cause) => Self::internal(cause),
            RefreshError::Db(cause) => Self::database(cause),
        }
    }
}

impl From<SessionError> for ApiError {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Crypto(cause) => Self::internal(cause),
            SessionError::Db(cause) => Self::database(cause),
        }
    }
}
