//! A container's place in a network, from the moment it joins: what it asked for, and the names it has there.

use std::collections::BTreeMap;

use hako_store::rusqlite::{Connection, Transaction, params};
use hako_types::{ContainerId, RandomId};

use super::Network;
use crate::Error;
use crate::container::{Containers, Record, parse_json, to_json};
use crate::model::EndpointConfig;

/// A network that a container is to be part of.
#[derive(Clone, Debug)]
pub(crate) struct Membership {
    /// The network.
    pub(crate) network: Network,
    /// What the container asked for there.
    pub(crate) config: EndpointConfig,
    /// The name by which the container's host is known too.
    pub(crate) hostname: String,
}

impl Containers<'_> {
    /// Returns the networks that a container is to be part of: that of its network mode first.
    ///
    /// # Errors
    /// When one does not exist, or what is asked for cannot be there.
    pub(crate) fn endpoints(
        self,
        record: &Record,
        networks: &BTreeMap<String, EndpointConfig>,
    ) -> Result<Vec<Membership>, Error> {
        let mode = record.host.network_mode.as_str();
        if mode.starts_with("container:") {
            if !networks.is_empty() {
                return Err(Error::Invalid(
                    "conflicting options: a container's network and further networks".into(),
                ));
            }
            return Ok(Vec::new());
        }
        let first = self.engine.networks().find(mode)?;
        let mut found: Vec<Membership> = Vec::new();
        let default = EndpointConfig::default();
        let of_mode = networks
            .get(mode)
            .or_else(|| networks.get(&first.spec.name))
            .or_else(|| networks.get(&first.id));
        let wanted = std::iter::once((mode, of_mode.unwrap_or(&default)))
            .chain(networks.iter().map(|(name, config)| (name.as_str(), config)));
        for (name, config) in wanted {
            let network = self.engine.networks().find(name)?;
            if found.iter().any(|membership| membership.network.id == network.id) {
                continue;
            }
            check(&network, config)?;
            if !found.is_empty() && (network.spec.driver == "host" || first.spec.driver == "host") {
                return Err(Error::Invalid(
                    "cannot connect a container to the host network and another one".into(),
                ));
            }
            found.push(Membership {
                network,
                config: config.clone(),
                hostname: record.config.hostname.clone(),
            });
        }
        Ok(found)
    }
}

/// Checks what a container asks for in a network.
pub(super) fn check(network: &Network, config: &EndpointConfig) -> Result<(), Error> {
    let wants_address = config.ipv4_address.is_some() || config.ipv6_address.is_some();
    if network.is_predefined() && wants_address {
        return Err(Error::Invalid(
            "user specified IP address is supported on user defined networks only".into(),
        ));
    }
    if network.spec.name != "bridge" && network.is_predefined() && !config.aliases.is_empty() {
        return Err(Error::Invalid(
            "network-scoped aliases are only supported for user-defined networks".into(),
        ));
    }
    for text in config.ipv4_address.iter().chain(&config.ipv6_address) {
        let address: std::net::IpAddr =
            text.parse().map_err(|_| Error::Invalid(format!("invalid IP address `{text}`")))?;
        if !network.prefixes().any(|prefix| prefix.contains(address)) {
            return Err(Error::Invalid(format!(
                "no configured subnet or ip-range of the network `{}` contains the IP address {address}",
                network.spec.name
            )));
        }
    }
    if let Some(mac) = &config.mac_address {
        mac.parse::<hako_network::Mac>().map_err(|error| Error::Invalid(error.to_string()))?;
    }
    Ok(())
}

/// Writes that a container is part of a network from now on.
pub(crate) fn join(
    t: &Transaction<'_>,
    container: &ContainerId,
    name: &str,
    position: usize,
    membership: &Membership,
) -> Result<(), Error> {
    let network = &membership.network.id;
    let config = to_json(&membership.config)?;
    let sql = "INSERT INTO endpoint (container, network, position, id, config) VALUES (?1, ?2, ?3, ?4, ?5)";
    let id = RandomId::random();
    t.prepare_cached(sql)?.execute(params![
        container.as_str(),
        network,
        position,
        id.as_str(),
        config
    ])?;
    if membership.network.has_names() {
        let aliases = membership.config.aliases.iter().map(String::as_str);
        for alias in [name, container.short(), &membership.hostname].into_iter().chain(aliases) {
            if !alias.is_empty() {
                let sql = "INSERT OR IGNORE INTO endpoint_name (network, name, container) VALUES (?1, ?2, ?3)";
                t.prepare_cached(sql)?.execute(params![network, alias, container.as_str()])?;
            }
        }
    }
    Ok(())
}

/// A row of the table of endpoints.
#[derive(Clone, Debug)]
pub(crate) struct EndpointRow {
    /// The network's id.
    pub(crate) network: String,
    /// The endpoint's id.
    pub(crate) id: String,
    /// What was asked for.
    pub(crate) config: EndpointConfig,
    /// The interface inside, while it runs.
    pub(crate) interface: Option<String>,
    /// The IPv4 address, while it runs.
    pub(crate) ipv4: Option<String>,
    /// The IPv6 address, while it runs.
    pub(crate) ipv6: Option<String>,
    /// The hardware address, while it runs.
    pub(crate) mac: Option<String>,
}

/// Returns a container's endpoints, in the order in which it joined.
pub(crate) fn memberships(
    connection: &Connection,
    container: &ContainerId,
) -> Result<Vec<EndpointRow>, Error> {
    let sql = "SELECT network, id, config, interface, ipv4, ipv6, mac FROM endpoint WHERE container = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map([container.as_str()], |row| {
        let config: String = row.get(2)?;
        Ok(EndpointRow {
            network: row.get(0)?,
            id: row.get(1)?,
            config: parse_json(2, &config)?,
            interface: row.get(3)?,
            ipv4: row.get(4)?,
            ipv6: row.get(5)?,
            mac: row.get(6)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
