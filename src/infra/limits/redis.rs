//! Counting in Redis, where all instances do: one script, one round trip.
//!
//! A Redis that is away costs one late answer. From then on nobody waits for it; it is asked in the
//! background once a second whether it is back, over a new connection, which is told why it is not. Back is only a Redis
//! that has run both scripts over every kind of key: one that reads, or allows some of the commands, is away.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionAddr, Script, ScriptInvocation};
use secrecy::{ExposeSecret, SecretString};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::state::{Amendment, Check, Counting, Key};
use super::unreached::Unreached;
use super::{PAUSE_SECONDS_MAX, PAUSE_SECONDS_MIN, Refused};
use crate::infra::metrics;

/// How long an attempt waits for Redis before the memory decides.
const ANSWER_MAX: Duration = Duration::from_millis(250);
const CONNECT_MAX: Duration = Duration::from_secs(1);
/// How often a Redis that is away is asked whether it is back.
const PROBE_EVERY: Duration = Duration::from_secs(1);
/// How many causes of one absence are told. They may take turns.
const CAUSES_MAX: usize = 8;

/// What is wrong with the address of a Redis.
#[derive(Debug, thiserror::Error)]
#[error("it is not the address of a Redis server")]
pub(crate) struct SetupError;

/// An attempt that Redis has counted.
pub(super) struct Admitted {
    /// For each check, how long ago a success of whatever instance cleared its failures in a row; negative where none
    /// is known.
    pub(super) cleared_ms_ago: Vec<i64>,
}

/// Which check refuses, counted from 1, and how long; otherwise see [`Admitted`].
type Answer = (usize, u64, Vec<i64>);

#[derive(Clone)]
pub(super) struct Redis(Arc<Shared>);

