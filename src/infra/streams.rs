//! How many streams are open, and over how many connections.
//!
//! An open stream costs memory and a file as long as its client likes. So there is a number of them for all, one for each user,
//! and one of connections for each address, before anybody is known. Nobody is closed for others to come in: who is there
//! stays, and newcomers are told to try again.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::infra::metrics::{self, Present, Transport};
use crate::kernel::access::network;
use crate::kernel::id::UserId;

/// How many there may be at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamLimits {
    /// Of this process: connections that are kept for streams, and as many streams over them.
    pub(crate) in_all: u32,
    /// Streams of one user.
    pub(crate) per_user: u32,
    /// Connections from one IPv4 address or one /64 of IPv6.
    pub(crate) per_address: u32,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    User,
    Address,
}

/// The streams of this process. Clones share them.
#[derive(Clone)]
pub(crate) struct Streams(Arc<Shared>);

struct Shared {
    open: Mutex<Open>,
    is_stopping: watch::Sender<bool>,
    /// How many connections there are, for who waits for the last to go.
    left: watch::Sender<u32>,
}

struct Open {
    limits: StreamLimits,
    streams: u32,
    connections: u32,
    by_user: HashMap<UserId, u32>,
    by_address: HashMap<IpAddr, u32>,
}

impl Streams {
    pub(crate) fn new(limits: StreamLimits) -> Self {
        let open = Open {
            limits,
            streams: 0,
            connections: 0,
            by_user: HashMap::new(),
            by_address: HashMap::new(),
        };
        Self(Arc::new(Shared {
            open: Mutex::new(open),
            is_stopping: watch::Sender::new(false),
            left: watch::Sender::new(0),
        }))
    }

    /// Nothing panics while it holds this lock.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Allows no more than there can be files. Says whether that is as many as were allowed before.
    pub(crate) fn allow_at_most(&self, connections: u32) -> bool {
        let mut open = self.lock();
        let is_enough = open.limits.in_all <= connections;
        open.limits.in_all = open.limits.in_all.min(connections);
        is_enough
    }

    /// Keeps a connection for streams, for as long as what is returned lives.
    pub(crate) fn connect(&self, address: Option<IpAddr>, by: Transport) -> Result<Held, Full> {
        let mut open = self.lock();
        let StreamLimits { in_all, per_address, .. } = open.limits;
        if open.connections >= in_all {
            return Err(Full::All);
        }
        let address = address.map(network);
        if let Some(address) = address {
            count(&mut open.by_address, address, per_address).ok_or(Full::Address)?;
        }
        open.connections += 1;
        self.0.left.send_replace(open.connections);
        let present = metrics::stream_connection(by);
        Ok(Held { of: self.clone(), what: What::Connection(address), _present: present })
    }

    /// Opens a stream, for as long as what is returned lives.
    pub(crate) fn open(&self, user: UserId) -> Result<Held, Full> {
        let mut open = self.lock();
        let StreamLimits { in_all, per_user, .. } = open.limits;
        if open.streams >= in_all {
            return Err(Full::All);
        }
        count(&mut open.by_user, user, per_user).ok_or(Full::User)?;
        open.streams += 1;
        Ok(Held { of: self.clone(), what: What::Stream(user), _present: metrics::stream() })
    }

    /// Has all streams end, and opens no more.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.send_replace(true);
    }

    /// Returns when they are to end.
    pub(crate) async fn stopping(&self) {
        // There is always a sender.
        let _ = self.0.is_stopping.subscribe().wait_for(|is_stopping| *is_stopping).await;
    }

    /// Returns when no connection is kept for streams any more.
    pub(crate) async fn drain(&self) {
        let _ = self.0.left.subscribe().wait_for(|left| *left == 0).await;
    }
}

/// Counts one more, unless there are as many as there may be.
fn count<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: K, max: u32) -> Option<()> {
    let is_full = counts.get(&key).copied().unwrap_or_default() >= max;
    (!is_full).then(|| *counts.entry(key).or_default() += 1)
}

/// Counts one less.
fn discount<K: Eq + Hash>(counts: &mut HashMap<K, u32>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

/// A stream, or a connection for streams, that counts.
pub(crate) struct Held {
    of: Streams,
    what: What,
    _present: Present,
}

enum What {
    Stream(UserId),
    Connection(Option<IpAddr>),
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut open = self.of.lock();
        match &self.what {
            What::Stream(user) => {
                open.streams -= 1;
                discount(&mut open.by_user, user);
            }
            What::Connection(address) => {
                open.connections -= 1;
                if let Some(address) = address {
                    discount(&mut open.by_address, address);
                }
                self.of.0.left.send_replace(open.connections);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const LIMITS: StreamLimits = StreamLimits { in_all: 4, per_user: 2, per_address: 3 };

    #[tokio::test]
    async fn there_are_as_many_as_may_be_and_each_that_ends_makes_room() {
        let streams = Streams::new(LIMITS);
        let user = || UserId::new(DateTime::UNIX_EPOCH);
        let (alice, bob, carol) = (user(), user(), user());
        let open = |user| streams.open(user);
        let mut held: Vec<_> = [alice, alice, bob].map(|user| open(user).unwrap()).into();
        assert_eq!(open(alice).err(), Some(Full::User));
        held.push(open(carol).unwrap());
        assert_eq!(open(bob).err(), Some(Full::All));
        held.remove(0);
        assert_eq!(open(carol).map(drop).err(), None);
        assert_eq!(open(alice).map(drop).err(), None);

        let connect =
            |address: &str| streams.connect(Some(address.parse().unwrap()), Transport::WebSocket);
        let near: Vec<_> = (1..=3).map(|i| connect(&format!("2001:db8::{i}")).unwrap()).collect();
        assert_eq!(connect("2001:db8::4").err(), Some(Full::Address), "one client has a /64");
        let far = connect("2001:db8:1::1").unwrap();
        assert_eq!(connect("192.0.2.1").err(), Some(Full::All));
        drop((near, far, held));
        streams.drain().await;
        let open = streams.lock();
        assert!(open.by_user.is_empty() && open.by_address.is_empty());
        assert_eq!((open.streams, open.connections), (0, 0));
    }
}
