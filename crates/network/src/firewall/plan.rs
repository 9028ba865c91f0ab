//! Which ruleset networks and published ports make. Pure.
//!
//! The number of rules is constant: networks and ports are elements of sets and maps, so a lookup costs the same with one port
//! or ten thousand, and a change is one element.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Published;
use super::ruleset::{
    Chain, Element, End, Family, Field, Hook, Part, Point, Ruleset, Set, Value, Way,
};
use crate::network::{Driver, Network};
use crate::prefix::Prefix;

/// All bridges.
pub(super) const BRIDGES: &str = "bridges";
/// Bridges that nothing leaves or enters.
const INTERNAL: &str = "internal";
/// Pairs of a bridge with itself, where endpoints may talk to each other.
const WITHIN: &str = "within";
const PORTS: [&str; 2] = ["ports4", "ports6"];
const ADDRESSED: [&str; 2] = ["addressed4", "addressed6"];
const SUBNETS: [&str; 2] = ["subnets4", "subnets6"];
const MASQUERADED: [&str; 2] = ["masqueraded4", "masqueraded6"];

const V4: Field = Field::Address(Family::V4);
const V6: Field = Field::Address(Family::V6);

/// The sets and maps: name, key, value.
type Shape = (&'static str, &'static [Field], &'static [Field]);
const SETS: [Shape; 11] = [
    (BRIDGES, &[Field::Interface], &[]),
    (INTERNAL, &[Field::Interface], &[]),
    (WITHIN, &[Field::Interface, Field::Interface], &[]),
    (SUBNETS[0], &[V4], &[]),
    (SUBNETS[1], &[V6], &[]),
    (MASQUERADED[0], &[V4], &[]),
    (MASQUERADED[1], &[V6], &[]),
    (PORTS[0], &[Field::Protocol, Field::Port], &[V4, Field::Port]),
    (PORTS[1], &[Field::Protocol, Field::Port], &[V6, Field::Port]),
    (ADDRESSED[0], &[V4, Field::Protocol, Field::Port], &[V4, Field::Port]),
    (ADDRESSED[1], &[V6, Field::Protocol, Field::Port], &[V6, Field::Port]),
];

/// Returns the whole ruleset of these networks and ports.
#[must_use]
pub fn plan(table: &str, networks: &[Network], ports: &[Published]) -> Ruleset {
    let placed: Vec<_> = networks
        .iter()
        .flat_map(network_elements)
        .chain(ports.iter().filter_map(port_element))
        .collect();
    let set = |(name, key, value): Shape| {
        let elements = placed
            .iter()
            .filter(|(set, _)| *set == name)
            .map(|(_, element)| element.clone())
            .collect();
        Set { name, key, value, elements }
    };
    Ruleset { table: table.to_owned(), sets: SETS.into_iter().map(set).collect(), chains: chains() }
}

/// Returns what a network adds to which set.
pub(super) fn network_elements(network: &Network) -> Vec<(&'static str, Element)> {
    if network.driver != Driver::Bridge {
        return Vec::new();
    }
    let name = || Value::Interface(network.bridge.clone());
    let key = |key: Vec<Value>| Element { key, value: Vec::new() };
    let mut elements = vec![(BRIDGES, key(vec![name()]))];
    if network.internal {
        elements.push((INTERNAL, key(vec![name()])));
    }
    if network.icc {
        elements.push((WITHIN, key(vec![name(), name()])));
    }
    for subnet in &network.subnets {
        let family = usize::from(!subnet.prefix.is_ipv4());
        let prefix = || key(vec![Value::Prefix(subnet.prefix.network())]);
        elements.push((SUBNETS[family], prefix()));
        if network.masquerade && !network.internal {
            elements.push((MASQUERADED[family], prefix()));
        }
    }
    elements
}

/// Returns what a published port adds to which map; none when its two addresses are of different families, which no
/// translation can bridge.
pub(super) fn port_element(port: &Published) -> Option<(&'static str, Element)> {
    if port.host.is_ipv4() != port.target.is_ipv4() {
        return None;
    }
    let family = usize::from(!port.host.is_ipv4());
    let value = vec![Value::Address(port.target.ip()), Value::Port(port.target.port())];
    let service = [Value::Protocol(port.protocol), Value::Port(port.port)];
    if port.host.is_unspecified() {
        return Some((PORTS[family], Element { key: service.to_vec(), value }));
    }
    let key = [Value::Address(port.host)].into_iter().chain(service).collect();
    Some((ADDRESSED[family], Element { key, value }))
}

/// The rules. What order matters in is this list.
fn chains() -> Vec<Chain> {
    let hook = |kind, point, priority| Some(Hook { kind, point, priority });
    let to_published = || vec![vec![Part::Local, Part::Jump("published")]];
    vec![
        Chain { name: "published", hook: None, rules: published() },
        Chain { name: "arrival", hook: hook("filter", Point::Prerouting, -300), rules: arrival() },
        Chain {
            name: "prerouting",
            hook: hook("nat", Point::Prerouting, -100),
            rules: to_published(),
        },
        Chain { name: "output", hook: hook("nat", Point::Output, -100), rules: to_published() },
        // After the host's own chains, which lie at 0: what they drop stays dropped.
        Chain { name: "forward", hook: hook("filter", Point::Forward, 10), rules: forward() },
        Chain {
            name: "postrouting",
            hook: hook("nat", Point::Postrouting, 100),
            rules: postrouting(),
        },
    ]
}

fn loopback() -> Prefix {
    Prefix::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8)
        .unwrap_or(Prefix::host(IpAddr::V4(Ipv4Addr::LOCALHOST)))
}

