//! stub
use std::net::IpAddr;
use std::os::fd::BorrowedFd;

use super::Reserved;

/// Carries what arrives at the reserved sockets themselves, because the firewall's map cannot serve it.
#[derive(Debug)]
pub struct Forwarder {
    ports: Vec<Reserved>,
    targets: Vec<IpAddr>,
}

impl Forwarder {
    /// Takes the sockets; what arrives goes to the first of the addresses of the same family, or else to the first.
    #[must_use]
    pub fn new(ports: Vec<Reserved>, addresses: Vec<IpAddr>) -> Self {
        Self { ports, targets: addresses }
    }

    /// Serves until `stop` becomes readable (or is hung up). Blocks; meant for a thread of its own.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn run(&self, _stop: BorrowedFd<'_>) -> std::io::Result<()> {
        let _ = (&self.ports, &self.targets);
        Ok(())
    }
}
