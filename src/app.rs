//! The one place that wires everything: the command line and the tests build the same [`App`].

mod secret;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use chrono::TimeDelta;
use secrecy::ExposeSecret;
use tokio::time::timeout;

pub(crate) use self::secret::{existing_secret, master};
use crate::config::Config;
use crate::features::accounts::Accounts;
use crate::features::audit::{self, Chain, Kind, Log, Refusals};
use crate::features::keyring::Keyring;
use crate::features::login::Login;
use crate::features::sessions::Sessions;
use crate::platform::clock::Clock;
use crate::platform::db::Db;
use crate::platform::jwt::{Jwt, LEEWAY_SECONDS};
use crate::platform::keys::{Keys, rotation};
use crate::platform::passwords::hash::Hasher;
use crate::platform::passwords::policy::Policy;
use crate::schema::{self, Schema};

/// How often each instance reads the key set.
const KEYS_EVERY: Duration = Duration::from_secs(2);
/// How long a database may take to answer a question that every instance asks all the time. One
/// that has gone silent must not keep this instance from asking again over another connection.
const PROBE_MAX: Duration = Duration::from_secs(4);
/// How often what has expired is removed.
const PURGE_EVERY: Duration = Duration::from_mins(1);
/// How often counted refusals are looked at.
const REFUSALS_EVERY: Duration = Duration::from_secs(1);
/// How often audit events are sealed.
const SEAL_EVERY: Duration = Duration::from_secs(1);
/// How often the head of their chain is logged.
const HEAD_EVERY: Duration = Duration::from_hours(1);

/// A running server, but for its socket. Clones share everything.
#[derive(Clone)]
pub struct App {
    pub(crate) config: Arc<Config>,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) keyring: Keyring,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    pub(crate) refusals: Refusals,
    pub(crate) chain: Chain,
    pub(crate) schema: Schema,
    is_stopping: Arc<AtomicBool>,
}

impl App {
    /// Connects, brings the schema up to date (in development) or checks that it is (in
    /// production), opens the keys and wires the services.
    pub async fn build(config: Config, clock: Clock) -> anyhow::Result<Self> {
        let db = connect(&config).await?;
        match Self::wire(config, clock, db.clone()).await {
            Ok(app) => Ok(app),
            Err(error) => {
                // SQLite leaves no log behind when it is closed. The first error is the one to tell.
                let _second = db.close().await;
                Err(error)
            }
        }
    }

    async fn wire(config: Config, clock: Clock, db: Db) -> anyhow::Result<Self> {
        if config.is_development() {
            if migration::status(db.reader()).await?.applied.is_empty() {
                tracing::info!("the database is empty: its tables and keys are made now");
            }
            migration::up(db.writer(), None).await?;
        }
        let status = migration::status(db.reader()).await?;
        if !status.unknown.is_empty() {
            return Err(migration::Error::Newer { unknown: status.unknown }.into());
        }
        if !status.pending.is_empty() {
            bail!("the database's schema is not current: run `portcullis migrate up`");
        }
        // Asked before the secret is looked for: another instance makes the secret first.
        let has_keys = rotation::has_keys(&db).await?;
        let master = Arc::new(master(&config, &secret::master_secret(&config, has_keys)?)?);
        let keyring = Keyring { db: db.clone(), clock: clock.clone(), master: Arc::clone(&master) };
        keyring.make_first(config.jwt_algorithm.unwrap_or_default()).await?;
        let keys = Keys::open(db.clone(), master, clock.clone()).await?;
        let jwt = Jwt::new(config.jwt.clone(), keys.clone(), clock.clone());
        let sessions =
            Sessions::new(db.clone(), clock.clone(), keys.clone(), jwt, config.lifetimes);
        let hasher = Hasher::new(config.hash_cost, config.hash_workers)?;
        let accounts = Accounts {
            db: db.clone(),
            clock: clock.clone(),
            hasher: hasher.clone(),
            policy: Policy { length_min: config.password_length_min },
            sessions: sessions.clone(),
            host: config.host.clone(),
        };
        let login =
            Login { db: db.clone(), clock: clock.clone(), hasher, sessions: sessions.clone() };
        // "Did you mean …" would name what introspection is not to show.
        let builder = match config.introspection {
            true => schema::builder(),
            false => schema::builder().disable_suggestions(),
        };
        let schema = builder
            .data(Log { db: db.clone() })
            .data(accounts.clone())
            .data(login)
            .data(sessions.clone())
            .finish();
        let refusals = Refusals::new(db.clone(), clock.clone());
        let chain = Chain::new(db.clone(), clock.clone());
        let is_stopping = Arc::default();
        let config = Arc::new(config);
        Ok(Self {
            config,
            db,
            clock,
            keys,
            keyring,
            sessions,
            accounts,
            refusals,
            chain,
            schema,
            is_stopping,
        })
    }

