//! How much one source, or one identity, may ask for.

mod identities;
mod sources;

use core::net::IpAddr;
use core::time::Duration;

pub(crate) use self::identities::FailingIdentities;
pub(crate) use self::sources::{Kind, Source, Sources};

/// How often something may happen: this often a second in the long run, and this often at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// In the long run; at least 1 counts.
    pub per_second: u32,
    /// At once, after a quiet time; at least 1 counts.
    pub burst: u32,
}

impl Rate {
    /// As often as it likes.
    pub const UNLIMITED: Self = Self { per_second: u32::MAX, burst: u32::MAX };

    /// A rate of so many a second, and so many at once.
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// What one source may do: an IPv4 address or an IPv6 network of 64 bits. What goes beyond is dropped without a
/// word; a client that means it repeats itself. Sessions are never limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// ClientHellos without a good cookie that no ClientHello with one has followed yet, and handshakes that
    /// failed. By default 20 a second, 50 at once.
    pub first_contacts: Rate,
    /// Records and cookies that failed their check and came from an address without a session. By default 200 a
    /// second.
    pub unauthentic: Rate,
    /// Handshakes begun with a good cookie. By default 2,000 a second: many devices stand behind one carrier's
    /// address.
    pub handshakes: Rate,
}

impl Limits {
    /// No limits.
    pub const NONE: Self =
        Self { first_contacts: Rate::UNLIMITED, unauthentic: Rate::UNLIMITED, handshakes: Rate::UNLIMITED };
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            first_contacts: Rate::new(20, 50),
            unauthentic: Rate::new(200, 200),
            handshakes: Rate::new(2_000, 2_000),
        }
    }
}

/// Other limits for the sources of a network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NetworkLimits {
    /// Any address in the network.
    pub network: IpAddr,
    /// How many of its bits are the network's.
    pub prefix_length: u8,
    /// What each source in it may do.
    pub limits: Limits,
}

impl NetworkLimits {
    /// Nobody outside this machine can send from its own loopback addresses: no limits.
    pub const LOOPBACK: [Self; 2] = [
        Self { network: IpAddr::V4(core::net::Ipv4Addr::LOCALHOST), prefix_length: 8, limits: Limits::NONE },
        Self {
            network: IpAddr::V6(core::net::Ipv6Addr::LOCALHOST),
            prefix_length: 128,
            limits: Limits::NONE,
        },
    ];

    fn contains(&self, address: IpAddr) -> bool {
        let (network, address, width) = match (self.network.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (u128::from(network.to_bits()), u128::from(address.to_bits()), 32)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
            _ => return false,
        };
        let host_bits = width - u32::from(self.prefix_length).min(width);
        (network ^ address).checked_shr(host_bits).unwrap_or(0) == 0
    }
}

/// The limits of this address.
pub(crate) fn limits_of(address: IpAddr, networks: &[NetworkLimits], usual: &Limits) -> Limits {
    networks.iter().find(|network| network.contains(address)).map_or(*usual, |network| network.limits)
}

/// How often a key may be tried for one identity from one source, after it was wrong too often.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct KeyTries {
    /// So many wrong keys within [`Self::window`] slow further tries down. By default 5.
    pub failures: u8,
    /// By default 60 s.
    pub window: Duration,
    /// Then one try counts in this time; the others end like a wrong key, whatever they are. By default 10 s.
    pub pause: Duration,
}

impl Default for KeyTries {
    fn default() -> Self {
        Self { failures: 5, window: Duration::from_secs(60), pause: Duration::from_secs(10) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_contain_their_addresses_only() {
        for (network, prefix_length, address, is_inside) in [
            ("127.0.0.1", 8, "127.255.0.3", true),
            ("127.0.0.1", 8, "128.0.0.1", false),
            ("192.0.2.0", 24, "192.0.2.255", true),
            ("192.0.2.0", 24, "::ffff:192.0.2.7", true),
            ("192.0.2.0", 24, "192.0.3.0", false),
            ("192.0.2.7", 32, "192.0.2.7", true),
            ("192.0.2.7", 32, "192.0.2.6", false),
            ("0.0.0.0", 0, "203.0.113.9", true),
            ("0.0.0.0", 0, "2001:db8::1", false),
            ("2001:db8::", 32, "2001:db8:ffff::1", true),
            ("2001:db8::", 32, "2001:db9::1", false),
            ("::", 0, "2001:db9::1", true),
            ("::1", 128, "::1", true),
            ("::1", 200, "::2", false),
        ] {
            let network = network.parse().unwrap();
            let limits = NetworkLimits { network, prefix_length, limits: Limits::NONE };
            assert_eq!(limits.contains(address.parse().unwrap()), is_inside, "{network} {address}");
        }
    }
}
