//! Networks as objects: made, listed, joined, removed. What they are in the kernel is the network crate's.
//!
//! Three networks are always there: `bridge` (the default one), `host` and `none`. A container's place in a network is an
//! *endpoint*: a row that is made when it joins, and has addresses (a *lease*) while it runs.

mod connect;
mod lease;
mod membership;
mod names;
mod record;

use std::collections::BTreeMap;
use std::net::IpAddr;

use hako_network::{Firewall, Prefix, ipam};
use hako_store::rusqlite::{self, OptionalExtension, Row, params};
use hako_types::{Moment, ObjectName, RandomId};

use crate::container::{parse_json, to_json};
use crate::error::Object;
use crate::model::{Ipam, IpamConfig, Map, NetworkInspect, NetworkSpec, NetworkedContainer};
use crate::{Engine, Error};

pub(crate) use lease::{
    Lease, bindings, publish, rebuild, release, release_one, take, take_further, unpublish,
};
pub(crate) use membership::{EndpointRow, Membership, join, memberships};
pub(crate) use names::Directory;
pub use record::Network;
pub(crate) use record::own_name;

/// The networks of an engine.
#[derive(Clone, Copy, Debug)]
pub struct Networks<'a> {
    pub(crate) engine: &'a Engine,
}

/// The option that names a network's bridge.
const BRIDGE_NAME: &str = "com.docker.network.bridge.name";

/// The networks that are always there, with their drivers.
const PREDEFINED: [(&str, &str); 3] = [("bridge", "bridge"), ("host", "host"), ("none", "null")];

impl<'a> Networks<'a> {
    pub(crate) fn new(engine: &'a Engine) -> Self {
        Self { engine }
    }

    /// Makes a network; its bridge appears when the first container needs it.
    ///
    /// # Errors
    /// When the name is none or taken, the driver is unknown, or a subnet is malformed or overlaps another one.
    pub fn create(self, spec: &NetworkSpec) -> Result<String, Error> {
        let checked: Result<ObjectName, _> = spec.name.parse();
        checked.map_err(|error| Error::Invalid(format!("invalid network name: {error}")))?;
        if PREDEFINED.iter().any(|(name, _)| *name == spec.name) || spec.name == "default" {
            let message = format!("operation is not permitted on predefined {} network", spec.name);
            return Err(Error::Conflict(message));
        }
        let mut spec = spec.clone();
        if spec.driver.is_empty() {
            spec.driver = "bridge".into();
        }
        if !matches!(spec.driver.as_str(), "bridge" | "macvlan" | "ipvlan") {
            return Err(Error::Invalid(format!(
                "could not find network driver `{}`: there are bridge, macvlan and ipvlan",
                spec.driver
            )));
        }
        if let Some(name) = spec.options.get(BRIDGE_NAME) {
            let fits = (1..=15).contains(&name.len());
            if !fits || name.bytes().any(|b| b == b'/' || b.is_ascii_whitespace()) {
                return Err(Error::Invalid(format!(
                    "invalid bridge name `{name}`: want 1 to 15 bytes without `/` and spaces"
                )));
            }
        }
        match self.insert(&RandomId::random(), spec) {
            Err(Error::NameTaken { name, .. }) => {
                Err(Error::Conflict(format!("network with name {name} already exists")))
            }
            other => other,
        }
    }

    /// Completes the addresses of `spec` and writes the row.
    fn insert(self, id: &RandomId, mut spec: NetworkSpec) -> Result<String, Error> {
        let routes = hako_network::attach::host_prefixes()
            .map_err(Error::below("cannot read the host's routes"))?;
        let network = self.engine.database().write(|t| {
            if let Some(by) = id_of(t, &spec.name)? {
                return Err(Error::NameTaken {
                    object: Object::Network,
                    name: spec.name.clone(),
                    by,
                });
            }
            let others: Vec<Network> = all(t)?;
            let bridge = |spec: &NetworkSpec| spec.options.get(BRIDGE_NAME).cloned();
            let same = |other: &&Network| {
                bridge(&spec).is_some_and(|own| bridge(&other.spec) == Some(own))
            };
            if let Some(other) = others.iter().find(same) {
                return Err(Error::Conflict(format!(
                    "conflicts with network `{}`: networks have the same bridge name",
                    other.spec.name
                )));
            }
            let subnets: Vec<Prefix> = others.iter().flat_map(Network::prefixes).collect();
            complete(&mut spec, id, &subnets, &routes)?;
            let network = Network { id: id.as_str().to_owned(), created: Moment::now(), spec };
            let wiring = network.wiring(self.engine)?;
            ipam::validate(&wiring, &subnets).map_err(|error| Error::Invalid(error.to_string()))?;
            if wiring.parent.is_none()
                && matches!(network.spec.driver.as_str(), "macvlan" | "ipvlan")
                && !network.spec.internal
            {
                return Err(Error::Invalid(format!(
                    "a {} network needs the option `parent`",
                    network.spec.driver
                )));
            }
            let sql = "INSERT INTO network (id, name, created, record) VALUES (?1, ?2, ?3, ?4)";
            t.execute(
                sql,
                params![
                    network.id,
                    network.spec.name,
                    network.created.nanos(),
                    to_json(&network.spec)?
                ],
            )?;
            Ok(network)
        })?;
        self.emit(&network, "create", Map::new());
        Ok(network.id)
    }