    /// Begins the change to the algorithm that `JWT_ALGORITHM` names, when tokens are signed with
    /// another one. Only a server does this: a command must not undo what the servers agree on.
    pub async fn follow_algorithm(&self) -> anyhow::Result<()> {
        let Some(algorithm) = self.config.jwt_algorithm else { return Ok(()) };
        if let Some(added) = self.keyring.follow(algorithm).await? {
            tracing::info!(
                key.id = added.kid,
                "tokens are signed with {} from {} on",
                algorithm.as_str(),
                added.signs_from.to_rfc3339()
            );
            self.keys.reload().await?;
        }
        Ok(())
    }

    /// Writes all refusals that are only counted yet.
    pub async fn write_refusals(&self) -> anyhow::Result<()> {
        Ok(self.refusals.write_all().await?)
    }

    /// Erases from where old audit events came, as the housekeeping does every minute.
    pub async fn erase_origins(&self) -> anyhow::Result<()> {
        audit::erase_origins(&self.db, None, self.clock.now()).await?;
        Ok(())
    }

    /// Seals the audit events that are not sealed yet, as the housekeeping does every second.
    pub async fn seal_audit(&self) -> anyhow::Result<()> {
        Ok(self.chain.seal().await?)
    }

    /// Writes into the audit log that this instance begins to serve.
    pub(crate) async fn record_start(&self) -> anyhow::Result<()> {
        Ok(audit::record_server(&self.db, self.clock.now(), Kind::ServerStarted).await?)
    }

