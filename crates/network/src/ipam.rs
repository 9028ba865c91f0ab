//! Which subnet a network gets, and which address an endpoint: pure decisions over what is taken.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use hako_types::{Fault, Kind};
use thiserror::Error;

use crate::network::{Network, Subnet};
use crate::prefix::{Prefix, from_number, number};

/// Why no address or subnet could be given.
#[derive(Clone, Debug, Error, Eq, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// All addresses of the subnet are taken.
    #[error("no available addresses in the subnet `{0}`")]
    Full(Prefix),

    /// The wanted address is somebody's.
    #[error("address `{0}` is already in use")]
    Taken(IpAddr),

    /// The wanted address belongs to no subnet of the network.
    #[error("address `{0}` is not in the subnet `{1}`")]
    Outside(IpAddr, Prefix),

    /// The wanted address is the subnet's first or last, which no interface can have.
    #[error("address `{0}` is the network's or the broadcast address of `{1}`")]
    Reserved(IpAddr, Prefix),

    /// A subnet has an address in common with another network's.
    #[error("the subnet `{0}` overlaps with `{1}`, which another network has")]
    Overlap(Prefix, Prefix),

    /// A subnet with no room for an endpoint.
    #[error("the subnet `{0}` has no room for a gateway and an endpoint")]
    TooSmall(Prefix),

    /// `--gateway`, `--ip-range` or `--aux-address` without the subnet that it belongs to.
    #[error("`{0}` lies in none of the network's subnets")]
    Stray(String),

    /// Two subnets of one family.
    #[error("the subnets `{0}` and `{1}` are of one family: a network has one of each")]
    Twice(Prefix, Prefix),

    /// The default pools are used up.
    #[error("all predefined address pools have been fully subnetted")]
    NoPool,
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Full(_) | Self::NoPool => Kind::Unavailable,
            Self::Taken(_) | Self::Overlap(..) => Kind::Conflict,
            Self::Outside(..)
            | Self::Reserved(..)
            | Self::TooSmall(_)
            | Self::Stray(_)
            | Self::Twice(..) => Kind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Full(_) => Some("remove containers that are not needed, or make a network with a larger `--subnet`".into()),
            Self::NoPool => Some("remove networks that are not needed with `hako network prune`, or name a `--subnet`".into()),
            Self::Overlap(..) => Some("choose another `--subnet`; `hako network inspect` shows those in use".into()),
            _ => None,
        }
    }
}

/// Returns an address of the subnet for a new endpoint: `wanted`, or the next free one after `last`.
///
/// `used` are the leases; the gateway and auxiliary addresses need not be among them. With `last`, the address that was
/// given most recently, a released address is not given again before all others were: a client that still
/// has it in a cache reaches nobody rather than somebody else.
///
/// # Errors
/// When there is no free address, or the wanted one cannot be had.
pub fn allocate(
    subnet: &Subnet,
    used: &BTreeSet<IpAddr>,
    wanted: Option<IpAddr>,
    last: Option<IpAddr>,
) -> Result<IpAddr, Error> {
    let prefix = subnet.prefix;
    let is_taken = |address: IpAddr| {
        used.contains(&address)
            || subnet.gateway == Some(address)
            || subnet.auxiliary.contains(&address)
    };
    if let Some(address) = wanted {
        if !prefix.contains(address) {
            return Err(Error::Outside(address, prefix.network()));
        }
        if !is_usable(prefix, address) {
            return Err(Error::Reserved(address, prefix.network()));
        }
        // An auxiliary address is kept for exactly this: somebody asks for it by name.
        let is_free = !used.contains(&address) && subnet.gateway != Some(address);
        return if is_free { Ok(address) } else { Err(Error::Taken(address)) };
    }
    let pool = subnet.range.unwrap_or(prefix);
    let (first, end) = (number(pool.first()), number(pool.last()));
    let start = last
        .filter(|last| pool.contains(*last))
        .map_or(first, |last| number(last).saturating_add(1));
    let free = |from: u128, to: u128| -> Option<IpAddr> {
        let mut value = from;
        while value <= to {
            let address = from_number(prefix.address(), value);
            if is_usable(prefix, address) && !is_taken(address) {
                return Some(address);
            }
            value = value.checked_add(1)?;
        }
        None
    };
    let before = start.checked_sub(1).filter(|before| *before >= first);
    free(start, end).or_else(|| free(first, before?.min(end))).ok_or(Error::Full(pool.network()))
}

