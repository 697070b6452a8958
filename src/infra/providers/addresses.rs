//! Which addresses are of the internet: a provider's name must lead to no other (OI-08), or whoever
//! has a word in its DNS could have this server ask its neighbours.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

/// IPv4 that is not of the internet, by the registry of special purposes (RFC 6890).
const SPECIAL_V4: [Ipv4Net; 16] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10), // Carriers', RFC 6598.
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16), // Link-local: also where clouds keep the credentials of machines.
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),   // Documentation, as the next two of its kind.
    v4([192, 88, 99, 0], 24), // Relays of 6to4.
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15), // Benchmarks.
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),      // Multicast.
    v4([240, 0, 0, 0], 4),      // Reserved, and broadcast.
    v4([168, 63, 129, 16], 32), // Azure's own, in every machine there.
];

/// All of IPv6 that is given out for the internet, and what is special in it.
const GLOBAL_V6: Ipv6Net = v6(0x2000 << 112, 3);
const SPECIAL_V6: [Ipv6Net; 3] = [
    v6(0x2001 << 112, 23), // IETF's, with Teredo, ORCHID and benchmarks.
    v6((0x2001 << 112) | (0x0db8 << 96), 32), // Documentation.
    v6(0x3fff << 112, 20), // Documentation.
];

/// IPv6 whose addresses hold one of IPv4, and behind how many bits it stands: that one is judged.
const EMBEDDING: [(Ipv6Net, u32); 3] = [
    (v6(0xffff << 32, 96), 96),                     // IPv4-mapped
    (v6((0x0064 << 112) | (0xff9b << 96), 96), 96), // NAT64, RFC 6052
    (v6(0x2002 << 112, 16), 16),                    // 6to4
];

/// Whether a URL leads to this machine, whatever names mean elsewhere.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether an address is reached over the internet, and not only from this machine or its network.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(four) => is_public_v4(four),
        IpAddr::V6(six) => {
            let embedding = EMBEDDING.iter().find(|(network, _)| network.contains(&six));
            match embedding {
                Some((_, begin)) => is_public_v4(embedded(six, *begin)),
                None => {
                    GLOBAL_V6.contains(&six)
                        && !SPECIAL_V6.iter().any(|network| network.contains(&six))
                }
            }
        }
    }
}

fn is_public_v4(four: Ipv4Addr) -> bool {
    !SPECIAL_V4.iter().any(|network| network.contains(&four))
}

fn embedded(six: Ipv6Addr, begin: u32) -> Ipv4Addr {
    let [a, b, c, d, ..] = (six.to_bits() << begin).to_be_bytes();
    Ipv4Addr::new(a, b, c, d)
}

const fn v4([a, b, c, d]: [u8; 4], length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), length)
}

const fn v6(bits: u128, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_bits(bits), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPECIAL: &str = "0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.127.255.255 127.0.0.1 127.9.9.9 \
         168.63.129.16 169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.1 192.0.2.1 \
         192.88.99.1 192.168.1.1 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 \
         239.255.255.255 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:127.0.0.1 \
         ::ffff:10.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::10.0.0.1 64:ff9b::7f00:1 \
         64:ff9b:1::1.1.1.1 100::1 2001::1 2001:2::1 2001:db8::1 2002:7f00:1:: 2002:a00:1::1 \
         3fff::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 5f00::1";
    const PUBLIC: &str = "1.1.1.1 9.255.255.255 11.0.0.1 100.63.255.255 100.128.0.0 140.82.121.4 \
         172.15.255.255 172.32.0.1 192.0.1.1 198.17.255.255 198.20.0.0 223.255.255.255 \
         2606:4700::1111 2a00:1450:4001::1 2001:4860::8888 64:ff9b::8c52:7904 \
         2002:8c52:7904::1 ::ffff:1.1.1.1";

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for address in SPECIAL.split(' ') {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in PUBLIC.split(' ') {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }
}
