//! Addresses and ports that a container has while it runs.
//!
//! A lease is a pair of columns in the endpoint's row, under a unique index: two containers cannot have one address,
//! whatever dies in between. It is taken before the kernel is told and given back after the kernel has let go.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use hako_network::ports::Binding;
use hako_network::{Endpoint, Mac, Prefix, Published, ipam};
use hako_store::rusqlite::{Connection, OptionalExtension, Transaction, params};
use hako_types::{ContainerId, RandomId};

use super::{Network, membership::EndpointRow, memberships};
use crate::{Engine, Error};

/// A container's interface in one network, for as long as it runs.
#[derive(Clone, Debug)]
pub(crate) struct Lease {
    /// The network as it is kept.
    pub(crate) network: Network,
    /// The network as the kernel knows it.
    pub(crate) wiring: hako_network::Network,
    /// The interface.
    pub(crate) endpoint: Endpoint,
}

impl Lease {
    /// Returns the addresses.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.endpoint.addresses.iter().map(|prefix| prefix.address())
    }
}

/// Takes addresses in all networks of a container that have some; none for `host` and `none`.
pub(crate) fn take(engine: &Engine, container: &ContainerId) -> Result<Vec<Lease>, Error> {
    let rows = memberships(engine.database().connection(), container)?;
    let mut wanted = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        let network = engine.networks().find(&row.network)?;
        if matches!(network.spec.driver.as_str(), "host" | "null") {
            continue;
        }
        let wiring = network.wiring(engine)?;
        wanted.push((format!("eth{number}"), row, network, wiring));
    }
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let default = default_route(&wanted);
    engine.database().write(|t| {
        let mut leases = Vec::new();
        for (position, (interface, row, network, wiring)) in wanted.into_iter().enumerate() {
            let has_default = default == Some(position);
            leases.push(take_one(
                t,
                container,
                Wanted { interface, row, network, wiring, has_default },
            )?);
        }
        Ok(leases)
    })
}

/// Returns the place of the network whose gateway is the way out: the highest priority, else the first that has a way out.
fn default_route(
    wanted: &[(String, EndpointRow, Network, hako_network::Network)],
) -> Option<usize> {
    let open = wanted.iter().enumerate().filter(|(_, (.., wiring))| !wiring.internal);
    open.max_by_key(|(position, (_, row, ..))| {
        (row.config.gw_priority, std::cmp::Reverse(*position))
    })
    .map(|(position, _)| position)
}

pub(super) struct Wanted {
    pub(super) interface: String,
    pub(super) row: EndpointRow,
    pub(super) network: Network,
    pub(super) wiring: hako_network::Network,
    pub(super) has_default: bool,
}

/// Takes the addresses of one endpoint.
pub(super) fn take_one(
    t: &Transaction<'_>,
    container: &ContainerId,
    wanted: Wanted,
) -> Result<Lease, Error> {
    let Wanted { interface, row, network, wiring, has_default } = wanted;
    let interface = row.config.interface_name.clone().unwrap_or(interface);
    let (mut addresses, mut gateways) = (Vec::new(), Vec::new());
    for subnet in &wiring.subnets {
        let is_v4 = subnet.prefix.is_ipv4();
        let asked = if is_v4 { &row.config.ipv4_address } else { &row.config.ipv6_address };
        let asked: Option<IpAddr> = asked.as_ref().and_then(|text| text.parse().ok());
        let used = used(t, &network.id)?;
        let last = cursor(t, &network.id, is_v4)?;
        let address = ipam::allocate(subnet, &used, asked, last)
            .map_err(|error| Error::Conflict(error.to_string()))?;
        if asked.is_none() {
            let sql =
                "INSERT OR REPLACE INTO cursor (network, family, address) VALUES (?1, ?2, ?3)";
            t.prepare_cached(sql)?.execute(params![
                network.id,
                if is_v4 { 4 } else { 6 },
                address.to_string()
            ])?;
        }
        addresses.extend(Prefix::new(address, subnet.prefix.length()));
        gateways.extend(subnet.gateway.filter(|_| has_default));
    }
    let first = addresses.first().map_or(IpAddr::V4(0.into()), |prefix: &Prefix| prefix.address());
    let mac = match &row.config.mac_address {
        Some(text) => {
            text.parse().map_err(|_| Error::Invalid(format!("invalid MAC address `{text}`")))?
        }
        None => Mac::of(first),
    };
    let text = |is_v4: bool| {
        addresses
            .iter()
            .find(|prefix| prefix.is_ipv4() == is_v4)
            .map(|prefix| prefix.address().to_string())
    };
    // A new identity at each start: the kernel may not have taken the last start's interface away yet.
    let id = RandomId::random();
    let sql = "UPDATE endpoint SET interface = ?3, ipv4 = ?4, ipv6 = ?5, mac = ?6, id = ?7 WHERE container = ?1 AND network = ?2";
    let values = params![
        container.as_str(),
        network.id,
        interface,
        text(true),
        text(false),
        mac.to_string(),
        id.as_str()
    ];
    t.prepare_cached(sql)?.execute(values)?;
    let host_interface = Endpoint::host_name(id.as_str());
    let endpoint =
        Endpoint { interface, host_interface, mac, addresses, gateways, sysctls: Vec::new() };
    Ok(Lease { network, wiring, endpoint })
}

