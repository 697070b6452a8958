//! The setting that says which proxies are believed when they name a client's address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::super::Settings;
use super::Reader;
use super::network::listed;

/// Networks that nobody reaches from the internet. They may be trusted at any size.
const PRIVATE: [IpNet; 9] = [
    v4([10, 0, 0, 0], 8),
    v4([172, 16, 0, 0], 12),
    v4([192, 168, 0, 0], 16),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([100, 64, 0, 0], 10), // Carriers', RFC 6598.
    v6(0x0000_0000_0000_0000_0000_0000_0000_0001, 128),
    v6(0xfc00_0000_0000_0000_0000_0000_0000_0000, 7),
    v6(0xfe80_0000_0000_0000_0000_0000_0000_0000, 10),
];

/// IPv6 networks in whose addresses those of IPv4 stand, and behind how many bits: so a small one may be all
/// of IPv4.
const TRANSLATED: [(IpNet, u8); 7] = [
    (v6(0x0000_0000_0000_0000_0000_0000_0000_0000, 96), 96), // IPv4-compatible, RFC 4291
    (v6(0x0000_0000_0000_0000_0000_ffff_0000_0000, 96), 96), // IPv4-mapped, RFC 4291
    (v6(0x0000_0000_0000_0000_ffff_0000_0000_0000, 96), 96), // SIIT, RFC 2765
    (v6(0x0064_ff9b_0000_0000_0000_0000_0000_0000, 96), 96), // NAT64, RFC 6052
    (v6(0x0064_ff9b_0001_0000_0000_0000_0000_0000, 48), 96), // NAT64 of a network's own, RFC 8215
    (v6(0x2002_0000_0000_0000_0000_0000_0000_0000, 16), 16), // 6to4, RFC 3056
    (v6(0x2001_0000_0000_0000_0000_0000_0000_0000, 32), 96), // Teredo, RFC 4380
];

/// The largest networks that a fleet of proxies publishes, Akamai's 104.64.0.0/10 and 2600:1400::/24. All
/// that is trusted together may have four times the size, which is more than any fleet has.
const FLEET_V4: u8 = 10;
const FLEET_V6: u8 = 24;
const FLEETS_MAX: f64 = 4.0;

impl Reader {
    pub(super) fn trusted_proxies(&mut self, settings: &Settings) -> Vec<IpNet> {
        let networks: Option<Vec<IpNet>> = listed(&settings.trusted_proxies).map(network).collect();
        let Some(networks) = networks else {
            self.refuse(
                "TRUSTED_PROXIES must be addresses and networks separated by commas, as in 10.0.0.0/8, \
                 2001:db8::7, without IPv4 addresses in IPv6 form",
            );
            return Vec::new();
        };
        if trusts_strangers(&networks) {
            self.refuse(format!(
                "TRUSTED_PROXIES must not cover a large part of the internet (public networks larger than \
                 /{FLEET_V4}, in IPv6 /{FLEET_V6}, or many of them): a client in there can claim any \
                 address; name the networks of your proxies only"
            ));
        }
        networks
    }
}

/// Whether the networks, taken together, are larger than those of any fleet of proxies.
fn trusts_strangers(networks: &[IpNet]) -> bool {
    let public = networks.iter().map(as_reached).filter(|network| !is_private(network)).collect();
    let (four, six): (Vec<IpNet>, Vec<IpNet>) =
        IpNet::aggregate(&public).into_iter().partition(|network| network.addr().is_ipv4());
    [(four, FLEET_V4), (six, FLEET_V6)].into_iter().any(|(networks, fleet)| {
        let size = |network: &IpNet| (f64::from(fleet) - f64::from(network.prefix_len())).exp2();
        networks.iter().any(|network| network.prefix_len() < fleet)
            || networks.iter().map(size).sum::<f64>() > FLEETS_MAX
    })
}

fn is_private(network: &IpNet) -> bool {
    PRIVATE.iter().any(|private| private.contains(network))
}

/// The network by whose size to judge: the IPv4 network that stands in the addresses of an IPv6 one.
fn as_reached(network: &IpNet) -> IpNet {
    let IpNet::V6(six) = network else { return *network };
    if is_private(network) {
        return *network;
    }
    if TRANSLATED.iter().any(|(whole, _)| network.contains(whole)) {
        return v4([0; 4], 0);
    }
    match TRANSLATED.iter().find(|(whole, _)| whole.contains(network)) {
        Some((_, begin)) => {
            let [a, b, c, d, ..] = (six.network().to_bits() << begin).to_be_bytes();
            v4([a, b, c, d], six.prefix_len().saturating_sub(*begin).min(32))
        }
        None => *network,
    }
}

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length))
}

const fn v6(bits: u128, length: u8) -> IpNet {
    IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length))
}

/// A network, or an address as a network of one. `None` also for IPv4 in IPv6 form: clients'
/// addresses never have it.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))?;
    let is_mapped = network.network().to_canonical() != network.network();
    (!is_mapped).then_some(network)
}
