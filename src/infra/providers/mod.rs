//! Other servers that say who somebody is: Google, GitHub, any OpenID provider. It knows no accounts.

mod error;
mod return_urls;
mod settings;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub(crate) use self::error::{Away, ProviderError, Refusal};
pub(crate) use self::return_urls::ReturnUrls;
pub(crate) use self::settings::{Kind, Settings};
use crate::kernel::clock::Clock;

/// The providers that the operator has configured, in the order of the file. Clones share them.
#[derive(Clone)]
pub(crate) struct Providers(Arc<[Provider]>);

/// One of them.
pub(crate) struct Provider {
    settings: Settings,
    redirect_uri: String,
    clock: Clock,
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

/// Why there can be no providers.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for providers cannot be made")]
pub(crate) struct NoClient;

impl Providers {
    pub(crate) fn new(
        settings: Vec<Settings>,
        public_url: &str,
        clock: Clock,
    ) -> Result<Self, NoClient> {
        let providers = settings.into_iter().map(|settings| Provider {
            redirect_uri: format!("{public_url}/callback/{}", settings.id),
            settings,
            clock: clock.clone(),
        });
        Ok(Self(providers.collect()))
    }

    /// All of them, in the order of the file.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Provider> {
        self.0.iter()
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Provider> {
        self.all().find(|provider| provider.id() == id)
    }
}

impl Provider {
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

    /// What identities of it are kept under: see [`Assertion::issuer`].
    pub(crate) fn issuer(&self) -> &str {
        &self.settings.issuer
    }

    /// Where it sends people back to.
    pub(crate) fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Whether its answer is a POST from its own page (`form_post`).
    pub(crate) fn posts_answers(&self) -> bool {
        self.settings.posts_answers
    }

    /// Where to send somebody who wants to sign in.
    pub(crate) async fn authorization_url(
        &self,
        _request: &Authorization<'_>,
    ) -> Result<String, ProviderError> {
        Err(ProviderError::Unavailable(Away::Busy))
    }

    /// Exchanges a code for what the provider says about who has signed in.
    pub(crate) async fn exchange(&self, _answer: &Answer<'_>) -> Result<Assertion, ProviderError> {
        Err(ProviderError::Unavailable(Away::Busy))
    }

    /// What an ID token says that an app got by itself, for a nonce of ours.
    pub(crate) async fn verify_id_token(
        &self,
        _id_token: &str,
        _nonce: &str,
    ) -> Result<Assertion, ProviderError> {
        Err(ProviderError::Unavailable(Away::Busy))
    }
}