/// Loopback addresses on a wire are forged. The kernel drops them by itself except where `route_localnet` is set, and a port
/// published at 127.0.0.1 would be translated before it looks (CVE-2020-8558). Connection tracking has not yet touched
/// the packet here, so answers to translated loopback connections still have the bridge's address.
fn arrival() -> Vec<Vec<Part>> {
    let outside = Part::Named(Way::In, "lo", false);
    vec![
        vec![outside.clone(), Part::Inside(End::Destination, loopback()), Part::Drop],
        vec![outside, Part::Inside(End::Source, loopback()), Part::Drop],
    ]
}

/// A port published at one address goes before one published at all. `::1` cannot leave the loopback interface, whatever
/// is translated: the listening socket takes it.
fn published() -> Vec<Vec<Part>> {
    vec![
        vec![
            Part::Inside(End::Destination, Prefix::host(IpAddr::V6(Ipv6Addr::LOCALHOST))),
            Part::Return,
        ],
        vec![Part::ToAddress(Family::V4, ADDRESSED[0])],
        vec![Part::ToPort(Family::V4, PORTS[0])],
        vec![Part::ToAddress(Family::V6, ADDRESSED[1])],
        vec![Part::ToPort(Family::V6, PORTS[1])],
    ]
}

/// Endpoints of one network talk to each other, unless it says no. Internal networks have no way out or in. Published ports
/// are reached from everywhere else; nothing else enters a bridge, neither from another network nor from outside.
fn forward() -> Vec<Vec<Part>> {
    vec![
        vec![Part::Established, Part::Accept],
        vec![Part::Pair(WITHIN), Part::Accept],
        vec![Part::Among(Way::In, INTERNAL, true), Part::Drop],
        vec![Part::Among(Way::Out, INTERNAL, true), Part::Drop],
        vec![Part::Translated, Part::Accept],
        vec![Part::Among(Way::Out, BRIDGES, true), Part::Drop],
    ]
}

/// The source is translated where the answer would not come back otherwise: to the host's loopback, to an endpoint that
/// reaches another (or itself) by a published port, and to the world. The address of any other client is kept.
fn postrouting() -> Vec<Vec<Part>> {
    let hairpin = [Part::Among(Way::Out, BRIDGES, true), Part::Translated];
    let hairpin_from =
        |from: Part| hairpin.iter().cloned().chain([from, Part::Masquerade]).collect();
    let outward = |family, set| {
        vec![
            Part::Among(Way::Out, BRIDGES, false),
            Part::In(End::Source, family, set),
            Part::Masquerade,
        ]
    };
    vec![
        hairpin_from(Part::Inside(End::Source, loopback())),
        hairpin_from(Part::In(End::Source, Family::V4, SUBNETS[0])),
        hairpin_from(Part::In(End::Source, Family::V6, SUBNETS[1])),
        outward(Family::V4, MASQUERADED[0]),
        outward(Family::V6, MASQUERADED[1]),
    ]
}

