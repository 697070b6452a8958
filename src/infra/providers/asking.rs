//! What a provider is asked, with or without an access token.

use std::sync::Arc;

use oauth2::{HttpRequest, HttpResponse, http};
use url::Url;

use super::claims::Claims;
use super::error::Away;
use super::keys::Keys;
use super::metadata::Metadata;
use super::settings::TokenAuth;
use super::{Kind, Provider};
use crate::infra::metrics::ProviderRequest;

impl Provider {
    pub(super) async fn metadata(&self) -> Result<Arc<Metadata>, Away> {
        self.metadata.get(self.clock.uptime(), self.fetch_metadata()).await
    }

    async fn fetch_metadata(&self) -> Result<Metadata, Away> {
        if let Some(endpoints) = &self.settings.endpoints {
            let token_auth = match self.kind() {
                Kind::Github => TokenAuth::ClientSecretPost,
                _ => TokenAuth::ClientSecretBasic,
            };
            return Metadata::given(endpoints, token_auth, &self.client);
        }
        let url = self.discovery_url();
        let answer = self.fetch_document(&url, ProviderRequest::Discovery).await?;
        Metadata::parse(answer.body(), &self.issuer_rule, &self.client)
    }

    pub(super) fn discovery_url(&self) -> String {
        let issuer = self.settings.issuer.trim_end_matches('/');
        format!("{issuer}/.well-known/openid-configuration")
    }

    pub(super) async fn fetch_keys(&self, url: &Url) -> Result<Keys, Away> {
        let answer = self.fetch_document(url.as_str(), ProviderRequest::Keys).await?;
        Keys::parse(answer.body())
    }

    /// What is published for everybody.
    pub(super) async fn fetch_document(
        &self,
        url: &str,
        what: ProviderRequest,
    ) -> Result<HttpResponse, Away> {
        let request = http::Request::get(url).header(http::header::ACCEPT, "application/json");
        let request = request.body(Vec::new()).map_err(|_opaque| Away::Insecure)?;
        let answer = self.client.send(request, what).await?;
        match answer.status().as_u16() {
            200 => Ok(answer),
            other => Err(Away::Status(other)),
        }
    }

    /// Who the holder of an access token is.
    pub(super) async fn profile(&self, userinfo: &Url, access_token: &str) -> Result<Claims, Away> {
        let json = "application/json";
        let answer = self.ask(userinfo, access_token, json, ProviderRequest::Profile).await?;
        match answer.status().as_u16() {
            200 => Claims::parse(answer.body()).ok_or(Away::Nonsense("a profile")),
            other => Err(Away::Status(other)),
        }
    }

    /// Asks with an access token.
    pub(super) async fn ask(
        &self,
        url: &Url,
        access_token: &str,
        accept: &str,
        what: ProviderRequest,
    ) -> Result<HttpResponse, Away> {
        let request: http::Result<HttpRequest> = http::Request::get(url.as_str())
            .header(http::header::ACCEPT, accept)
            .header(http::header::AUTHORIZATION, format!("Bearer {access_token}"))
            .body(Vec::new());
        let request = request.map_err(|_opaque| Away::Nonsense("an access token"))?;
        self.client.send(request, what).await
    }
}