/// Tells whether an interface may have the address: not the subnet's first, and for IPv4 not its last.
/// Point-to-point prefixes (RFC 3021, RFC 6164) have neither.
fn is_usable(prefix: Prefix, address: IpAddr) -> bool {
    let bits = if prefix.is_ipv4() { 32 } else { 128 };
    if prefix.length() + 1 >= bits {
        return true;
    }
    address != prefix.first() && !(prefix.is_ipv4() && address == prefix.last())
}

/// Docker's default pools: where they lie, and the length of the prefixes cut from them.
const POOLS: [(Ipv4Addr, u8, u8); 7] = [
    (Ipv4Addr::new(172, 17, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 18, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 19, 0, 0), 16, 16),
    (Ipv4Addr::new(172, 20, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 24, 0, 0), 14, 16),
    (Ipv4Addr::new(172, 28, 0, 0), 14, 16),
    (Ipv4Addr::new(192, 168, 0, 0), 16, 20),
];

/// Returns the first subnet of the default pools that overlaps nothing of `taken` (other networks' subnets, the host's
/// routes and name servers).
///
/// # Errors
/// When all are taken.
pub fn pick_subnet(taken: &[Prefix]) -> Result<Prefix, Error> {
    let candidates = POOLS.iter().flat_map(|(base, pool, length)| {
        (0..1_u32 << (length - pool)).filter_map(move |n| {
            let address = u32::from(*base).checked_add(n << (32 - length))?;
            Prefix::new(IpAddr::V4(Ipv4Addr::from(address)), *length)
        })
    });
    candidates
        .into_iter()
        .find(|one| !taken.iter().any(|other| other.overlaps(*one)))
        .ok_or(Error::NoPool)
}

/// Returns an IPv6 subnet for a network that asked for none: a unique local prefix (RFC 4193) made from the network's id,
/// so that it is random and yet the same again.
///
/// # Errors
/// When the id is too short, or no try gives a free one.
pub fn pick_subnet_v6(id: &str, taken: &[Prefix]) -> Result<Prefix, Error> {
    let digits = |at: usize| id.get(at..at + 4).and_then(|four| u16::from_str_radix(four, 16).ok());
    let tries = (0..=id.len().saturating_sub(16)).step_by(4).filter_map(|at| {
        let head = 0xfd00 | (digits(at)? & 0xff);
        let address =
            Ipv6Addr::new(head, digits(at + 4)?, digits(at + 8)?, digits(at + 12)?, 0, 0, 0, 0);
        Prefix::new(IpAddr::V6(address), 64)
    });
    tries
        .into_iter()
        .find(|one| !taken.iter().any(|other| other.overlaps(*one)))
        .ok_or(Error::NoPool)
}

/// Returns the gateway of a subnet that names none: the first address of its range.
#[must_use]
pub fn default_gateway(prefix: Prefix, range: Option<Prefix>) -> Option<IpAddr> {
    let pool = range.unwrap_or(prefix);
    (0..2).filter_map(|n| pool.nth(n)).find(|address| is_usable(prefix, *address))
}

