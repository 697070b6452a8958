//! From settings as given to settings understood.

mod claims;
mod dangers;
mod documents;
mod files;
mod lifetimes;
mod limits;
mod mail;
mod network;
mod pages;
mod passkeys;
mod providers;
mod proxies;
mod return_urls;
mod secrets;

use std::net::SocketAddr;
use std::time::Duration;

use strum::VariantArray;
use url::Url;

use super::{
    AccessLog, Config, Database, Environment, Introspection, SecretFile, Settings, Switch, Warning,
};
use crate::extension::Extended;
use crate::infra::jwt;
use crate::infra::passwords::hash::Cost;

/// Collects problems while it reads; what it returns for a bad setting is never used.
#[derive(Default)]
pub(super) struct Reader {
    pub(super) problems: Vec<String>,
    pub(super) warnings: Vec<Warning>,
    /// The files of secrets that were read.
    pub(super) secret_files: Vec<SecretFile>,
}

/// Where clients reach this server: as a whole, and its parts.
struct Public {
    url: String,
    origin: String,
    host: String,
    /// SITE_NAME, if it is set.
    name: Option<String>,
}

impl Public {
    fn site_name(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.host)
    }
}

impl Reader {
    pub(super) fn read(&mut self, settings: &Settings) -> Config {
        let environment = self.environment(settings);
        let is_development = environment == Environment::Development;
        let listen = self.listen(settings, is_development);
        let public = self.public_url(settings, listen, is_development);
        let allowed_origins = self.allowed_origins(settings, is_development);
        let relying_party = self.relying_party(settings, &public, &allowed_origins, is_development);
        let (mail, pages) = self.mail_and_pages(settings, &public, is_development);
        let site_name = public.site_name().to_owned();
        let Public { url: public_url, origin: public_origin, host, .. } = public;
        let rates = self.rates(settings, is_development);
        let secret_key = self.secret_key(settings, is_development);
        let secret_key_previous = self.secret_key_previous(settings, secret_key.as_ref());
        let registration = self.registration(settings, mail.is_some());
        let change_password_url = self.change_password_url(settings, &public_url, is_development);
        let playground = self.playground(settings, is_development);
        let return_urls = self.return_urls(settings, &public_url, playground);
        let config = Config {
            extended: Extended::default(),
            environment,
            listen,
            jwt: self.jwt(settings, &public_url),
            public_url,
            public_origin,
            cookie_domain: self.cookie_domain(settings, &host),
            host,
            site_name,
            allowed_origins,
            allowed_headers: self.allowed_headers(settings),
            hsts: self.choice("HSTS", &settings.hsts),
            trusted_proxies: self.trusted_proxies(settings),
            connections_per_address: self.connections_per_address(settings),
            streams: self.streams(settings),
            shutdown_delay: self.shutdown_delay(settings, is_development),
            data_dir: settings.data_dir.clone(),
            database: self.database(settings),
            retention: self.retention(settings),
            secret_key,
            secret_key_previous,
            redis_url: self.redis_url(settings),
            rates,
            mail,
            registration,
            providers: self.providers(settings, is_development),
            return_urls,
            change_password_url,
            jwt_algorithm: (settings.jwt_algorithm.as_ref())
                .map(|name| self.choice("JWT_ALGORITHM", name)),
            lifetimes: self.lifetimes(settings),
            relying_party,
            second_factor: self.choice("REQUIRE_SECOND_FACTOR", &settings.require_second_factor),
            hash_cost: self.hash_cost(settings, is_development),
            hash_workers: self.hash_workers(settings),
            password_length_min: self.password_length_min(settings),
            introspection: self.introspection(settings, is_development),
            documents: self.run_documents(settings),
            trusted_documents: self.trusted_documents(settings),
            federation: self.is_on("FEDERATION", &settings.federation_mode),
            playground,
            pages,
            metrics_listen: self.metrics_listen(settings, listen, is_development),
            access_log: self.access_log(settings, is_development),
            log_filter: settings.rust_log.clone(),
            log_format: self.choice("LOG_FORMAT", &settings.log_format),
            secret_files: Vec::new(),
            warnings: Vec::new(),
        };
        self.dangers(settings, &config);
        self.judge_files(settings, &config);
        config
    }

