//! `network`: create, list, inspect, remove, connect, disconnect.

use std::net::IpAddr;

use hako_engine::model::{EndpointConfig, Ipam, IpamConfig, NetworkSpec};
use hako_engine::{Engine, Error};

use super::each::each_printing;
use super::inspect::tell;
use super::{Command, complain, say};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value, values};
use crate::filter::{Filters, matches_pattern};
use crate::format::{Columns, Listing, Row};
use crate::report::Failure;
use crate::session::Session;
use crate::{create, show};

const MAKING: &[Flag] = &[
    switch("attachable", "let containers outside of a project join"),
    values("aux-address", "map", "address that is taken: name=address"),
    value("driver", "string", "bridge, macvlan or ipvlan (default bridge)").short('d'),
    values("gateway", "strings", "the host's address in the subnet"),
    switch("internal", "no way out"),
    values("ip-range", "strings", "where addresses are taken from"),
    value("ipam-driver", "string", ""),
    values("ipam-opt", "map", ""),
    switch("ipv4", "IPv4 addresses (default true)"),
    switch("ipv6", "IPv6 addresses"),
    values("label", "list", "set a label"),
    values("opt", "map", "option of the driver").short('o'),
    values("subnet", "strings", "subnet: address/length"),
    value("scope", "string", ""),
    switch("ingress", ""),
    switch("config-only", ""),
    value("config-from", "string", ""),
];

pub(super) const CREATE: Command = Command {
    names: &["network create"],
    about: "Create a network",
    syntax: Syntax { words: "NETWORK", count: Words::Exactly(1), program: false, flags: &[MAKING] },
    run: make,
};

const LISTING: &[Flag] = &[
    values("filter", "filter", "show only these: name=…, driver=…, label=…, dangling=…, …")
        .short('f'),
    value("format", "string", "print by a Go template, as `table …`, or as json"),
    switch("no-trunc", "do not shorten anything"),
    switch("quiet", "print ids only").short('q'),
];

pub(super) const LIST: Command = Command {
    names: &["network ls", "network list"],
    about: "List networks",
    syntax: Syntax { words: "", count: Words::Exactly(0), program: false, flags: &[LISTING] },
    run: list,
};

const TELLING: &[Flag] = &[
    value("format", "string", "print by a Go template, or as json").short('f'),
    switch("verbose", "").short('v'),
];

pub(super) const INSPECT: Command = Command {
    names: &["network inspect"],
    about: "Tell everything about networks",
    syntax: Syntax {
        words: "NETWORK [NETWORK...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[TELLING],
    },
    run: inspect,
};

const REMOVING: &[Flag] =
    &[switch("force", "a network that is not there is no failure").short('f')];

pub(super) const REMOVE: Command = Command {
    names: &["network rm", "network remove"],
    about: "Remove one or more networks",
    syntax: Syntax {
        words: "NETWORK [NETWORK...]",
        count: Words::AtLeast(1),
        program: false,
        flags: &[REMOVING],
    },
    run: remove,
};

const JOINING: &[Flag] = &[
    values("alias", "strings", "further name in the network"),
    values("driver-opt", "strings", "option of the driver"),
    value("gw-priority", "int", "which network's gateway is the default one: the highest priority"),
    value("ip", "string", "IPv4 address in the network"),
    value("ip6", "string", "IPv6 address in the network"),
    values("link", "list", "link to another container: name[:alias]"),
    values("link-local-ip", "strings", "link-local address"),
];

pub(super) const CONNECT: Command = Command {
    names: &["network connect"],
    about: "Connect a container to a network",
    syntax: Syntax {
        words: "NETWORK CONTAINER",
        count: Words::Exactly(2),
        program: false,
        flags: &[JOINING],
    },
    run: connect,
};

const LEAVING: &[Flag] = &[switch("force", "even where the container cannot be told").short('f')];

pub(super) const DISCONNECT: Command = Command {
    names: &["network disconnect"],
    about: "Disconnect a container from a network",
    syntax: Syntax {
        words: "NETWORK CONTAINER",
        count: Words::Exactly(2),
        program: false,
        flags: &[LEAVING],
    },
    run: disconnect,
};

