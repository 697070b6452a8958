//! By what name a provider is known, in its metadata, its answers and its tokens.

use uuid::Uuid;

/// Microsoft's part of an issuer before the tenant.
const MICROSOFT: &str = "https://login.microsoftonline.com/";
const MICROSOFT_VERSION: &str = "/v2.0";
/// What stands for the tenant in the metadata of all of them.
const ANY_TENANT: &str = "{tenantid}";
/// The tenant of personal accounts.
const CONSUMERS: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

/// Who may issue.
#[derive(Debug)]
pub(super) enum Issuer {
    Exactly(String),
    /// GitHub, whose answers name a part of it.
    Github(String),
    /// Each tenant of Microsoft's is an issuer, and the setting names one or a group of them.
    Microsoft {
        tenant: String,
    },
}

impl Issuer {
    /// Whether metadata of this name is ours to read.
    pub(super) fn is_published_as(&self, name: &str) -> bool {
        match self {
            Self::Exactly(issuer) | Self::Github(issuer) => name == issuer,
            Self::Microsoft { tenant } => {
                tenant_of(name).is_some_and(|published| match tenant.as_str() {
                    "common" | "organizations" => published == ANY_TENANT,
                    "consumers" => published == CONSUMERS,
                    tenant => published == tenant,
                })
            }
        }
    }

    /// Whether an answer of this name comes from it (RFC 9207).
    pub(super) fn answers_as(&self, name: &str) -> bool {
        match self {
            Self::Exactly(_) | Self::Microsoft { .. } => self.keeps(name),
            Self::Github(issuer) => name
                .strip_prefix(issuer.as_str())
                .is_some_and(|rest| rest.is_empty() || rest == "/login/oauth"),
        }
    }

    /// Whether identities of this name are its own.
    pub(super) fn keeps(&self, name: &str) -> bool {
        match self {
            Self::Exactly(issuer) | Self::Github(issuer) => name == issuer,
            Self::Microsoft { tenant } => tenant_of(name).is_some_and(|it| is_of(it, tenant)),
        }
    }

    /// Whether a token of this issuer is one of its own. Of Microsoft's it has to be of this tenant, and its key one of that
    /// tenant's or of all of them.
    pub(super) fn signs_as(
        &self,
        name: &str,
        tenant_id: Option<&str>,
        key_issuer: Option<&str>,
    ) -> bool {
        match self {
            Self::Exactly(_) | Self::Github(_) => self.keeps(name),
            Self::Microsoft { .. } => {
                let signing = tenant_of(name);
                self.keeps(name)
                    && signing.is_some()
                    && signing == tenant_id
                    && key_issuer.is_none_or(|key| {
                        tenant_of(key).is_some_and(|key| key == ANY_TENANT || Some(key) == signing)
                    })
            }
        }
    }
}

/// Where Microsoft publishes what is true of a tenant, or of a group of them.
pub(crate) fn of_microsoft(tenant: &str) -> String {
    format!("{MICROSOFT}{tenant}{MICROSOFT_VERSION}")
}

/// Whether a tenant can be configured: a group of them, or one by its id. A domain could change its tenant.
pub(crate) fn is_tenant(tenant: &str) -> bool {
    matches!(tenant, "common" | "organizations" | "consumers") || is_id(tenant)
}

fn tenant_of(name: &str) -> Option<&str> {
    name.strip_prefix(MICROSOFT)?.strip_suffix(MICROSOFT_VERSION)
}

/// Whether a tenant is the configured one, or one of the configured group.
fn is_of(tenant: &str, configured: &str) -> bool {
    is_id(tenant)
        && match configured {
            "common" => true,
            "organizations" => tenant != CONSUMERS,
            "consumers" => tenant == CONSUMERS,
            one => tenant == one,
        }
}

fn is_id(tenant: &str) -> bool {
    tenant.len() == 36
        && Uuid::try_parse(tenant).is_ok()
        && !tenant.contains(|c: char| c.is_ascii_uppercase())
}
