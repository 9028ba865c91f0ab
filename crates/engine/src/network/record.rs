//! A network as it is kept, and what it is for the kernel.

use std::str::FromStr;

use hako_network::{Driver, Prefix, Subnet};
use hako_types::{Digest, Moment};

use crate::model::NetworkSpec;
use crate::{Engine, Error};

/// A network.
#[derive(Clone, Debug)]
pub struct Network {
    /// Its id.
    pub id: String,
    /// When it was made.
    pub created: Moment,
    /// What was asked for, with the addresses filled in.
    pub spec: NetworkSpec,
}

impl Network {
    /// Tells whether it is one of those that are always there.
    #[must_use]
    pub fn is_predefined(&self) -> bool {
        matches!(self.spec.name.as_str(), "bridge" | "host" | "none")
    }

    /// Tells whether its containers find each other by name.
    #[must_use]
    pub fn has_names(&self) -> bool {
        !self.is_predefined()
    }

    /// Returns its subnets.
    pub fn prefixes(&self) -> impl Iterator<Item = Prefix> {
        self.spec.ipam.config.iter().filter_map(|config| config.subnet.parse().ok())
    }

    /// Returns what the kernel needs to know of it.
    ///
    /// # Errors
    /// When an address or an option is malformed.
    pub fn wiring(&self, engine: &Engine) -> Result<hako_network::Network, Error> {
        let spec = &self.spec;
        let driver = match spec.driver.as_str() {
            "host" => Driver::Host,
            "null" => Driver::None,
            "macvlan" => Driver::Macvlan,
            "ipvlan" => Driver::Ipvlan,
            _ => Driver::Bridge,
        };
        let mut subnets = Vec::new();
        for config in &spec.ipam.config {
            let bad = |what: &str| Error::Invalid(format!("invalid {what} in `{}`", config.subnet));
            let auxiliary = config
                .auxiliary_addresses
                .values()
                .map(|text| text.parse().map_err(|_| bad("aux-address")));
            subnets.push(Subnet {
                prefix: config.subnet.parse().map_err(|_| bad("subnet"))?,
                gateway: optional(&config.gateway, "gateway")?,
                range: optional(&config.ip_range, "ip-range")?,
                auxiliary: auxiliary.collect::<Result<_, _>>()?,
            });
        }
        let bridge = match self.option("com.docker.network.bridge.name") {
            Some(name) => name.to_owned(),
            None if spec.name == "bridge" => own_name(engine, "hako0", "hako-"),
            None => hako_network::Network::bridge_name(&self.id),
        };
        let mut wiring = hako_network::Network::bridged(&self.id, &bridge, subnets);
        wiring.driver = driver;
        wiring.internal = spec.internal;
        wiring.icc = self.option("com.docker.network.bridge.enable_icc") != Some("false");
        wiring.masquerade =
            self.option("com.docker.network.bridge.enable_ip_masquerade") != Some("false");
        wiring.mtu = match self.option("com.docker.network.driver.mtu") {
            Some(text) => {
                Some(text.parse().map_err(|_| Error::Invalid(format!("invalid MTU `{text}`")))?)
            }
            None => None,
        };
        wiring.parent = self.option("parent").map(str::to_owned);
        wiring.mode = self.option("macvlan_mode").or(self.option("ipvlan_mode")).map(str::to_owned);
        Ok(wiring)
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.spec.options.get(name).map(String::as_str)
    }
}

/// Reads an address or prefix that may be missing.
pub(super) fn optional<T: FromStr>(text: &str, what: &str) -> Result<Option<T>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Error::Invalid(format!("invalid {what} `{text}`")))
}

/// Returns the name that something global to the machine has for this engine: `usual` for the usual state directory,
/// else `prefix` and digits that follow from the directory's path, so that engines do not get into each other's way.
pub(crate) fn own_name(engine: &Engine, usual: &str, prefix: &str) -> String {
    let root = engine.paths().root();
    if root.as_os_str() == "/var/lib/hako" {
        return usual.to_owned();
    }
    let digest = Digest::of(root.as_os_str().as_encoded_bytes());
    format!("{prefix}{}", &digest.hex()[..8])
}