fn used(connection: &Connection, network: &str) -> Result<BTreeSet<IpAddr>, Error> {
    let sql = "SELECT ipv4 FROM endpoint WHERE network = ?1 AND ipv4 IS NOT NULL \
               UNION ALL SELECT ipv6 FROM endpoint WHERE network = ?1 AND ipv6 IS NOT NULL";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([network], |row| row.get::<_, String>(0))?;
    let texts = rows.collect::<Result<Vec<_>, _>>()?;
    Ok(texts.iter().filter_map(|text| text.parse().ok()).collect())
}

fn cursor(connection: &Connection, network: &str, is_v4: bool) -> Result<Option<IpAddr>, Error> {
    let sql = "SELECT address FROM cursor WHERE network = ?1 AND family = ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let family = if is_v4 { 4 } else { 6 };
    let text: Option<String> =
        statement.query_row(params![network, family], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// Gives all addresses and ports of a container back. The kernel must have let go of them.
pub(crate) fn release(t: &Transaction<'_>, container: &ContainerId) -> Result<(), Error> {
    let sql = "UPDATE endpoint SET interface = NULL, ipv4 = NULL, ipv6 = NULL, mac = NULL \
               WHERE container = ?1 AND mac IS NOT NULL";
    t.prepare_cached(sql)?.execute([container.as_str()])?;
    t.prepare_cached("DELETE FROM port WHERE container = ?1")?.execute([container.as_str()])?;
    Ok(())
}

/// Returns the ports of the host that containers of this engine have.
pub(crate) fn bindings(connection: &Connection) -> Result<BTreeSet<Binding>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT protocol, host_ip, host_port FROM port")?;
    let rows = statement.query_map([], |row| {
        Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get(2)?))
    })?;
    let rows: Vec<(String, String, u16)> = rows.collect::<Result<_, _>>()?;
    let binding = |(protocol, ip, port): &(String, String, u16)| {
        Some(Binding { ip: ip.parse().ok()?, port: *port, protocol: protocol.parse().ok()? })
    };
    Ok(rows.iter().filter_map(binding).collect())
}

/// Returns what is published, of one container or of all.
pub(crate) fn published(
    connection: &Connection,
    container: Option<&ContainerId>,
) -> Result<Vec<Published>, Error> {
    let sql = "SELECT protocol, host_ip, host_port, target_ip, target_port FROM port \
               WHERE (?1 IS NULL OR container = ?1) AND target_ip <> ''";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([container.map(ContainerId::as_str)], |row| {
        Ok((
            row.get::<_, String>(0)?,
            row.get::<_, String>(1)?,
            row.get(2)?,
            row.get::<_, String>(3)?,
            row.get(4)?,
        ))
    })?;
    let rows: Vec<(String, String, u16, String, u16)> = rows.collect::<Result<_, _>>()?;
    let entry = |(protocol, ip, port, target, target_port): &(String, String, u16, String, u16)| {
        Some(Published {
            host: ip.parse().ok()?,
            port: *port,
            protocol: protocol.parse().ok()?,
            target: SocketAddr::new(target.parse().ok()?, *target_port),
        })
    };
    Ok(rows.iter().filter_map(entry).collect())
}