    /// Finds a network by its name, its id, or an unambiguous start of its id.
    ///
    /// # Errors
    /// When there is none or there are several.
    pub fn find(self, name: &str) -> Result<Network, Error> {
        let name = if name == "default" { "bridge" } else { name };
        let connection = self.engine.database().connection();
        let sql = "SELECT id, name, created, record FROM network WHERE name = ?1 OR id = ?1";
        if let Some(found) =
            connection.prepare_cached(sql)?.query_row([name], read_row).optional()?
        {
            return Ok(found);
        }
        if let Some((name, driver)) =
            PREDEFINED.into_iter().find(|(predefined, _)| *predefined == name)
        {
            return self.predefine(name, driver);
        }
        let is_hex =
            !name.is_empty() && name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let mut found: Vec<Network> = if is_hex {
            all(connection)?.into_iter().filter(|n| n.id.starts_with(name)).collect()
        } else {
            Vec::new()
        };
        match found.len() {
            0 => Err(Error::NoSuch { object: Object::Network, name: name.to_owned() }),
            1 => Ok(found.remove(0)),
            _ => Err(Error::Ambiguous { object: Object::Network, prefix: name.to_owned() }),
        }
    }

    fn predefine(self, name: &str, driver: &str) -> Result<Network, Error> {
        let spec =
            NetworkSpec { name: name.into(), driver: driver.into(), ..NetworkSpec::default() };
        match self.insert(&RandomId::random(), spec) {
            Ok(_) | Err(Error::NameTaken { .. }) => self.find(name),
            Err(error) => Err(error),
        }
    }

