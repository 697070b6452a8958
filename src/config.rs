//! Every setting: read once, validated as a whole, all problems told at once and no value ever.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::{fmt, fs};

use chrono::TimeDelta;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use crate::features::sessions::Lifetimes;
use crate::platform::jwt;
use crate::platform::passwords::hash::Cost;

/// Shortest acceptable master secret, in bytes.
pub(crate) const SECRET_LENGTH_MIN: usize = 32;

/// The settings as given: flags before variables before defaults.
#[derive(Args, Clone)]
#[command(next_help_heading = "Settings (each is a flag and a variable)")]
pub struct Settings {
    /// What this instance is for: `development` or `production`
    #[arg(long = "env", env = "PORTCULLIS_ENV", default_value = "development", global = true)]
    environment: String,
    /// Let a development instance listen on more than this machine: `true` or `false`
    #[arg(
        long,
        env = "PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT",
        default_value = "false",
        global = true
    )]
    allow_public_development: String,
    /// Address and port to listen on
    #[arg(long, env = "LISTEN", default_value = "127.0.0.1:8000", global = true)]
    listen: String,
    /// Where clients reach this server; https in production [default: http://localhost:PORT]
    #[arg(long, env = "PUBLIC_URL", global = true)]
    public_url: Option<String>,
    /// Folder for the embedded database and the generated secret
    #[arg(long, env = "DATA_DIR", default_value = "data", global = true)]
    data_dir: PathBuf,
    /// `sqlite://path` or `postgres://…` [default: sqlite://DATA_DIR/portcullis.db]
    #[arg(long, env = "DATABASE_URL", global = true)]
    database_url: Option<SecretString>,
    /// A file that holds DATABASE_URL
    #[arg(long, env = "DATABASE_URL_FILE", global = true)]
    database_url_file: Option<PathBuf>,
    /// Most connections to the database at once
    #[arg(long, env = "DATABASE_CONNECTIONS", default_value = "16", global = true)]
    database_connections: String,
    /// Seals the keys in the database; at least 32 bytes [default: generated in development]
    #[arg(long, env = "SECRET_KEY", global = true)]
    secret_key: Option<SecretString>,
    /// A file that holds SECRET_KEY
    #[arg(long, env = "SECRET_KEY_FILE", global = true)]
    secret_key_file: Option<PathBuf>,
    /// `iss` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_ISSUER", global = true)]
    jwt_issuer: Option<String>,
    /// `aud` of access tokens [default: PUBLIC_URL]
    #[arg(long, env = "JWT_AUDIENCE", global = true)]
    jwt_audience: Option<String>,
    /// Life of an access token, 1 to 900
    #[arg(long, env = "ACCESS_TOKEN_TTL_SECONDS", default_value = "900", global = true)]
    access_token_ttl_seconds: String,
    /// A session ends when it is not refreshed for this long
    #[arg(long, env = "REFRESH_TOKEN_IDLE_SECONDS", default_value = "604800", global = true)]
    refresh_token_idle_seconds: String,
    /// A session ends this long after sign-in, at most 30 days
    #[arg(long, env = "REFRESH_TOKEN_ABSOLUTE_SECONDS", default_value = "2592000", global = true)]
    refresh_token_absolute_seconds: String,
    /// How long a rotated refresh token still leads to the live one, 0 (off) to 10
    #[arg(long, env = "REFRESH_GRACE_SECONDS", default_value = "10", global = true)]
    refresh_grace_seconds: String,
    /// Memory of one password hash (Argon2id)
    #[arg(long, env = "ARGON2_MEMORY_KIB", default_value = "19456", global = true)]
    argon2_memory_kib: String,
    /// Passes of one password hash (Argon2id)
    #[arg(long, env = "ARGON2_ITERATIONS", default_value = "2", global = true)]
    argon2_iterations: String,
    /// Password hashes at once [default: the number of cores]
    #[arg(long, env = "HASH_WORKERS", global = true)]
    hash_workers: Option<String>,
    /// Shortest password, at least 8
    #[arg(long, env = "PASSWORD_MIN_LENGTH", default_value = "8", global = true)]
    password_min_length: String,
    /// `on` or `off`; without effect in this version
    #[arg(long, env = "RATE_LIMITS", default_value = "on", global = true)]
    rate_limits: String,
    /// `full` or `off` [default: full in development, off in production]
    #[arg(long, env = "INTROSPECTION", global = true)]
    introspection: Option<String>,
    /// GraphiQL at /graphql: `on` or `off` [default: on in development, off in production]
    #[arg(long, env = "PLAYGROUND", global = true)]
    playground: Option<String>,
    /// What is logged: `error`, `warn`, `info`, `debug` or a list of directives
    #[arg(long, env = "RUST_LOG", default_value = "info", global = true)]
    rust_log: String,
    /// `text` or `json`
    #[arg(long, env = "LOG_FORMAT", default_value = "text", global = true)]
    log_format: String,
}

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
    pub(crate) host: String,
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: SecretString,
    pub(crate) database_connections: u32,
    /// `None` in development: it is generated into the data folder.
    pub(crate) secret_key: Option<SecretString>,
    pub(crate) jwt: jwt::Settings,
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
            ["development", "production"],
        ) {
            0 => Environment::Development,
            _ => Environment::Production,
        };
        let is_development = environment == Environment::Development;
        let listen = self.listen(settings, is_development);
        let (public_url, host) = self.public_url(settings, listen, is_development);
        let database_url = self.database_url(settings);
        if self.choice("RATE_LIMITS", &settings.rate_limits, ["on", "off"]) == 1 && !is_development
        {
            self.refuse("RATE_LIMITS must be on in production");
        }
        let absolute = self.number(
            "REFRESH_TOKEN_ABSOLUTE_SECONDS",
            &settings.refresh_token_absolute_seconds,
            1..=2_592_000,
        );
        let idle = self.number(
            "REFRESH_TOKEN_IDLE_SECONDS",
            &settings.refresh_token_idle_seconds,
            1..=2_592_000,
        );
        let grace = self.number("REFRESH_GRACE_SECONDS", &settings.refresh_grace_seconds, 0..=10);
        let ttl = self.number(
            "ACCESS_TOKEN_TTL_SECONDS",
            &settings.access_token_ttl_seconds,
            1..=jwt::LIFETIME_MAX_SECONDS,
        );
        let debug = if is_development { 0 } else { 1 };
        let introspection =
            self.optional_choice("INTROSPECTION", settings.introspection.as_ref(), ["full", "off"]);
        let playground =
            self.optional_choice("PLAYGROUND", settings.playground.as_ref(), ["on", "off"]);
        Config {
            environment,
            listen,
            jwt: jwt::Settings {
                issuer: settings.jwt_issuer.clone().unwrap_or_else(|| public_url.clone()),
                audience: settings.jwt_audience.clone().unwrap_or(public_url),
                ttl_seconds: ttl,
            },
            host,
            data_dir: settings.data_dir.clone(),
            database_url,
            database_connections: self.number(
                "DATABASE_CONNECTIONS",
                &settings.database_connections,
                1..=1000,
            ),
            secret_key: self.secret_key(settings, is_development),
            lifetimes: Lifetimes {
                idle: TimeDelta::seconds(idle.into()),
                absolute: TimeDelta::seconds(absolute.into()),
                grace: TimeDelta::seconds(grace.into()),
            },
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
            log_format: match self.choice("LOG_FORMAT", &settings.log_format, ["text", "json"]) {
                0 => LogFormat::Text,
                _ => LogFormat::Json,
            },
        }
    }

    fn listen(&mut self, settings: &Settings, is_development: bool) -> SocketAddr {
        let allowed = self.choice(
            "PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT",
            &settings.allow_public_development,
            ["false", "true"],
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
        let supported = ["sqlite:", "postgres:", "postgresql:"];
        if !supported.iter().any(|scheme| url.expose_secret().starts_with(scheme)) {
            self.refuse("DATABASE_URL must begin with sqlite: or postgres:");
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

    fn choice(&mut self, name: &str, text: &str, choices: [&str; 2]) -> usize {
        choices.iter().position(|choice| *choice == text).unwrap_or_else(|| {
            self.refuse(format!("{name} must be {} or {}", choices[0], choices[1]));
            0
        })
    }

    fn optional_choice(
        &mut self,
        name: &str,
        text: Option<&String>,
        choices: [&str; 2],
    ) -> Option<usize> {
        text.map(|text| self.choice(name, text, choices))
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }
}