#[cfg(test)]
mod tests {
    use hako_types::Protocol;

    use super::*;
    use crate::network::Subnet;

    fn network(number: u8) -> Network {
        let subnet = |prefix: String, gateway: String| Subnet {
            prefix: prefix.parse().unwrap(),
            gateway: gateway.parse().ok(),
            range: None,
            auxiliary: Vec::new(),
        };
        let subnets = vec![
            subnet(format!("10.0.{number}.0/24"), format!("10.0.{number}.1")),
            subnet(format!("fd00:{number}::/64"), format!("fd00:{number}::1")),
        ];
        Network::bridged("", &format!("br{number}"), subnets)
    }

    fn published(host: &str, port: u16, protocol: Protocol, target: &str) -> Published {
        Published { host: host.parse().unwrap(), port, protocol, target: target.parse().unwrap() }
    }

    /// Two networks, ports of all kinds, and one that no translation can serve.
    fn example() -> Ruleset {
        let internal = Network { internal: true, icc: false, ..network(2) };
        let ports = [
            published("0.0.0.0", 8080, Protocol::Tcp, "10.0.1.2:80"),
            published("::", 8080, Protocol::Tcp, "[fd00:1::2]:80"),
            published("127.0.0.1", 53, Protocol::Udp, "10.0.1.2:5353"),
            published("::", 9, Protocol::Tcp, "10.0.1.2:80"),
        ];
        plan("hako", &[network(1), internal], &ports)
    }

    #[test]
    fn networks_and_ports_are_elements_and_rules_are_always_the_same() {
        let text = example().to_string();
        insta::assert_snapshot!(text.replace('\t', "  "), @r#"
        table inet hako {
          set bridges { type ifname; elements = { "br1", "br2" }; }
          set internal { type ifname; elements = { "br2" }; }
          set within { type ifname . ifname; elements = { "br1" . "br1" }; }
          set subnets4 { type ipv4_addr; flags interval; elements = { 10.0.1.0/24, 10.0.2.0/24 }; }
          set subnets6 { type ipv6_addr; flags interval; elements = { fd00:1::/64, fd00:2::/64 }; }
          set masqueraded4 { type ipv4_addr; flags interval; elements = { 10.0.1.0/24 }; }
          set masqueraded6 { type ipv6_addr; flags interval; elements = { fd00:1::/64 }; }
          map ports4 { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 8080 : 10.0.1.2 . 80 }; }
          map ports6 { type inet_proto . inet_service : ipv6_addr . inet_service; elements = { tcp . 8080 : fd00:1::2 . 80 }; }
          map addressed4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; elements = { 127.0.0.1 . udp . 53 : 10.0.1.2 . 5353 }; }
          map addressed6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
          chain published {
            ip6 daddr ::1 return
            dnat ip to ip daddr . meta l4proto . th dport map @addressed4
            dnat ip to meta l4proto . th dport map @ports4
            dnat ip6 to ip6 daddr . meta l4proto . th dport map @addressed6
            dnat ip6 to meta l4proto . th dport map @ports6
          }
          chain arrival {
            type filter hook prerouting priority -300; policy accept;
            iifname != "lo" ip daddr 127.0.0.0/8 drop
            iifname != "lo" ip saddr 127.0.0.0/8 drop
          }
          chain prerouting {
            type nat hook prerouting priority -100; policy accept;
            fib daddr type local jump published
          }
          chain output {
            type nat hook output priority -100; policy accept;
            fib daddr type local jump published
          }
          chain forward {
            type filter hook forward priority 10; policy accept;
            ct state established,related accept
            iifname . oifname @within accept
            iifname @internal drop
            oifname @internal drop
            ct status dnat accept
            oifname @bridges drop
          }
          chain postrouting {
            type nat hook postrouting priority 100; policy accept;
            oifname @bridges ct status dnat ip saddr 127.0.0.0/8 masquerade
            oifname @bridges ct status dnat ip saddr @subnets4 masquerade
            oifname @bridges ct status dnat ip6 saddr @subnets6 masquerade
            oifname != @bridges ip saddr @masqueraded4 masquerade
            oifname != @bridges ip6 saddr @masqueraded6 masquerade
          }
        }
        "#);
        assert_eq!(plan("hako", &[], &[]).chains, chains());
    }
}
