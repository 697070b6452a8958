//! Every setting: read once, validated as a whole, all problems told at once and no value ever.

mod file;
mod reader;
mod settings;
mod trusted_documents;

use std::fmt;
use std::net::SocketAddr;
use std::path::{self, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use ipnet::IpNet;
use portcullis_webauthn::RelyingParty;
use secrecy::{ExposeSecret, SecretString};
use strum::{IntoStaticStr, VariantArray};

pub(crate) use self::file::read_text;
use self::reader::Reader;
pub use self::settings::Settings;
pub(crate) use self::trusted_documents::TrustedDocuments;
use crate::extension::Extended;
use crate::features::accounts::Registration;
use crate::features::sessions::{Lifetimes, SecondFactorRequirement};
use crate::infra::db::sqlite_file;
use crate::infra::jwt;
use crate::infra::keys::Algorithm;
use crate::infra::limits::Rates;
use crate::infra::mail::{self, Contact, LinkPage};
use crate::infra::passwords::hash::Cost;
use crate::infra::providers::{self, ReturnUrls};
use crate::infra::streams::StreamLimits;
pub use crate::infra::telemetry::LogFormat;

/// Shortest acceptable master secret, in bytes.
pub(crate) const SECRET_LENGTH_MIN: usize = 32;

/// Whom introspection, and the schema in the definition language, tell what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Introspection {
    /// Everybody everything.
    Full,
    /// Each caller what they may use.
    Own,
    /// Nobody anything.
    Off,
}

/// Which documents the server runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum RunDocuments {
    /// All.
    Open,
    /// Registered ones only.
    Trusted,
}

/// A setting that is on or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
enum Switch {
    On,
    Off,
}

/// For which hosts a browser that has seen this server by https insists on that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Hsts {
    Host,
    Subdomains,
    Preload,
    Off,
}

/// Whether each request is logged, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum AccessLog {
    On,
    /// Also with the address of the client.
    WithAddresses,
    Off,
}

/// What an instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub(crate) enum Environment {
    Development,
    Production,
}

/// The settings, understood.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the program was built with beside this crate.
    pub(crate) extended: Extended,
    pub(crate) environment: Environment,
    pub(crate) listen: SocketAddr,
    /// Where clients reach this server, without a slash at its end. A path is one that a proxy takes
    /// away: routes have none of it, links carry it.
    pub(crate) public_url: String,
    /// The origin of `public_url`.
    pub(crate) public_origin: String,
    pub(crate) host: String,
    /// What people call the service: pages, mails, authenticator apps and passkeys show it.
    pub(crate) site_name: String,
    /// Origins whose pages may call from a browser, with cookies.
    pub(crate) allowed_origins: Vec<String>,
    /// Whose hosts share the cookie of a session; `None`: only this one has it.
    pub(crate) cookie_domain: Option<String>,
    /// Request headers that those pages may send beside the usual ones, with commas between.
    pub(crate) allowed_headers: String,
    pub(crate) hsts: Hsts,
    /// Proxies in front, whose word on where a request comes from counts.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Of clients, at once; trusted proxies may have more.
    pub(crate) connections_per_address: u32,
    /// How many streams there may be at once.
    pub(crate) streams: StreamLimits,
    /// How long requests are still accepted once the server is told to stop.
    pub(crate) shutdown_delay: Duration,
    pub(crate) data_dir: PathBuf,
    pub(crate) database: Database,
    pub(crate) retention: Retention,
    /// `None` in development: it is generated into the data folder.
    pub(crate) secret_key: Option<SecretString>,
    /// Opens what it sealed, until all is sealed under the current one.
    pub(crate) secret_key_previous: Option<SecretString>,
    /// `None`: each instance counts attempts for itself.
    pub(crate) redis_url: Option<SecretString>,
    /// With which numbers attempts are limited; `None`: with none, in development.
    pub(crate) rates: Option<Rates>,
    /// `None`: no mail is sent.
    pub(crate) mail: Option<mail::Settings>,
    pub(crate) registration: Registration,
    /// Who else may say who somebody is.
    pub(crate) providers: Vec<providers::Settings>,
    /// Where people may be sent back to from there.
    pub(crate) return_urls: ReturnUrls,
    /// Where people change their password.
    pub(crate) change_password_url: String,
    pub(crate) jwt: jwt::Settings,
    /// `None`: the one that is in use, or EdDSA on a new database.
    pub(crate) jwt_algorithm: Option<Algorithm>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) second_factor: SecondFactorRequirement,
    /// Who passkeys are made for; none on an address.
    pub(crate) relying_party: Option<Arc<RelyingParty>>,
    pub(crate) hash_cost: Cost,
    pub(crate) hash_workers: usize,
    pub(crate) password_length_min: usize,
    pub(crate) introspection: Introspection,
    pub(crate) documents: RunDocuments,
    /// Those that the operator has registered.
    pub(crate) trusted_documents: TrustedDocuments,
    /// Whether a gateway may ask for the schema and for objects by their keys.
    pub(crate) federation: bool,
    pub(crate) playground: bool,
    pub(crate) pages: Pages,
    /// `None`: nothing is counted for Prometheus.
    pub(crate) metrics_listen: Option<SocketAddr>,
    pub(crate) access_log: AccessLog,
    /// A `RUST_LOG` directive list.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The files that secrets were read from.
    pub(crate) secret_files: Vec<SecretFile>,
    /// What is dangerous about the settings, and allowed.
    pub(crate) warnings: Vec<Warning>,
}

