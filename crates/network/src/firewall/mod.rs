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
mod plan;
mod ruleset;
mod text;

use std::io;
use std::net::{IpAddr, SocketAddr};

use hako_types::Protocol;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::netlink::{Batch, Socket};
use crate::network::{Driver, Network};

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
        let Some((set, first)) = placed.first() else { return Ok(()) };
        let socket = self.socket()?;
        let mut question = Batch::default();
        encode::get_element(&mut question, &self.table, set, first);
        if socket.get(&question, |_| ()).is_ok() {
            return Ok(());
        }
        self.transact(&socket, |batch| self.place(batch, &placed, true))
            .map_err(|failure| self.failed("extend", failure))
    }

    /// Takes the network's elements out of the table. What is not there is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn forget(&self, network: &Network) -> Result<()> {
        if network.driver != Driver::Bridge {
            return Ok(());
        }
        self.take_out(&self.socket()?, &plan::network_elements(network))
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
        let socket = self.socket()?;
        match self.transact(&socket, |batch| self.place(batch, &placed, true)) {
            Err(failure) if is(&failure, Errno::EXIST) || is(&failure, Errno::BUSY) => {
                // An entry that a killed process left behind.
                self.take_out(&socket, &placed)?;
                self.transact(&socket, |batch| self.place(batch, &placed, true))
            }
            other => other,
        }
        .map_err(|failure| self.failed("publish a port in", failure))?;
        conntrack::forget_published(&socket, ports);
        Ok(())
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
        let socket = self.socket()?;
        self.take_out(&socket, &placed)?;
        conntrack::forget_published(&socket, ports);
        Ok(())
    }

    /// Replaces the whole table in one transaction, whether it is there or not.
    ///
    /// # Errors
    /// When the kernel has no nftables or refuses; then the old table stays.
    pub fn rebuild(&self, networks: &[Network], ports: &[Published]) -> Result<()> {
        self.install(&plan(&self.table, networks, ports))
    }

    /// Puts a ruleset in the table's place.
    pub(crate) fn install(&self, ruleset: &Ruleset) -> Result<()> {
        self.transact(&self.socket()?, |batch| {
            // Deleting needs it to be there.
            encode::new_table(batch, &self.table);
            encode::delete_table(batch, &self.table);
            self.write(batch, ruleset);
        })
        .map_err(|failure| self.failed("replace", failure))
    }

    /// Tells whether the table is there.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub fn is_present(&self) -> Result<bool> {
        let mut question = Batch::default();
        encode::get_table(&mut question, &self.table);
        match self.socket()?.get(&question, |_| ()) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(Errno::NOENT.raw_os_error()) => Ok(false),
            Err(source) => Err(self.failed("ask for", source)),
        }
    }

    /// Removes the table. One that is gone is no error.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn remove(&self) -> Result<()> {
        match self.transact(&self.socket()?, |batch| encode::delete_table(batch, &self.table)) {
            Err(failure) if !is(&failure, Errno::NOENT) => Err(self.failed("remove", failure)),
            _ => Ok(()),
        }
    }

    /// Writes a whole ruleset.
    fn write(&self, batch: &mut Batch, ruleset: &Ruleset) {
        encode::new_table(batch, &self.table);
        for (set, id) in ruleset.sets.iter().zip(1..) {
            encode::new_set(batch, &self.table, set, id);
        }
        for chain in &ruleset.chains {
            encode::new_chain(batch, &self.table, chain);
        }
        for chain in &ruleset.chains {
            encode::new_rules(batch, &self.table, chain);
        }
        for set in &ruleset.sets {
            encode::elements(batch, &self.table, set.name, &set.elements, true);
        }
    }

    /// Adds or deletes elements, those of one set together.
    fn place(&self, batch: &mut Batch, placed: &[(&'static str, Element)], add: bool) {
        let mut rest = placed;
        while let Some((set, _)) = rest.first() {
            let run = rest.iter().take_while(|(other, _)| other == set).count();
            let elements: Vec<_> = rest[..run].iter().map(|(_, element)| element.clone()).collect();
            encode::elements(batch, &self.table, set, &elements, add);
            rest = &rest[run..];
        }
    }

    /// Deletes elements: together, or, when one is not there, each for itself.
    fn take_out(&self, socket: &Socket, placed: &[(&'static str, Element)]) -> Result<()> {
        match self.transact(socket, |batch| self.place(batch, placed, false)) {
            Err(failure) if is(&failure, Errno::NOENT) => {}
            other => return other.map_err(|failure| self.failed("take elements out of", failure)),
        }
        for one in placed {
            match self.transact(socket, |batch| self.place(batch, std::slice::from_ref(one), false))
            {
                Err(failure) if !is(&failure, Errno::NOENT) => {
                    return Err(self.failed("take elements out of", failure));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Sends what `write` writes as one transaction: all of it happens, or nothing.
    fn transact(&self, socket: &Socket, write: impl FnOnce(&mut Batch)) -> io::Result<()> {
        let mut batch = Batch::default();
        encode::begin(&mut batch);
        write(&mut batch);
        batch.acknowledge();
        let last = batch.last();
        encode::end(&mut batch);
        socket.send(&batch)?;
        socket.answers(last)
    }

    fn socket(&self) -> Result<Socket> {
        Socket::netfilter().map_err(Error::NoNftables)
    }

    /// Names what went wrong.
    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        match source.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::OPNOTSUPP | Errno::INVAL) if doing == "replace" => {
                Error::NoNftables(source)
            }
            Some(Errno::NOENT) => Error::NoTable(self.table.clone()),
            _ => Error::Firewall { doing, table: self.table.clone(), source },
        }
    }
}

fn is(failure: &io::Error, errno: Errno) -> bool {
    failure.raw_os_error() == Some(errno.raw_os_error())
}
