//! Networks: where a connection comes from, as far as that can be held against somebody.
use std::net::SocketAddr;

/// An IPv4 address, or the first 64 bits of one of IPv6: whoever has one address of such a network has all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Network {
    V4(u32),
    V6(u64),
}

impl From<SocketAddr> for Network {
    fn from(address: SocketAddr) -> Self {
        let bits = match address {
            SocketAddr::V4(address) => return Self::V4(address.ip().to_bits()),
            SocketAddr::V6(address) => match address.ip().to_ipv4_mapped() {
                Some(address) => return Self::V4(address.to_bits()),
                None => address.ip().to_bits(),
            },
        };
        Self::V6(u64::try_from(bits >> 64).expect("64 bits are left"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(one: &str, other: &str, same: bool) {
        let network = |address: &str| Network::from(SocketAddr::new(address.parse().unwrap(), 1));
        assert_eq!(network(one) == network(other), same, "{one} and {other}");
    }

    #[test]
    fn addresses_of_one_network_are_one() {
        check("10.1.2.3", "10.1.2.3", true);
        check("10.1.2.3", "10.1.2.4", false);
        check("10.1.2.3", "::ffff:10.1.2.3", true);
        check("2001:db8::1", "2001:db8::ffff:2", true);
        check("2001:db8::1", "2001:db8:0:1::1", false);
    }
}
