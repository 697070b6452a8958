//! From which address a request comes, when proxies stand in between.
//!
//! Only `X-Forwarded-For` is read, and only what proxies of ours have written there. No other header
//! (`Forwarded`, `X-Real-IP`, `X-Forwarded-Host`, `Host` …) decides anything (HT-05, HT-06).

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The address of the client: the peer, or what the trusted proxies in front say of theirs.
///
/// Each proxy appends the peer it saw, so the list is walked from its end, for as long as the one
/// that vouches for the next hop is trusted. Where a hop cannot be read nobody vouches for what
/// stands before it, and the walk ends at the proxy.
pub(super) fn client_ip(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut nearest = peer.to_canonical();
    let lines = headers.get_all(X_FORWARDED_FOR).iter().map(|line| line.to_str().unwrap_or(""));
    let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
    for hop in hops.into_iter().rev() {
        if !is_trusted(nearest, trusted) {
            break;
        }
        let Some(hop) = address(hop.trim()) else { break };
        nearest = hop;
    }
    nearest
}

/// Whether a proxy of ours stands at an address.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|network| network.contains(&address))
}

/// One hop: an address, which some proxies write with a port or in brackets.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(hop);
    let ip = bare.parse().ok().or_else(|| Some(hop.parse::<SocketAddr>().ok()?.ip()))?;
    Some(ip.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The client's address when `peer` sends these lines, and 10.0.0.0/8 and 2001:db8::/32 are
    /// proxies of ours.
    fn seen(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8::/32"].map(|network| network.parse().unwrap());
        let headers = lines.iter().map(|line| (X_FORWARDED_FOR, line.parse().unwrap()));
        client_ip(peer.parse().unwrap(), &headers.collect(), &trusted).to_string()
    }

    #[test]
    fn a_stranger_is_who_the_socket_says_whatever_they_claim() {
        for claim in ["1.2.3.4", "10.0.0.9", "127.0.0.1", "::1", "nonsense", ""] {
            assert_eq!(seen("203.0.113.7", &[claim]), "203.0.113.7", "{claim}");
        }
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
    }

    #[test]
    fn of_a_chain_the_last_hop_that_no_proxy_of_ours_stands_at_counts() {
        assert_eq!(seen("10.0.0.1", &["198.51.100.2"]), "198.51.100.2");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.2"]), "198.51.100.2");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6, 198.51.100.2, 10.1.1.1"]), "198.51.100.2");
        assert_eq!(seen("10.0.0.1", &["6.6.6.6", "198.51.100.2", "10.1.1.1"]), "198.51.100.2");
        assert_eq!(seen("10.0.0.1", &["10.2.2.2, 10.1.1.1"]), "10.2.2.2", "from our own network");
    }

    #[test]
    fn behind_a_hop_that_cannot_be_read_nothing_counts() {
        for hop in ["", "unknown", "_hidden", "1.2.3", "1.2.3.4.5", "[::1", "fe80::1%eth0", "a:1"] {
            assert_eq!(seen("10.0.0.1", &[&format!("6.6.6.6, {hop}")]), "10.0.0.1", "{hop}");
            let chain = format!("6.6.6.6, {hop}, 10.1.1.1");
            assert_eq!(seen("10.0.0.1", &[&chain]), "10.1.1.1", "{hop}");
        }
        let binary = axum::http::HeaderValue::from_bytes(b"6.6.6.6, \xff").unwrap();
        let headers = HeaderMap::from_iter([(X_FORWARDED_FOR, binary)]);
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let peer = "10.0.0.1".parse().unwrap();
        assert_eq!(client_ip(peer, &headers, &trusted), peer);
    }

    #[test]
    fn ports_brackets_and_mapped_addresses_are_understood() {
        for (hop, address) in [
            ("1.2.3.4:567", "1.2.3.4"),
            ("[2a00::5]:5", "2a00::5"),
            ("[2a00::5]", "2a00::5"),
            ("2a00::5", "2a00::5"),
            ("::ffff:1.2.3.4", "1.2.3.4"),
            ("  1.2.3.4\t", "1.2.3.4"),
        ] {
            assert_eq!(seen("2001:db8::1", &[hop]), address, "{hop}");
            assert_eq!(seen("::ffff:10.0.0.1", &[hop]), address, "{hop}");
        }
        assert_eq!(seen("::ffff:203.0.113.7", &["1.2.3.4"]), "203.0.113.7");
    }
}
