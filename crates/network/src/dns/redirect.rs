//! The way from 127.0.0.11, port 53, to the ports that the server really has.
//!
//! A server that held port 53 itself would keep a name server in the namespace from listening there at all addresses. So it
//! takes any port, and four rules in the namespace change the port of the packets between it and its clients. They do so
//! without connection tracking, which would cost every other packet of the namespace a lookup.

use hako_types::Protocol;

use super::ADDRESS;
use crate::error::Result;
use crate::firewall::{self, Chain, End, Hook, Part, Point, Ruleset};
use crate::prefix::Prefix;

/// The port of name servers.
const DOMAIN: u16 = 53;

/// Returns the rules for a server at these ports.
fn plan(udp: u16, tcp: u16) -> Ruleset {
    let rule = |end, protocol, from, to| {
        vec![
            Part::Inside(end, Prefix::host(ADDRESS)),
            Part::Service(end, protocol, from),
            Part::SetService(end, protocol, to),
        ]
    };
    let rules = vec![
        rule(End::Destination, Protocol::Udp, DOMAIN, udp),
        rule(End::Source, Protocol::Udp, udp, DOMAIN),
        rule(End::Destination, Protocol::Tcp, DOMAIN, tcp),
        rule(End::Source, Protocol::Tcp, tcp, DOMAIN),
    ];
    // After the namespace's own filters, which see the port that was asked.
    let hook = Some(Hook { kind: "filter", point: Point::Output, priority: 500 });
    Ruleset {
        table: "hako_names".to_owned(),
        sets: Vec::new(),
        chains: vec![Chain { name: "output", hook, rules }],
    }
}

/// Installs the rules in the namespace that the calling thread is in.
pub(super) fn install(udp: u16, tcp: u16) -> Result<()> {
    firewall::install(&plan(udp, tcp))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_exchanged_in_both_directions() {
        insta::assert_snapshot!(plan(4001, 4002).to_string().replace('\t', "    "), @r#"
        table inet hako_names {
            chain output {
                type filter hook output priority 500; policy accept;
                ip daddr 127.0.0.11 udp dport 53 udp dport set 4001
                ip saddr 127.0.0.11 udp sport 4001 udp sport set 53
                ip daddr 127.0.0.11 tcp dport 53 tcp dport set 4002
                ip saddr 127.0.0.11 tcp sport 4002 tcp sport set 53
            }
        }
        "#);
    }
}