/// Writes the ports that a container has, and tells the firewall.
pub(crate) fn publish(
    engine: &Engine,
    container: &ContainerId,
    lease: &Lease,
    reserved: &[hako_network::ports::Reserved],
) -> Result<(), Error> {
    let addresses: Vec<IpAddr> = lease.addresses().collect();
    let ports: Vec<Published> =
        reserved.iter().filter_map(|port| port.publish(&addresses)).collect();
    engine.database().write(|t| {
        let sql = "INSERT OR REPLACE INTO port (container, protocol, host_ip, host_port, target_ip, target_port, network) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let mut statement = t.prepare_cached(sql)?;
        for port in reserved {
            let target = port.publish(&addresses).map(|entry| entry.target.ip().to_string()).unwrap_or_default();
            let binding = port.binding;
            statement.execute(params![
                container.as_str(),
                binding.protocol.to_string(),
                binding.ip.to_string(),
                binding.port,
                target,
                port.container,
                lease.network.id,
            ])?;
        }
        Ok::<_, Error>(())
    })?;
    let firewall = engine.networks().firewall();
    match firewall.publish(&ports) {
        Err(hako_network::Error::NoTable(_)) => rebuild(engine),
        other => other.map_err(Error::below("cannot publish ports")),
    }
}

/// Takes a container's ports out of the firewall.
pub(crate) fn unpublish(engine: &Engine, container: &ContainerId) -> Result<(), Error> {
    let ports = published(engine.database().connection(), Some(container))?;
    if ports.is_empty() {
        return Ok(());
    }
    engine
        .networks()
        .firewall()
        .unpublish(&ports)
        .map_err(Error::below("cannot take published ports back"))
}

/// Makes the firewall's table anew from what the database says, while nobody changes that.
pub(crate) fn rebuild(engine: &Engine) -> Result<(), Error> {
    engine.database().write(|t| {
        let mut networks = Vec::new();
        for network in super::all(t)? {
            if network.spec.driver == "bridge" {
                networks.push(network.wiring(engine)?);
            }
        }
        let ports = published(t, None)?;
        engine
            .networks()
            .firewall()
            .rebuild(&networks, &ports)
            .map_err(Error::below("cannot make the firewall's table"))
    })
}

/// Takes an address in one more network of a container that runs; `held` are the leases that it has.
pub(crate) fn take_further(
    engine: &Engine,
    container: &ContainerId,
    network: &str,
    held: &[Lease],
) -> Result<Lease, Error> {
    let rows = memberships(engine.database().connection(), container)?;
    let row = rows.into_iter().find(|row| row.network == network);
    let row = row.ok_or_else(|| Error::no_such(crate::error::Object::Network, network))?;
    let network = engine.networks().find(network)?;
    let wiring = network.wiring(engine)?;
    let taken = |name: &str| held.iter().any(|lease| lease.endpoint.interface == name);
    let interface =
        (0..).map(|number| format!("eth{number}")).find(|name| !taken(name)).unwrap_or_default();
    let has_default =
        !wiring.internal && held.iter().all(|lease| lease.endpoint.gateways.is_empty());
    engine
        .database()
        .write(|t| take_one(t, container, Wanted { interface, row, network, wiring, has_default }))
}

/// Gives the address of a container in one network back.
pub(crate) fn release_one(
    engine: &Engine,
    container: &ContainerId,
    network: &str,
) -> Result<(), Error> {
    engine.database().write(|t| {
        let sql = "UPDATE endpoint SET interface = NULL, ipv4 = NULL, ipv6 = NULL, mac = NULL \
                   WHERE container = ?1 AND network = ?2";
        t.execute(sql, params![container.as_str(), network])?;
        Ok(())
    })
}
