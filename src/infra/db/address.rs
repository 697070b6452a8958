//! Where a database server is: on one host, or on that of several which is what is wanted. Written as `libpq` reads it,
//! which the programs of PostgreSQL are built on.

use percent_encoding::percent_decode_str;
use strum::{IntoStaticStr, VariantArray};
use url::Url;

/// Which of several hosts is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(const_into_str, serialize_all = "kebab-case")]
pub(crate) enum Wanted {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

/// Why a text is no address.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AddressError {
    #[error("{0}")]
    Url(#[from] url::ParseError),
    #[error("a host between two commas is empty")]
    EmptyHost,
    #[error("it names {hosts} hosts and {ports} ports, and needs one port, or one for each host")]
    Ports { hosts: usize, ports: usize },
    #[error("the port of a host is no number from 1 to 65535")]
    Port,
    #[error(
        "target_session_attrs must be any, read-write, read-only, primary, standby or prefer-standby"
    )]
    Wanted,
}

/// Where a database server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// What leads to one host alone.
    any: Url,
    /// The same for each host. There is one at least.
    hosts: Vec<Url>,
    pub(crate) wanted: Wanted,
}

/// The parameter that says which host is wanted.
const WANTED: &str = "target_session_attrs";

impl Address {
    /// Reads the URL of a server.
    pub(crate) fn parse(text: &str) -> Result<Self, AddressError> {
        let (before, user, listed, after) = parts(text);
        // Drivers take that for a missing host, and libpq accepts what no URL may be: a user at no host.
        let listed = if listed.is_empty() { "localhost" } else { listed };
        // What a first host leads to says what the others do, but for the host.
        let first = listed.split(',').next().unwrap_or_default();
        let whole = Url::parse(&format!("{before}{user}{first}{after}"))?;
        let wanted = match parameter(&whole, WANTED) {
            None => None,
            Some(name) => Some(Wanted::named(&name).ok_or(AddressError::Wanted)?),
        };
        let (named, ports) = (parameter(&whole, "host"), parameter(&whole, "port"));
        let is_list = |list: &Option<String>| list.as_ref().is_some_and(|list| list.contains(','));
        let hosts = if is_list(&named) || is_list(&ports) {
            let named =
                named.unwrap_or_else(|| percent_decode_str(listed).decode_utf8_lossy().into());
            of_lists(&whole, &named, ports.as_deref())?
        } else {
            let of_one = |host: &str| match host {
                "" if listed.contains(',') => Err(AddressError::EmptyHost),
                host => Ok(Url::parse(&format!("{before}{user}{host}{after}"))?),
            };
            listed.split(',').map(of_one).collect::<Result<_, _>>()?
        };
        // The server writes.
        let default = if hosts.len() > 1 { Wanted::ReadWrite } else { Wanted::Any };
        let hosts = hosts.into_iter().map(|host| without(host, &[WANTED])).collect();
        let any = without(whole, &[WANTED]);
        Ok(Self { any, hosts, wanted: wanted.unwrap_or(default) })
    }

    /// For each host, the URL that leads to it alone.
    pub(crate) fn hosts(&self) -> &[Url] {
        &self.hosts
    }

    /// What stands in the URL beside the hosts, with one of them.
    pub(super) fn any(&self) -> &Url {
        &self.any
    }

    /// The one host there is.
    pub(crate) fn only(&self) -> Option<&Url> {
        match &*self.hosts {
            [only] => Some(only),
            _ => None,
        }
    }
}

impl Wanted {
    fn named(name: &str) -> Option<Self> {
        Self::VARIANTS.iter().copied().find(|wanted| wanted.into_str() == name)
    }
}

/// What an operator calls a host.
pub(super) fn name_of(url: &Url) -> String {
    match port_of(url) {
        Some(port) => format!("{}:{port}", host_of(url)),
        None => host_of(url),
    }
}

/// The name of a host, or its folder of sockets.
pub(super) fn host_of(url: &Url) -> String {
    let named = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    parameter(url, "host")
        .unwrap_or_else(|| percent_decode_str(named).decode_utf8_lossy().into_owned())
}

/// The port of a host, if one is named.
pub(super) fn port_of(url: &Url) -> Option<String> {
    parameter(url, "port").or_else(|| url.port().map(|port| port.to_string()))
}

/// A parameter of a URL. The last one counts.
fn parameter(url: &Url, name: &str) -> Option<String> {
    let pairs = url.query_pairs().filter(|(key, _)| key == name);
    pairs.last().map(|(_, value)| value.into_owned())
}

