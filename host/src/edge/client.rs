//! Who a client is: its address, and what it counts as.

use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr};

/// What limits per client count by: an IPv4 address, or the /64 of an IPv6 one,
/// which is what one customer is given, and can roam in at will (RFC 6177).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ClientKey(IpAddr);

impl From<IpAddr> for ClientKey {
    fn from(address: IpAddr) -> ClientKey {
        ClientKey(match address.to_canonical() {
            IpAddr::V4(address) => IpAddr::V4(address),
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
            }
        })
    }
}

impl ClientKey {
    /// As many for every address.
    pub(crate) fn bytes(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}

/// `TRUSTED_PROXIES`: whose word about other addresses counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Networks and addresses, separated by commas.
    pub(crate) fn parse(text: &str) -> Option<TrustedProxies> {
        let networks = text.split(',').map(str::trim).filter(|one| !one.is_empty());
        let network = |one: &str| match one.parse::<IpAddr>() {
            Ok(address) => Some(IpNet::from(address)),
            Err(_) => one.parse().ok(),
        };
        let networks: Vec<IpNet> = networks.map(network).collect::<Option<_>>()?;
        (!networks.is_empty()).then_some(TrustedProxies(networks))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(address: &str) -> ClientKey {
        address.parse::<IpAddr>().unwrap().into()
    }

    #[test]
    fn an_ipv6_customer_is_one_client_and_ipv4_in_ipv6_is_ipv4() {
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:0:0:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_ne!(key("192.0.2.1"), key("192.0.2.2"));
        assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    }

    #[test]
    fn networks_and_addresses_are_trusted_and_nothing_else() {
        let trusted = TrustedProxies::parse("10.0.0.0/8, 192.0.2.1,2001:db8::/32").unwrap();
        for (address, expected) in [
            ("10.1.2.3", true),
            ("::ffff:10.1.2.3", true),
            ("192.0.2.1", true),
            ("192.0.2.2", false),
            ("2001:db8::5", true),
            ("2001:db9::5", false),
            ("::1", false),
        ] {
            assert_eq!(
                trusted.trusts(address.parse().unwrap()),
                expected,
                "{address}"
            );
        }
        for wrong in ["", ",", "10.0.0.0/33", "localhost", "10.0.0.0/8,x"] {
            assert_eq!(TrustedProxies::parse(wrong), None, "{wrong:?}");
        }
        assert!(TrustedProxies::default().is_empty());
    }
}