/// What the account pages are made with.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    /// Whether all of them are served, or only those that mails lead to.
    pub(crate) account: bool,
    /// The links in mails that lead to pages of this server, with the settings by which they would lead elsewhere.
    pub(crate) own_links: Vec<(&'static str, LinkPage)>,
    pub(crate) support: Option<Contact>,
    pub(crate) logo: Option<Logo>,
    /// As `#rrggbb`.
    pub(crate) color: Option<String>,
}

/// The operator's logo.
#[derive(Clone, Debug)]
pub(crate) struct Logo {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: Arc<[u8]>,
}

/// A file of a secret, and the setting that names it.
#[derive(Clone, Debug)]
pub(crate) struct SecretFile {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Something dangerous that is allowed, and what to do about it; without any value.
#[derive(Clone, Debug)]
pub(crate) struct Warning {
    pub(crate) message: String,
    pub(crate) advice: String,
}

/// All that is wrong with the settings, a sentence each, without any value.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is invalid:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// How long ended sessions and audit events are kept, and how long a key signs. `None`: until the absolute end of a
/// session; the others for good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) ended_sessions: Option<TimeDelta>,
    pub(crate) audit_events: Option<TimeDelta>,
    pub(crate) signing_key: Option<TimeDelta>,
}

/// The database, and how it is reached.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) url: SecretString,
    /// The address that migrations use. `None`: the one above.
    pub(crate) migrate_url: Option<SecretString>,
    /// At most so many.
    pub(crate) connections: u32,
    /// How long a server that starts waits for a database that does not answer.
    pub(crate) wait: Duration,
}

impl Config {
    /// Understands the settings, or tells everything that is wrong with them.
    pub fn new(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader::default();
        let mut config = reader.read(settings);
        (config.warnings, config.secret_files) = (reader.warnings, reader.secret_files);
        if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
    }

    /// The numbers of the limits, of settings that may be unusable otherwise.
    pub(crate) fn rates(settings: &Settings) -> Result<Rates, Problems> {
        let mut reader = Reader::default();
        let rates = reader.rates(settings, true).unwrap_or_default();
        if reader.problems.is_empty() { Ok(rates) } else { Err(Problems(reader.problems)) }
    }

    /// The settings that were made looser on purpose than production has them (CF-01).
    pub(crate) fn overrides(&self) -> Vec<&'static str> {
        let filter = self.log_filter.to_ascii_lowercase();
        let is_talkative = filter.contains("debug") || filter.contains("trace");
        let loose = [
            ("INTROSPECTION", self.introspection == Introspection::Full),
            ("FEDERATION", self.federation),
            ("PLAYGROUND", self.playground),
            ("RUST_LOG", is_talkative),
        ];
        let is_production = !self.is_development();
        loose.iter().filter(|(_, is)| is_production && *is).map(|(name, _)| *name).collect()
    }

    /// Whether whatever stands in front, and in production something must, passes for every client:
    /// then all of them share one address, and its limits.
    pub(crate) fn takes_a_proxy_for_everybody(&self) -> bool {
        !self.is_development() && self.trusted_proxies.is_empty()
    }

    /// The whole path of the SQLite database, if it is not there yet, and opening it would make it.
    pub(crate) fn missing_database(&self) -> Option<PathBuf> {
        let file = sqlite_file(self.database.url.expose_secret())?;
        let is_missing = self.is_development() && !file.exists();
        is_missing.then(|| path::absolute(&file).unwrap_or(file))
    }

    /// The path of `public_url`: empty, or with a slash at its beginning.
    pub(crate) fn path(&self) -> &str {
        self.public_url.strip_prefix(&self.public_origin).unwrap_or_default()
    }

    /// The settings that must name pages of a front end in a build without pages, as far as they are not set.
    pub(crate) fn links_without_pages(&self) -> Vec<&'static str> {
        let needed = self.mail.is_some().then_some(&self.pages.own_links);
        needed.into_iter().flatten().map(|(name, _)| *name).collect()
    }

    pub(crate) fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn introspection_is_full_in_development_and_off_in_production_unless_it_is_set() {
        let secret = "--secret-key=mUo2J6gkq4JvYV7r1nqDWHc0bE8sXz5tLhPa9f3R";
        let production = ["--env=production", "--public-url=https://auth.example.com", secret];
        for (flags, is_set, expected) in [
            (&[][..], None, Introspection::Full),
            (&production, None, Introspection::Off),
            (&[], Some("--introspection=own"), Introspection::Own),
            (&production, Some("--introspection=own"), Introspection::Own),
            (&[], Some("--introspection=off"), Introspection::Off),
            (&production, Some("--introspection=full"), Introspection::Full),
        ] {
            let flags = flags.iter().copied().chain(is_set);
            let flags: Vec<_> = flags.map(str::to_owned).collect();
            let config = Config::new(&crate::cli::settings(&flags).unwrap()).unwrap();
            assert_eq!(config.introspection, expected, "{flags:?}");
        }
    }
}