    fn environment(&mut self, settings: &Settings) -> Environment {
        if let Some(text) = &settings.environment {
            return self.choice("PORTCULLIS_ENV", text);
        }
        self.judge_unset_environment(settings);
        Environment::Development
    }

    /// A server that clients reach by https, or through a proxy, is rarely meant for development,
    /// whose defaults are open.
    fn judge_unset_environment(&mut self, settings: &Settings) {
        let url = settings.public_url.as_deref().unwrap_or_default();
        let is_https = url.get(..6).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https:"));
        for (is_served, what) in [
            (is_https, "PUBLIC_URL is https"),
            (!settings.trusted_proxies.trim().is_empty(), "TRUSTED_PROXIES is set"),
        ] {
            if is_served {
                self.refuse(format!(
                    "PORTCULLIS_ENV is not set, and {what}: set PORTCULLIS_ENV=production, or \
                     development if this is a development server"
                ));
            }
        }
    }

    fn password_length_min(&mut self, settings: &Settings) -> usize {
        self.number("PASSWORD_MIN_LENGTH", &settings.password_min_length, 8..=128) as usize
    }

    fn playground(&mut self, settings: &Settings, is_development: bool) -> bool {
        settings.playground.as_ref().map_or(is_development, |text| self.is_on("PLAYGROUND", text))
    }

    fn introspection(&mut self, settings: &Settings, is_development: bool) -> Introspection {
        match &settings.introspection {
            Some(text) => self.choice("INTROSPECTION", text),
            None if is_development => Introspection::Full,
            None => Introspection::Off,
        }
    }

    /// In development a line for each request would bury what else the server says.
    fn access_log(&mut self, settings: &Settings, is_development: bool) -> AccessLog {
        match &settings.access_log {
            Some(text) => self.choice("ACCESS_LOG", text),
            None if is_development => AccessLog::Off,
            None => AccessLog::On,
        }
    }

    /// In development no load balancer has to notice the stop.
    fn shutdown_delay(&mut self, settings: &Settings, is_development: bool) -> Duration {
        let default = if is_development { "0" } else { "5" };
        let text = settings.shutdown_delay_seconds.as_deref().unwrap_or(default);
        Duration::from_secs(self.number("SHUTDOWN_DELAY_SECONDS", text, 0..=300).into())
    }

    fn database(&mut self, settings: &Settings) -> Database {
        let url = self.database_url(settings);
        let wait = self.number("DATABASE_WAIT_SECONDS", &settings.database_wait_seconds, 0..=3600);
        Database {
            migrate_url: self.migrate_database_url(settings, &url),
            url,
            connections: self.number(
                "DATABASE_CONNECTIONS",
                &settings.database_connections,
                1..=1000,
            ),
            wait: Duration::from_secs(wait.into()),
        }
    }

    fn listen(&mut self, settings: &Settings, is_development: bool) -> SocketAddr {
        let allowed =
            self.flag("PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT", &settings.allow_public_development);
        let Ok(listen) = settings.listen.parse::<SocketAddr>() else {
            self.refuse("LISTEN must be an IP address and a port, as in 127.0.0.1:8000");
            return SocketAddr::from(([127, 0, 0, 1], 0));
        };
        if is_development && !listen.ip().is_loopback() && !allowed {
            self.refuse(
                "LISTEN reaches beyond this machine, but a development instance must not: use \
                 PORTCULLIS_ENV=production, or PORTCULLIS_ALLOW_PUBLIC_DEVELOPMENT=true",
            );
        }
        listen
    }

    fn metrics_listen(
        &mut self,
        settings: &Settings,
        listen: SocketAddr,
        is_development: bool,
    ) -> Option<SocketAddr> {
        let text = settings.metrics_listen.as_ref()?;
        let Ok(address) = text.parse::<SocketAddr>() else {
            self.refuse("METRICS_LISTEN must be an IP address and a port, as in 127.0.0.1:9464");
            return None;
        };
        if address == listen && listen.port() != 0 {
            self.refuse("METRICS_LISTEN must differ from LISTEN");
        }
        // LISTEN has told why, where it reaches as far.
        let is_confined = is_development && listen.ip().is_loopback();
        if is_confined && !address.ip().is_loopback() {
            self.refuse(
                "METRICS_LISTEN reaches beyond this machine, but a development instance must not: use \
                 PORTCULLIS_ENV=production, or an address such as 127.0.0.1:9464",
            );
        }
        Some(address)
    }

