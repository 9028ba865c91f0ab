//! What went through the interfaces of a namespace.

use std::os::fd::BorrowedFd;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::link;
use crate::namespace::within;
use crate::netlink::Socket;

/// The counters of one interface, since it was made.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counters {
    /// The interface's name.
    pub interface: String,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Packets received.
    pub rx_packets: u64,
    /// Packets that arrived damaged.
    pub rx_errors: u64,
    /// Packets received and thrown away.
    pub rx_dropped: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Packets that could not be sent.
    pub tx_errors: u64,
    /// Packets thrown away instead of sent.
    pub tx_dropped: u64,
}

/// Returns the counters of all interfaces of the namespace but its loopback, in the order of their indices.
///
/// # Errors
/// When the namespace cannot be entered or the kernel does not answer.
pub fn counters(namespace: BorrowedFd<'_>) -> Result<Vec<Counters>> {
    let socket = within(namespace, Socket::route)?.map_err(|e| Error::Socket("routing", e))?;
    link::counters(&socket).map_err(|e| Error::Socket("routing", e))
}
