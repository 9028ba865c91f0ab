//! stub
use std::os::fd::BorrowedFd;

use crate::error::Result;
use crate::firewall::Firewall;
use crate::network::{Endpoint, Network};

/// Makes the network's bridge and its part of the firewall, when they are not there.
///
/// # Errors
/// When the kernel refuses.
pub fn ensure(_network: &Network, _firewall: &Firewall) -> Result<()> {
    Ok(())
}

/// Wires the namespace to the network.
///
/// # Errors
/// When the kernel refuses.
pub fn attach(_network: &Network, _namespace: BorrowedFd<'_>, _endpoint: &Endpoint) -> Result<()> {
    Ok(())
}

/// Takes the endpoint away. The kernel does so on its own when the namespace ends.
///
/// # Errors
/// When the kernel refuses; an endpoint that is gone is no error.
pub fn detach(
    _network: &Network,
    _namespace: Option<BorrowedFd<'_>>,
    _endpoint: &Endpoint,
) -> Result<()> {
    Ok(())
}

/// Removes the network's bridge and its part of the firewall.
///
/// # Errors
/// When the kernel refuses; what is gone is no error.
pub fn remove(_network: &Network, _firewall: &Firewall) -> Result<()> {
    Ok(())
}

/// Brings the loopback interface of a namespace up.
///
/// # Errors
/// When the kernel refuses.
pub fn loopback_up(_namespace: BorrowedFd<'_>) -> Result<()> {
    Ok(())
}
