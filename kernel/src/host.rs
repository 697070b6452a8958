//! Which hosts are this machine.

use std::net::IpAddr;

use url::{Host, Url};

/// Whether a URL leads to this machine: by its name, by a loopback address, or by a socket file.
#[must_use]
pub fn is_this_machine(url: &Url) -> bool {
    let socket = url.query_pairs().any(|(name, value)| name == "host" && value.starts_with('/'));
    socket
        || match url.host() {
            None | Some(Host::Domain("localhost" | "")) => true,
            // An IPv4 address is a name to `url` in a scheme that it does not know.
            Some(Host::Domain(name)) => name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback()),
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
        }
}