    fn public_url(
        &mut self,
        settings: &Settings,
        listen: SocketAddr,
        is_development: bool,
    ) -> Public {
        let local = format!("http://localhost:{}", listen.port());
        let name = self.site_name(settings);
        let nowhere =
            |url: String| Public { origin: url.clone(), url, host: String::new(), name: None };
        let text = match &settings.public_url {
            Some(text) => text.clone(),
            None if is_development => local,
            None => {
                self.refuse("PUBLIC_URL is required in production");
                return nowhere(local);
            }
        };
        let parsed = Url::parse(&text).ok().filter(|url| {
            let is_plain = url.query().is_none() && url.fragment().is_none();
            let is_anonymous = url.username().is_empty() && url.password().is_none();
            is_plain
                && has_plain_path(url)
                && is_anonymous
                && matches!(url.scheme(), "http" | "https")
        });
        let Some(url) = parsed else {
            self.refuse(
                "PUBLIC_URL must be an http(s) URL without query or user; its path may contain only \
                 letters, digits and -._~",
            );
            return nowhere(text);
        };
        if !is_development && url.scheme() != "https" {
            self.refuse("PUBLIC_URL must be https in production");
        }
        let origin = url.origin().ascii_serialization();
        let host = url.host_str().unwrap_or_default().to_owned();
        Public { url: format!("{origin}{}", url.path().trim_end_matches('/')), origin, host, name }
    }

    fn jwt(&mut self, settings: &Settings, public_url: &str) -> jwt::Settings {
        jwt::Settings {
            issuer: self.claim("JWT_ISSUER", settings.jwt_issuer.as_ref(), public_url),
            audience: self.claim("JWT_AUDIENCE", settings.jwt_audience.as_ref(), public_url),
            ttl_seconds: self.number(
                "ACCESS_TOKEN_TTL_SECONDS",
                &settings.access_token_ttl_seconds,
                1..=jwt::LIFETIME_MAX_SECONDS,
            ),
            custom_claims: self.custom_claims(settings),
        }
    }

    /// A claim that tells this server's tokens from those of others, so it must say something.
    fn claim(&mut self, name: &str, given: Option<&String>, public_url: &str) -> String {
        let claim = given.map_or(public_url, String::as_str);
        if given.is_some() && (claim.trim() != claim || claim.is_empty()) {
            self.refuse(format!(
                "{name} must not be empty, and must not begin or end with a space: leave it unset for \
                 PUBLIC_URL"
            ));
        }
        claim.to_owned()
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

    fn is_on(&mut self, name: &str, text: &str) -> bool {
        self.choice::<Switch>(name, text) == Switch::On
    }

    /// One of an enum's variants, by its name.
    fn choice<T>(&mut self, name: &str, text: &str) -> T
    where
        T: VariantArray + Into<&'static str> + Copy,
    {
        let chosen = T::VARIANTS.iter().copied().find(|&choice| choice.into() == text);
        chosen.unwrap_or_else(|| {
            let names: Vec<&str> = T::VARIANTS.iter().map(|&choice| choice.into()).collect();
            self.refuse(format!("{name} must be {}", names.join(" or ")));
            T::VARIANTS[0]
        })
    }

    fn flag(&mut self, name: &str, text: &str) -> bool {
        text.parse().unwrap_or_else(|_| {
            self.refuse(format!("{name} must be false or true"));
            false
        })
    }

    fn refuse(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn warn(&mut self, message: impl Into<String>, advice: impl Into<String>) {
        self.warnings.push(Warning { message: message.into(), advice: advice.into() });
    }

    /// Refuses in production what development is only warned of.
    fn judge(&mut self, is_development: bool, message: String, advice: String) {
        if is_development {
            self.warn(message, advice);
        } else {
            self.refuse(format!("{message}: {advice}"));
        }
    }
}

/// Whether nothing in a path needs to be escaped in a header, a link or a page.
fn has_plain_path(url: &Url) -> bool {
    let mut parts = url.path().trim_end_matches('/').split('/').skip(1);
    parts.all(|part| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
    })
}
