//! What the pages of this server ask it. These documents count as registered, so that the pages work where no others run.

use std::sync::LazyLock;

use crate::config::{Config, TrustedDocuments};

static OF_THE_PLAYGROUND: LazyLock<TrustedDocuments> =
    LazyLock::new(|| portcullis_web::operations().map_or_else(Default::default, read));

/// Whether a page of this server asks this, to the byte.
pub(super) fn has(config: &Config, document: &str) -> bool {
    TrustedDocuments::of_pages().has(document)
        || (config.playground && OF_THE_PLAYGROUND.has(document))
}

/// What is built in is JSON, which the tests read. Without it, the page asks what is not registered.
fn read(json: &[u8]) -> TrustedDocuments {
    TrustedDocuments::parse(&String::from_utf8_lossy(json)).unwrap_or_default()
}