/// Checks the subnets that a user asked for, one by one and against `others`, the subnets of all networks.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(network: &Network, others: &[Prefix]) -> Result<(), Error> {
    for (index, subnet) in network.subnets.iter().enumerate() {
        let prefix = subnet.prefix.network();
        if let Some(other) =
            network.subnets[..index].iter().find(|other| other.prefix.is_ipv4() == prefix.is_ipv4())
        {
            return Err(Error::Twice(other.prefix.network(), prefix));
        }
        let bits = if prefix.is_ipv4() { 32 } else { 128 };
        if prefix.length() >= bits || prefix.length() == 0 {
            return Err(Error::TooSmall(prefix));
        }
        for address in subnet.gateway.iter().chain(&subnet.auxiliary) {
            if !prefix.contains(*address) {
                return Err(Error::Outside(*address, prefix));
            }
        }
        if let Some(gateway) = subnet.gateway.filter(|gateway| !is_usable(prefix, *gateway)) {
            return Err(Error::Reserved(gateway, prefix));
        }
        if let Some(range) = subnet.range.filter(|range| !prefix.covers(*range)) {
            return Err(Error::Stray(range.to_string()));
        }
        if let Some(other) = others.iter().find(|other| other.overlaps(prefix)) {
            return Err(Error::Overlap(prefix, other.network()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(prefix: &str, gateway: &str) -> Subnet {
        Subnet {
            prefix: prefix.parse().unwrap(),
            gateway: gateway.parse().ok(),
            range: None,
            auxiliary: Vec::new(),
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_come_in_order_and_come_round() {
        let subnet = subnet("10.0.0.0/29", "10.0.0.1");
        let mut used = BTreeSet::new();
        let mut last = None;
        for expected in ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"] {
            let got = allocate(&subnet, &used, None, last).unwrap();
            assert_eq!(got, ip(expected));
            used.insert(got);
            last = Some(got);
        }
        assert_eq!(
            allocate(&subnet, &used, None, last),
            Err(Error::Full("10.0.0.0/29".parse().unwrap()))
        );
        used.remove(&ip("10.0.0.3"));
        assert_eq!(allocate(&subnet, &used, None, last), Ok(ip("10.0.0.3")));
    }

    #[test]
    fn a_released_address_waits_for_its_turn() {
        let subnet = subnet("10.0.0.0/24", "10.0.0.1");
        assert_eq!(
            allocate(&subnet, &BTreeSet::new(), None, Some(ip("10.0.0.2"))),
            Ok(ip("10.0.0.3"))
        );
        assert_eq!(
            allocate(&subnet, &BTreeSet::new(), None, Some(ip("10.0.0.254"))),
            Ok(ip("10.0.0.2"))
        );
    }

    #[test]
    fn a_gateway_elsewhere_leaves_the_first_address_free() {
        let subnet = subnet("10.231.6.0/24", "10.231.6.254");
        assert_eq!(allocate(&subnet, &BTreeSet::new(), None, None), Ok(ip("10.231.6.1")));
        let used = BTreeSet::from([ip("10.231.6.77")]);
        let want = |text| allocate(&subnet, &used, Some(ip(text)), None);
        assert_eq!(want("10.231.6.78"), Ok(ip("10.231.6.78")));
        assert_eq!(want("10.231.6.77"), Err(Error::Taken(ip("10.231.6.77"))));
        assert_eq!(want("10.231.6.254"), Err(Error::Taken(ip("10.231.6.254"))));
        assert_eq!(want("10.231.7.1"), Err(Error::Outside(ip("10.231.7.1"), subnet.prefix)));
        assert_eq!(want("10.231.6.255"), Err(Error::Reserved(ip("10.231.6.255"), subnet.prefix)));
    }

    #[test]
    fn a_range_bounds_what_is_given_but_not_what_may_be_asked_for() {
        let mut subnet = subnet("fd00::/64", "fd00::1");
        subnet.range = Some("fd00::100/126".parse().unwrap());
        assert_eq!(allocate(&subnet, &BTreeSet::new(), None, None), Ok(ip("fd00::100")));
        assert_eq!(
            allocate(&subnet, &BTreeSet::new(), Some(ip("fd00::9")), None),
            Ok(ip("fd00::9"))
        );
    }

    #[test]
    fn subnets_keep_off_what_is_taken() {
        let taken = |texts: &[&str]| {
            texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<Prefix>>()
        };
        assert_eq!(pick_subnet(&[]).unwrap().to_string(), "172.17.0.0/16");
        assert_eq!(pick_subnet(&taken(&["172.16.0.0/12"])).unwrap().to_string(), "192.168.0.0/20");
        assert_eq!(
            pick_subnet(&taken(&["172.17.0.0/16", "172.18.4.0/24", "172.19.0.1/32"]))
                .unwrap()
                .to_string(),
            "172.20.0.0/16"
        );
        assert_eq!(
            pick_subnet(&taken(&["172.16.0.0/12", "192.168.0.0/19"])).unwrap().to_string(),
            "192.168.32.0/20"
        );
        assert_eq!(pick_subnet(&taken(&["0.0.0.0/0"])), Err(Error::NoPool));
        let id = "0123456789abcdef".repeat(4);
        assert_eq!(pick_subnet_v6(&id, &[]).unwrap().to_string(), "fd23:4567:89ab:cdef::/64");
    }

    #[test]
    fn what_a_user_asks_for_is_checked() {
        let check = |prefix: &str, gateway: &str, others: &[&str]| {
            let network = Network::bridged("", "br0", vec![subnet(prefix, gateway)]);
            validate(&network, &others.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>())
        };
        assert_eq!(check("10.231.9.0/24", "10.231.9.1", &["10.231.8.0/24"]), Ok(()));
        assert!(matches!(
            check("10.231.9.128/25", "", &["10.231.9.0/24"]),
            Err(Error::Overlap(..))
        ));
        assert!(matches!(check("10.231.9.0/24", "10.231.8.1", &[]), Err(Error::Outside(..))));
        assert!(matches!(check("10.231.9.0/24", "10.231.9.0", &[]), Err(Error::Reserved(..))));
        assert!(matches!(check("10.231.9.0/32", "", &[]), Err(Error::TooSmall(_))));
    }
}
