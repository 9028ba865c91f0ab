//! A ruleset as a value: sets, chains, and the few kinds of expression that our rules are made of.
//!
//! It is written in two ways: as text that `nft -f` reads ([`super::text`]), for people and golden tests, and as messages for
//! the kernel ([`super::encode`]).

use std::net::IpAddr;

use hako_types::Protocol;

use crate::prefix::Prefix;

/// One table of the family `inet`, whole.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ruleset {
    /// The table's name.
    pub table: String,
    /// Its sets and maps.
    pub sets: Vec<Set>,
    /// Its chains; one that others jump to comes before them.
    pub chains: Vec<Chain>,
}

/// A network protocol.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Returns the family of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }
}

/// What one part of a key or value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Field {
    /// An interface's name.
    Interface,
    /// A transport protocol.
    Protocol,
    /// A port.
    Port,
    /// An address.
    Address(Family),
}

/// A set, or a map when it has value fields.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Set {
    /// Its name.
    pub name: &'static str,
    /// The parts of a key.
    pub key: &'static [Field],
    /// The parts of what a key leads to; empty for a set.
    pub value: &'static [Field],
    /// Its elements.
    pub elements: Vec<Element>,
}

impl Set {
    /// Tells whether the elements are prefixes, each many addresses: those are sets of one address field.
    #[must_use]
    pub fn is_interval(&self) -> bool {
        matches!(self.key, [Field::Address(_)])
    }
}

/// One element of a set or map.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Element {
    /// The key, part by part.
    pub key: Vec<Value>,
    /// The value, part by part.
    pub value: Vec<Value>,
}

/// One part of a key or value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// An interface's name.
    Interface(String),
    /// A transport protocol.
    Protocol(Protocol),
    /// A port.
    Port(u16),
    /// An address.
    Address(IpAddr),
    /// All addresses of a prefix.
    Prefix(Prefix),
}

/// A chain of rules.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chain {
    /// Its name.
    pub name: &'static str,
    /// Where packets come in; none for one that others jump to.
    pub hook: Option<Hook>,
    /// Its rules: all parts of a rule must hold, the last one acts.
    pub rules: Vec<Vec<Part>>,
}

/// Where the kernel calls a chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Hook {
    /// `filter` or `nat`.
    pub kind: &'static str,
    /// The point in a packet's way.
    pub point: Point,
    /// The order among chains at that point, lower ones first.
    pub priority: i32,
}

/// A point in a packet's way (`enum nf_inet_hooks`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Point {
    /// Arrived, not yet routed.
    Prerouting = 0,
    /// On its way through.
    Forward = 2,
    /// Made here.
    Output = 3,
    /// About to leave.
    Postrouting = 4,
}

/// Which of a packet's two interfaces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// The one that it came in by.
    In,
    /// The one that it goes out by.
    Out,
}

/// Which of a packet's two addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// One part of a rule: a condition, or at the end what to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Part {
    /// The interface's name is this one, or is not.
    Named(Way, &'static str, bool),
    /// The interface is in the set, or is not.
    Among(Way, &'static str, bool),
    /// The pair of interfaces is in the set.
    Pair(&'static str),
    /// The address is in the set.
    In(End, Family, &'static str),
    /// The address is in the prefix.
    Inside(End, Prefix),
    /// The port at this end is this one.
    Service(End, Protocol, u16),
    /// Write this port into the packet; nothing else of it is changed, and nothing remembered.
    SetService(End, Protocol, u16),
    /// The packet belongs to a known connection, or to one of its errors.
    Established,
    /// The connection's destination was translated.
    Translated,
    /// The destination is an address of this host.
    Local,
    /// Translate the destination to what the map of `protocol . port` says; goes on when it says nothing.
    ToPort(Family, &'static str),
    /// Translate the destination to what the map of `address . protocol . port` says; goes on when it says nothing.
    ToAddress(Family, &'static str),
    /// Translate the source to the address of the interface that the packet leaves by.
    Masquerade,
    /// Go through another chain first.
    Jump(&'static str),
    /// Back to the chain that jumped here.
    Return,
    /// Let it pass this table.
    Accept,
    /// Throw it away.
    Drop,
}
