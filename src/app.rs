//! The one place that wires everything: the command line and the tests build the same [`App`].

mod backup;
mod doubt;
mod housekeeping;
mod measuring;
mod opening;
mod readiness;
mod restore;
mod secret;

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};

pub(crate) use self::backup::back_up;
use self::doubt::ClockState;
pub(crate) use self::doubt::SKEW_MAX;
pub use self::housekeeping::Purged;
pub(crate) use self::opening::{changing_schema, connect, migrate_up};
use self::opening::{explained, first_secret, prepare};
use self::readiness::Writing;
pub(crate) use self::restore::{Existing, Revived, restore};
pub(crate) use self::secret::{existing_secret, master};
use crate::config::{Config, Introspection, RunDocuments, TrustedDocuments};
use crate::features::accounts::{Accounts, Setup};
use crate::features::audit::{Chain, Log, Refusals};
use crate::features::change::Changes;
use crate::features::entities::Entities;
use crate::features::factors::{self, Factors};
use crate::features::keyring::Keyring;
use crate::features::login::Login;
use crate::features::organizations::Organizations;
use crate::features::provider_login::{Destinations, ProviderLogin};
use crate::features::recovery::Recovery;
use crate::features::sessions::{Issuing, Sessions, Tools};
use crate::features::{authenticators, links, organizations, provider_login};
use crate::graphql::cookie::Cookies;
use crate::graphql::document::Documents;
use crate::graphql::lanes::Lanes;
use crate::graphql::policy::Visible;
use crate::infra::db::Db;
use crate::infra::instances::Instance;
use crate::infra::jobs::Jobs;
use crate::infra::jwt::Jwt;
use crate::infra::keys::{Keys, Master};
use crate::infra::limits::Limits;
use crate::infra::mail::{LinkPage, Outbox};
use crate::infra::passwords::hash::Hasher;
use crate::infra::passwords::policy::PasswordPolicy;
use crate::infra::providers::Providers;
use crate::infra::streams::Streams;
use crate::infra::tls;
use crate::kernel::clock::Clock;
use crate::kernel::secret::{base64url, sha256};
use crate::schema::user::PublicUrl;
use crate::schema::{Making, Schema, ServedSdl, Services};

/// How long a database may take to answer a question that every instance asks all the time. One
/// that has gone silent must not keep this instance from asking again over another connection.
const PROBE_MAX: Duration = Duration::from_secs(4);

/// A running server, but for its socket. Clones share everything.
#[derive(Clone)]
pub struct App(Arc<Parts>);

