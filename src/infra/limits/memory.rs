//! Counting in this process: a bounded map, in which what ends first makes room.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Refused;
use super::state::{Amendment, Check, Key, State};

/// What has ended is removed as new keys come: this many for each.
const SWEPT_AT_ONCE: usize = 2;

pub(super) struct Memory(Mutex<Table>);

struct Table {
    states: HashMap<Key, State>,
    /// The same keys by when their states end, so that the next to go is found at once.
    by_end: BTreeSet<(u64, Key)>,
    capacity: usize,
}

impl Memory {
    /// Remembers at most `capacity` keys.
    pub(super) fn new(capacity: usize) -> Self {
        let (states, by_end) = (HashMap::new(), BTreeSet::new());
        Self(Mutex::new(Table { states, by_end, capacity }))
    }

    /// Counts an attempt under every key, or under none.
    pub(super) fn admit(&self, checks: &[Check], now: u64) -> Result<(), Refused> {
        let mut table = self.lock();
        let waits = checks.iter().map(|check| match table.states.get(&check.key) {
            Some(state) => state.wait_ms(check.counting, now),
            None => 0,
        });
        match waits.enumerate().max_by_key(|(_, wait)| *wait) {
            Some((index, wait)) if wait > 0 => {
                Err(Refused { index, wait: Duration::from_millis(wait) })
            }
            _ => {
                table.count(checks, now);
                Ok(())
            }
        }
    }

    /// Forgets the failures in a row that were counted before a success on another instance, which was so many
    /// milliseconds ago. Where that is negative there was none.
    pub(super) fn hear_of_successes(&self, checks: &[Check], cleared_ms_ago: &[i64], now: u64) {
        let mut table = self.lock();
        for (check, ago) in checks.iter().zip(cleared_ms_ago) {
            let Ok(ago) = u64::try_from(*ago) else { continue };
            if let Some(mut state) = table.take(check.key) {
                state.clear_before(now.saturating_sub(ago));
                table.put(check.key, state, now);
            }
        }
    }

    pub(super) fn amend(&self, amendments: &[(Check, Amendment)], now: u64) {
        let mut table = self.lock();
        for (check, amendment) in amendments {
            if let Some(mut state) = table.take(check.key) {
                state.amend(*amendment, now);
                table.put(check.key, state, now);
            }
        }
    }

    /// A panic between two statements that cannot panic leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let table = self.lock();
        assert_eq!(table.states.len(), table.by_end.len());
        table.states.len()
    }
}

impl Table {
    fn count(&mut self, checks: &[Check], now: u64) {
        for check in checks {
            let mut state = self.take(check.key).unwrap_or_else(|| State::empty(check.counting));
            state.count(check.counting, now);
            self.put(check.key, state, now);
        }
    }

    fn take(&mut self, key: Key) -> Option<State> {
        let state = self.states.remove(&key)?;
        self.by_end.remove(&(state.ends_ms(), key));
        Some(state)
    }

    fn put(&mut self, key: Key, state: State, now: u64) {
        let ends = state.ends_ms();
        if ends <= now {
            return;
        }
        self.states.insert(key, state);
        self.by_end.insert((ends, key));
        for _ in 0..SWEPT_AT_ONCE {
            let Some((ends, _)) = self.by_end.first() else { break };
            if *ends > now && self.states.len() <= self.capacity {
                break;
            }
            if let Some((_, key)) = self.by_end.pop_first() {
                self.states.remove(&key);
            }
        }
    }
}