/// The scheme, who connects, the hosts, and the rest of a URL.
fn parts(text: &str) -> (&str, &str, &str, &str) {
    let authority = text.find("://").map_or(text.len(), |at| at + 3);
    let (before, rest) = text.split_at(authority);
    let (rest, after) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (user, hosts) = rest.split_at(rest.rfind('@').map_or(0, |at| at + 1));
    (before, user, hosts, after)
}

/// The hosts that are parameters, with their ports.
fn of_lists(whole: &Url, hosts: &str, ports: Option<&str>) -> Result<Vec<Url>, AddressError> {
    let hosts: Vec<&str> = hosts.split(',').collect();
    let ports: Vec<&str> = ports.map(|ports| ports.split(',').collect()).unwrap_or_default();
    if ports.len() > 1 && ports.len() != hosts.len() {
        return Err(AddressError::Ports { hosts: hosts.len(), ports: ports.len() });
    }
    let plain = without(whole.clone(), &["host", "port"]);
    let of_one = |(number, host): (usize, &&str)| {
        if host.is_empty() {
            return Err(AddressError::EmptyHost);
        }
        let mut url = plain.clone();
        url.query_pairs_mut().append_pair("host", host);
        if let Some(port) = ports.get(number).or(ports.first()).filter(|port| !port.is_empty()) {
            if !port.parse::<u16>().is_ok_and(|port| port > 0) {
                return Err(AddressError::Port);
            }
            url.query_pairs_mut().append_pair("port", port);
        }
        Ok(url)
    };
    hosts.iter().enumerate().map(of_one).collect()
}

/// A URL without some of its parameters.
fn without(mut url: Url, names: &[&str]) -> Url {
    let is_kept = |name: &str| !names.contains(&name);
    if url.query_pairs().all(|(name, _)| is_kept(&name)) {
        return url;
    }
    let kept: Vec<_> = url.query_pairs().filter(|(name, _)| is_kept(name)).collect();
    let kept: Vec<(String, String)> =
        kept.into_iter().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(text: &str) -> Vec<String> {
        Address::parse(text).unwrap().hosts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_host_has_a_url_of_its_own() {
        assert_eq!(
            urls("postgres://me:p%40ss@h1:5432,h2/db?sslmode=require&target_session_attrs=primary"),
            [
                "postgres://me:p%40ss@h1:5432/db?sslmode=require",
                "postgres://me:p%40ss@h2/db?sslmode=require",
            ]
        );
        assert_eq!(
            urls("postgres://me@/db?host=h1,/run/db&port=5432,5433"),
            [
                "postgres://me@localhost/db?host=h1&port=5432",
                "postgres://me@localhost/db?host=%2Frun%2Fdb&port=5433",
            ]
        );
        assert_eq!(urls("mysql://me@[::1]:1,h2/db"), ["mysql://me@[::1]:1/db", "mysql://me@h2/db"]);
        let one = "postgres://me@h1/db?options=-c%20search_path%3Da";
        assert_eq!(urls(one), [one]);
        let named: Vec<_> = ["postgres://h1:1/db", "postgres://me@localhost/db?host=%2Frun&port=2"]
            .map(|url| name_of(&Url::parse(url).unwrap()))
            .into();
        assert_eq!(named, ["h1:1", "/run:2"]);
    }

    #[test]
    fn of_several_hosts_the_one_that_writes_is_wanted_unless_another_is() {
        for (text, wanted) in [
            ("postgres://h1/db", Wanted::Any),
            ("postgres://h1,h2/db", Wanted::ReadWrite),
            ("postgres://h1,h2/db?target_session_attrs=any", Wanted::Any),
            ("postgres://h1/db?target_session_attrs=prefer-standby", Wanted::PreferStandby),
        ] {
            assert_eq!(Address::parse(text).unwrap().wanted, wanted, "{text}");
        }
    }

    #[test]
    fn a_wrong_list_is_refused_for_its_fault_and_without_the_password() {
        for (text, fault) in [
            ("postgres://me:secret@h1,,h2/db", AddressError::EmptyHost),
            ("postgres://me:secret@h1,h2:x/db", url::ParseError::InvalidPort.into()),
            ("postgres://me:secret@h1:1,h2:99999/db", url::ParseError::InvalidPort.into()),
            (
                "postgres://me:secret@/db?host=a,b&port=1,2,3",
                AddressError::Ports { hosts: 2, ports: 3 },
            ),
            ("postgres://me:secret@/db?host=a,b&port=0", AddressError::Port),
            ("postgres://me:secret@h1,h2/db?target_session_attrs=master", AddressError::Wanted),
        ] {
            let refused = Address::parse(text).unwrap_err();
            assert!(!refused.to_string().contains("secret"), "{refused}");
            assert_eq!(refused, fault, "{text}");
        }
    }
}
