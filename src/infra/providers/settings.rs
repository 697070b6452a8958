//! One table of `PROVIDERS_FILE`, understood.

use std::collections::BTreeMap;

use jsonwebtoken::EncodingKey;
use secrecy::SecretString;
use strum::{IntoStaticStr, VariantArray};

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
    /// What its identities are kept under. Of Microsoft it is the tenant's, of each token.
    pub(crate) issuer: String,
    pub(crate) client_id: String,
    pub(crate) credential: Credential,
    /// Whether its word on an address is as good as a mail of ours.
    pub(crate) is_trusted: bool,
    pub(crate) scopes: Vec<String>,
    /// Other client ids, of native apps, whose ID tokens are taken too.
    pub(crate) audiences: Vec<String>,
    pub(crate) posts_answers: bool,
    pub(crate) allows_private_addresses: bool,
    /// `None`: as its metadata says.
    pub(crate) token_auth: Option<TokenAuth>,
    /// Of the kinds without discovery.
    pub(crate) endpoints: Option<Endpoints>,
    /// Of the kind `oauth2`: what the facts of a profile are called.
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

/// What Apple's client secrets are signed with.
#[derive(Clone)]
pub(crate) struct AppleKey {
    pub(crate) team_id: String,
    pub(crate) key_id: String,
    pub(crate) key: EncodingKey,
}

impl std::fmt::Debug for AppleKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AppleKey(..)")
    }
}

/// How the client's secret is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum TokenAuth {
    ClientSecretBasic,
    ClientSecretPost,
}

/// Where a provider without discovery is asked.
#[derive(Clone, Debug)]
pub(crate) struct Endpoints {
    pub(crate) authorization: String,
    pub(crate) token: String,
    pub(crate) userinfo: String,
}

/// What a provider calls the facts of a profile, by what they are called here.
pub(crate) type ClaimNames = BTreeMap<&'static str, String>;
