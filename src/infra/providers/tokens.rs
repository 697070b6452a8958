//! A code for tokens (RFC 6749, section 4.1.3).

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse,
    BasicTokenType,
};
use oauth2::{
    AccessToken, AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, HttpRequest,
    HttpResponse, PkceCodeVerifier, RedirectUrl, RefreshToken, RequestTokenError, Scope,
    StandardRevocableToken, TokenResponse, TokenUrl,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};

use super::claims::Claims;
use super::error::{Away, ProviderError, Refusal};
use super::metadata::Metadata;
use super::settings::{Credential, TokenAuth};
use super::{Answer, Provider};
use crate::infra::metrics::ProviderRequest;

/// What a token endpoint answers, as far as it is used. Providers disagree about the types of the rest.
#[derive(Deserialize, Serialize)]
pub(super) struct Tokens {
    access_token: AccessToken,
    token_type: TokenType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
}

/// The one kind there is a use for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct TokenType(BasicTokenType);

impl TryFrom<String> for TokenType {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        match name.eq_ignore_ascii_case("bearer") {
            true => Ok(Self(BasicTokenType::Bearer)),
            false => Err("the token is not a bearer token"),
        }
    }
}

impl From<TokenType> for String {
    fn from(_bearer: TokenType) -> Self {
        "bearer".to_owned()
    }
}

impl Tokens {
    pub(super) fn access_token(&self) -> &str {
        self.access_token.secret()
    }

    pub(super) fn id_token(&self) -> Option<&str> {
        self.id_token.as_deref()
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens(..)")
    }
}

impl TokenResponse for Tokens {
    type TokenType = BasicTokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &BasicTokenType {
        &self.token_type.0
    }

    fn expires_in(&self) -> Option<Duration> {
        None
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        None
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

type Client = oauth2::Client<
    BasicErrorResponse,
    Tokens,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
>;

/// A provider's token endpoint, asked within the bounds of all requests. A closure would do, if the compiler could tell of
/// it that the whole exchange may go from thread to thread.
struct TokenEndpoint<'p>(&'p Provider);

impl<'c> AsyncHttpClient<'c> for TokenEndpoint<'_> {
    type Error = ProviderError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, ProviderError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.0.ask_for_tokens(request))
    }
}

impl Provider {
    /// What the provider gives for a code.
    pub(super) async fn tokens(
        &self,
        metadata: &Metadata,
        answer: &Answer<'_>,
    ) -> Result<Tokens, ProviderError> {
        let unusable = |_| Away::InsecureEndpoint;
        let token = TokenUrl::new(metadata.token.to_string()).map_err(unusable)?;
        let redirect = RedirectUrl::new(self.redirect_uri.clone()).map_err(unusable)?;
        let (secret, auth) = self.credential(metadata)?;
        let client = Client::new(ClientId::new(self.settings.client_id.clone()))
            .set_token_uri(token)
            .set_redirect_uri(redirect)
            .set_auth_type(auth);
        let client = match secret {
            Some(secret) => client.set_client_secret(secret),
            None => client,
        };
        let tokens = client
            .exchange_code(AuthorizationCode::new(answer.code.to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(answer.code_verifier.to_owned()))
            .request_async(&TokenEndpoint(self))
            .await;
        tokens.map_err(|error| match error {
            RequestTokenError::Request(error) => error,
            RequestTokenError::ServerResponse(_)
            | RequestTokenError::Parse(..)
            | RequestTokenError::Other(_) => Away::Nonsense("an access token").into(),
        })
    }

    /// The answer if it may hold tokens. GitHub tells errors with status 200.
    async fn ask_for_tokens(&self, request: HttpRequest) -> Result<HttpResponse, ProviderError> {
        let answer = self.client.send(request, ProviderRequest::Token).await?;
        let json = Claims::parse(answer.body());
        if let Some(code) = json.as_ref().and_then(|json| json.get("error")) {
            return Err(code.as_str().map_or(Refusal::Code.into(), ProviderError::of_code));
        }
        match answer.status().as_u16() {
            200 if json.is_some() => Ok(answer),
            200 => Err(Away::Nonsense("an access token").into()),
            other => Err(Away::Status(other).into()),
        }
    }

    fn credential(&self, metadata: &Metadata) -> Result<(Option<ClientSecret>, AuthType), Away> {
        let auth = self.settings.token_auth.unwrap_or(metadata.token_auth);
        let auth = match auth {
            TokenAuth::ClientSecretBasic => AuthType::BasicAuth,
            TokenAuth::ClientSecretPost => AuthType::RequestBody,
        };
        Ok(match &self.settings.credential {
            Credential::None => (None, AuthType::RequestBody),
            Credential::Secret(secret) => {
                (Some(ClientSecret::new(secret.expose_secret().to_owned())), auth)
            }
            // Apple reads it in the body only.
            Credential::Apple(key) => {
                let secret = key.client_secret(&self.settings.client_id, self.clock.now());
                let secret = secret.map_err(|_opaque| Away::ClientSecret)?;
                (Some(ClientSecret::new(secret)), AuthType::RequestBody)
            }
        })
    }
}