    /// Writes into the audit log what is still to be written, last that this instance has stopped.
    /// An outage must not keep it from stopping.
    pub(crate) async fn record_stop(&self) {
        let record = async {
            self.write_refusals().await?;
            audit::record_server(&self.db, self.clock.now(), Kind::ServerStopped).await?;
            anyhow::Ok(())
        };
        match timeout(PROBE_MAX, record).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(error = %error, "the stop could not be audited"),
            Err(elapsed) => tracing::error!(error = %elapsed, "the stop could not be audited"),
        }
    }

    /// Starts what runs beside the requests, until the process ends.
    pub(crate) fn spawn_housekeeping(&self) {
        self.spawn_refusals();
        self.spawn_sealer();
        let app = self.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(KEYS_EVERY);
            let mut was_on_time = true;
            loop {
                every.tick().await;
                was_on_time = app.tell_the_time(was_on_time);
                match timeout(PROBE_MAX, app.keys.reload()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::error!(error = %error, "the key set cannot be read"),
                    Err(elapsed) => tracing::error!(error = %elapsed, "the key set cannot be read"),
                }
            }
        });
        let app = self.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(PURGE_EVERY);
            let mut erased_until = None;
            loop {
                every.tick().await;
                if let Err(error) = app.purge().await {
                    tracing::error!(error = %error, "what has expired cannot be removed");
                }
                match audit::erase_origins(&app.db, erased_until, app.clock.now()).await {
                    Ok(until) => erased_until = Some(until),
                    Err(error) => {
                        tracing::error!(error = %error, "old addresses cannot be erased");
                    }
                }
            }
        });
    }

    /// Writes refusals: the first of its like at once, counts when their time is over.
    fn spawn_refusals(&self) {
        let refusals = self.refusals.clone();
        tokio::spawn(async move {
            loop {
                // What failed, and what was only counted, is looked at again a little later.
                let _either = timeout(REFUSALS_EVERY, refusals.told()).await;
                if let Err(error) = refusals.write().await {
                    tracing::error!(error = %error, "refusals cannot be written yet");
                    tokio::time::sleep(REFUSALS_EVERY).await;
                }
            }
        });
    }

    /// Seals audit events, and tells the log the head of their chain once an hour.
    fn spawn_sealer(&self) {
        let app = self.clone();
        tokio::spawn(async move {
            let mut every = tokio::time::interval(SEAL_EVERY);
            let mut told_at: Option<Duration> = None;
            loop {
                every.tick().await;
                if let Err(error) = app.chain.seal().await {
                    tracing::error!(error = %error, "audit events cannot be sealed yet");
                    continue;
                }
                let now = app.clock.uptime();
                if told_at.is_some_and(|told_at| now < told_at + HEAD_EVERY) {
                    continue;
                }
                if let Ok(head) = app.chain.head().await {
                    let (seq, digest) = (head.seq, head.hex());
                    tracing::info!(audit.seq = seq, audit.head = digest, "the audit log's head");
                    told_at = Some(now);
                }
            }
        });
    }

    /// Logs when the machine's clock has been set back, and when it has caught up.
    fn tell_the_time(&self, was_on_time: bool) -> bool {
        let is_on_time = self.is_on_time();
        if was_on_time && !is_on_time {
            tracing::error!(
                clock.ahead_seconds = self.clock.ahead().num_seconds(),
                "the machine's clock was set back: this instance is not ready until it has caught \
                 up, or is restarted"
            );
        } else if is_on_time && !was_on_time {
            tracing::info!("the machine's clock has caught up");
        }
        is_on_time
    }

    /// Reads the key set, as the housekeeping does every two seconds.
    pub async fn reload_keys(&self) -> anyhow::Result<()> {
        Ok(self.keys.reload().await?)
    }

    /// Removes what has expired, as the housekeeping does every minute.
    pub async fn purge(&self) -> anyhow::Result<()> {
        self.sessions.purge().await?;
        // Sessions live that long, and a late caller may sign out with any token of theirs.
        let before = self.clock.now() - self.config.lifetimes.absolute;
        Ok(rotation::purge(&self.db, before).await?)
    }

    /// From now on the instance is not ready, so that no new work is sent to it.
    pub(crate) fn begin_stopping(&self) {
        self.is_stopping.store(true, Ordering::SeqCst);
    }

    /// Whether requests should come here: the database answers, its schema is the one this
    /// program knows, the keys are fresh, the clock is the machine's, and the instance is not about
    /// to stop.
    pub(crate) async fn is_ready(&self) -> bool {
        !self.is_stopping.load(Ordering::SeqCst)
            && self.keys.are_fresh()
            && self.is_on_time()
            && timeout(PROBE_MAX, self.is_schema_current()).await.unwrap_or(false)
    }

    async fn is_schema_current(&self) -> bool {
        self.db.ping().await.is_ok()
            && migration::status(self.db.reader()).await.is_ok_and(|status| status.is_current())
    }

    /// Whether other instances, by their clocks, accept what this one signs.
    fn is_on_time(&self) -> bool {
        self.clock.ahead() <= TimeDelta::seconds(LEEWAY_SECONDS)
    }

    /// Closes the connections to the database.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.db.close().await?)
    }
}

/// Opens the database of `config`, with the folder it may live in.
pub(crate) async fn connect(config: &Config) -> anyhow::Result<Db> {
    let url = config.database_url.expose_secret();
    if url.starts_with("sqlite:") {
        secret::create_private_dir(&config.data_dir)?;
    }
    Db::connect(url, config.database_connections).await.context("the database cannot be reached")
}
