//! Why a provider has said nothing that counts. None of it repeats a text of the provider's.

use strum::IntoStaticStr;

/// Why there is no assertion.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// It is away, slow, or talks nonsense. Another try may help.
    #[error("the provider is not available")]
    Unavailable(#[source] Away),
    /// It refuses the code, or its answer is not acceptable.
    #[error("the provider's answer is refused")]
    Refused(#[source] Refusal),
}

/// Why a provider cannot be spoken with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Away {
    #[error("as many requests to it as there may be are under way")]
    Busy,
}

/// What is wrong with what a provider says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, thiserror::Error)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum Refusal {
    #[error("it refuses the code")]
    Code,
}
