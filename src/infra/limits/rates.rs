//! The numbers of limits, as they are defined or as the operator sets them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The most attempts that a limit may be set to.
pub(crate) const MAX: u32 = 1_000_000;
/// The same where different values are counted, each of which is remembered.
pub(crate) const DISTINCT_MAX: u32 = 1_000;
/// The longest window that a limit may be set to: a day.
const WINDOW_SECONDS_MAX: u32 = 24 * 60 * 60;

/// So many attempts in so many seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) max: u32,
    pub(crate) window_seconds: u32,
}

/// So many guesses an hour are hardly slowed down.
pub(crate) const LOOSE_PER_HOUR: u32 = 10_000;

impl Rate {
    /// Whether it is hardly a limit on guesses.
    pub(crate) fn is_loose(self) -> bool {
        let per_hour = u64::from(self.max) * 3600 / u64::from(self.window_seconds.max(1));
        per_hour > u64::from(LOOSE_PER_HOUR)
    }
}

/// The rates that the operator has set, by the names of their limits. Any other limit stays as it is defined.
/// Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rates(Arc<BTreeMap<String, Rate>>);

impl Rates {
    /// Reads a list such as `register.ip=50/3600,login.ip=100/60`: attempts, and seconds. `known` are the limits
    /// that may be set, and to how many attempts at most.
    ///
    /// # Errors
    ///
    /// What is wrong with the first entry that is, without what it says.
    pub(crate) fn parse(text: &str, known: &BTreeMap<String, u32>) -> Result<Self, String> {
        let mut rates = BTreeMap::new();
        for (index, entry) in text.split(',').enumerate() {
            let number = index + 1;
            let (name, rate) = read(entry).ok_or_else(|| {
                format!(
                    "entry {number} does not look like register.ip=50/3600 (attempts and seconds)"
                )
            })?;
            let Some(&max) = known.get(name) else {
                let known: Vec<_> = known.keys().map(String::as_str).collect();
                let known = known.join(", ");
                return Err(format!(
                    "entry {number} does not name a limit that can be set; the names are {known}"
                ));
            };
            if !(1..=WINDOW_SECONDS_MAX).contains(&rate.window_seconds) {
                return Err(format!("{name} must last 1 to {WINDOW_SECONDS_MAX} seconds"));
            }
            // The clock of the limits counts milliseconds.
            let max = max.min(rate.window_seconds.saturating_mul(1000));
            if !(1..=max).contains(&rate.max) {
                return Err(format!("{name} must allow 1 to {max} attempts"));
            }
            if rates.insert(name.to_owned(), rate).is_some() {
                return Err(format!("{name} is set twice"));
            }
        }
        Ok(Self(Arc::new(rates)))
    }

    /// What the limit of this name is set to, if it is.
    pub(crate) fn find(&self, name: &str) -> Option<Rate> {
        self.0.get(name).copied()
    }
}

fn read(entry: &str) -> Option<(&str, Rate)> {
    let (name, rate) = entry.split_once('=')?;
    let (max, window_seconds) = rate.split_once('/')?;
    let number = |text: &str| text.trim().parse().ok();
    Some((name.trim(), Rate { max: number(max)?, window_seconds: number(window_seconds)? }))
}
