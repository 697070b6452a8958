//! How many connections there may be, and for how long a client may keep one waiting.

use std::time::Duration;

/// Connections at once. Each may hold a request's head and body.
const CONNECTIONS_MAX: u32 = 2048;
/// Open files that are not connections of clients: the database's, the log's, the program's.
const FILES_RESERVED: u32 = 128;

/// How long, and how many.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Limits {
    /// From the first byte of a request, or a connection's beginning, to the end of its headers.
    pub(in crate::http) head: Duration,
    /// From an answer to the next request's first byte.
    pub(in crate::http) idle: Duration,
    /// In which a client takes nothing of an answer.
    pub(in crate::http) answer: Duration,
    pub(in crate::http) connections: u32,
    /// Of them, from one IPv4 address or one /64 of IPv6.
    pub(in crate::http) per_address: u32,
    /// Connections beside them that carry streams.
    pub(in crate::http) streams: u32,
}

impl Limits {
    /// As many as there can be files.
    pub(in crate::http) fn new(per_address: u32) -> Self {
        let seconds = Duration::from_secs;
        let (head, idle, answer) = (seconds(10), seconds(75), seconds(30));
        let files = files_max().unwrap_or(u32::MAX);
        let connections =
            files.saturating_sub(FILES_RESERVED).max(files / 2).clamp(1, CONNECTIONS_MAX);
        if connections < CONNECTIONS_MAX {
            tracing::warn!("the limit of open files allows {connections} concurrent connections");
        }
        let streams = files.saturating_sub(FILES_RESERVED + connections).max(1);
        Self { head, idle, answer, connections, per_address, streams }
    }
}

/// How many files this process may have open, once it has asked for as many as it may ask for.
#[cfg(unix)]
fn files_max() -> Option<u32> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Refused only where the hard limit is above what the kernel grants; then the old one stays.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let granted = getrlimit(Resource::Nofile).current?;
    Some(u32::try_from(granted).unwrap_or(u32::MAX))
}

#[cfg(not(unix))]
fn files_max() -> Option<u32> {
    None
}
