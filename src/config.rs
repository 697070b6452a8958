//! Every setting: read once, validated as a whole, all problems told at once and no value ever.

mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, fs};

use chrono::TimeDelta;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

pub use self::settings::Settings;
use crate::features::sessions::Lifetimes;
use crate::platform::jwt;
use crate::platform::keys::Algorithm;
use crate::platform::passwords::hash::Cost;

/// Shortest acceptable master secret, in bytes.
pub(crate) const SECRET_LENGTH_MIN: usize = 32;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line, for machines.
    Json,
}

/// What an instance is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Environment {
    Development,
    Production,
}

/// The settings, understood.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) environment: Environment,
    pub(crate) listen: SocketAddr,
    /// Where clients reach this server: an origin, without a slash at its end.
    pub(crate) public_url: String,
    pub(crate) host: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: SecretString,
    pub(crate) database_connections: u32,
    /// `None` in development: it is generated into the data folder.
    pub(crate) secret_key: Option<SecretString>,
    /// Opens what it sealed, until all is sealed under the current one.
    pub(crate) secret_key_previous: Option<SecretString>,
    pub(crate) jwt: jwt::Settings,
    /// `None`: the one that is in use, or EdDSA on a new database.
    pub(crate) jwt_algorithm: Option<Algorithm>,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) hash_cost: Cost,
    pub(crate) hash_workers: usize,
    pub(crate) password_length_min: usize,
    pub(crate) introspection: bool,
    pub(crate) playground: bool,
    /// A `RUST_LOG` directive list.
    pub log_filter: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// All that is wrong with the settings, a sentence each, without any value.
#[derive(Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<String>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration is not usable:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

impl Config {
    /// Understands the settings, or tells everything that is wrong with them.
    pub fn new(settings: &Settings) -> Result<Self, Problems> {
        let mut reader = Reader { problems: Vec::new() };
        let config = reader.read(settings);
        if reader.problems.is_empty() { Ok(config) } else { Err(Problems(reader.problems)) }
    }

    pub(crate) fn is_development(&self) -> bool {
        self.environment == Environment::Development
    }
}

/// Collects problems while it reads; what it returns for a bad setting is never used.
struct Reader {
    problems: Vec<String>,
}

impl Reader {
    fn read(&mut self, settings: &Settings) -> Config {
        let environment = match self.choice(
            "PORTCULLIS_ENV",
            &settings.environment,
            &["development", "production"],
        ) {
            0 => Environment::Development,
            _ => Environment::Production,
        };
        let is_development = environment == Environment::Development;
        let listen = self.listen(settings, is_development);
        let (public_url, host) = self.public_url(settings, listen, is_development);
        let database_url = self.database_url(settings);
        if self.choice("RATE_LIMITS", &settings.rate_limits, &["on", "off"]) == 1 && !is_development
        {
            self.refuse("RATE_LIMITS must be on in production");
        }
        let ttl = self.number(
            "ACCESS_TOKEN_TTL_SECONDS",
            &settings.access_token_ttl_seconds,
            1..=jwt::LIFETIME_MAX_SECONDS,
        );
        let debug = usize::from(!is_development);
        let introspection = self.optional_choice(
            "INTROSPECTION",
            settings.introspection.as_ref(),
            &["full", "off"],
        );
        let playground =
            self.optional_choice("PLAYGROUND", settings.playground.as_ref(), &["on", "off"]);
        Config {
            environment,
            listen,
            jwt: jwt::Settings {
                issuer: settings.jwt_issuer.clone().unwrap_or_else(|| public_url.clone()),
                audience: settings.jwt_audience.clone().unwrap_or_else(|| public_url.clone()),
                ttl_seconds: ttl,
            },
            public_url,
            host,
            data_dir: settings.data_dir.clone(),
            database_url,
            database_connections: self.number(
                "DATABASE_CONNECTIONS",
                &settings.database_connections,
                1..=1000,
            ),
            secret_key: self.secret_key(settings, is_development),
            secret_key_previous: self.secret_key_previous(settings),
            jwt_algorithm: self.jwt_algorithm(settings),
            lifetimes: self.lifetimes(settings),
            hash_cost: self.hash_cost(settings, is_development),
            hash_workers: self.hash_workers(settings),
            password_length_min: self.number(
                "PASSWORD_MIN_LENGTH",
                &settings.password_min_length,
                8..=128,
            ) as usize,
            introspection: introspection.unwrap_or(debug) == 0,
            playground: playground.unwrap_or(debug) == 0,
            log_filter: settings.rust_log.clone(),
            log_format: match self.choice("LOG_FORMAT", &settings.log_format, &["text", "json"]) {
                0 => LogFormat::Text,
                _ => LogFormat::Json,
            },
        }
    }

