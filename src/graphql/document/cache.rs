//! Documents that have been proven cheap, by their text.

use std::sync::Arc;

use moka::sync::Cache;
use serde_json::{Map, Value};

use super::{Proven, Refusal, Scanned, variables};
use crate::platform::secret::sha256;

/// What the remembered texts may hold in all, in bytes. Parsed, they take some fifty times as much.
const TEXT_MAX: u64 = 512 * 1024;

/// Scans documents, and remembers those that passed by the SHA-256 of their whole text. Clones share
/// them.
///
/// Whatever else a proof depends on is the same for the life of one: whether introspection is allowed. It
/// does not depend on who asks, not even that of an introspection which lists to each caller something else:
/// what is remembered is a question and never an answer.
#[derive(Clone)]
pub(crate) struct Documents {
    proven: Cache<[u8; 32], Arc<Entry>>,
    allow_introspection: bool,
}

struct Entry {
    proven: Proven,
    length: u32,
}

impl Documents {
    pub(crate) fn new(allow_introspection: bool) -> Self {
        let proven = Cache::builder()
            .max_capacity(TEXT_MAX)
            .weigher(|_, entry: &Arc<Entry>| entry.length)
            .build();
        Self { proven, allow_introspection }
    }

    /// Parses `source`, whose operation `operation_name` is to run with `variables`, and proves it
    /// cheap.
    pub(crate) fn scan(
        &self,
        source: &str,
        operation_name: Option<&str>,
        variables: &Map<String, Value>,
    ) -> Result<Scanned, Refusal> {
        variables::check(variables)?;
        let digest = sha256(source.as_bytes());
        if let Some(entry) = self.proven.get(&digest) {
            return entry.proven.choose(operation_name, variables);
        }
        let proven = Proven::read(source, self.allow_introspection)?;
        let length = u32::try_from(source.len()).unwrap_or(u32::MAX);
        let entry = Arc::new(Entry { proven, length });
        self.proven.insert(digest, Arc::clone(&entry));
        entry.proven.choose(operation_name, variables)
    }
}
