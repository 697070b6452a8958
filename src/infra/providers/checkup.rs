//! Whether a provider works, for the operator.

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::HttpResponse;

use super::Provider;
use super::error::Away;
use super::keys::Keys;
use super::metadata::Metadata;
use super::settings::Credential;
use crate::infra::metrics::ProviderRequest;

/// What was found when a provider was asked everything that needs nobody to sign in.
pub(crate) struct Checkup {
    /// Whether it can be reached, and its metadata are its own and usable.
    pub(crate) metadata: Result<(), Away>,
    /// How many keys it signs ID tokens with. `None`: it signs none, or does not say where they are.
    pub(crate) keys: Option<Result<usize, Away>>,
    /// Whether the client secret can be made, where it is made here.
    pub(crate) client_secret: Option<bool>,
    /// How far its clock is ahead of this one.
    pub(crate) clock_ahead: Option<TimeDelta>,
}

impl Provider {
    /// Asks it now, whatever is remembered.
    pub(crate) async fn check(&self) -> Checkup {
        let client_secret = match &self.settings.credential {
            Credential::None | Credential::Secret(_) => None,
            Credential::Apple(key) => {
                Some(key.client_secret(&self.settings.client_id, self.clock.now()).is_ok())
            }
        };
        let published = match self.kind().has_id_tokens() {
            true => self.fetch_document(&self.discovery_url(), ProviderRequest::Discovery).await,
            false => self.reach().await,
        };
        let clock_ahead = published.as_ref().ok().and_then(|answer| self.clock_ahead(answer));
        let metadata = published.and_then(|answer| match self.kind().has_id_tokens() {
            true => Metadata::parse(answer.body(), &self.issuer_rule, &self.client).map(Some),
            false => Ok(None),
        });
        let keys = match &metadata {
            // What it signs with, nobody here verifies.
            Ok(Some(Metadata { algorithms, .. })) if algorithms.is_empty() => Some(Ok(0)),
            Ok(Some(Metadata { keys: Some(url), .. })) => {
                let listed = self.fetch_document(url.as_str(), ProviderRequest::Keys).await;
                let keys = listed.and_then(|answer| Keys::parse(answer.body()));
                Some(keys.map(|keys| keys.len()))
            }
            Ok(_) | Err(_) => None,
        };
        Checkup { metadata: metadata.map(|_| ()), keys, client_secret, clock_ahead }
    }

    /// Asks who nobody is: any answer will do, but that there is nothing.
    async fn reach(&self) -> Result<HttpResponse, Away> {
        let metadata = self.metadata().await?;
        let url = metadata.userinfo.as_ref().unwrap_or(&metadata.token);
        let answer = self.ask(url, "", "application/json", ProviderRequest::Profile).await?;
        match answer.status().as_u16() {
            status @ 404 => Err(Away::Status(status)),
            _ => Ok(answer),
        }
    }

    fn clock_ahead(&self, answer: &HttpResponse) -> Option<TimeDelta> {
        let date = answer.headers().get("date")?.to_str().ok()?;
        let date = DateTime::parse_from_rfc2822(date).ok()?;
        Some(date.with_timezone(&Utc) - self.clock.now())
    }
}
