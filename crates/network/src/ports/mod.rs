//! stub
mod forwarder;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use hako_types::{Fault, Kind, PortMapping, Protocol};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::firewall::Published;

pub use forwarder::Forwarder;

/// Why a port could not be had.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// Another container publishes it.
    #[error("Bind for {0} failed: port is already allocated")]
    Allocated(SocketAddr),

    /// A process of the host has it, or the address is not the host's.
    #[error("cannot listen on host port `{address}/{protocol}`")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Which protocol.
        protocol: Protocol,
        /// What the kernel said.
        source: std::io::Error,
    },

    /// None of a range's ports is free.
    #[error("no free host port between {0} and {1}")]
    Exhausted(u16, u16),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        Kind::Conflict
    }
}

/// An address and port of the host.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct Binding {
    /// The address; unspecified means all of its family.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// The transport protocol.
    pub protocol: Protocol,
}

/// A port of the host that is ours while the socket lives.
#[derive(Debug)]
pub struct Reserved {
    /// Where it is.
    pub binding: Binding,
    /// The port of the endpoint that it leads to.
    pub container: u16,
    /// The socket that keeps it; none for a protocol that the kernel lacks.
    pub socket: Option<OwnedFd>,
}

impl Reserved {
    /// Returns the firewall's entry for the port, when one of the addresses is of its family.
    #[must_use]
    pub fn publish(&self, addresses: &[IpAddr]) -> Option<Published> {
        let target =
            addresses.iter().find(|address| address.is_ipv4() == self.binding.ip.is_ipv4())?;
        Some(Published {
            host: self.binding.ip,
            port: self.binding.port,
            protocol: self.binding.protocol,
            target: SocketAddr::new(*target, self.container),
        })
    }
}

/// Takes the host's ports that the mappings ask for; `allocated` are those of other containers, told apart in the error.
///
/// # Errors
/// When one cannot be had; then none is kept.
pub fn reserve(
    _wanted: &[PortMapping],
    _allocated: &BTreeSet<Binding>,
) -> Result<Vec<Reserved>, Error> {
    Ok(Vec::new())
}