    fn lifetimes(&mut self, settings: &Settings) -> Lifetimes {
        let longest = 30 * 24 * 60 * 60; // NIST SP 800-63B, section 2.1.3.
        let mut seconds =
            |name, text: &str, range| TimeDelta::seconds(self.number(name, text, range).into());
        Lifetimes {
            idle: seconds(
                "REFRESH_TOKEN_IDLE_SECONDS",
                &settings.refresh_token_idle_seconds,
                1..=longest,
            ),
            absolute: seconds(
                "REFRESH_TOKEN_ABSOLUTE_SECONDS",
                &settings.refresh_token_absolute_seconds,
                1..=longest,
            ),
            grace: seconds("REFRESH_GRACE_SECONDS", &settings.refresh_grace_seconds, 0..=10),
        }
    }

    fn listen(&mut self, settings: &Settings, is_development: bool) -> SocketAddr {
        let allowed = self.choice(
            "PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT",
            &settings.allow_public_development,
            &["false", "true"],
        ) == 1;
        let Ok(listen) = settings.listen.parse::<SocketAddr>() else {
            self.refuse("LISTEN must be an IP address and a port, as in 127.0.0.1:8000");
            return SocketAddr::from(([127, 0, 0, 1], 0));
        };
        if is_development && !listen.ip().is_loopback() && !allowed {
            self.refuse(
                "LISTEN reaches beyond this machine, which a development instance must not: use \
                 PORTCULLIS_ENV=production, or PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT=true",
            );
        }
        listen
    }

    /// The public origin and its host name.
    fn public_url(
        &mut self,
        settings: &Settings,
        listen: SocketAddr,
        is_development: bool,
    ) -> (String, String) {
        let local = format!("http://localhost:{}", listen.port());
        let text = match &settings.public_url {
            Some(text) => text.clone(),
            None if is_development => local,
            None => {
                self.refuse("PUBLIC_URL is required in production");
                return (local, String::new());
            }
        };
        let parsed = Url::parse(&text).ok().filter(|url| {
            let is_origin = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            is_origin && is_anonymous && matches!(url.scheme(), "http" | "https")
        });
        let Some(url) = parsed else {
            self.refuse("PUBLIC_URL must be an http(s) origin without path, query or user");
            return (text, String::new());
        };
        if !is_development && url.scheme() != "https" {
            self.refuse("PUBLIC_URL must be https in production");
        }
        (url.origin().ascii_serialization(), url.host_str().unwrap_or_default().to_owned())
    }

