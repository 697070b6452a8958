//! Why a provider has said nothing that counts. None of it repeats a text of the provider's.

use strum::IntoStaticStr;

/// Why there is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It is away, slow, or talks nonsense. Another try may help.
    #[error("the provider is not available")]
    Unavailable(#[from] Away),
    /// It refuses the code, or its answer is not acceptable.
    #[error("the provider's answer is refused")]
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
    #[error(
        "its name leads to an address that is not of the internet: see allow_private_addresses"
    )]
    PrivateAddress,
    #[error("it redirects, which is not followed")]
    Redirect,
    #[error("it answers with status {0}")]
    Status(u16),
    #[error("its answer is longer than 1 MiB")]
    TooLong,
    #[error("its answer is not called JSON")]
    ContentType,
    #[error("its answer is not the JSON that {0} is made of")]
    Nonsense(&'static str),
    #[error("its metadata names another issuer than the configured one")]
    OtherIssuer,
    #[error("its metadata names an endpoint that is not https")]
    InsecureEndpoint,
    #[error("its list of keys has more than 64, or two with one kid")]
    Keys,
    #[error("it does not know this client: see client_id, client_secret and the redirect URI")]
    UnknownClient,
    #[error("the client secret for it cannot be signed: see private_key_file")]
    ClientSecret,
}

/// What is wrong with what a provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, thiserror::Error)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Refusal {
    #[error("it does not take the code")]
    Code,
    #[error("its answer comes from another issuer, or does not say from which")]
    AnswerIssuer,
    #[error("there is no ID token, where there must be one")]
    NoIdToken,
    #[error("providers of this kind issue no ID tokens")]
    WithoutIdTokens,
    #[error("providers of this kind cannot ask again who somebody is")]
    WithoutReauthentication,
    #[error("the ID token is too long, or no signed token")]
    Malformed,
    #[error("the ID token has an algorithm that is not allowed")]
    Algorithm,
    #[error("the ID token is signed by a key that the provider does not list")]
    UnknownKey,
    #[error("the ID token has a bad signature")]
    Signature,
    #[error("the ID token is of another issuer")]
    Issuer,
    #[error("the ID token is for somebody else")]
    Audience,
    #[error("the ID token has expired, is not valid yet, or has no usable times")]
    Time,
    #[error("the ID token is not for this sign-in")]
    Nonce,
    #[error("the ID token is not for the access token beside it")]
    AccessToken,
    #[error("it names no usable subject")]
    Subject,
    #[error("its profile is of somebody else than its ID token")]
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
