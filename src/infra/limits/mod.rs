//! How often something may be tried: by whom, how many times, in how long.
//!
//! A [`Limit`] is a constant of the feature it protects, and its type says by what it counts. The field it protects
//! shows it in the schema, from the same constant, with the numbers that the operator may have set instead
//! ([`Rates`]). [`Limits::take`] and [`Limits::attempt`] check and count in one atomic step, before
//! anything costly happens (BF-05): what is admitted counts as a failure until its [`Admission`]
//! says otherwise, so that many attempts at once get no further than as many one after another.
//!
//! Attempts are counted in this process's memory, and in Redis, where the instances share them; the stricter of the two
//! decides. So a Redis that was emptied gives no fresh attempts for what this instance has seen, and when Redis is away
//! the memory decides alone (BF-06): a limit is never off.
//!
//! This module knows no field, no account and no database.

mod key;
mod memory;
mod rates;
mod redis;
mod state;
mod unreached;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

pub(crate) use self::key::{ByWhat, CountedBy, Device, Distinct, Identifier, Ip, Session, User};
use self::memory::Memory;
pub(crate) use self::rates::{DISTINCT_MAX, LOOSE_PER_HOUR, MAX, Rate, Rates};
use self::redis::Redis;
pub(crate) use self::redis::SetupError;
use self::state::{Amendment, Check, Counting, Key};
pub(crate) use self::unreached::Unreached;
use crate::infra::metrics;
use crate::kernel::clock::Clock;
use crate::kernel::secret::sha256;

/// The first pause, in seconds; each further one is twice as long (BF-01).
pub(crate) const PAUSE_SECONDS_MIN: u32 = 30;
/// The longest pause, in seconds.
pub(crate) const PAUSE_SECONDS_MAX: u32 = 60 * 60;
/// What one memory holds: some 15 MB at the most.
const SUBJECTS_MAX: usize = 50_000;

/// One limit, as it stands in the schema and as it is enforced. `K` is what attempts are counted by.
#[derive(Debug)]
pub struct Limit<K> {
    /// How the schema, the settings and the metrics call it, and part of what is counted under. Limits of one name
    /// are set together.
    pub(crate) name: &'static str,
    pub(crate) max: u32,
    pub(crate) window_seconds: u32,
    pub(crate) counts: Counts,
    by: PhantomData<fn() -> K>,
}

impl<K: CountedBy> Limit<K> {
    /// So many attempts, which may come at once.
    pub(crate) const fn quota(name: &'static str, max: u32, window_seconds: u32) -> Self {
        Self::new(name, max, window_seconds, Counts::Attempts { at_once: max })
    }

    /// So many attempts, of which some may come at once and the rest evenly.
    pub(crate) const fn stream(
        name: &'static str,
        max: u32,
        window_seconds: u32,
        at_once: u32,
    ) -> Self {
        Self::new(name, max, window_seconds, Counts::Attempts { at_once })
    }

    /// So many attempts that fail.
    pub(crate) const fn failures(name: &'static str, max: u32, window_seconds: u32) -> Self {
        Self::new(name, max, window_seconds, Counts::Failures)
    }

    /// So many attempts that fail without a success or a quiet window between them, before each further one waits.
    pub(crate) const fn failures_in_a_row(
        name: &'static str,
        max: u32,
        window_seconds: u32,
    ) -> Self {
        Self::new(name, max, window_seconds, Counts::FailuresInARow)
    }

    const fn new(name: &'static str, max: u32, window_seconds: u32, counts: Counts) -> Self {
        Self { name, max, window_seconds, counts, by: PhantomData }
    }

    /// An attempt that this limit counts, by whom or at whom it is.
    pub(crate) fn of(&self, whom: K::Of<'_>) -> Counted {
        let Self { name, max, window_seconds, counts, .. } = *self;
        let mut parts = vec![name.to_owned()];
        K::write(whom, &mut parts);
        let (key, member) = (digest(&parts), K::member(whom).map(|member| digest(&[member])));
        Counted { name, rate: Rate { max, window_seconds }, counts, key, member }
    }
}

impl<A: CountedBy, B: CountedBy> Limit<Distinct<A, B>> {
    /// So many different values of `B` with an attempt that fails. Those that have one already may be tried again.
    pub(crate) const fn distinct(name: &'static str, max: u32, window_seconds: u32) -> Self {
        Self::new(name, max, window_seconds, Counts::Distinct)
    }
}

/// An attempt as one limit counts it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    name: &'static str,
    /// As the limit is defined.
    rate: Rate,
    counts: Counts,
    key: Key,
    /// Where different values are counted.
    member: Option<Key>,
}

