//! The settings that say whom to believe: proxies in front, and pages of other origins.

use std::net::IpAddr;

use ipnet::IpNet;
use url::Url;

use super::super::Settings;
use super::Reader;

impl Reader {
    pub(super) fn allowed_origins(
        &mut self,
        settings: &Settings,
        is_development: bool,
    ) -> Vec<String> {
        let origins: Option<Vec<String>> = listed(&settings.allowed_origins).map(origin).collect();
        let Some(origins) = origins else {
            self.refuse(
                "ALLOWED_ORIGINS must be exact origins with commas between, as in \
                 https://app.example.com; no *, no null and no path",
            );
            return Vec::new();
        };
        if !is_development && origins.iter().any(|origin| !origin.starts_with("https://")) {
            self.refuse("ALLOWED_ORIGINS must be https in production");
        }
        origins
    }

    pub(super) fn trusted_proxies(&mut self, settings: &Settings) -> Vec<IpNet> {
        let networks: Option<Vec<IpNet>> = listed(&settings.trusted_proxies).map(network).collect();
        networks.unwrap_or_else(|| {
            self.refuse(
                "TRUSTED_PROXIES must be addresses and networks with commas between, as in \
                 10.0.0.0/8, 2001:db8::7; not everybody, and no IPv4 address in IPv6 form",
            );
            Vec::new()
        })
    }
}

fn listed(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

/// An http(s) origin, spelt as browsers spell it: then it can be compared byte by byte.
fn origin(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https");
    (is_web && !text.contains('*') && url.origin().ascii_serialization() == text)
        .then(|| text.to_owned())
}

/// A network, or an address as a network of one. `None` also for everybody, whose claims would
/// count as a proxy's, and for IPv4 in IPv6 form: clients' addresses never have it.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let is_mapped = network.network().to_canonical() != network.network();
    (network.prefix_len() > 0 && !is_mapped).then_some(network)
}
