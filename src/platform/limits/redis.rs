//! Counting in Redis, where all instances do: one script, one round trip.
//!
//! A Redis that is away costs one late answer. From then on nobody waits for it; it is asked in the
//! background once a second whether it is back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ErrorKind, RedisError, Script, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};

use super::state::{Amendment, Check, Counting, Key};
use crate::platform::metrics;

use super::{PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, Refused};

/// How long an attempt waits for Redis before the memory decides.
const ANSWER_MAX: Duration = Duration::from_millis(250);
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a Redis that is away is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// What is wrong with the address of a Redis.
#[derive(Debug, thiserror::Error)]
#[error("the address of Redis cannot be understood")]
pub(crate) struct SetupError;

/// What became of an attempt to reach Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reached {
    Yes,
    No,
    /// It answers, and does not run what it is sent: a password, a right or scripts are missing.
    Refuses,
}

#[derive(Clone)]
pub(super) struct Redis(Arc<Shared>);

struct Shared {
    connection: ConnectionManager,
    prefix: String,
    admit: Script,
    amend: Script,
    is_away: AtomicBool,
}

impl Redis {
    /// Connects at the first use.
    pub(super) fn new(url: &SecretString, namespace: &str) -> Result<Self, SetupError> {
        // The driver's own error repeats the address, and there may be a password in it.
        let client = Client::open(url.expose_secret()).map_err(|_| SetupError)?;
        let config = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(CONNECT_MAX))
            .set_response_timeout(Some(ANSWER_MAX));
        let connection = ConnectionManager::new_lazy_with_config(client, config);
        Ok(Self(Arc::new(Shared {
            connection: connection.map_err(|_| SetupError)?,
            prefix: format!("portcullis:{{{namespace}}}:"),
            admit: Script::new(include_str!("redis/admit.lua")),
            amend: Script::new(include_str!("redis/amend.lua")),
            is_away: AtomicBool::new(false),
        })))
    }

    /// Counts an attempt under every key, or under none. `None`: Redis is away.
    pub(super) async fn admit(
        &self,
        checks: &[Check],
        now: DateTime<Utc>,
    ) -> Option<Result<(), Refused>> {
        let mut call = self.0.admit.prepare_invoke();
        call.arg(now.timestamp_millis());
        for check in checks {
            let (kind, first, second, member) = arguments(check.counting);
            call.key(self.key(check)).arg(kind).arg(first).arg(second).arg(&member);
        }
        call.arg(u64::from(PAUSE_SECONDS_MIN) * 1000).arg(u64::from(PAUSE_SECONDS_MAX) * 1000);
        let (which, wait_ms): (usize, u64) = self.run(&call).await?;
        Some(match which.checked_sub(1) {
            None => Ok(()),
            Some(index) => Err(Refused { index, wait: Duration::from_millis(wait_ms) }),
        })
    }

    /// Takes back what was counted. What is lost on the way is forgotten in its own time.
    pub(super) async fn amend(&self, amendments: &[(Check, Amendment)], now: DateTime<Utc>) {
        let mut call = self.0.amend.prepare_invoke();
        call.arg(now.timestamp_millis());
        for (check, amendment) in amendments {
            let (kind, number, member) = match *amendment {
                Amendment::GiveBack { spacing_ms } => ("G", spacing_ms, Key::default()),
                Amendment::StepBack { window_ms } => ("B", window_ms, Key::default()),
                Amendment::Remove { member } => ("M", 0, member),
                Amendment::Forget => ("F", 0, Key::default()),
            };
            call.key(self.key(check)).arg(kind).arg(number).arg(&member);
        }
        let _done: Option<u64> = self.run(&call).await;
    }

    /// Asks once whether Redis is there, and does what it is asked.
    pub(super) async fn reach(&self) -> Reached {
        let script = Script::new("return 1");
        let mut connection = self.0.connection.clone();
        let answer = script.invoke_async::<_, u64>(&mut connection);
        match tokio::time::timeout(CONNECT_MAX + ANSWER_MAX, answer).await {
            Ok(Ok(_)) => Reached::Yes,
            Ok(Err(error)) if is_away(&error) => Reached::No,
            Ok(Err(_refused)) => Reached::Refuses,
            Err(_elapsed) => Reached::No,
        }
    }

    async fn run<T: redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Option<T> {
        if self.0.is_away.load(Ordering::Relaxed) {
            return None;
        }
        let mut connection = self.0.connection.clone();
        // Its own limit does not count what a first connection takes.
        match tokio::time::timeout(ANSWER_MAX, call.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            // What Redis says itself is not told on: it repeats what it was sent, a password too.
            Ok(Err(error)) => self.leave(error.category()),
            Err(_elapsed) => self.leave("no answer in time"),
        }
        None
    }

    /// Lets the memory decide from now on, until Redis is back.
    fn leave(&self, why: &str) {
        if self.0.is_away.swap(true, Ordering::Relaxed) {
            return;
        }
        metrics::redis_is_away(true);
        tracing::warn!(
            error = why,
            "Redis is away: until it is back, each instance counts attempts by itself"
        );
        let redis = self.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(PROBE_EVERY).await;
                if redis.reach().await == Reached::Yes {
                    break;
                }
            }
            redis.0.is_away.store(false, Ordering::Relaxed);
            metrics::redis_is_away(false);
            tracing::info!("Redis is back: the instances share what they count again");
        });
    }

    #[cfg(test)]
    pub(super) fn leave_for_test(&self) {
        self.leave("a test");
    }

    fn key(&self, check: &Check) -> Vec<u8> {
        // A limit that counts in another way after an upgrade finds nothing of the old one there.
        let (kind, ..) = arguments(check.counting);
        [self.0.prefix.as_bytes(), kind.as_bytes(), &check.key].concat()
    }
}

fn arguments(counting: Counting) -> (&'static str, u64, u64, Key) {
    match counting {
        Counting::Attempts { spacing_ms, at_once } | Counting::Failures { spacing_ms, at_once } => {
            ("S", spacing_ms, at_once, Key::default())
        }
        Counting::InARow { max, window_ms } => ("R", max, window_ms, Key::default()),
        Counting::Distinct { max, window_ms, member } => ("M", max as u64, window_ms, member),
    }
}

/// Whether Redis did not answer at all.
fn is_away(error: &RedisError) -> bool {
    error.is_io_error() || error.is_timeout() || error.kind() == ErrorKind::Io
}
