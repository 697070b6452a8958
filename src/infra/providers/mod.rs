//! Other servers that say who somebody is: Google, GitHub, any OpenID provider. It knows no accounts.

mod addresses;
mod apple;
mod asking;
mod authorization;
mod checkup;
mod claims;
mod client;
mod error;
mod exchange;
mod github;
mod id_token;
mod issuer;
mod keys;
mod metadata;
mod profile;
mod remembered;
mod return_urls;
mod settings;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::time::timeout;

pub(crate) use self::addresses::is_loopback;
pub(crate) use self::apple::{AppleKey, ISSUER as APPLE};
pub(crate) use self::checkup::Checkup;
use self::client::{Client, Connector};
pub(crate) use self::error::{Away, ProviderError};
pub(crate) use self::github::{ISSUER as GITHUB, endpoints as github_endpoints};
use self::issuer::Issuer;
pub(crate) use self::issuer::{is_tenant, of_microsoft};
use self::keys::Keys;
use self::metadata::Metadata;
use self::remembered::Remembered;
pub(crate) use self::return_urls::ReturnUrls;
pub(crate) use self::settings::{ClaimNames, Credential, Endpoints, Kind, Settings, TokenAuth};
use crate::kernel::clock::Clock;

/// What Google's tokens name as their issuer.
pub(crate) const GOOGLE: &str = "https://accounts.google.com";
/// For all that one sign-in takes: whoever waits for it is answered before they give up.
const TIME_MAX: Duration = Duration::from_secs(8);

/// The providers that the operator has configured, in the order of the file. Clones share them.
#[derive(Clone)]
pub(crate) struct Providers(Arc<[Provider]>);

/// One of them.
pub(crate) struct Provider {
    settings: Settings,
    redirect_uri: String,
    issuer_rule: Issuer,
    clock: Clock,
    client: Client,
    metadata: Remembered<Metadata>,
    keys: Remembered<Keys>,
}

/// What an authorization URL is made of.
pub(crate) struct Authorization<'a> {
    pub(crate) state: &'a str,
    pub(crate) nonce: &'a str,
    /// Of the S256 method.
    pub(crate) code_challenge: &'a str,
    pub(crate) prompt: Prompt,
}

/// What a provider is to ask of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prompt {
    /// Which of their accounts there it is.
    Choose,
    /// To prove again who they are.
    Reauthenticate,
}

/// What came back from a provider, with what the flow has kept for it.
pub(crate) struct Answer<'a> {
    pub(crate) code: &'a str,
    pub(crate) code_verifier: &'a str,
    pub(crate) nonce: &'a str,
    /// Of the answer (RFC 9207).
    pub(crate) iss: Option<&'a str>,
    /// What Apple posts beside the code at the first sign-in: JSON with a name that nobody has signed.
    pub(crate) user: Option<&'a str>,
}

/// What a provider says about who has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assertion {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) email: Option<String>,
    /// Whether the provider says that the address is proven.
    pub(crate) email_verified: bool,
    pub(crate) username: Option<String>,
    pub(crate) full_name: Option<String>,
    pub(crate) picture: Option<String>,
    /// When they proved there who they are.
    pub(crate) auth_time: Option<DateTime<Utc>>,
}

/// Why there can be no providers: certificates of the system cannot be read, or there are none.
#[derive(Debug, thiserror::Error)]
#[error("the client for requests to providers cannot be created")]
pub(crate) struct NoClient(#[source] reqwest::Error);

impl Providers {
    pub(crate) fn new(
        settings: Vec<Settings>,
        public_url: &str,
        clock: Clock,
    ) -> Result<Self, NoClient> {
        // Each of them reads all certificates, so there are only those that are needed.
        let mut connectors: [Option<Connector>; 2] = [None, None];
        let providers = settings.into_iter().map(move |settings| {
            let allows_private_addresses = settings.allows_private_addresses;
            let made = &mut connectors[usize::from(allows_private_addresses)];
            let connector = match made {
                Some(connector) => connector,
                None => made.insert(Connector::new(allows_private_addresses).map_err(NoClient)?),
            };
            Ok(Provider::new(settings, public_url, clock.clone(), connector.clone()))
        });
        Ok(Self(providers.collect::<Result<_, NoClient>>()?))
    }

    /// All of them, in the order of the file.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.id() == id)
    }

    /// The one whose identities are those of an issuer, whatever it is called by now.
    pub(crate) fn of_issuer(&self, issuer: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.issues(issuer))
    }
}

impl Provider {
    /// Whether identities of this issuer are its own.
    fn issues(&self, issuer: &str) -> bool {
        self.issuer_rule.keeps(issuer)
    }

    /// Whether it says when somebody has proved who they are, and can be told to have them do it again.
    pub(crate) fn can_reauthenticate(&self) -> bool {
        self.kind().has_id_tokens()
    }

    /// Whether it signs who somebody is, for apps that ask it by themselves.
    pub(crate) fn has_id_tokens(&self) -> bool {
        self.kind().has_id_tokens()
    }

    fn new(settings: Settings, public_url: &str, clock: Clock, connector: Connector) -> Self {
        let issuer_rule = match (settings.kind, &settings.tenant) {
            (Kind::Microsoft, Some(tenant)) => Issuer::Microsoft { tenant: tenant.clone() },
            (Kind::Github, _) => Issuer::Github(settings.issuer.clone()),
            _ => Issuer::Exactly(settings.issuer.clone()),
        };
        Self {
            redirect_uri: format!("{public_url}/callback/{}", settings.id),
            issuer_rule,
            clock,
            client: Client::new(&settings.id, connector),
            metadata: Remembered::default(),
            keys: Remembered::default(),
            settings,
        }
    }

    pub(crate) fn id(&self) -> &str {
        &self.settings.id
    }

    pub(crate) fn kind(&self) -> Kind {
        self.settings.kind
    }

    /// For people, as in "Google".
    pub(crate) fn name(&self) -> &str {
        &self.settings.name
    }

    /// Whether its word on an address is as good as a mail of ours.
    pub(crate) fn is_trusted(&self) -> bool {
        self.settings.is_trusted
    }

    /// Where it sends people back to.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Whether its answer is a POST from its own page (`form_post`).
    pub(crate) fn posts_answers(&self) -> bool {
        self.settings.posts_answers
    }

    /// Where to send somebody who is to say who they are.
    pub(crate) async fn authorization_url(
        &self,
        request: &Authorization<'_>,
    ) -> Result<String, ProviderError> {
        let metadata = self.metadata().await?;
        self.authorization_url_at(&metadata, request)
    }

    /// Exchanges a code for what the provider says about who has signed in.
    pub(crate) async fn exchange(&self, answer: &Answer<'_>) -> Result<Assertion, ProviderError> {
        timeout(TIME_MAX, self.exchange_in_time(answer)).await.unwrap_or(Err(Away::Slow.into()))
    }

    /// What an ID token says that an app got by itself, for a nonce of ours.
    pub(crate) async fn verify_id_token(
        &self,
        id_token: &str,
        nonce: &str,
    ) -> Result<Assertion, ProviderError> {
        timeout(TIME_MAX, self.verify_id_token_in_time(id_token, nonce))
            .await
            .unwrap_or(Err(Away::Slow.into()))
    }
}

#[cfg(test)]
mod tests;
