//! From settings as given to settings understood.

mod files;
mod mail;
mod network;
mod secrets;

use std::net::SocketAddr;

use chrono::TimeDelta;
use url::Url;

use super::{Config, Environment, Introspection, LogFormat, Settings};
use crate::features::sessions::Lifetimes;
use crate::platform::jwt;
use crate::platform::keys::Algorithm;
use crate::platform::passwords::hash::Cost;

/// Collects problems while it reads; what it returns for a bad setting is never used.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<String>,
}

impl Reader {
    pub(super) fn read(&mut self, settings: &Settings) -> Config {
        let environment = self.environment(settings);
        let is_development = environment == Environment::Development;
        let listen = self.listen(settings, is_development);
        let (public_url, host) = self.public_url(settings, listen, is_development);
        let database_url = self.database_url(settings);
        let redis_url = self.redis_url(settings);
        let rate_limits = self.rate_limits(settings, is_development);
        let ttl = self.number(
            "ACCESS_TOKEN_TTL_SECONDS",
            &settings.access_token_ttl_seconds,
            1..=jwt::LIFETIME_MAX_SECONDS,
        );
        let secret_key = self.secret_key(settings, is_development);
        let secret_key_previous = self.secret_key_previous(settings, secret_key.as_ref());
        if !is_development {
            self.judge_secret_files(settings);
        }
        let mail = self.mail(settings, (&public_url, &host), is_development);
        let registration = self.registration(settings, mail.is_some());
        let change_password_url = self.change_password_url(settings, &public_url, is_development);
        let debug = usize::from(!is_development);
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
            allowed_origins: self.allowed_origins(settings, is_development),
            trusted_proxies: self.trusted_proxies(settings),
            connections_per_address: self.number(
                "CONNECTIONS_PER_ADDRESS",
                &settings.connections_per_address,
                1..=100_000,
            ),
            data_dir: settings.data_dir.clone(),
            database_url,
            database_connections: self.number(
                "DATABASE_CONNECTIONS",
                &settings.database_connections,
                1..=1000,
            ),
            secret_key,
            secret_key_previous,
            redis_url,
            rate_limits,
            mail,
            registration,
            change_password_url,
            jwt_algorithm: self.jwt_algorithm(settings),
            lifetimes: self.lifetimes(settings),
            hash_cost: self.hash_cost(settings, is_development),
            hash_workers: self.hash_workers(settings),
            password_length_min: self.number(
                "PASSWORD_MIN_LENGTH",
                &settings.password_min_length,
                8..=128,
            ) as usize,
            introspection: self.introspection(settings, is_development),
            playground: playground.unwrap_or(debug) == 0,
            metrics_listen: self.metrics_listen(settings, listen),
            log_filter: settings.rust_log.clone(),
            log_format: match self.choice("LOG_FORMAT", &settings.log_format, &["text", "json"]) {
                0 => LogFormat::Text,
                _ => LogFormat::Json,
            },
        }
    }

    fn environment(&mut self, settings: &Settings) -> Environment {
        let names = ["development", "production"];
        match self.choice("PORTCULLIS_ENV", &settings.environment, &names) {
            0 => Environment::Development,
            _ => Environment::Production,
        }
    }

    fn introspection(&mut self, settings: &Settings, is_development: bool) -> Introspection {
        let names = ["full", "own", "off"];
        match self.optional_choice("INTROSPECTION", settings.introspection.as_ref(), &names) {
            Some(0) => Introspection::Full,
            Some(1) => Introspection::Own,
            None if is_development => Introspection::Full,
            Some(_) | None => Introspection::Off,
        }
    }

    fn rate_limits(&mut self, settings: &Settings, is_development: bool) -> bool {
        let is_on = self.choice("RATE_LIMITS", &settings.rate_limits, &["on", "off"]) == 0;
        if !is_on && !is_development {
            self.refuse("RATE_LIMITS must be on in production");
        }
        is_on
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

    fn metrics_listen(&mut self, settings: &Settings, listen: SocketAddr) -> Option<SocketAddr> {
        // Empty is none, so that a compose file can pass it on whether it is set or not.
        let text = settings.metrics_listen.as_ref().filter(|text| !text.is_empty())?;
        let Ok(address) = text.parse() else {
            self.refuse("METRICS_LISTEN must be an IP address and a port, as in 127.0.0.1:9090");
            return None;
        };
        if address == listen && listen.port() != 0 {
            self.refuse("METRICS_LISTEN must be another address than LISTEN");
        }
        Some(address)
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
