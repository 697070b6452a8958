//! One table of `PROVIDERS_FILE`, understood.

use std::collections::BTreeMap;

use secrecy::SecretString;
use strum::{IntoStaticStr, VariantArray};

use super::apple::AppleKey;

/// How a provider is spoken with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "lowercase")]
pub(crate) enum Kind {
    Google,
    Github,
    Microsoft,
    Apple,
    /// Any issuer with discovery.
    Oidc,
    /// Endpoints that the operator names.
    Oauth2,
}

/// One provider, as the operator has configured it.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The name of its table.
    pub(crate) id: String,
    pub(crate) kind: Kind,
    /// For people.
    pub(crate) name: String,
    /// What it calls itself, and its identities are kept under. Of Microsoft it is where the configured tenants publish, and
    /// each tenant has its own.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) credential: Credential,
    /// Whether its word on an address is as good as a mail of ours.
    pub(crate) is_trusted: bool,
    pub(crate) scopes: Vec<String>,
    /// Other client ids, of native apps, whose ID tokens are taken too.
    pub(crate) audiences: Vec<String>,
    /// Whether its answer is a POST from its own page (`form_post`).
    pub(crate) posts_answers: bool,
    pub(crate) allows_private_addresses: bool,
    /// `None`: as its metadata says.
    pub(crate) token_auth: Option<TokenAuth>,
    /// Microsoft's.
    pub(crate) tenant: Option<String>,
    /// Of the kinds without discovery.
    pub(crate) endpoints: Option<Endpoints>,
    /// Of the kind `oauth2`: its names for OpenID Connect's claims, where they differ.
    pub(crate) claims: ClaimNames,
}

/// What this server proves with that it is the client.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// Nothing: a public client.
    None,
    Secret(SecretString),
    Apple(AppleKey),
}

/// How the client's secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum TokenAuth {
    ClientSecretBasic,
    ClientSecretPost,
}

/// Where a provider without discovery is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoints {
    pub(crate) authorization: String,
    pub(crate) token: String,
    pub(crate) userinfo: String,
}

/// What a provider calls a claim, by the name that the claim has in OpenID Connect.
pub(crate) type ClaimNames = BTreeMap<&'static str, String>;

impl Kind {
    /// Whether it publishes where it is asked and what it signs with, and signs who somebody is.
    pub(crate) fn has_id_tokens(self) -> bool {
        match self {
            Self::Google | Self::Microsoft | Self::Apple | Self::Oidc => true,
            Self::Github | Self::Oauth2 => false,
        }
    }
}
