//! What a provider publishes about itself (OpenID Connect Discovery), or what stands for it.

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use url::Url;

use super::claims::Claims;
use super::client::Client;
use super::error::Away;
use super::id_token::algorithm;
use super::issuer::Issuer;
use super::settings::{Endpoints, TokenAuth};

/// Where a provider is asked, and how.
#[derive(Debug)]
pub(super) struct Metadata {
    pub(super) authorization: Url,
    pub(super) token: Url,
    /// Who somebody is, in return for an access token.
    pub(super) userinfo: Option<Url>,
    /// `None`: it issues no ID tokens.
    pub(super) keys: Option<Url>,
    /// Which it signs ID tokens with.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) token_auth: TokenAuth,
    /// Whether its answers always name it (RFC 9207).
    pub(super) names_itself: bool,
}

#[derive(Deserialize)]
struct Published {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: Option<String>,
    jwks_uri: String,
    id_token_signing_alg_values_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    authorization_response_iss_parameter_supported: Option<bool>,
}

impl Metadata {
    /// Understands what was found where the issuer publishes it.
    pub(super) fn parse(json: &[u8], issuer: &Issuer, client: &Client) -> Result<Self, Away> {
        let nonsense = Away::Nonsense("a provider's metadata");
        let published: Published = Claims::read(json).ok_or(nonsense)?;
        if !issuer.is_published_as(&published.issuer) {
            return Err(Away::OtherIssuer);
        }
        let url = |text: &str| endpoint(text, client);
        let algorithms = match published.id_token_signing_alg_values_supported {
            Some(names) => names.iter().filter_map(|name| algorithm(name)).collect(),
            None => vec![Algorithm::RS256],
        };
        let auth_methods = published.token_endpoint_auth_methods_supported;
        Ok(Self {
            authorization: url(&published.authorization_endpoint)?,
            token: url(&published.token_endpoint)?,
            userinfo: published.userinfo_endpoint.as_deref().map(url).transpose()?,
            keys: Some(url(&published.jwks_uri)?),
            algorithms,
            token_auth: token_auth(auth_methods.as_deref()),
            names_itself: published.authorization_response_iss_parameter_supported == Some(true),
        })
    }

    /// What stands for the metadata of a provider that publishes none.
    pub(super) fn given(
        endpoints: &Endpoints,
        token_auth: TokenAuth,
        client: &Client,
    ) -> Result<Self, Away> {
        Ok(Self {
            authorization: endpoint(&endpoints.authorization, client)?,
            token: endpoint(&endpoints.token, client)?,
            userinfo: Some(endpoint(&endpoints.userinfo, client)?),
            keys: None,
            algorithms: Vec::new(),
            token_auth,
            names_itself: false,
        })
    }
}

fn endpoint(text: &str, client: &Client) -> Result<Url, Away> {
    let url = Url::parse(text).map_err(|_opaque| Away::InsecureEndpoint)?;
    match client.check_url(&url) {
        Ok(()) if url.fragment().is_none() => Ok(url),
        Ok(()) | Err(Away::Insecure) => Err(Away::InsecureEndpoint),
        Err(other) => Err(other),
    }
}

/// The way that a provider takes a secret. Unless it says otherwise it takes the one that every server must know (RFC 6749,
/// section 2.3.1).
fn token_auth(methods: Option<&[String]>) -> TokenAuth {
    let takes = |auth: TokenAuth| {
        methods.is_some_and(|methods| methods.iter().any(|method| method == auth.into_str()))
    };
    match takes(TokenAuth::ClientSecretPost) && !takes(TokenAuth::ClientSecretBasic) {
        true => TokenAuth::ClientSecretPost,
        false => TokenAuth::ClientSecretBasic,
    }
}