struct Shared {
    client: Client,
    connection: RwLock<ConnectionManager>,
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
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config())
            .map_err(|_| SetupError)?;
        Ok(Self(Arc::new(Shared {
            client,
            connection: RwLock::new(connection),
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
    ) -> Option<Result<Admitted, Refused>> {
        let (which, wait_ms, cleared): Answer =
            self.run(&self.admitting(checks, now.timestamp_millis())).await?;
        Some(match which.checked_sub(1) {
            None => Ok(Admitted { cleared_ms_ago: cleared }),
            Some(index) => Err(Refused { index, wait: Duration::from_millis(wait_ms) }),
        })
    }

    /// Takes back what was counted. What is lost on the way is forgotten in its own time.
    pub(super) async fn amend(&self, amendments: &[(Check, Amendment)], now: DateTime<Utc>) {
        let _done: Option<u64> = self.run(&self.amending(amendments, now.timestamp_millis())).await;
    }

    fn admitting(&self, checks: &[Check], now_ms: i64) -> ScriptInvocation<'_> {
        let mut call = self.0.admit.prepare_invoke();
        call.arg(now_ms);
        for check in checks {
            let (kind, first, second, member) = arguments(check.counting);
            call.key(self.key(check)).arg(kind).arg(first).arg(second).arg(&member);
        }
        call.arg(u64::from(PAUSE_SECONDS_MIN) * 1000).arg(u64::from(PAUSE_SECONDS_MAX) * 1000);
        call
    }

    fn amending(&self, amendments: &[(Check, Amendment)], now_ms: i64) -> ScriptInvocation<'_> {
        let mut call = self.0.amend.prepare_invoke();
        call.arg(now_ms);
        for (check, amendment) in amendments {
            let (kind, number, member) = match *amendment {
                Amendment::GiveBack { spacing_ms } => ("G", spacing_ms, Key::default()),
                Amendment::StepBack { window_ms } => ("B", window_ms, Key::default()),
                Amendment::Remove { member } => ("M", 0, member),
                Amendment::Forget => ("F", 0, Key::default()),
            };
            call.key(self.key(check)).arg(kind).arg(number).arg(&member);
        }
        call
    }

    /// Asks once, over a new connection, whether Redis is there and does what it is asked.
    pub(super) async fn reach(&self) -> Result<(), Unreached> {
        self.connect().await.map(|_connection| ())
    }

    /// A new connection, over which Redis has just done what it is asked.
    async fn connect(&self) -> Result<ConnectionManager, Unreached> {
        let asked = async {
            let mut connection =
                ConnectionManager::new_with_config(self.0.client.clone(), config()).await?;
            // Says so when there is no password. Of longer commands Redis then only says that they are too long.
            redis::cmd("PING").query_async::<()>(&mut connection).await?;
            // One by one: a script that has written something may write more, even when the memory is full.
            for check in probes() {
                self.admitting(&[check], 0).invoke_async::<Answer>(&mut connection).await?;
            }
            self.amending(&probed(), 0).invoke_async::<u64>(&mut connection).await?;
            Ok(connection)
        };
        match tokio::time::timeout(CONNECT_MAX + ANSWER_MAX, asked).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => match Unreached::of(&error) {
                Unreached::Silent => Err(self.silence().await),
                cause => Err(cause),
            },
            Err(_elapsed) => Err(self.silence().await),
        }
    }

    /// The policy by which Redis evicts counts that still matter, when its memory is full. `None` where it evicts none, has
    /// all memory, or does not tell.
    pub(super) async fn evicted_by(&self) -> Option<String> {
        let asked = async {
            let mut connection =
                ConnectionManager::new_with_config(self.0.client.clone(), config()).await?;
            redis::cmd("INFO").arg("memory").query_async::<String>(&mut connection).await
        };
        let told = tokio::time::timeout(CONNECT_MAX + ANSWER_MAX, asked).await.ok()?.ok()?;
        let value = |name| {
            let mut fields = told.lines().filter_map(|line| line.split_once(':'));
            fields.find_map(|(field, value)| (field == name).then_some(value.trim()))
        };
        let (max, policy) = (value("maxmemory")?, value("maxmemory_policy")?);
        // The latter evicts what would end first.
        let is_harmless = max == "0" || matches!(policy, "noeviction" | "volatile-ttl");
        (!is_harmless).then(|| policy.to_owned())
    }

    /// Has attempts counted over this connection from now on.
    fn count_over(&self, connection: ConnectionManager) {
        *self.0.connection.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Why there is no answer. A Redis without TLS reads the beginning of it as that of a command, and waits
    /// for the rest.
    async fn silence(&self) -> Unreached {
        let ConnectionAddr::TcpTls { host, port, .. } = self.0.client.get_connection_info().addr()
        else {
            return Unreached::Silent;
        };
        let answers_in_the_clear = async {
            let mut stream = TcpStream::connect((host.as_str(), *port)).await?;
            stream.write_all(b"PING\r\n").await?;
            stream.read_u8().await
        };
        match tokio::time::timeout(ANSWER_MAX, answers_in_the_clear).await {
            // A status, or an error: it asks for the password.
            Ok(Ok(b'+' | b'-')) => Unreached::Plain,
            Ok(Ok(_) | Err(_)) | Err(_) => Unreached::Silent,
        }
    }

    /// Looks for Redis before anybody needs it.
    pub(super) async fn look(&self) {
        match self.connect().await {
            Ok(connection) => self.count_over(connection),
            Err(cause) if self.is_first_to_leave() => {
                tokio::spawn(self.clone().stay_away(cause));
            }
            Err(_told) => {}
        }
    }

    async fn run<T: redis::FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Option<T> {
        if self.0.is_away.load(Ordering::Relaxed) {
            return None;
        }
        let mut connection =
            self.0.connection.read().unwrap_or_else(PoisonError::into_inner).clone();
        // Its own limit does not count what a first connection takes.
        match tokio::time::timeout(ANSWER_MAX, call.invoke_async(&mut connection)).await {
            Ok(Ok(answer)) => return Some(answer),
            Ok(Err(error)) => self.leave(Unreached::of(&error)),
            Err(_elapsed) => self.leave(Unreached::Silent),
        }
        None
    }

    /// Lets the memory decide from now on, until Redis is back.
    fn leave(&self, cause: Unreached) {
        if !self.is_first_to_leave() {
            return;
        }
        let redis = self.clone();
        tokio::spawn(async move {
            // A connection that broke off, or waited for nothing, does not know why; a new one does.
            let cause = redis.reach().await.err().unwrap_or(cause);
            redis.stay_away(cause).await;
        });
    }

    fn is_first_to_leave(&self) -> bool {
        let is_first = !self.0.is_away.swap(true, Ordering::Relaxed);
        if is_first {
            metrics::redis_is_away(true);
        }
        is_first
    }

    /// Tells why Redis is away, each cause once, and waits until it is back.
    async fn stay_away(self, cause: Unreached) {
        tracing::warn!(
            error = %cause,
            advice = cause.advice(),
            "Redis is away: until it is back, each instance counts attempts by itself"
        );
        let mut told = vec![cause];
        loop {
            tokio::time::sleep(PROBE_EVERY).await;
            match self.connect().await {
                // The driver does not connect again by itself after its password was refused. And this connection
                // stands, where making one may take longer than anybody waits.
                Ok(connection) => break self.count_over(connection),
                Err(cause) if told.len() < CAUSES_MAX && !told.contains(&cause) => {
                    let advice = cause.advice();
                    tracing::warn!(error = %cause, advice, "Redis is still away, for another reason");
                    told.push(cause);
                }
                Err(_told) => {}
            }
        }
        self.0.is_away.store(false, Ordering::Relaxed);
        metrics::redis_is_away(false);
        tracing::info!("Redis is back: the instances share their counts again");
    }

    #[cfg(test)]
    pub(super) fn prefix_for_test(&self) -> String {
        self.0.prefix.clone()
    }

    #[cfg(test)]
    pub(super) fn leave_for_test(&self) {
        self.leave(Unreached::Silent);
    }

    fn key(&self, check: &Check) -> Vec<u8> {
        // A limit that counts in another way after an upgrade finds nothing of the old one there.
        let (kind, ..) = arguments(check.counting);
        [self.0.prefix.as_bytes(), kind.as_bytes(), &check.key].concat()
    }
}

/// A check of each kind, at a key that no attempt has. Redis forgets them within a second, and refuses none.
fn probes() -> [Check; 3] {
    let (max, window_ms, member) = (u16::MAX.into(), 1000, Key::default());
    [
        Counting::Attempts { spacing_ms: 1, at_once: max },
        Counting::InARow { max, window_ms },
        Counting::Distinct { max: u16::MAX.into(), window_ms, member },
    ]
    .map(|counting| Check { key: Key::default(), counting })
}

/// An amendment of each kind.
fn probed() -> [(Check, Amendment); 4] {
    let [stream, row, members] = probes();
    [
        (stream, Amendment::GiveBack { spacing_ms: 1 }),
        (row.clone(), Amendment::StepBack { window_ms: 1000 }),
        (row, Amendment::Forget),
        (members, Amendment::Remove { member: Key::default() }),
    ]
}

fn config() -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_number_of_retries(0)
        .set_connection_timeout(Some(CONNECT_MAX))
        .set_response_timeout(Some(ANSWER_MAX))
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
