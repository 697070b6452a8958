//! How many streams are open, and over how many connections.
//!
//! An open stream costs memory and a file as long as its client likes. So there is a number of them for all, one for each user,
//! and one of connections for each address, before anybody is known. Nobody is closed for others to come in, but for strangers
//! who do not say who they are: who is there stays, and newcomers are told to try again. What streams keep beside is bounded too.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

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

/// What a stream keeps in memory: a document, which it shares with all streams that have the same one, and what is its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Holding {
    /// What tells the document from others while it is kept.
    pub(crate) document: usize,
    /// Bytes, as estimated.
    pub(crate) document_size: usize,
    /// Bytes, as estimated.
    pub(crate) own_size: usize,
}

/// Which limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Full {
    All,
    User,
    Address,
    /// One connection carries as many as it may.
    Connection,
}

/// Bytes that what streams keep may take, beside their connections, and what those of one user may. A document counts once,
/// for a user as often as they have it.
const BYTES_MAX: usize = 128 * 1024 * 1024;
const BYTES_OF_USER_MAX: usize = 1024 * 1024;
/// Of so many connections one may be of somebody who has not said yet who they are.
const STRANGERS: u32 = 10;

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
    bytes: usize,
    /// With how many streams have them.
    documents: HashMap<usize, u32>,
    by_user: HashMap<UserId, Share>,
    by_address: HashMap<IpAddr, u32>,
    /// The connections of strangers, the oldest first.
    strangers: VecDeque<Arc<Notify>>,
}

/// What one user has.
#[derive(Clone, Copy, Default)]
struct Share {
    streams: u32,
    bytes: usize,
}

