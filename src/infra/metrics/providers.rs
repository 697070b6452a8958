//! What is counted by provider. A provider's name is the operator's word, so there are few.

use std::sync::Arc;

use metrics::{Counter, counter, describe_counter};
use strum::{IntoStaticStr, VariantArray};

use super::Outcome;

const LOGINS: &str = "portcullis_provider_logins_total";
const REQUESTS: &str = "portcullis_provider_requests_total";

/// What can become of either.
const OUTCOMES: [Outcome; 3] = [Outcome::Success, Outcome::Refused, Outcome::Unavailable];

pub(super) fn describe() {
    describe_counter!(LOGINS, "Sign-ins with a provider, by outcome");
    describe_counter!(REQUESTS, "Requests to providers, by outcome");
}

/// What a provider is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "snake_case")]
pub(crate) enum ProviderRequest {
    /// What it publishes about itself.
    Discovery,
    /// What it signs with.
    Keys,
    /// Tokens for a code.
    Token,
    /// Who somebody is.
    Profile,
    /// Their addresses.
    Addresses,
}

/// From now on a provider may be asked.
pub(crate) fn begin_provider(provider: &Arc<str>) {
    for request in ProviderRequest::VARIANTS {
        for outcome in OUTCOMES {
            requests(provider, *request, outcome).absolute(0);
        }
    }
    for outcome in OUTCOMES {
        logins(provider, outcome).absolute(0);
    }
}

/// Somebody came back from a provider.
pub(crate) fn provider_login(provider: &str, outcome: Outcome) {
    logins(&provider.into(), outcome).increment(1);
}

/// A provider has answered, or not.
pub(crate) fn provider_request(provider: &Arc<str>, request: ProviderRequest, outcome: Outcome) {
    requests(provider, request, outcome).increment(1);
}

fn requests(provider: &Arc<str>, request: ProviderRequest, outcome: Outcome) -> Counter {
    counter!(
        REQUESTS,
        "provider" => Arc::clone(provider),
        "request" => request.into_str(),
        "outcome" => outcome.into_str()
    )
}

fn logins(provider: &Arc<str>, outcome: Outcome) -> Counter {
    counter!(LOGINS, "provider" => Arc::clone(provider), "outcome" => outcome.into_str())
}
