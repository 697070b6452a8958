//! Which hosts are this machine.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether a URL leads to this machine: by its name, by a loopback address, or by a socket file.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    // A database may be named by a parameter, and then is in no other place.
    let named = url.query_pairs().filter(|(name, _)| name == "host").last();
    let is_name_of_it = |name: &str| {
        matches!(name, "localhost" | "") || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    match (url.host(), named) {
        (_, Some((_, socket))) if socket.starts_with('/') => true,
        (None | Some(Host::Domain("")), Some((_, name))) => is_name_of_it(&name),
        (None, None) => true,
        // An IPv4 address is a name to `url` in a scheme that it does not know.
        (Some(Host::Domain(name)), _) => is_name_of_it(name),
        (Some(Host::Ipv4(ip)), _) => ip.is_loopback(),
        (Some(Host::Ipv6(ip)), _) => ip.is_loopback(),
    }
}
