//! Refused calls: each the first time at once, then counted, so that whoever attacks cannot fill the
//! disk (LG-08).
//!
//! A refusal has no change to join. It is told here when its request is over, which costs a lock and
//! a look into a map whatever was refused (EN-02), and written by [`Refusals::write`] from a task of
//! its own. What is alike within [`WINDOW`] becomes one event with a count. At most [`KEYS_MAX`]
//! kinds of alike are told apart at a time; what is beyond is counted under its kind alone. So
//! however many calls are refused, at most about 2 × `KEYS_MAX` rows a minute are written: under
//! 1 MB. A database that is away costs nothing but time: what could not be written stays counted.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;
use tokio::sync::Notify;
use uuid::Uuid;

use super::{Actor, Event, Kind, store};
use crate::infra::db::Db;
use crate::kernel::access::{Origin, Refusal, Viewer, network};
use crate::kernel::clock::Clock;
use crate::kernel::id::SessionId;

/// For this long after an event what is like it is only counted.
const WINDOW: Duration = Duration::from_mins(1);
/// How many kinds of alike are told apart at a time.
const KEYS_MAX: usize = 1_000;
/// Rows in one statement; each has a dozen values, and some databases take few thousand.
const BATCH: usize = 100;

/// Counts refusals, and writes them.
#[derive(Clone)]
pub(crate) struct Refusals {
    db: Db,
    clock: Clock,
    windows: Arc<Mutex<HashMap<Key, Window>>>,
    told: Arc<Notify>,
}

/// What makes two refusals alike.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: Kind,
    actor: Actor,
    target: Option<Uuid>,
    /// Of an IPv6 address the first half, which is what one customer has.
    network: Option<IpAddr>,
}

struct Window {
    /// The first of those that are not written.
    due: Due,
    /// When, by the uptime, this key was last written.
    written_at: Option<Duration>,
}

/// Refusals to be written as one event.
#[derive(Clone)]
pub(super) struct Due {
    key: Key,
    pub(super) first_at: DateTime<Utc>,
    session: Option<SessionId>,
    origin: Origin,
    pub(super) occurrences: u32,
}

impl Due {
    pub(super) fn event(&self) -> Event<'_> {
        let Key { kind, actor, target, .. } = self.key;
        Event { kind, actor, target, session: self.session, origin: &self.origin }
    }
}

impl Refusals {
    pub(crate) fn new(db: Db, clock: Clock) -> Self {
        Self { db, clock, windows: Arc::default(), told: Arc::default() }
    }

    /// Notes a refusal, which is written before long; waits for nothing.
    pub(crate) fn tell(&self, refusal: Refusal, viewer: Option<&Viewer>, origin: &Origin) {
        let mut key = Key {
            kind: refusal.refused.into(),
            actor: viewer.map_or(Actor::Unknown, Actor::from),
            target: refusal.target,
            network: origin.ip.map(network),
        };
        let mut due = Due {
            key,
            first_at: self.clock.now(),
            session: viewer.map(|viewer| viewer.session_id),
            origin: origin.clone(),
            occurrences: 0,
        };
        let mut windows = self.windows();
        if windows.len() >= KEYS_MAX && !windows.contains_key(&key) {
            key = Key { actor: Actor::Unknown, target: None, network: None, ..key };
            due = Due { key, session: None, origin: Origin::CLI, ..due };
        }
        let window =
            windows.entry(key).or_insert_with(|| Window { due: due.clone(), written_at: None });
        if window.due.occurrences == 0 {
            window.due = due;
        }
        window.due.occurrences = window.due.occurrences.saturating_add(1);
        if window.written_at.is_none() {
            self.told.notify_one();
        }
    }

    /// Waits until there is a refusal that is unlike those before it.
    pub(crate) async fn told(&self) {
        self.told.notified().await;
    }

    /// Writes what is due: each first refusal, and the counts whose window is over.
    pub(crate) async fn write(&self) -> Result<(), DbErr> {
        let now = self.clock.uptime();
        self.write_where(|window| window.is_over(now)).await
    }

    /// Writes everything, as at the end of the process.
    pub(crate) async fn write_all(&self) -> Result<(), DbErr> {
        self.write_where(|_| true).await
    }

    async fn write_where(&self, is_due: impl Fn(&Window) -> bool) -> Result<(), DbErr> {
        let due = self.take(is_due);
        let mut batches = due.chunks(BATCH);
        while let Some(batch) = batches.next() {
            if let Err(error) = store::insert_refusals(self.db.writer(), batch).await {
                self.take_back(std::iter::once(batch).chain(batches).flatten());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Takes what is to be written off the counts, so that nobody else writes it too and what is
    /// told meanwhile counts anew; and forgets what has not happened again.
    fn take(&self, is_due: impl Fn(&Window) -> bool) -> Vec<Due> {
        let now = self.clock.uptime();
        let mut windows = self.windows();
        windows.retain(|_, window| window.due.occurrences > 0 || !window.is_over(now));
        let mut taken = Vec::new();
        for window in windows.values_mut() {
            if window.due.occurrences > 0 && is_due(window) {
                taken.push(window.due.clone());
                window.due.occurrences = 0;
                window.written_at = Some(now);
            }
        }
        taken
    }

    /// Counts again, as not yet written, what could not be written.
    fn take_back<'a>(&self, unwritten: impl Iterator<Item = &'a Due>) {
        let mut windows = self.windows();
        for due in unwritten {
            let told_since = windows.get(&due.key).map_or(0, |window| window.due.occurrences);
            let occurrences = told_since.saturating_add(due.occurrences);
            let due = Due { occurrences, ..due.clone() };
            windows.insert(due.key, Window { due, written_at: None });
        }
    }

    fn windows(&self) -> MutexGuard<'_, HashMap<Key, Window>> {
        // The map is whole after every step, so a panic elsewhere has spoiled nothing.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Window {
    /// Whether what it counts is due.
    fn is_over(&self, now: Duration) -> bool {
        self.written_at.is_none_or(|written_at| now.saturating_sub(written_at) >= WINDOW)
    }
}

#[cfg(test)]
mod tests;
