//! What the pages of this server ask it. These documents count as registered, so that the pages work where no others run.

use std::sync::LazyLock;

use crate::config::{Config, TrustedDocuments};

/// What the pages behind the links of mails ask: a JSON object of documents.
pub(super) const OF_LINKS: &str = include_str!("link.json");

static REGISTERED_OF_LINKS: LazyLock<TrustedDocuments> =
    LazyLock::new(|| read(OF_LINKS.as_bytes()));
static REGISTERED_OF_THE_PLAYGROUND: LazyLock<TrustedDocuments> =
    LazyLock::new(|| portcullis_playground::operations().map_or_else(Default::default, read));

/// Whether a page of this server asks this, to the byte.
pub(super) fn has(config: &Config, document: &str) -> bool {
    REGISTERED_OF_LINKS.has(document)
        || (config.playground && REGISTERED_OF_THE_PLAYGROUND.has(document))
}

/// What is built in is JSON, which the tests read. Without it, the pages ask what is not registered.
fn read(json: &[u8]) -> TrustedDocuments {
    TrustedDocuments::parse(&String::from_utf8_lossy(json)).unwrap_or_default()
}