impl Streams {
    pub(crate) fn new(limits: StreamLimits) -> Self {
        let open = Open {
            limits,
            streams: 0,
            connections: 0,
            bytes: 0,
            documents: HashMap::new(),
            by_user: HashMap::new(),
            by_address: HashMap::new(),
            strangers: VecDeque::new(),
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
    pub(crate) fn connect(
        &self,
        address: Option<IpAddr>,
        by: Transport,
    ) -> Result<StreamPermit, Full> {
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
        Ok(StreamPermit { of: self.clone(), what: What::Connection(address), _present: present })
    }

    /// Counts a connection among those of strangers, until what is returned is dropped. Of too many the oldest must go.
    pub(crate) fn admit_stranger(&self) -> Stranger {
        let mut open = self.lock();
        let must_go = Arc::new(Notify::new());
        open.strangers.push_back(Arc::clone(&must_go));
        if open.strangers.len() > (open.limits.in_all / STRANGERS).max(1) as usize
            && let Some(oldest) = open.strangers.pop_front()
        {
            oldest.notify_one();
        }
        Stranger { of: self.clone(), must_go }
    }

    /// Opens a stream, for as long as what is returned lives.
    pub(crate) fn open(&self, user: UserId, holding: Holding) -> Result<StreamPermit, Full> {
        let mut open = self.lock();
        let StreamLimits { in_all, per_user, .. } = open.limits;
        let Holding { document, document_size, own_size } = holding;
        let is_new = !open.documents.contains_key(&document);
        let bytes = open.bytes + own_size + if is_new { document_size } else { 0 };
        if open.streams >= in_all || bytes > BYTES_MAX {
            return Err(Full::All);
        }
        let mut share = open.by_user.get(&user).copied().unwrap_or_default();
        share = Share { streams: share.streams + 1, bytes: share.bytes + holding.size() };
        if share.streams > per_user || share.bytes > BYTES_OF_USER_MAX {
            return Err(Full::User);
        }
        open.by_user.insert(user, share);
        *open.documents.entry(document).or_default() += 1;
        (open.streams, open.bytes) = (open.streams + 1, bytes);
        let what = What::Stream(user, holding);
        Ok(StreamPermit { of: self.clone(), what, _present: metrics::stream() })
    }

    /// Has all streams end. One that opens afterwards ends at once.
    pub(crate) fn stop(&self) {
        self.0.is_stopping.send_replace(true);
    }

    /// Whether they are to end.
    pub(crate) fn is_stopping(&self) -> bool {
        *self.0.is_stopping.borrow()
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

impl Holding {
    fn size(self) -> usize {
        self.document_size + self.own_size
    }
}

/// A connection of somebody who has not said yet who they are.
pub(crate) struct Stranger {
    of: Streams,
    must_go: Arc<Notify>,
}

impl Stranger {
    /// Returns when others need its place.
    pub(crate) async fn must_go(&self) {
        self.must_go.notified().await;
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.of.lock().strangers.retain(|other| !Arc::ptr_eq(other, &self.must_go));
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
pub(crate) struct StreamPermit {
    of: Streams,
    what: What,
    _present: Present,
}

enum What {
    Stream(UserId, Holding),
    Connection(Option<IpAddr>),
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let mut open = self.of.lock();
        match &self.what {
            What::Stream(user, holding) => open.close(user, holding),
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

impl Open {
    fn close(&mut self, user: &UserId, holding: &Holding) {
        self.streams -= 1;
        self.bytes -= holding.own_size;
        discount(&mut self.documents, &holding.document);
        if !self.documents.contains_key(&holding.document) {
            self.bytes -= holding.document_size;
        }
        if let Some(share) = self.by_user.get_mut(user) {
            share.streams -= 1;
            share.bytes -= holding.size();
            if share.streams == 0 {
                self.by_user.remove(user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const LIMITS: StreamLimits = StreamLimits { in_all: 4, per_user: 2, per_address: 3 };

    fn holding(document: usize, document_size: usize, own_size: usize) -> Holding {
        Holding { document, document_size, own_size }
    }

    fn user() -> UserId {
        UserId::new(DateTime::UNIX_EPOCH)
    }

    #[tokio::test]
    async fn there_are_as_many_as_may_be_and_each_that_ends_makes_room() {
        let streams = Streams::new(LIMITS);
        let (alice, bob, carol) = (user(), user(), user());
        let open = |user| streams.open(user, holding(1, 1_000, 10));
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
        assert_eq!((open.streams, open.connections, open.bytes), (0, 0, 0));
        assert!(open.documents.is_empty());
    }

    #[test]
    fn what_streams_keep_is_bounded_for_all_and_for_each_user_and_a_document_counts_once() {
        const MIB: usize = 1024 * 1024;
        let limits = StreamLimits { in_all: 1_000, per_user: 1_000, per_address: 1 };
        let streams = Streams::new(limits);
        let alice = user();
        let own = streams.open(alice, holding(1, MIB / 2, MIB / 2)).unwrap();
        assert_eq!(streams.open(alice, holding(1, 1, 0)).err(), Some(Full::User));
        let shared: Vec<_> =
            (0..500).map(|_| streams.open(user(), holding(1, MIB / 2, 0)).unwrap()).collect();
        let others: Vec<_> =
            (2..256).map(|i| streams.open(user(), holding(i, MIB / 2, 0)).unwrap()).collect();
        assert_eq!(streams.open(user(), holding(256, MIB / 2, 0)).err(), Some(Full::All));
        assert!(streams.open(user(), holding(2, MIB / 2, 0)).is_ok());
        drop((own, shared, others));
        assert_eq!(streams.lock().bytes, 0);
    }

    #[tokio::test]
    async fn of_too_many_strangers_the_oldest_goes() {
        let limits = StreamLimits { in_all: 20, per_user: 1, per_address: 1 };
        let streams = Streams::new(limits);
        let (first, second) = (streams.admit_stranger(), streams.admit_stranger());
        drop(streams.admit_stranger());
        first.must_go().await;
        drop(first);
        let _third = streams.admit_stranger();
        let _fourth = streams.admit_stranger();
        second.must_go().await;
    }
}