    /// Returns all networks, by name.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(self) -> Result<Vec<Network>, Error> {
        for (name, _) in PREDEFINED {
            self.find(name)?;
        }
        let mut networks = all(self.engine.database().connection())?;
        networks.sort_by(|a, b| a.spec.name.cmp(&b.spec.name));
        Ok(networks)
    }

    /// Returns what `network inspect` prints.
    ///
    /// # Errors
    /// When there is no such network.
    pub fn inspect(self, name: &str) -> Result<NetworkInspect, Error> {
        let network = self.find(name)?;
        let containers = self.members(&network)?;
        let spec = network.spec;
        Ok(NetworkInspect {
            name: spec.name,
            id: network.id,
            created: network.created,
            scope: "local".into(),
            driver: spec.driver,
            enable_ipv4: spec.enable_ipv4.unwrap_or(true),
            enable_ipv6: spec.enable_ipv6,
            ipam: spec.ipam,
            internal: spec.internal,
            attachable: spec.attachable,
            ingress: false,
            config_from: Map::from([("Network".to_owned(), String::new())]),
            config_only: false,
            containers,
            options: spec.options,
            labels: spec.labels,
        })
    }

    /// Returns the containers that run in a network.
    fn members(self, network: &Network) -> Result<BTreeMap<String, NetworkedContainer>, Error> {
        let connection = self.engine.database().connection();
        let sql = "SELECT c.id, c.name, e.id, e.mac, e.ipv4, e.ipv6 FROM endpoint e JOIN container c ON c.id = e.container \
                   WHERE e.network = ?1 AND e.mac IS NOT NULL";
        let mut statement = connection.prepare_cached(sql)?;
        let with_length = |address: Option<String>| {
            let address: Option<IpAddr> = address.and_then(|text| text.parse().ok());
            let prefix = address
                .and_then(|address| network.prefixes().find(|prefix| prefix.contains(address)));
            address
                .zip(prefix)
                .map(|(address, prefix)| format!("{address}/{}", prefix.length()))
                .unwrap_or_default()
        };
        let rows = statement.query_map([&network.id], |row| {
            let member = NetworkedContainer {
                name: row.get(1)?,
                endpoint_id: row.get(2)?,
                mac_address: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
                ipv4_address: with_length(row.get(4)?),
                ipv6_address: with_length(row.get(5)?),
            };
            Ok((row.get::<_, String>(0)?, member))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Removes a network that no container runs in. Containers that would join it at their next start forget it.
    ///
    /// # Errors
    /// When there is none, it is predefined, or a container runs in it.
    pub fn remove(self, name: &str) -> Result<Network, Error> {
        let network = self.find(name)?;
        if network.is_predefined() {
            return Err(Error::Conflict(format!(
                "{} is a pre-defined network and cannot be removed",
                network.spec.name
            )));
        }
        // Those that are said to run but have no monitor are corrected here.
        self.engine.containers().list()?;
        self.engine.database().write(|t| {
            let sql = "SELECT c.name FROM endpoint e JOIN container c ON c.id = e.container \
                       WHERE e.network = ?1 AND e.mac IS NOT NULL ORDER BY c.name";
            let mut statement = t.prepare(sql)?;
            let users: Vec<String> =
                statement.query_map([&network.id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if !users.is_empty() {
                return Err(Error::Conflict(format!(
                    "network {} has active endpoints ({})",
                    network.spec.name,
                    users.join(", ")
                )));
            }
            for table in ["endpoint", "endpoint_name", "cursor"] {
                t.execute(&format!("DELETE FROM {table} WHERE network = ?1"), [&network.id])?;
            }
            t.execute("DELETE FROM network WHERE id = ?1", [&network.id])?;
            Ok(())
        })?;
        let doing = format!("cannot remove the network `{}` from the kernel", network.spec.name);
        hako_network::remove(&network.wiring(self.engine)?, &self.firewall())
            .map_err(Error::below(doing))?;
        self.emit(&network, "destroy", Map::new());
        Ok(network)
    }

    /// Returns the table of the firewall that is this engine's.
    pub(crate) fn firewall(self) -> Firewall {
        Firewall::new(&record::own_name(self.engine, "hako", "hako-"))
    }

    /// Appends an event about a network.
    pub(crate) fn emit(self, network: &Network, action: &str, mut attributes: Map) {
        attributes.insert("name".into(), network.spec.name.clone());
        attributes.insert("type".into(), network.spec.driver.clone());
        self.engine.events().emit("network", action, &network.id, attributes);
    }
}

/// Fills in the subnets and gateways that the request left open.
fn complete(
    spec: &mut NetworkSpec,
    id: &RandomId,
    subnets: &[Prefix],
    routes: &[Prefix],
) -> Result<(), Error> {
    if spec.ipam.driver.is_empty() {
        spec.ipam.driver = "default".into();
    }
    if matches!(spec.driver.as_str(), "host" | "null") {
        return Ok(());
    }
    let refused = |error: ipam::Error| Error::Conflict(error.to_string());
    let taken: Vec<Prefix> =
        subnets.iter().chain(routes).copied().filter(|prefix| prefix.length() > 0).collect();
    let is_v6 = |config: &IpamConfig| config.subnet.contains(':');
    if spec.enable_ipv4 != Some(false) && !spec.ipam.config.iter().any(|config| !is_v6(config)) {
        let subnet = ipam::pick_subnet(&taken).map_err(refused)?.to_string();
        spec.ipam.config.insert(0, IpamConfig { subnet, ..IpamConfig::default() });
    }
    if spec.enable_ipv6 && !spec.ipam.config.iter().any(is_v6) {
        let subnet = ipam::pick_subnet_v6(id.as_str(), &taken).map_err(refused)?.to_string();
        spec.ipam.config.push(IpamConfig { subnet, ..IpamConfig::default() });
    }
    fill_gateways(&mut spec.ipam, spec.internal && spec.driver != "bridge")
}

fn fill_gateways(ipam: &mut Ipam, without: bool) -> Result<(), Error> {
    for config in &mut ipam.config {
        let prefix: Prefix = config
            .subnet
            .parse()
            .map_err(|_| Error::Invalid(format!("invalid subnet `{}`", config.subnet)))?;
        if prefix.network() != prefix {
            return Err(Error::Invalid(format!(
                "invalid subnet `{}`: it should be `{}`",
                config.subnet,
                prefix.network()
            )));
        }
        let range = record::optional::<Prefix>(&config.ip_range, "ip-range")?;
        if config.gateway.is_empty() && !without {
            config.gateway =
                ipam::default_gateway(prefix, range).map(|ip| ip.to_string()).unwrap_or_default();
        }
    }
    Ok(())
}

fn id_of(connection: &rusqlite::Connection, name: &str) -> Result<Option<String>, Error> {
    Ok(connection
        .query_row("SELECT id FROM network WHERE name = ?1", [name], |row| row.get(0))
        .optional()?)
}

fn all(connection: &rusqlite::Connection) -> Result<Vec<Network>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT id, name, created, record FROM network ORDER BY created")?;
    Ok(statement.query_map([], read_row)?.collect::<Result<_, _>>()?)
}

fn read_row(row: &Row<'_>) -> Result<Network, rusqlite::Error> {
    let record: String = row.get(3)?;
    Ok(Network {
        id: row.get(0)?,
        created: Moment::from_nanos(row.get(2)?),
        spec: parse_json(3, &record)?,
    })
}