/// Splits values at commas, as the flags that Docker calls `strings` do.
fn strings(parsed: &Parsed, flag: &str) -> Vec<String> {
    parsed.all(flag).flat_map(|text| text.split(',')).map(|text| text.trim().to_owned()).collect()
}

fn make(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    if parsed.on("ingress") || parsed.on("config-only") || parsed.given("config-from") {
        return Err(Failure::new("hako has no swarm networks")
            .with_hint("leave --ingress and --config-* out"));
    }
    let labels =
        create::labels(&session.around, &[], &parsed.list("label")).map_err(Failure::new)?;
    let spec = NetworkSpec {
        name: parsed.words[0].clone(),
        driver: parsed.string("driver"),
        internal: parsed.on("internal"),
        attachable: parsed.on("attachable"),
        enable_ipv4: parsed.given("ipv4").then(|| parsed.on("ipv4")),
        enable_ipv6: parsed.on("ipv6"),
        ipam: ipam(parsed)?,
        options: create::pairs(parsed.all("opt")),
        labels,
    };
    let id = session.engine()?.networks().create(&spec)?;
    say(&format!("{id}\n"));
    Ok(0)
}

/// Returns the subnets with what belongs to each.
fn ipam(parsed: &Parsed) -> Result<Ipam, Failure> {
    let mut config: Vec<IpamConfig> = Vec::new();
    for subnet in strings(parsed, "subnet") {
        if prefix(&subnet).is_none() {
            return Err(Failure::new(format!("invalid subnet {subnet}: want address/length")));
        }
        config.push(IpamConfig { subnet, ..IpamConfig::default() });
    }
    let of = |config: &mut Vec<IpamConfig>, what: &str, text: &str| {
        let address = text.split('/').next().and_then(|text| text.parse().ok());
        let at = address
            .and_then(|address| config.iter().position(|one| contains(&one.subnet, address)));
        at.ok_or_else(|| Failure::new(format!("no matching subnet for {what} {text}")))
    };
    for range in strings(parsed, "ip-range") {
        let at = of(&mut config, "range", &range)?;
        if !std::mem::replace(&mut config[at].ip_range, range).is_empty() {
            return Err(Failure::new("cannot configure multiple ranges on the same subnet"));
        }
    }
    for gateway in strings(parsed, "gateway") {
        let at = of(&mut config, "gateway", &gateway)?;
        if !std::mem::replace(&mut config[at].gateway, gateway).is_empty() {
            return Err(Failure::new("cannot configure multiple gateways for the same subnet"));
        }
    }
    for (name, address) in create::pairs(parsed.all("aux-address")) {
        let at = of(&mut config, "aux-address", &address)?;
        config[at].auxiliary_addresses.insert(name, address);
    }
    let driver = parsed.text("ipam-driver").unwrap_or("default").to_owned();
    if driver != "default" {
        return Err(Failure::new(format!(
            "no address driver is called `{driver}`: there is `default`"
        )));
    }
    Ok(Ipam { driver, options: None, config })
}

/// Reads `address/length`.
fn prefix(text: &str) -> Option<(IpAddr, u32)> {
    let (address, length) = text.split_once('/')?;
    let (address, length): (IpAddr, u32) = (address.parse().ok()?, length.parse().ok()?);
    (length <= if address.is_ipv4() { 32 } else { 128 }).then_some((address, length))
}

/// Tells whether a subnet has an address.
fn contains(subnet: &str, address: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32, length: u32| {
        length == 0 || (a >> (width - length)) == (b >> (width - length))
    };
    match (prefix(subnet), address) {
        (Some((IpAddr::V4(base), length)), IpAddr::V4(address)) => {
            same(u32::from(base).into(), u32::from(address).into(), 32, length)
        }
        (Some((IpAddr::V6(base), length)), IpAddr::V6(address)) => {
            same(base.into(), address.into(), 128, length)
        }
        _ => false,
    }
}

const COLUMNS: Columns = Columns {
    headings: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
};

const KNOWN: &[&str] = &["dangling", "driver", "id", "label", "label!", "name", "scope", "type"];