    fn database_url(&mut self, settings: &Settings) -> SecretString {
        let given = self.secret(
            "DATABASE_URL",
            settings.database_url.as_ref(),
            settings.database_url_file.as_ref(),
        );
        let url = given.unwrap_or_else(|| {
            let file = settings.data_dir.join("portcullis.db");
            format!("sqlite://{}", file.display()).into()
        });
        let supported = ["sqlite:", "postgres:", "postgresql:", "mysql:", "mariadb:"];
        if !supported.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
            self.refuse("DATABASE_URL must begin with sqlite:, postgres:, mysql: or mariadb:");
        }
        if url.expose_secret().contains(":memory:") || url.expose_secret().contains("mode=memory") {
            self.refuse(
                "DATABASE_URL must name a file: in memory, nothing would be kept or shared",
            );
        }
        url
    }

    fn secret_key(&mut self, settings: &Settings, is_development: bool) -> Option<SecretString> {
        let secret = self.secret(
            "SECRET_KEY",
            settings.secret_key.as_ref(),
            settings.secret_key_file.as_ref(),
        );
        let Some(secret) = secret else {
            if !is_development {
                self.refuse(
                    "SECRET_KEY (or SECRET_KEY_FILE) is required in production; \
                     `openssl rand -base64 48` makes one",
                );
            }
            return None;
        };
        let bytes = secret.expose_secret().as_bytes();
        if bytes.len() < SECRET_LENGTH_MIN {
            self.refuse("SECRET_KEY must have at least 32 bytes");
        }
        let distinct = bytes.iter().collect::<std::collections::HashSet<_>>().len();
        let text = secret.expose_secret().to_ascii_lowercase();
        let is_example = ["change", "example", "secret", "password", "default"]
            .iter()
            .any(|word| text.contains(word));
        if distinct < 10 || is_example {
            self.refuse("SECRET_KEY must be random: this one repeats itself or is an example");
        }
        Some(secret)
    }

    /// It only opens what is there, so it is not judged: if it was weak, it is on its way out.
    fn secret_key_previous(&mut self, settings: &Settings) -> Option<SecretString> {
        self.secret(
            "SECRET_KEY_PREVIOUS",
            settings.secret_key_previous.as_ref(),
            settings.secret_key_previous_file.as_ref(),
        )
    }

    fn jwt_algorithm(&mut self, settings: &Settings) -> Option<Algorithm> {
        let name = settings.jwt_algorithm.as_ref()?;
        let names = Algorithm::ALL.map(Algorithm::as_str);
        Some(Algorithm::ALL[self.choice("JWT_ALGORITHM", name, &names)])
    }

    fn hash_cost(&mut self, settings: &Settings, is_development: bool) -> Cost {
        let cost = Cost {
            memory_kib: self.number(
                "ARGON2_MEMORY_KIB",
                &settings.argon2_memory_kib,
                8..=1_048_576,
            ),
            iterations: self.number("ARGON2_ITERATIONS", &settings.argon2_iterations, 1..=20),
        };
        if !is_development && !cost.meets_floor() {
            self.refuse(
                "ARGON2_MEMORY_KIB and ARGON2_ITERATIONS must be at least 47104 and 1, 19456 and \
                 2, or 12288 and 3 in production",
            );
        }
        cost
    }

    fn hash_workers(&mut self, settings: &Settings) -> usize {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        match &settings.hash_workers {
            Some(text) => self.number("HASH_WORKERS", text, 1..=512) as usize,
            None => cores,
        }
        .min(cores)
    }

    /// A secret from its variable or from the file that its `_FILE` twin names.
    fn secret(
        &mut self,
        name: &str,
        value: Option<&SecretString>,
        file: Option<&PathBuf>,
    ) -> Option<SecretString> {
        match (value, file) {
            (Some(_), Some(_)) => {
                self.refuse(format!("{name} and {name}_FILE must not be set together"));
                None
            }
            (Some(value), None) => Some(value.clone()),
            (None, Some(file)) => match fs::read_to_string(file) {
                Ok(text) => Some(text.trim_end_matches(['\r', '\n']).into()),
                Err(error) => {
                    self.refuse(format!("{name}_FILE cannot be read: {}", error.kind()));
                    None
                }
            },
            (None, None) => None,
        }
    }

    fn number(&mut self, name: &str, text: &str, range: std::ops::RangeInclusive<u32>) -> u32 {
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                let (least, most) = range.into_inner();
                self.refuse(format!("{name} must be a number from {least} to {most}"));
                least
            }
        }
    }

    fn choice(&mut self, name: &str, text: &str, choices: &[&str]) -> usize {
        choices.iter().position(|choice| *choice == text).unwrap_or_else(|| {
            self.refuse(format!("{name} must be {}", choices.join(" or ")));
            0
        })
    }

    fn optional_choice(
        &mut self,
        name: &str,
        text: Option<&String>,
        choices: &[&str],
    ) -> Option<usize> {
        text.map(|text| self.choice(name, text, choices))
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }
}
