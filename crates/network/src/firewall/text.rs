//! A ruleset as the text that `nft -f` reads.

use std::fmt::{self, Display};

use super::ruleset::{
    Chain, Element, End, Family, Field, Hook, Part, Point, Ruleset, Set, Value, Way,
};

impl Display for Ruleset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.table)?;
        for set in &self.sets {
            write!(f, "{set}")?;
        }
        for chain in &self.chains {
            write!(f, "{chain}")?;
        }
        writeln!(f, "}}")
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.value.is_empty() { "set" } else { "map" };
        write!(f, "\t{word} {} {{ type {}", self.name, joined(self.key))?;
        if !self.value.is_empty() {
            write!(f, " : {}", joined(self.value))?;
        }
        if self.is_interval() {
            f.write_str("; flags interval")?;
        }
        if !self.elements.is_empty() {
            let elements: Vec<_> = self.elements.iter().map(ToString::to_string).collect();
            write!(f, "; elements = {{ {} }}", elements.join(", "))?;
        }
        writeln!(f, "; }}")
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&joined(&self.key))?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " : {}", joined(&self.value)) }
    }
}

/// Joins the parts of a key as nft does.
fn joined<T: Display>(parts: &[T]) -> String {
    parts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" . ")
}

impl Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interface => "ifname",
            Self::Protocol => "inet_proto",
            Self::Port => "inet_service",
            Self::Address(Family::V4) => "ipv4_addr",
            Self::Address(Family::V6) => "ipv6_addr",
        })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => write!(f, "\"{name}\""),
            Self::Protocol(protocol) => write!(f, "{protocol}"),
            Self::Port(port) => write!(f, "{port}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Prefix(prefix) => write!(f, "{prefix}"),
        }
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(hook) = self.hook {
            writeln!(f, "\t\t{hook}")?;
        }
        for rule in &self.rules {
            let parts: Vec<_> = rule.iter().map(ToString::to_string).collect();
            writeln!(f, "\t\t{}", parts.join(" "))?;
        }
        writeln!(f, "\t}}")
    }
}

impl Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = match self.point {
            Point::Prerouting => "prerouting",
            Point::Forward => "forward",
            Point::Output => "output",
            Point::Postrouting => "postrouting",
        };
        write!(f, "type {} hook {point} priority {}; policy accept;", self.kind, self.priority)
    }
}

/// Returns nft's word for the family's header.
fn header(family: Family) -> &'static str {
    match family {
        Family::V4 => "ip",
        Family::V6 => "ip6",
    }
}

impl Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::In { "iifname" } else { "oifname" })
    }
}

impl Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Source { "saddr" } else { "daddr" })
    }
}

/// Returns nft's word for the port at an end.
fn port_word(end: End) -> &'static str {
    if end == End::Source { "sport" } else { "dport" }
}

impl Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |holds: &bool| if *holds { "" } else { "!= " };
        match self {
            Self::Named(way, name, holds) => write!(f, "{way} {}\"{name}\"", not(holds)),
            Self::Among(way, set, holds) => write!(f, "{way} {}@{set}", not(holds)),
            Self::Pair(set) => write!(f, "iifname . oifname @{set}"),
            Self::In(end, family, set) => write!(f, "{} {end} @{set}", header(*family)),
            Self::Inside(end, prefix) => {
                let word = header(Family::of(prefix.address()));
                let is_one = prefix.first() == prefix.last();
                if is_one {
                    write!(f, "{word} {end} {}", prefix.address())
                } else {
                    write!(f, "{word} {end} {prefix}")
                }
            }
            Self::Service(end, protocol, port) => {
                write!(f, "{protocol} {} {port}", port_word(*end))
            }
            Self::SetService(end, protocol, port) => {
                write!(f, "{protocol} {} set {port}", port_word(*end))
            }
            Self::Established => f.write_str("ct state established,related"),
            Self::Translated => f.write_str("ct status dnat"),
            Self::Local => f.write_str("fib daddr type local"),
            Self::ToPort(family, map) => {
                write!(f, "dnat {} to meta l4proto . th dport map @{map}", header(*family))
            }
            Self::ToAddress(family, map) => {
                let word = header(*family);
                write!(f, "dnat {word} to {word} daddr . meta l4proto . th dport map @{map}")
            }
            Self::Masquerade => f.write_str("masquerade"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Return => f.write_str("return"),
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
        }
    }
}