fn list(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let engine = session.engine()?;
    let filters = Filters::read(parsed, KNOWN)?;
    let dangling = filters.truth("dangling")?;
    let mut all = Vec::new();
    for one in engine.networks().list()? {
        let predefined = one.is_predefined();
        let takes = filters.any("id", |wanted| one.id.starts_with(wanted))
            && filters.any("name", |wanted| matches_pattern(wanted, &one.spec.name))
            && filters.any("driver", |wanted| one.spec.driver == wanted)
            && filters.any("scope", |wanted| wanted == "local")
            && filters
                .any("type", |wanted| wanted == if predefined { "builtin" } else { "custom" })
            && filters.labels(&one.spec.labels)
            && dangling.is_none_or(|wanted| wanted == (!predefined && is_unused(engine, &one.id)));
        if takes {
            all.push(one);
        }
    }
    all.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
    let full = parsed.on("no-trunc");
    let id = |id: &str| if full { id.to_owned() } else { show::short_id(id).to_owned() };
    if parsed.on("quiet") && !parsed.given("format") {
        say(&all.iter().map(|one| id(&one.id) + "\n").collect::<String>());
        return Ok(0);
    }
    let rows = all.iter().map(|one| {
        Row::default()
            .set("ID", id(&one.id))
            .set("Name", &one.spec.name)
            .set("Driver", &one.spec.driver)
            .set("Scope", "local")
            .set("IPv4", one.spec.enable_ipv4.unwrap_or(true).to_string())
            .set("IPv6", one.spec.enable_ipv6.to_string())
            .set("Internal", one.spec.internal.to_string())
            .set("Labels", show::labels(&one.spec.labels))
            .set("CreatedAt", show::go_time(one.created))
            .labels(&one.spec.labels)
    });
    let format = parsed.text("format").or(session.config().networks_format.as_deref());
    Listing::new(format, COLUMNS)?.print(rows.collect::<Vec<_>>())?;
    Ok(0)
}

/// Tells whether no container that runs is in a network.
pub(super) fn is_unused(engine: &Engine, id: &str) -> bool {
    engine.networks().inspect(id).is_ok_and(|told| told.containers.is_empty())
}

fn inspect(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let networks = session.engine()?.networks();
    tell(parsed, |name| {
        serde_json::to_value(networks.inspect(name)?)
            .map_err(|error| Failure::new(error.to_string()))
    })
}

fn remove(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let networks = session.engine()?.networks();
    let force = parsed.on("force");
    each_printing(&parsed.words, |name| match networks.remove(name) {
        Err(error @ Error::NoSuch { .. }) if force => {
            complain(&format!("{error}\n"));
            Ok(None)
        }
        result => Ok(result.map(|_| Some(name.to_owned()))?),
    })
}

fn connect(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let config = EndpointConfig {
        aliases: strings(parsed, "alias"),
        links: parsed.read_all("link", create::link)?,
        ipv4_address: parsed.read("ip", create::ipv4)?,
        ipv6_address: parsed.read("ip6", create::ipv6)?,
        link_local_ips: parsed.read_all("link-local-ip", create::address)?,
        driver_opts: create::pairs(parsed.all("driver-opt")),
        gw_priority: parsed.integer("gw-priority")?,
        ..EndpointConfig::default()
    };
    session.engine()?.networks().connect(&parsed.words[0], &parsed.words[1], &config)?;
    Ok(0)
}

fn disconnect(session: &Session, parsed: &Parsed) -> Result<u8, Failure> {
    let (network, container) = (&parsed.words[0], &parsed.words[1]);
    session.engine()?.networks().disconnect(network, container, parsed.on("force"))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_matched_to_subnets() {
        let has = |subnet: &str, address: &str| contains(subnet, address.parse().unwrap());
        assert!(has("10.1.0.0/16", "10.1.2.3") && !has("10.1.0.0/16", "10.2.0.1"));
        assert!(
            has("fd00::/64", "fd00::1")
                && !has("fd00::/64", "10.0.0.1")
                && has("0.0.0.0/0", "1.2.3.4")
        );
        assert!(prefix("10.0.0.0/33").is_none() && prefix("10.0.0.0").is_none());
    }
}
