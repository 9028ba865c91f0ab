//! stub
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, OwnedFd};

use crate::error::Result;

/// What the name server asks its owner.
pub trait Names {
    /// Returns the addresses of a name (lower case, without a trailing dot) on the endpoint's networks: both families. None
    /// means that the name is nobody's here, and is forwarded.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;

    /// Returns the name that an address has, `name.network`.
    fn name_of(&self, address: IpAddr) -> Option<String>;
}

/// Where a forwarded question is sent from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// The namespace of this process: the host's, whose loopback may have a resolver.
    Host,
    /// The namespace that the server was bound in.
    Namespace,
}

/// A name server that knows the rest of the world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Its address, usually port 53.
    pub address: SocketAddr,
    /// Which namespace it is asked from.
    pub from: From,
}

/// The embedded name server of one namespace, at 127.0.0.11.
#[derive(Debug)]
pub struct Server {
    _namespace: Option<OwnedFd>,
}

impl Server {
    /// Opens the server's sockets inside of the namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the sockets cannot be had.
    pub fn bind(_namespace: BorrowedFd<'_>) -> Result<Self> {
        Ok(Self { _namespace: None })
    }

    /// Answers until `stop` becomes readable (or is hung up). Blocks; meant for a thread of its own.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn serve(
        &self,
        _names: &(dyn Names + Sync),
        _upstreams: &[Upstream],
        _stop: BorrowedFd<'_>,
    ) -> std::io::Result<()> {
        Ok(())
    }
}