/// What is counted, and when there is too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// Every attempt: this many may come at once, the rest spread evenly over the window.
    Attempts { at_once: u32 },
    /// Attempts that fail; they may come at once.
    Failures,
    /// Failures without a success or a quiet window between them. After `max` of them every
    /// further attempt waits for a pause, each twice as long as the one before.
    FailuresInARow,
    /// Different values with a failure. Those that have one already may be tried again.
    Distinct,
}

/// Too many attempts.
#[derive(Debug, thiserror::Error)]
#[error("the limit {limit} is reached")]
pub struct Limited {
    pub(crate) limit: &'static str,
    /// When an attempt may succeed again, if nobody else makes one meanwhile.
    pub(crate) retry_after_seconds: u32,
    /// Whether whoever is refused is told which limit it was, as a developer is.
    pub(crate) is_named: bool,
}

/// Counts attempts. Clones share what they counted.
#[derive(Clone)]
pub(crate) struct Limits(Option<Arc<Inner>>);

struct Inner {
    clock: Clock,
    rates: Rates,
    memory: Memory,
    redis: Option<Redis>,
    /// See [`Limited`].
    names_limits: bool,
}

/// An attempt that may be made and counts as failed. Dropped, it has failed.
#[must_use]
pub(crate) struct Admission {
    limits: Limits,
    checks: Vec<Check>,
}

impl Limits {
    /// Counts nothing and refuses nothing: for development.
    pub(crate) fn off() -> Self {
        Self(None)
    }

    /// Counts in this process.
    pub(crate) fn in_memory(clock: Clock, rates: Rates) -> Self {
        Self::new(clock, rates, None)
    }

    fn new(clock: Clock, rates: Rates, redis: Option<Redis>) -> Self {
        let memory = Memory::new(SUBJECTS_MAX);
        Self(Some(Arc::new(Inner { clock, rates, memory, redis, names_limits: false })))
    }

    /// The same, and tells callers which limit refused them: for development, since it tells strangers whether others have
    /// tried the same name.
    pub(crate) fn naming_limits(self) -> Self {
        let named =
            self.0.and_then(Arc::into_inner).map(|inner| Inner { names_limits: true, ..inner });
        Self(named.map(Arc::new))
    }

    /// Counts in the Redis at `url`, under `namespace`, which all instances of a service share and
    /// nobody else has. Connects at the first attempt.
    pub(crate) fn in_redis(
        clock: Clock,
        rates: Rates,
        url: &SecretString,
        namespace: &str,
    ) -> Result<Self, SetupError> {
        Ok(Self::new(clock, rates, Some(Redis::new(url, namespace)?)))
    }

    /// Counts something that may be done so often, however it ends, under each of its limits, or under none and says
    /// which limit stands longest in its way.
    pub(crate) async fn take<const N: usize>(&self, counted: [Counted; N]) -> Result<(), Limited> {
        self.take_times(counted, 1).await
    }

    /// The same several times at once, which are admitted or refused together. Where there is room for one
    /// there is for all of them: what they take beyond it delays the next.
    pub(crate) async fn take_times<const N: usize>(
        &self,
        counted: [Counted; N],
        times: u32,
    ) -> Result<(), Limited> {
        self.admit(&counted, times).await.map(|_judged_by_nobody| ())
    }

    /// Admits an attempt that is judged by how it ends, and counts it under each of its limits, or under none and
    /// says which limit stands longest in its way.
    pub(crate) async fn attempt<const N: usize>(
        &self,
        counted: [Counted; N],
    ) -> Result<Admission, Limited> {
        self.admit(&counted, 1).await
    }

    async fn admit(&self, counted: &[Counted], times: u32) -> Result<Admission, Limited> {
        let Some(inner) = &self.0 else {
            return Ok(Admission { limits: self.clone(), checks: Vec::new() });
        };
        let checks: Vec<Check> = (0..times)
            .flat_map(|_| counted.iter().map(|counted| counted.check(&inner.rates)))
            .collect();
        match inner.admit(&checks).await {
            Ok(()) => Ok(Admission { limits: self.clone(), checks }),
            Err(Refused { index, wait }) => {
                // Rounded up: whoever comes back then must not come too early.
                let seconds = wait.as_millis().div_ceil(1000);
                let limit = counted[index % counted.len()].name;
                metrics::limited(limit);
                Err(Limited {
                    limit,
                    retry_after_seconds: u32::try_from(seconds).unwrap_or(u32::MAX).max(1),
                    is_named: inner.names_limits,
                })
            }
        }
    }

    /// Forgets the failures that limits count in a row.
    pub(crate) async fn forget<const N: usize>(&self, counted: [Counted; N]) {
        let Some(inner) = &self.0 else { return };
        let amendments =
            counted.iter().map(|counted| (counted.check(&inner.rates), Amendment::Forget));
        inner.amend(amendments.collect()).await;
    }

