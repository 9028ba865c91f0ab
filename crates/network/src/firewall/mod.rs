//! stub
use std::net::{IpAddr, SocketAddr};

use hako_types::Protocol;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::network::Network;

/// One published port: what arrives at the host's address and port goes to the target.
#[derive(Clone, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Published {
    /// The host's address; unspecified (`0.0.0.0`, `::`) means all of this family.
    pub host: IpAddr,
    /// The host's port.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
    /// The endpoint's address, of the same family, and its port.
    pub target: SocketAddr,
}

/// The table of one engine.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Firewall {
    table: String,
}

impl Firewall {
    /// Names the table `inet NAME`. Engines with different states have different names, and do not get into each other's way.
    #[must_use]
    pub fn new(table: &str) -> Self {
        Self { table: table.to_owned() }
    }

    /// Publishes ports.
    ///
    /// # Errors
    /// `Error::NoTable` when somebody flushed it: call `rebuild`.
    pub fn publish(&self, _ports: &[Published]) -> Result<()> {
        Ok(())
    }

    /// Takes published ports back. What is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unpublish(&self, _ports: &[Published]) -> Result<()> {
        Ok(())
    }

    /// Replaces the whole table in one transaction.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn rebuild(&self, _networks: &[Network], _ports: &[Published]) -> Result<()> {
        Ok(())
    }

    /// Tells whether the table is there.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn is_present(&self) -> Result<bool> {
        Ok(!self.table.is_empty())
    }

    /// Removes the table.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<()> {
        Ok(())
    }
}
