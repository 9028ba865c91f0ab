//! A network and an endpoint of it, as values.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::prefix::Prefix;

/// How a network's endpoints reach each other and the world.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Driver {
    /// A bridge of the host's with a pair of virtual interfaces for each endpoint.
    #[default]
    Bridge,
    /// No namespace of its own: the host's interfaces.
    Host,
    /// Nothing but the loopback.
    None,
    /// An interface with its own MAC address on a parent of the host's.
    Macvlan,
    /// An interface that shares the MAC address of a parent of the host's.
    Ipvlan,
}

impl Driver {
    /// Returns the driver's name, as Docker has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Host => "host",
            Self::None => "null",
            Self::Macvlan => "macvlan",
            Self::Ipvlan => "ipvlan",
        }
    }
}

/// One subnet of a network.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Subnet {
    /// The subnet, its host bits 0.
    pub prefix: Prefix,
    /// The address of the bridge, the way out. None for a subnet without one (`internal` macvlan).
    pub gateway: Option<IpAddr>,
    /// The part of the subnet that addresses are taken from (`--ip-range`).
    #[serde(default)]
    pub range: Option<Prefix>,
    /// Addresses that are somebody else's (`--aux-address`).
    #[serde(default)]
    pub auxiliary: Vec<IpAddr>,
}

/// A network, with all that its wiring depends on.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Network {
    /// Its identifier: 64 hex digits.
    pub id: String,
    /// The driver.
    pub driver: Driver,
    /// The bridge's interface name. See [`Network::bridge_name`].
    pub bridge: String,
    /// The subnets, at most one of each family.
    pub subnets: Vec<Subnet>,
    /// No way out of the network, nor in (`--internal`).
    #[serde(default)]
    pub internal: bool,
    /// Endpoints have IPv6 addresses too (`--ipv6`).
    #[serde(default)]
    pub ipv6: bool,
    /// Endpoints may talk to each other (`com.docker.network.bridge.enable_icc`).
    #[serde(default = "yes")]
    pub icc: bool,
    /// What leaves the network has the host's address (`com.docker.network.bridge.enable_ip_masquerade`).
    #[serde(default = "yes")]
    pub masquerade: bool,
    /// The largest packet in bytes (`com.docker.network.driver.mtu`); none leaves the kernel's 1500.
    #[serde(default)]
    pub mtu: Option<u32>,
    /// The host's interface that a macvlan or ipvlan network lies on (`parent`). `eth0.20` is made when it is not there.
    #[serde(default)]
    pub parent: Option<String>,
    /// `macvlan_mode` or `ipvlan_mode`, by its name; none is `bridge` or `l2`.
    #[serde(default)]
    pub mode: Option<String>,
}

fn yes() -> bool {
    true
}

impl Network {
    /// Returns a bridge network with Docker's defaults and this subnet.
    #[must_use]
    pub fn bridged(id: &str, bridge: &str, subnets: Vec<Subnet>) -> Self {
        let ipv6 = subnets.iter().any(|subnet| !subnet.prefix.is_ipv4());
        Self {
            id: id.to_owned(),
            driver: Driver::Bridge,
            bridge: bridge.to_owned(),
            subnets,
            internal: false,
            ipv6,
            icc: true,
            masquerade: true,
            mtu: None,
            parent: None,
            mode: None,
        }
    }

    /// Returns the interface name of the bridge of a network that a user made: `br-` and the first 12 digits of its id.
    #[must_use]
    pub fn bridge_name(id: &str) -> String {
        format!("br-{}", id.get(..12).unwrap_or(id))
    }

    /// Returns the subnet that the address belongs to.
    #[must_use]
    pub fn subnet_of(&self, address: IpAddr) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.prefix.contains(address))
    }
}

/// The hardware address of an interface.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Mac(pub [u8; 6]);

/// Text that is not a [`Mac`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a MAC address: want six pairs of hex digits with colons between")]
pub struct InvalidMac(pub String);

impl Mac {
    /// Returns the address that belongs to an IP address: `02:42` and its last four bytes.
    ///
    /// The same IP address always has the same hardware address, so no neighbour's ARP entry goes stale
    /// when a container is replaced.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        let tail = match address {
            IpAddr::V4(address) => address.octets(),
            IpAddr::V6(address) => {
                let octets = address.octets();
                [octets[12], octets[13], octets[14], octets[15]]
            }
        };
        Self([0x02, 0x42, tail[0], tail[1], tail[2], tail[3]])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl FromStr for Mac {
    type Err = InvalidMac;

    fn from_str(text: &str) -> Result<Self, InvalidMac> {
        let bad = || InvalidMac(text.to_owned());
        let mut bytes = [0; 6];
        let mut parts = text.split([':', '-']);
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2).ok_or_else(bad)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        // An odd first byte is a group's address, which no interface may have.
        if parts.next().is_some() || bytes[0] & 1 == 1 || bytes == [0; 6] {
            Err(bad())
        } else {
            Ok(Self(bytes))
        }
    }
}

impl Serialize for Mac {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One namespace's interface on a network.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Endpoint {
    /// The interface's name inside: `eth0`.
    pub interface: String,
    /// The name of the host's half of the pair. See [`Endpoint::host_name`].
    pub host_interface: String,
    /// The hardware address of the inner interface.
    pub mac: Mac,
    /// The addresses, each with the length of its subnet's prefix.
    pub addresses: Vec<Prefix>,
    /// The gateways of default routes, at most one of each family; empty when another endpoint has the default route,
    /// or the network is internal.
    #[serde(default)]
    pub gateways: Vec<IpAddr>,
    /// Sysctls of the interface (`--driver-opt com.docker.network.endpoint.sysctls`): a name below `/proc/sys/net`
    /// with slashes, the interface's name already put in, and its value.
    #[serde(default)]
    pub sysctls: Vec<(String, String)>,
}

impl Endpoint {
    /// Returns a name for the host's half of the pair, from a random identifier of the endpoint.
    #[must_use]
    pub fn host_name(id: &str) -> String {
        format!("veth{}", id.get(..10).unwrap_or(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardware_address_follows_the_ip_address() {
        assert_eq!(Mac::of("172.17.0.2".parse().unwrap()).to_string(), "02:42:ac:11:00:02");
        assert_eq!(Mac::of("fd00::a:1".parse().unwrap()).to_string(), "02:42:00:0a:00:01");
    }

    #[test]
    fn hardware_addresses_are_read_strictly() {
        assert_eq!("92:d0:C6:0a:29:33".parse::<Mac>().unwrap().to_string(), "92:d0:c6:0a:29:33");
        for bad in [
            "",
            "92:d0:c6:0a:29",
            "92:d0:c6:0a:29:33:44",
            "01:00:5e:00:00:01",
            "zz:d0:c6:0a:29:33",
            "00:00:00:00:00:00",
        ] {
            assert!(bad.parse::<Mac>().is_err(), "{bad}");
        }
    }
}