    /// Whether Redis counts, and why not, where one is configured.
    pub(crate) async fn reach(&self) -> Option<Result<(), Unreached>> {
        Some(self.0.as_ref()?.redis.as_ref()?.reach().await)
    }

    /// The policy by which a Redis that is full evicts counts that still matter, if it says so.
    pub(crate) async fn evicted_by(&self) -> Option<String> {
        self.0.as_ref()?.redis.as_ref()?.evicted_by().await
    }

    /// Looks for Redis at the start, so that the log says then already why it does not count.
    pub(crate) async fn look_for_redis(&self) {
        if let Some(redis) = self.0.as_ref().and_then(|inner| inner.redis.as_ref()) {
            redis.look().await;
        }
    }
}

impl Inner {
    async fn admit(&self, checks: &[Check]) -> Result<(), Refused> {
        let (now, uptime) = (self.clock.now(), millis(self.clock.uptime()));
        let Some(redis) = &self.redis else { return self.memory.admit(checks, uptime) };
        let Some(admitted) = redis.admit(checks, now).await else {
            return self.memory.admit(checks, uptime);
        };
        self.memory.hear_of_successes(checks, &admitted?.cleared_ms_ago, uptime);
        let admitted = self.memory.admit(checks, uptime);
        if admitted.is_err() {
            // What is refused counts nowhere.
            let counted = checks.iter().filter_map(|check| {
                check.on_withdrawal().map(|amendment| (check.clone(), amendment))
            });
            redis.amend(&counted.collect::<Vec<_>>(), now).await;
        }
        admitted
    }

    async fn amend(&self, amendments: Vec<(Check, Amendment)>) {
        self.memory.amend(&amendments, millis(self.clock.uptime()));
        if let Some(redis) = &self.redis {
            redis.amend(&amendments, self.clock.now()).await;
        }
    }
}

/// What the failure of an attempt says of who made it.
pub(crate) trait Judged {
    /// It is the server that failed: nobody's attempt is counted for that.
    fn is_ours(&self) -> bool;

    /// What was attempted is wrong, and not only something beside it.
    fn is_failure(&self) -> bool {
        true
    }
}

impl Admission {
    /// Counts the attempt by how it ended.
    pub(crate) async fn settle<T, E: Judged>(self, outcome: &Result<T, E>) {
        match outcome {
            Err(error) if error.is_ours() => self.unjudged().await,
            // Counted already.
            Err(error) if error.is_failure() => {}
            Ok(_) | Err(_) => self.succeeded().await,
        }
    }

    /// The attempt succeeded: where failures are counted it does not count.
    pub(crate) async fn succeeded(self) {
        self.amend(Check::on_success).await;
    }

    /// The attempt was not judged, for a reason of the server's own: it counts nowhere.
    pub(crate) async fn unjudged(self) {
        self.amend(Check::on_withdrawal).await;
    }

    async fn amend(self, amendment: impl Fn(&Check) -> Option<Amendment>) {
        let Some(inner) = &self.limits.0 else { return };
        let amendments: Vec<_> = self
            .checks
            .into_iter()
            .filter_map(|check| amendment(&check).map(|amendment| (check, amendment)))
            .collect();
        if !amendments.is_empty() {
            inner.amend(amendments).await;
        }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Which of the checks refuses the longest, and how long.
#[derive(Debug, PartialEq, Eq)]
struct Refused {
    index: usize,
    wait: Duration,
}

impl Counted {
    /// The check of the attempt, at the rate by which its limit is enforced.
    fn check(&self, rates: &Rates) -> Check {
        let rate = rates.find(self.name).unwrap_or(self.rate);
        let max = u64::from(rate.max.max(1));
        let window_ms = u64::from(rate.window_seconds) * 1000;
        // Rounded up: no limit is looser than it is shown.
        let spacing_ms = window_ms.div_ceil(max);
        let counting = match (self.counts, self.member) {
            // The same share of them.
            (Counts::Attempts { at_once }, _) => {
                let at_once = u64::from(at_once) * max / u64::from(self.rate.max.max(1));
                Counting::Attempts { spacing_ms, at_once: at_once.max(1) }
            }
            (Counts::FailuresInARow, _) => Counting::InARow { max, window_ms },
            (Counts::Distinct, Some(member)) => {
                Counting::Distinct { max: rate.max as usize, window_ms, member }
            }
            (Counts::Failures | Counts::Distinct, _) => {
                Counting::Failures { spacing_ms, at_once: max }
            }
        };
        Check { key: self.key, counting }
    }
}

/// Names are hashed, so that keys have one length and a dump of them lists no addresses.
fn digest(parts: &[String]) -> Key {
    let mut key = Key::default();
    let length = key.len();
    key.copy_from_slice(&sha256(parts.join("\0").as_bytes())[..length]);
    key
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
