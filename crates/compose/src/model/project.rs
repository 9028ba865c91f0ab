//! The project and what its services share.

use std::collections::BTreeMap;

use crate::model::{Extensions, Labels, Service};

model! {
    /// A whole project.
    Project {
        name: String,
        services: BTreeMap<String, Service>,
        networks: BTreeMap<String, Network>,
        volumes: BTreeMap<String, Volume>,
        secrets: BTreeMap<String, Secret>,
        configs: BTreeMap<String, Config>,
        models: BTreeMap<String, serde_json::Value>,
        #[serde(flatten)]
        extensions: Extensions,
    }

    /// A pool of addresses.
    IpamPool {
        subnet: String,
        ip_range: String,
        gateway: String,
        aux_addresses: Labels,
    }

    /// A named volume.
    Volume {
        name: String,
        driver: String,
        driver_opts: Labels,
        external: bool,
        labels: Labels,
        #[serde(flatten)]
        extensions: Extensions,
    }

    /// A secret.
    Secret {
        name: String,
        file: String,
        environment: String,
        content: String,
        external: bool,
        labels: Labels,
        driver: String,
        driver_opts: Labels,
        template_driver: String,
        #[serde(flatten)]
        extensions: Extensions,
    }

    /// A config.
    Config {
        name: String,
        file: String,
        environment: String,
        content: String,
        external: bool,
        labels: Labels,
        template_driver: String,
        #[serde(flatten)]
        extensions: Extensions,
    }
}

/// Where a network's addresses come from.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Ipam {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub config: Vec<IpamPool>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub options: Labels,
}

/// A network.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
pub struct Network {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub driver_opts: Labels,
    pub ipam: Ipam,
    #[serde(skip_serializing_if = "crate::model::absent")]
    pub external: bool,
    #[serde(skip_serializing_if = "crate::model::absent")]
    pub internal: bool,
    #[serde(skip_serializing_if = "crate::model::absent")]
    pub attachable: bool,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: Labels,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_ipv4: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_ipv6: Option<bool>,
    #[serde(flatten)]
    pub extensions: Extensions,
}