/// What a server consists of.
pub struct Parts {
    pub(crate) config: Arc<Config>,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) keys: Keys,
    pub(crate) keyring: Keyring,
    pub(crate) limits: Limits,
    pub(crate) changes: Changes,
    pub(crate) sessions: Sessions,
    pub(crate) accounts: Accounts,
    #[cfg(test)]
    pub(crate) login: Login,
    pub(crate) organizations: Organizations,
    pub(crate) provider_login: ProviderLogin,
    pub(crate) outbox: Outbox,
    pub(crate) refusals: Refusals,
    pub(crate) chain: Chain,
    pub(crate) documents: Documents,
    pub(crate) lanes: Lanes,
    pub(crate) streams: Streams,
    pub(crate) log: Log,
    pub(crate) schema: Schema,
    pub(crate) sdl: Arc<ServedSdl>,
    pub(crate) cookies: Cookies,
    jobs: Jobs,
    instance: Instance,
    is_stopping: AtomicBool,
    writing: Writing,
    clock_state: ClockState,
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl App {
    /// Connects, brings the schema up to date (in development) or checks that it is (in
    /// production), opens the keys and wires the services.
    pub async fn build(config: Config, clock: Clock) -> anyhow::Result<Self> {
        tls::choose_cryptography();
        // Large, so whoever awaits it would carry it along.
        let db = Box::pin(connect(&config)).await?;
        Self::over(db, config, clock).await
    }

    /// The same over a database that has tables: a verb that only reads or changes one makes none in another's place.
    pub(crate) async fn open(config: Config, clock: Clock) -> anyhow::Result<Self> {
        tls::choose_cryptography();
        let db = Box::pin(connect(&config)).await?;
        if config.extended.migrations.status(db.reader()).await?.applied.is_empty() {
            db.close().await?;
            bail!(
                "the database has no tables of Portcullis: check DATABASE_URL, or create them with `portcullis migrate up`"
            );
        }
        Self::over(db, config, clock).await
    }

    async fn over(db: Db, config: Config, clock: Clock) -> anyhow::Result<Self> {
        match Box::pin(Self::wire(config, clock, db.clone())).await {
            Ok(app) => Ok(app),
            Err(error) => {
                let error = explained(error, &db).await;
                // SQLite leaves no log behind when it is closed. The first error is the one to tell.
                let _second = db.close().await;
                Err(error)
            }
        }
    }

    async fn wire(config: Config, clock: Clock, db: Db) -> anyhow::Result<Self> {
        prepare(&config, &db).await?;
        let (master, chain) = first_secret(&config, &db, &clock).await?;
        let outbox = outbox(&config, &db, &clock, &master)?;
        let changes = Changes::new(db.clone(), clock.clone(), outbox.clone());
        let keyring = keyring(&db, &clock, &changes, &master);
        keyring.make_first(config.jwt_algorithm.unwrap_or_default()).await?;
        let keys = Keys::open(db.clone(), Arc::clone(&master), clock.clone()).await?;
        let limits = limits(&config, &clock)?;
        let sessions = Sessions::new(
            db.clone(),
            clock.clone(),
            changes.clone(),
            limits.clone(),
            issuing(&config, &clock, &keys, &master),
        );
        let tools = Tools {
            db: db.clone(),
            clock: clock.clone(),
            hasher: Hasher::new(config.hash_cost, config.hash_workers)?,
            limits: limits.clone(),
            outbox: outbox.clone(),
            link_gate: links::Gate::new(db.clone(), clock.clone(), limits.clone()),
            changes: changes.clone(),
            sessions: sessions.clone(),
        };
        let accounts = Accounts::new(tools.clone(), setup(&config, &clock, &master)?);
        let sdl = Arc::new(ServedSdl::new(&config));
        let services = services(&config, &master, tools, &accounts, Arc::clone(&sdl));
        keep_domain(&services.factors).await?;
        #[cfg(test)]
        let login = services.login.clone();
        let Services { log, organizations, provider_login, .. } = services.clone();
        let schema = make_schema(&config, services);
        let documents =
            Documents::new(schema.types.clone(), config.introspection != Introspection::Off);
        learn(&documents, &schema, &config).await?;
        let config = Arc::new(config);
        Ok(Self(Arc::new(Parts {
            sdl,
            log,
            cookies: cookies(&config),
            streams: Streams::new(config.streams),
            refusals: Refusals::new(db.clone(), clock.clone()),
            jobs: Jobs::new(db.clone(), clock.clone()),
            instance: Instance::new(db.clone(), clock.clone()),
            config,
            db,
            clock,
            keys,
            keyring,
            limits,
            changes,
            sessions,
            accounts,
            #[cfg(test)]
            login,
            organizations,
            provider_login,
            outbox,
            chain,
            documents,
            lanes: Lanes::default(),
            schema,
            is_stopping: AtomicBool::new(false),
            writing: Writing::default(),
            clock_state: ClockState::default(),
        })))
    }

    /// Begins the change to the algorithm that `JWT_ALGORITHM` names, when tokens are signed with
    /// another one. Only a server does this: a command must not undo what the servers agree on.
    pub async fn follow_algorithm(&self) -> anyhow::Result<()> {
        let Some(algorithm) = self.config.jwt_algorithm else { return Ok(()) };
        if let Some(added) = self.keyring.follow(algorithm).await? {
            tracing::info!(
                key.id = added.kid,
                "the server signs tokens with {} from {} on",
                algorithm.into_str(),
                added.signs_from.to_rfc3339()
            );
            self.keys.reload().await?;
        }
        Ok(())
    }

    /// The schema of this server in the definition language.
    #[must_use]
    pub fn sdl(&self) -> String {
        String::from_utf8_lossy(&self.0.sdl.whole()).into_owned()
    }

    /// Closes the connections to the database.
    pub async fn close(self) -> anyhow::Result<()> {
        Ok(self.db.clone().close().await?)
    }
}

/// What counts attempts: this process, or the Redis that all instances of this issuer share.
pub(crate) fn limits(config: &Config, clock: &Clock) -> anyhow::Result<Limits> {
    let Some(rates) = config.rates.clone() else { return Ok(Limits::off()) };
    let limits = match &config.redis_url {
        None => Limits::in_memory(clock.clone(), rates),
        Some(url) => {
            let digest = sha256(config.jwt.issuer.as_bytes());
            let namespace = base64url(&digest[..12]);
            Limits::in_redis(clock.clone(), rates, url, &namespace)
                .context("REDIS_URL is invalid")?
        }
    };
    Ok(if config.is_development() { limits.naming_limits() } else { limits })
}

/// What keeps the mail that is to be sent.
fn outbox(config: &Config, db: &Db, clock: &Clock, master: &Arc<Master>) -> anyhow::Result<Outbox> {
    let (db, clock, master) = (db.clone(), clock.clone(), Arc::clone(master));
    Ok(Outbox::new(db, clock, master, config.mail.as_ref(), links::works)?)
}

