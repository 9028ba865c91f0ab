//! An IP address with the length of its network's prefix, such as `172.17.0.2/16`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// An address and a prefix length. It stands for an interface's address or, with [`Prefix::network`], for a subnet.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

/// Text that is not a [`Prefix`].
#[derive(Clone, Debug, Eq, Error, PartialEq)]
#[error("`{0}` is not a subnet: want an address, `/` and a prefix length")]
pub struct InvalidPrefix(pub String);

impl Prefix {
    /// Returns the prefix; none when the length is more than the address has bits.
    #[must_use]
    pub fn new(address: IpAddr, length: u8) -> Option<Self> {
        (length <= bits(address)).then_some(Self { address, length })
    }

    /// Returns the prefix that holds this one address only.
    #[must_use]
    pub fn host(address: IpAddr) -> Self {
        Self { address, length: bits(address) }
    }

    /// Returns the address as it was given, host bits and all.
    #[must_use]
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// Returns how many bits the network part has.
    #[must_use]
    pub fn length(self) -> u8 {
        self.length
    }

    /// Returns the same prefix with its host bits cleared.
    #[must_use]
    pub fn network(self) -> Self {
        Self {
            address: from_number(self.address, number(self.address) & self.mask()),
            length: self.length,
        }
    }

    /// Returns the first address, all host bits 0.
    #[must_use]
    pub fn first(self) -> IpAddr {
        self.network().address
    }

    /// Returns the last address, all host bits 1.
    #[must_use]
    pub fn last(self) -> IpAddr {
        from_number(self.address, number(self.address) | !self.mask())
    }

    /// Returns the address `offset` places after the first; none outside of the prefix.
    #[must_use]
    pub fn nth(self, offset: u128) -> Option<IpAddr> {
        let value = number(self.first()).checked_add(offset)?;
        (value <= number(self.last())).then(|| from_number(self.address, value))
    }

    /// Tells whether the address is one of the prefix's.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.is_ipv4()
            && number(address) & self.mask() == number(self.first()) & self.mask()
    }

    /// Tells whether all of `other` lies inside.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.length <= other.length && self.contains(other.address)
    }

    /// Tells whether the two have an address in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// Tells whether this is IPv4.
    #[must_use]
    pub fn is_ipv4(self) -> bool {
        self.address.is_ipv4()
    }

    /// The network bits of [`number`], ones above too, so that one mask serves both families.
    fn mask(self) -> u128 {
        let host = u32::from(bits(self.address) - self.length);
        u128::MAX.checked_shl(host).unwrap_or(0)
            & (u128::MAX >> (128 - u32::from(bits(self.address))))
            | if self.is_ipv4() { u128::MAX << 32 } else { 0 }
    }
}

/// Returns how many bits an address of this family has.
fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// Returns the address as a number: 32 bits for IPv4, 128 for IPv6.
#[must_use]
pub fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

/// Returns the address of `like`'s family with this number.
#[must_use]
pub fn from_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(
            u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX),
        )),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Prefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        let read = || {
            let (address, length) = text.split_once('/')?;
            if !length.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            Self::new(address.parse().ok()?, length.parse().ok()?)
        };
        read().ok_or_else(|| InvalidPrefix(text.to_owned()))
    }
}

impl Serialize for Prefix {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().unwrap()
    }

    #[test]
    fn a_prefix_knows_its_first_and_last_address() {
        let shown = |text| (prefix(text).first().to_string(), prefix(text).last().to_string());
        assert_eq!(shown("172.17.3.4/16"), ("172.17.0.0".into(), "172.17.255.255".into()));
        assert_eq!(shown("10.0.0.5/32"), ("10.0.0.5".into(), "10.0.0.5".into()));
        assert_eq!(shown("0.0.0.0/0"), ("0.0.0.0".into(), "255.255.255.255".into()));
        assert_eq!(shown("fd00::1/64"), ("fd00::".into(), "fd00::ffff:ffff:ffff:ffff".into()));
        assert_eq!(shown("::/0").1, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff");
    }

    #[test]
    fn overlap_is_seen_in_both_directions_and_not_between_families() {
        assert!(prefix("10.0.0.0/8").overlaps(prefix("10.1.0.0/16")));
        assert!(prefix("10.1.0.0/16").overlaps(prefix("10.0.0.0/8")));
        assert!(!prefix("10.1.0.0/16").overlaps(prefix("10.2.0.0/16")));
        assert!(!prefix("0.0.0.0/0").overlaps(prefix("::/0")));
        assert!(prefix("0.0.0.0/0").overlaps(prefix("9.9.9.9/32")));
    }

    #[test]
    fn text_that_is_no_prefix_is_refused() {
        for bad in
            ["", "10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "::/129", "10.0.0.0/+8"]
        {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }
}
