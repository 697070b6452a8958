//! Why a provider has said nothing that counts. None of it repeats a text of the provider's.

use strum::IntoStaticStr;

/// Why there is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It is away, slow, or talks nonsense. Another try may help.
    #[error("the provider is not available")]
    Unavailable(#[from] Away),
    /// It refuses the code, or its answer is not acceptable.
    #[error("the server rejects the provider's answer")]
    Refused(#[from] Refusal),
}

/// Why a provider cannot be spoken with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Away {
    #[error("it takes too long")]
    Slow,
    /// In the words of the libraries that connect, which may hold names out of a certificate: they are escaped.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    #[error("its URL is not https")]
    Insecure,
    #[error("its host name has a private address: see allow_private_addresses")]
    PrivateAddress,
    #[error("it redirects, and the server does not follow")]
    Redirect,
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is longer than 1 MiB")]
    TooLong,
    #[error("the Content-Type of its answer is not JSON")]
    ContentType,
    #[error("its answer is not valid JSON for {0}")]
    Nonsense(&'static str),
    #[error("its metadata does not name the configured issuer")]
    OtherIssuer,
    #[error("its metadata names an endpoint that is not https")]
    InsecureEndpoint,
    #[error("it publishes more than 64 keys, or two keys with the same kid")]
    Keys,
    #[error("it does not know this client: check client_id, client_secret and the redirect URI")]
    UnknownClient,
    #[error("the key cannot sign the client secret: check private_key_file")]
    ClientSecret,
}

/// What is wrong with what a provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, thiserror::Error)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Refusal {
    #[error("it rejects the code")]
    Code,
    #[error("its answer names another issuer, or none")]
    AnswerIssuer,
    #[error("its answer lacks the required ID token")]
    NoIdToken,
    #[error("providers of this kind issue no ID tokens")]
    WithoutIdTokens,
    #[error("providers of this kind cannot confirm a user's identity again")]
    WithoutReauthentication,
    #[error("the ID token is too long, or not a signed token")]
    Malformed,
    #[error("the ID token has an algorithm that is not allowed")]
    Algorithm,
    #[error("the ID token is signed by a key that the provider does not list")]
    UnknownKey,
    #[error("the ID token has an invalid signature")]
    Signature,
    #[error("the ID token comes from another issuer")]
    Issuer,
    #[error("the ID token is for another client")]
    Audience,
    #[error("the ID token has expired, is not valid yet, or has no usable times")]
    Time,
    #[error("the ID token is not for this sign-in")]
    Nonce,
    #[error("the ID token does not match its access token")]
    AccessToken,
    #[error("it does not name a usable subject")]
    Subject,
    #[error("its profile and its ID token name different subjects")]
    OtherSubject,
}

impl ProviderError {
    /// What the error code of a token endpoint says (RFC 6749, section 5.2, and GitHub's own).
    pub(super) fn of_code(code: &str) -> Self {
        match code {
            "invalid_client"
            | "unauthorized_client"
            | "incorrect_client_credentials"
            | "redirect_uri_mismatch" => Away::UnknownClient.into(),
            "server_error" | "temporarily_unavailable" => Away::Status(503).into(),
            _ => Refusal::Code.into(),
        }
    }
}
