//! What works and is dangerous all the same: production refuses what nobody can mean, and is warned
//! of what a private network or a container may excuse.

use std::net::{IpAddr, SocketAddr};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::super::{Config, Settings};
use super::Reader;
use super::secrets::is_guessable;
use crate::infra::db::Address;
use crate::infra::mail;
use crate::kernel::host::is_this_machine;

/// A password of another server that has fewer surprises can be guessed over the network.
const PASSWORD_SURPRISES_MIN: usize = 6;

impl Reader {
    pub(super) fn dangers(&mut self, settings: &Settings, config: &Config) {
        let has_no_password = |url: &SecretString| {
            let urls = parsed(url);
            !urls.is_empty() && urls.iter().all(|url| url.password().is_none())
        };
        for flag in &settings.secret_flags {
            let url = match flag.as_str() {
                "DATABASE_URL" => settings.database_url.as_ref(),
                "MIGRATE_DATABASE_URL" => settings.migrate_database_url.as_ref(),
                "REDIS_URL" => settings.redis_url.as_ref(),
                "SMTP_URL" => settings.smtp_url.as_ref(),
                _ => None,
            };
            if url.is_some_and(has_no_password) {
                continue;
            }
            self.warn(
                format!("{flag} is given as a flag, so every user of this machine can see it"),
                format!("set the variable {flag}, or {flag}_FILE"),
            );
        }
        if config.is_development() {
            return;
        }
        if config.metrics_listen.is_some_and(|address| !is_private(address)) {
            self.warn(
                "everybody who reaches this machine can reach METRICS_LISTEN",
                "listen on 127.0.0.1 or on an address of a private network, or restrict the access by a \
                 firewall",
            );
        }
        self.connections(config);
    }

    /// What goes to other machines, and whether others can read it on its way.
    fn connections(&mut self, config: &Config) {
        let remedy = "add sslmode=verify-full (MySQL, MariaDB: ssl-mode=VERIFY_IDENTITY)";
        let smtp = config.mail.as_ref().and_then(mail::Settings::smtp_url);
        for (name, url, remedy) in [
            ("DATABASE_URL", Some(&config.database.url), remedy),
            ("MIGRATE_DATABASE_URL", config.database.migrate_url.as_ref(), remedy),
            ("REDIS_URL", config.redis_url.as_ref(), "use rediss://"),
            ("SMTP_URL", smtp, "use smtps://, or smtp:// without tls=off"),
        ] {
            let urls = url.map(parsed).unwrap_or_default();
            let Some(url) = urls.first().filter(|url| url.scheme() != "sqlite") else { continue };
            if urls.iter().any(|url| !is_this_machine(url) && !is_encrypted(url)) {
                self.warn(
                    format!("{name} leads to another machine but does not require TLS"),
                    format!("{remedy}, unless you control the whole network in between"),
                );
            }
            let password = url.password().unwrap_or_default();
            if !password.is_empty() && is_guessable(password, PASSWORD_SURPRISES_MIN) {
                self.warn(
                    format!("the password in {name} is easy to guess"),
                    "give that server a random password, for example by `openssl rand -hex 24`",
                );
            }
        }
    }
}

/// A URL, or one for each of the hosts that it names.
fn parsed(url: &SecretString) -> Vec<Url> {
    let url = url.expose_secret();
    match Address::parse(url) {
        Ok(address) => address.hosts().to_vec(),
        Err(_) => Url::parse(url).into_iter().collect(),
    }
}

/// Whether the connection fails rather than being one that others can read.
fn is_encrypted(url: &Url) -> bool {
    let option = |wanted: &[&str]| {
        url.query_pairs()
            .filter(|(name, _)| wanted.contains(&name.as_ref()))
            .map(|(_, value)| value.to_ascii_lowercase().replace('-', "_"))
            .last()
    };
    match url.scheme() {
        "rediss" | "smtps" => true,
        "redis" => false,
        "smtp" => option(&["tls"]).as_deref() != Some("off"),
        _ => matches!(
            option(&["sslmode", "ssl-mode"]).as_deref(),
            Some("require" | "required" | "verify_ca" | "verify_full" | "verify_identity")
        ),
    }
}

/// Whether an address is one of this machine or of a private network, and not all there are.
fn is_private(address: SocketAddr) -> bool {
    match address.ip() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}
