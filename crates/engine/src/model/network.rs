//! What is asked for and told of networks and volumes.

use std::collections::BTreeMap;

use hako_types::Moment;
use serde::{Deserialize, Serialize};

use super::Map;
use super::config::nullable;

/// A network to be made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSpec {
    /// Its name.
    pub name: String,
    /// `bridge`, `macvlan`, `ipvlan`, `host` or `none`; empty means `bridge`.
    pub driver: String,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether containers outside of a project may join it.
    pub attachable: bool,
    /// Whether it has IPv4; `None` means yes.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: Option<bool>,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Options of the driver.
    #[serde(deserialize_with = "nullable")]
    pub options: Map,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: Map,
}

/// A network's addresses.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ipam {
    /// `default`.
    pub driver: String,
    /// Options of the driver.
    pub options: Option<Map>,
    /// Its subnets; none means one of the engine's choice.
    #[serde(deserialize_with = "nullable")]
    pub config: Vec<IpamConfig>,
}

/// One subnet.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct IpamConfig {
    /// The subnet (`10.1.0.0/16`).
    pub subnet: String,
    /// Where addresses are taken from.
    #[serde(rename = "IPRange", skip_serializing_if = "String::is_empty")]
    pub ip_range: String,
    /// The bridge's own address.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gateway: String,
    /// Addresses that are taken.
    #[serde(
        rename = "AuxiliaryAddresses",
        skip_serializing_if = "Map::is_empty",
        deserialize_with = "nullable"
    )]
    pub auxiliary_addresses: Map,
}

/// What `network inspect` prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkInspect {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created: Moment,
    /// `local`.
    pub scope: String,
    /// Its driver.
    pub driver: String,
    /// Whether it has IPv4.
    #[serde(rename = "EnableIPv4")]
    pub enable_ipv4: bool,
    /// Whether it has IPv6.
    #[serde(rename = "EnableIPv6")]
    pub enable_ipv6: bool,
    /// Its addresses.
    #[serde(rename = "IPAM")]
    pub ipam: Ipam,
    /// Whether it has no way out.
    pub internal: bool,
    /// Whether containers outside of a project may join it.
    pub attachable: bool,
    /// Always false; Swarm's.
    pub ingress: bool,
    /// Always empty; Swarm's.
    pub config_from: Map,
    /// Always false; Swarm's.
    pub config_only: bool,
    /// The running containers in it, by id.
    pub containers: BTreeMap<String, NetworkedContainer>,
    /// Options of the driver.
    pub options: Map,
    /// Labels.
    pub labels: Map,
}

/// A container in a network.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkedContainer {
    /// Its name.
    pub name: String,
    /// The endpoint's id.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The hardware address.
    pub mac_address: String,
    /// The address with its prefix's length.
    #[serde(rename = "IPv4Address")]
    pub ipv4_address: String,
    /// The IPv6 address with its prefix's length.
    #[serde(rename = "IPv6Address")]
    pub ipv6_address: String,
}

/// How a container is to be part of a network.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointConfig {
    /// Further names in this network.
    pub aliases: Vec<String>,
    /// Links to other containers: `name:alias`.
    pub links: Vec<String>,
    /// The IPv4 address wanted.
    pub ipv4_address: Option<String>,
    /// The IPv6 address wanted.
    pub ipv6_address: Option<String>,
    /// Link-local addresses wanted.
    pub link_local_ips: Vec<String>,
    /// The hardware address wanted.
    pub mac_address: Option<String>,
    /// Options of the driver.
    pub driver_opts: Map,
    /// Which network's gateway is the default one: the highest priority.
    pub gw_priority: i64,
    /// The interface's name in the container.
    pub interface_name: Option<String>,
}

/// A volume to be made.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeSpec {
    /// Its name; empty makes one of 64 hex digits.
    pub name: String,
    /// Its driver; empty means `local`.
    pub driver: String,
    /// Options of the driver.
    #[serde(deserialize_with = "nullable")]
    pub driver_opts: Map,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: Map,
}

/// What `volume inspect` prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeInspect {
    /// When it was made.
    pub created_at: Moment,
    /// Its driver.
    pub driver: String,
    /// Labels.
    pub labels: Option<Map>,
    /// Where its files lie.
    pub mountpoint: String,
    /// Its name.
    pub name: String,
    /// Options of the driver.
    pub options: Option<Map>,
    /// `local`.
    pub scope: String,
}