/// What changes keys, and with the master secret also the seals of seeds.
fn keyring(db: &Db, clock: &Clock, changes: &Changes, master: &Arc<Master>) -> Keyring {
    let (db, clock, changes) = (db.clone(), clock.clone(), changes.clone());
    Keyring::new(db, clock, changes, Arc::clone(master), authenticators::totp::RESEAL)
}

/// How tokens are made.
fn issuing(config: &Config, clock: &Clock, keys: &Keys, master: &Arc<Master>) -> Issuing {
    Issuing {
        jwt: Jwt::new(config.jwt.clone(), keys.clone(), clock.clone()),
        keys: keys.clone(),
        master: Arc::clone(master),
        lifetimes: config.lifetimes,
        second_factor: config.second_factor,
    }
}

/// What accounts are subject to here.
fn setup(config: &Config, clock: &Clock, master: &Arc<Master>) -> anyhow::Result<Setup> {
    let (providers, clock) = (config.providers.clone(), clock.clone());
    Ok(Setup {
        providers: Providers::new(providers, &config.public_url, clock)?,
        policy: PasswordPolicy { length_min: config.password_length_min },
        registration: config.registration,
        master: Arc::clone(master),
        holdings: [organizations::HOLDING, provider_login::HOLDING, factors::HOLDING]
            .into_iter()
            .chain(config.extended.holdings.iter().copied())
            .collect(),
        host: config.host.clone(),
    })
}

/// Signing in with the providers that are configured.
fn provider_login(
    config: &Config,
    tools: &Tools,
    accounts: &Accounts,
    master: &Arc<Master>,
) -> ProviderLogin {
    let own = format!("{}{}", config.public_url, LinkPage::FinishRegistration.path());
    let destinations = Destinations { allowed: config.return_urls.clone(), own };
    ProviderLogin::new(tools.clone(), accounts.clone(), Arc::clone(master), destinations)
}

/// Second factors and passkeys as they are set up here.
fn factors(config: &Config, tools: &Tools, accounts: &Accounts, master: &Arc<Master>) -> Factors {
    let setup = factors::Setup {
        master: Arc::clone(master),
        issuer: config.site_name.clone(),
        requirement: config.second_factor,
        relying_party: config.relying_party.clone(),
    };
    Factors::new(tools.clone(), accounts.clone(), setup)
}

/// Refuses another domain for passkeys than the first of them was made for.
async fn keep_domain(factors: &Factors) -> anyhow::Result<()> {
    let Some(domain) = factors.foreign_domain().await? else { return Ok(()) };
    bail!(
        "PASSKEY_RP_ID does not match the passkeys of this database, which work only on {domain}: set \
         PASSKEY_RP_ID={domain}"
    )
}

/// What resolvers get.
fn services(
    config: &Config,
    master: &Arc<Master>,
    tools: Tools,
    accounts: &Accounts,
    sdl: Arc<ServedSdl>,
) -> Services {
    Services {
        sdl,
        log: Log::new(tools.db.clone()),
        accounts: accounts.clone(),
        login: Login::new(tools.clone(), accounts.clone()),
        organizations: Organizations::new(tools.clone(), config.host.clone()),
        provider_login: provider_login(config, &tools, accounts, master),
        factors: factors(config, &tools, accounts, master),
        recovery: Recovery::new(tools.clone(), accounts.clone()),
        entities: Entities::new(tools.clone()),
        public_url: PublicUrl(config.public_url.clone()),
        cookies: cookies(config),
        tools,
    }
}

/// Proves the registered documents, so that none is refused only when it is asked for.
async fn learn(documents: &Documents, schema: &Schema, config: &Config) -> anyhow::Result<()> {
    let of_pages = TrustedDocuments::of_pages();
    let own = (config.documents == RunDocuments::Trusted).then_some(of_pages);
    let all =
        config.trusted_documents.iter().chain(own.into_iter().flat_map(TrustedDocuments::iter));
    for (id, text) in all {
        let learned = documents.learn(schema, text).await;
        learned.map_err(|refusal| {
            anyhow!("DOCUMENTS_FILE has the invalid document {id:?}: {}", refusal.reason())
        })?;
    }
    Ok(())
}

/// How the cookies of this server are called.
fn cookies(config: &Config) -> Cookies {
    Cookies { domain: config.cookie_domain.clone() }
}

/// The schema of this server.
fn make_schema(config: &Config, services: Services) -> Schema {
    config.extended.roots.make(Making {
        visible: match config.introspection {
            Introspection::Own => Visible::OwnOfEach,
            Introspection::Full | Introspection::Off => Visible::All,
        },
        rates: &config.rates.clone().unwrap_or_default(),
        is_federated: config.federation,
        is_suggesting: config.introspection == Introspection::Full,
        services: Some(services),
    })
}
