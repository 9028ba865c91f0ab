//! Which packets pass, and where a published port leads: one nftables table of the family `inet`.
//!
//! ```text
//!   client ──▶ prerouting: is it for this host? map (address, protocol, port) ▶ endpoint ──▶ forward: translated, so accept
//!   host   ──▶ output:     the same map, and a loopback source becomes the bridge's    ──▶ bridge
//!   endpoint ─▶ forward:   not to another bridge ──▶ postrouting: its subnet's source becomes the host's ──▶ world
//! ```
//!
//! The ruleset is a value ([`plan`]), the same for one port and for ten thousand; networks and ports are elements of its sets and
//! maps. A change is one nfnetlink transaction, so that packets see all of it or nothing.
//!
//! The table's chains accept what they do not drop, and accepting means passing *this* table: another table's chain that
//! drops (a host's policy `drop` in its own `forward` chain, as ufw or firewalld set it) still drops. hako does not open such a
//! firewall; whoever runs one allows forwarding to the bridges in it.
//!
//! Answers of a published UDP service follow the connection that the kernel remembers. Where an endpoint comes back with another
//! address, [`Firewall::publish`] and [`Firewall::unpublish`] make the kernel forget those connections.

mod conntrack;
mod encode;
mod expression;
mod plan;
mod ruleset;
mod table;
mod text;

use std::net::{IpAddr, SocketAddr};

use hako_types::Protocol;
use serde::{Deserialize, Serialize};

#[cfg(doc)]
use crate::error::Error;
use crate::error::Result;
use crate::network::{Driver, Network};

use table::Table;

pub use plan::plan;
pub use ruleset::{
    Chain, Element, End, Family, Field, Hook, Part, Point, Ruleset, Set, Value, Way,
};

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
///
/// Engines with different states have tables of different names, and do not get into each other's way.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Firewall {
    table: String,
}

impl Default for Firewall {
    fn default() -> Self {
        Self::new("hako")
    }
}

impl Firewall {
    /// Names the table `inet NAME`.
    #[must_use]
    pub fn new(table: &str) -> Self {
        Self { table: table.to_owned() }
    }

    /// Puts the network's elements into the table, when they are not there. Quick when they are.
    ///
    /// # Errors
    /// [`Error::NoTable`] when there is no table, because this is the first network or somebody flushed it: then
    /// [`Firewall::rebuild`] makes it, with everything that belongs in it.
    pub fn ensure(&self, network: &Network) -> Result<()> {
        let placed = plan::network_elements(network);
        let Some(first) = placed.first() else { return Ok(()) };
        Table::with(&self.table, |table| {
            if table.has(first) { Ok(()) } else { table.put_in(&placed, "extend") }
        })
    }

    /// Takes the network's elements out of the table. What is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn forget(&self, network: &Network) -> Result<()> {
        if network.driver != Driver::Bridge {
            return Ok(());
        }
        Table::with(&self.table, |table| table.take_out(&plan::network_elements(network)))
    }

    /// Publishes ports, all of them at once. An entry of the same address and port is replaced.
    ///
    /// # Errors
    /// [`Error::NoTable`] when somebody flushed it: call [`Firewall::rebuild`].
    pub fn publish(&self, ports: &[Published]) -> Result<()> {
        let placed: Vec<_> = ports.iter().filter_map(plan::port_element).collect();
        if placed.is_empty() {
            return Ok(());
        }
        Table::with(&self.table, |table| {
            table.put_in(&placed, "publish a port in")?;
            conntrack::forget_published(table.socket(), ports);
            Ok(())
        })
    }

    /// Takes published ports back. What is not there is no error.
    ///
    /// Must be called before the reserved sockets are closed: after that the port may be another's already.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn unpublish(&self, ports: &[Published]) -> Result<()> {
        let placed: Vec<_> = ports.iter().filter_map(plan::port_element).collect();
        if placed.is_empty() {
            return Ok(());
        }
        Table::with(&self.table, |table| {
            table.take_out(&placed)?;
            conntrack::forget_published(table.socket(), ports);
            Ok(())
        })
    }

    /// Puts the whole table in place in one transaction, whether it is there or not.
    ///
    /// The caller keeps others from changing what it read `networks` and `ports` from until this returns, or a port that is
    /// published in between is lost.
    ///
    /// # Errors
    /// When the kernel has no nftables or refuses; then the old table stays.
    pub fn rebuild(&self, networks: &[Network], ports: &[Published]) -> Result<()> {
        Table::with(&self.table, |table| table.install(&plan(&self.table, networks, ports)))
    }

    /// Tells whether the table is there.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn is_present(&self) -> Result<bool> {
        Table::with(&self.table, |table| table.is_present())
    }

    /// Returns the chains of other tables that drop what they do not know of what is on its way through, as `table chain`.
    ///
    /// Where there is one, the host's own firewall must allow forwarding to and from the bridges: hako does not open it.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn closed_elsewhere(&self) -> Result<Vec<String>> {
        Table::with(&self.table, |table| table.closed_elsewhere())
    }

    /// Removes the table. One that is gone is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<()> {
        Table::with(&self.table, |table| table.remove())
    }
}

/// Puts a ruleset in place of the table of its name, in a namespace that nobody has changed tables of yet.
pub(crate) fn install(ruleset: &Ruleset) -> Result<()> {
    Table::with_fresh(&ruleset.table, |table| table.install(ruleset))
}
