//! Where people may be sent back to after they have signed in elsewhere: the setting `RETURN_URLS`.

use std::sync::Arc;

/// The URLs that the operator allows, in the order of the setting. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReturnUrls(Arc<[String]>);

impl ReturnUrls {
    pub(crate) fn new(urls: Vec<String>) -> Self {
        Self(urls.into())
    }

    /// Whether a flow may end there.
    pub(crate) fn allows(&self, url: &str) -> bool {
        self.0.iter().any(|allowed| allowed == url)
    }

    /// Where a flow ends that names no URL.
    pub(crate) fn first(&self) -> Option<&str> {
        self.0.first().map(String::as_str)
    }
}
