//! The live connections, by the address they come from.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipnet::IpNet;
use tokio::time::Instant;

use super::state::State;
use crate::infra::metrics::{self, Cut};
use crate::kernel::access::network;

/// Who a connection counts for: an IPv4 address, or the /64 of an IPv6 one, since that is what one
/// client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Client(IpAddr);

impl Client {
    pub(super) fn of(address: IpAddr) -> Self {
        Self(network(address))
    }

    /// The address of what is likely a proxy of the operator's, and no person's.
    pub(super) fn private(self) -> Option<IpAddr> {
        let is_private = match self.0 {
            IpAddr::V4(address) => address.is_private() || address.is_loopback(),
            IpAddr::V6(address) => address.is_unique_local() || address.is_loopback(),
        };
        is_private.then_some(self.0)
    }
}

/// What becomes of a newcomer, as far as its address is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    Free,
    /// Another connection of the same address gives its place up.
    Replacing,
    /// The address has as many as it may, and all of them are at work.
    Refused,
}

pub(super) struct Table {
    per_address: usize,
    /// Proxies, each of which stands for many clients.
    exempt: Vec<IpNet>,
    live: Mutex<HashMap<Client, Vec<Arc<State>>>>,
}

impl Table {
    pub(super) fn new(per_address: u32, exempt: &[IpNet]) -> Self {
        let per_address = per_address as usize;
        Self { per_address, exempt: exempt.to_vec(), live: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, Vec<Arc<State>>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_exempt(&self, client: Client) -> bool {
        self.exempt.iter().any(|network| network.contains(&client.0))
    }

    /// Whether there is room for one more from an address, for which the slowest of the same
    /// address may have to go.
    pub(super) fn admit(&self, client: Client) -> Admission {
        let mut live = self.lock();
        let Some(states) = live.get_mut(&client) else { return Admission::Free };
        // Streams have limits of their own (`infra/streams.rs`).
        let count = || states.iter().filter(|state| !state.is_streaming()).count();
        if self.is_exempt(client) || count() < self.per_address {
            return Admission::Free;
        }
        while let Some(Slowest { place, .. }) = slowest(states, Instant::now()) {
            // What has stopped waiting since it was looked at stays.
            if states[place].evict(Instant::now()) {
                states.swap_remove(place);
                metrics::connection_was_cut(Cut::AddressFull);
                return Admission::Replacing;
            }
        }
        metrics::connection_was_cut(Cut::AddressBusy);
        Admission::Refused
    }

    /// Ends the slowest of the connections that wait, of the address that has most of those.
    pub(super) fn make_room(&self) -> bool {
        let mut live = self.lock();
        let now = Instant::now();
        let crowds = live.iter().filter_map(|(client, states)| {
            let Slowest { place, lateness, waiting } = slowest(states, now)?;
            // Each connection of a proxy is another client's.
            let weight = if self.is_exempt(*client) { 1 } else { waiting };
            Some(((weight, lateness), *client, place))
        });
        let Some((_, client, place)) = crowds.max_by_key(|(rank, ..)| *rank) else { return false };
        let Some(states) = live.get_mut(&client) else { return false };
        let has_gone = states[place].evict(now);
        if has_gone {
            states.swap_remove(place);
            metrics::connection_was_cut(Cut::Crowded);
        }
        has_gone
    }

    /// Ends the connection that holds most by some measure, of the address that holds most in all. Says how much it
    /// was.
    pub(super) fn relieve(&self, held: impl Fn(&State) -> usize) -> Option<usize> {
        let mut live = self.lock();
        let crowds = live.iter().filter_map(|(client, states)| {
            let all = states.iter().map(|state| held(state));
            let (place, most) = all.clone().enumerate().max_by_key(|(_, held)| *held)?;
            // Each connection of a proxy is another client's.
            let rank = if self.is_exempt(*client) { most } else { all.sum() };
            (most > 0).then_some((rank, most, *client, place))
        });
        let (_, most, client, place) = crowds.max_by_key(|(rank, ..)| *rank)?;
        let states = live.get_mut(&client)?;
        if !states[place].relieve() {
            return None;
        }
        states.swap_remove(place);
        metrics::connection_was_cut(Cut::Relieved);
        Some(most)
    }

    /// Whether this is said of exactly so many connections.
    #[cfg(test)]
    pub(super) fn has(&self, number: usize, is: impl Fn(&State) -> bool) -> bool {
        self.lock().values().flatten().filter(|state| is(state)).count() == number
    }

    /// Counts a connection in, for as long as what is returned lives.
    pub(super) fn enter(self: &Arc<Self>, client: Client, state: &Arc<State>) -> Entry {
        self.lock().entry(client).or_default().push(Arc::clone(state));
        Entry { table: Arc::clone(self), client, state: Arc::clone(state) }
    }
}

/// The one of some connections that is furthest behind, and how many of them wait.
struct Slowest {
    place: usize,
    lateness: Duration,
    waiting: usize,
}

fn slowest(states: &[Arc<State>], now: Instant) -> Option<Slowest> {
    let mut found: Option<Slowest> = None;
    for (place, state) in states.iter().enumerate() {
        let Some(lateness) = state.lateness(now) else { continue };
        let waiting = 1 + found.as_ref().map_or(0, |found| found.waiting);
        found = match found {
            Some(found) if found.lateness >= lateness => Some(Slowest { waiting, ..found }),
            _ => Some(Slowest { place, lateness, waiting }),
        };
    }
    found
}

/// A connection in the table.
pub(super) struct Entry {
    table: Arc<Table>,
    client: Client,
    state: Arc<State>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        let mut live = self.table.lock();
        let Some(states) = live.get_mut(&self.client) else { return };
        // One that was evicted is not there any more.
        if let Some(place) = states.iter().position(|state| Arc::ptr_eq(state, &self.state)) {
            states.swap_remove(place);
        }
        if states.is_empty() {
            live.remove(&self.client);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;

    const LIMITS: Limits = Limits {
        head: Duration::from_secs(10),
        idle: Duration::from_secs(75),
        answer: Duration::from_secs(30),
        connections: 9,
        per_address: 2,
        streams: 9,
    };

    fn client(address: &str) -> Client {
        Client::of(address.parse().unwrap())
    }

    fn join(table: &Arc<Table>, address: &str) -> (Arc<State>, Entry) {
        let state = Arc::new(State::new(LIMITS));
        let entry = table.enter(client(address), &state);
        (state, entry)
    }

    fn is_gone(state: &State) -> bool {
        matches!(state.begin(Some(0)), Err(super::super::state::Unfit::Evicted))
    }

    async fn second() {
        tokio::time::advance(Duration::from_secs(1)).await;
    }

    #[test]
    fn an_ipv6_client_is_its_network_and_a_mapped_address_is_ipv4() {
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:1"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:192.0.2.7"), client("192.0.2.7"));
        assert_ne!(client("192.0.2.7"), client("192.0.2.8"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_is_full_replaces_its_own_slowest_or_is_refused() {
        let table = Arc::new(Table::new(2, &["10.0.0.0/8".parse().unwrap()]));
        let (other, _other) = join(&table, "192.0.2.9");
        second().await;
        let (first, _first) = join(&table, "192.0.2.7");
        second().await;
        let (second, _second) = join(&table, "192.0.2.7");
        assert_eq!(table.admit(client("192.0.2.7")), Admission::Replacing);
        assert!(is_gone(&first));
        assert!(!is_gone(&other));

        let (third, _third) = join(&table, "192.0.2.7");
        let _ = (second.begin(Some(0)), third.begin(Some(0)));
        assert_eq!(table.admit(client("192.0.2.7")), Admission::Refused, "both are at work");
        assert_eq!(table.admit(client("192.0.2.8")), Admission::Free);
        let proxied: Vec<_> = (0..9).map(|_| join(&table, "10.1.1.1")).collect();
        assert_eq!(table.admit(client("10.1.1.1")), Admission::Free);
        drop(proxied);
    }

    #[tokio::test(start_paused = true)]
    async fn room_is_made_by_whoever_holds_most_and_not_by_proxies() {
        let table = Arc::new(Table::new(9, &["10.0.0.0/8".parse().unwrap()]));
        let proxied: Vec<_> = (0..9).map(|_| join(&table, "10.1.1.1")).collect();
        let (alone, _alone) = join(&table, "192.0.2.9");
        second().await;
        let greedy: Vec<_> = (0..3).map(|_| join(&table, "192.0.2.7")).collect();
        let _ = greedy[0].0.begin(Some(0));
        assert!(table.make_room());
        assert!(!is_gone(&alone) && proxied.iter().all(|(state, _)| !is_gone(state)));
        let gone: Vec<_> = greedy.iter().map(|(state, _)| is_gone(state)).collect();
        assert_eq!(gone.iter().filter(|gone| **gone).count(), 1);
        assert!(!gone[0], "it is at work");
        // All that are left work, as `is_gone` has them begin.
        assert!(!table.make_room());
    }

    #[test]
    fn an_entry_that_ends_is_forgotten() {
        let table = Arc::new(Table::new(9, &[]));
        let (_, entry) = join(&table, "192.0.2.9");
        drop(entry);
        assert!(table.lock().is_empty());
    }
}
