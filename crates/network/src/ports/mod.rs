//! Ports of the host: taken by listening sockets, so that nobody else has them.
//!
//! The firewall's map leads packets away before they reach a socket, so a reserved socket mostly just sits there: it makes
//! a port in use an error at the start, for us and for everybody else. What does arrive at it is what the map cannot serve (`::1`,
//! an IPv6 client of an IPv4 endpoint, a flushed firewall), and the [`Forwarder`] carries that.

mod forwarder;
mod stream;

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use hako_types::{Fault, Kind, PortMapping, Protocol};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, sockopt};
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
    #[error("failed to bind host port {address}/{protocol}")]
    Bind {
        /// Where.
        address: SocketAddr,
        /// Which protocol.
        protocol: Protocol,
        /// What the kernel said.
        source: io::Error,
    },

    /// None of a range's ports is free.
    #[error("all ports are allocated: none of {0}-{1}/{2} is free")]
    Exhausted(u16, u16, Protocol),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Kind::Denied
            }
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                Kind::Invalid
            }
            Self::Allocated(_) | Self::Bind { .. } | Self::Exhausted(..) => Kind::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Allocated(address) => {
                format!(
                    "`hako ps --filter publish={}` shows who has it; publish another port",
                    address.port()
                )
            }
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrNotAvailable => {
                "name an address of this host; `ip addr` lists them".to_owned()
            }
            Self::Bind { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "see what listens there with `ss -lntup`, or publish another port".to_owned()
            }
            Self::Bind { .. } | Self::Exhausted(..) => return None,
        })
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

impl Binding {
    /// Tells whether the two cannot exist at once: the same protocol, port and family, and the same address or all.
    #[must_use]
    pub fn collides(&self, other: &Self) -> bool {
        let all = self.ip.is_unspecified() || other.ip.is_unspecified();
        self.protocol == other.protocol
            && self.port == other.port
            && self.ip.is_ipv4() == other.ip.is_ipv4()
            && (all || self.ip == other.ip)
    }
}

/// A port of the host that is ours while the socket lives.
#[derive(Debug)]
pub struct Reserved {
    /// Where it is.
    pub binding: Binding,
    /// The port of the endpoint that it leads to.
    pub container: u16,
    /// The socket that keeps it. None for a protocol that the kernel lacks, and where the socket of the entry before it keeps the
    /// port for both families.
    pub socket: Option<OwnedFd>,
}

impl Reserved {
    /// Returns the firewall's entry for the port, when one of the endpoint's addresses is of its family.
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

/// How often the kernel is asked for a free port that is free for both families.
const TRIES: usize = 64;

/// Takes the host's ports that the mappings ask for.
///
/// A mapping without an address takes the port for IPv4 and, where the host has it, for IPv6: the same number for both. One
/// without a host port gets one that the kernel chooses, one with a range the first of it that is free. `allocated` are
/// the bindings of other containers: asking for one of them is told apart from a port that a process of the host has.
///
/// # Errors
/// When one cannot be had; then none is kept.
pub fn reserve(
    wanted: &[PortMapping],
    allocated: &BTreeSet<Binding>,
) -> Result<Vec<Reserved>, Error> {
    let mut all = Vec::with_capacity(wanted.len() * 2);
    for mapping in wanted {
        all.extend(reserve_one(mapping, allocated)?);
    }
    Ok(all)
}

fn reserve_one(
    mapping: &PortMapping,
    allocated: &BTreeSet<Binding>,
) -> Result<Vec<Reserved>, Error> {
    match mapping.host {
        None => {
            let mut outcome = bind_all(mapping, 0, allocated);
            for _ in 1..TRIES {
                if outcome.is_ok() {
                    break;
                }
                outcome = bind_all(mapping, 0, allocated);
            }
            outcome
        }
        Some((first, last)) if first == last => bind_all(mapping, first, allocated),
        Some((first, last)) => {
            for port in first..=last {
                match bind_all(mapping, port, allocated) {
                    Err(Error::Allocated(_)) => {}
                    Err(Error::Bind { source, .. })
                        if source.kind() == io::ErrorKind::AddrInUse => {}
                    other => return other,
                }
            }
            Err(Error::Exhausted(first, last, mapping.protocol))
        }
    }
}

/// Takes one port at all the addresses of the mapping; 0 lets the kernel choose.
fn bind_all(
    mapping: &PortMapping,
    port: u16,
    allocated: &BTreeSet<Binding>,
) -> Result<Vec<Reserved>, Error> {
    let protocol = mapping.protocol;
    let v4 = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let v6 = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let check = |ips: &[IpAddr], port: u16| {
        let taken = |ip: &&IpAddr| is_allocated(&Binding { ip: **ip, port, protocol }, allocated);
        ips.iter()
            .find(taken)
            .map_or(Ok(()), |ip| Err(Error::Allocated(SocketAddr::new(*ip, port))))
    };
    let take = |at: IpAddr, both: bool, ips: &[IpAddr]| {
        check(ips, port)?;
        let bound = bind(&Binding { ip: at, port, protocol }, both);
        let socket = bound.map_err(|source| {
            let address = SocketAddr::new(ips[0], port);
            Error::Bind { address, protocol, source: source.into() }
        })?;
        let chosen = if port == 0 { socket.as_ref().map_or(0, port_of) } else { port };
        check(ips, chosen)?;
        let reserved = |ip: IpAddr, socket| Reserved {
            binding: Binding { ip, port: chosen, protocol },
            container: mapping.container,
            socket,
        };
        let mut all = vec![reserved(ips[0], socket)];
        all.extend(ips.iter().skip(1).map(|ip| reserved(*ip, None)));
        Ok(all)
    };
    match mapping.host_ip {
        Some(ip) => take(ip, false, &[ip]),
        // One socket that serves both families is half the work of two.
        None => match take(v6, true, &[v4, v6]) {
            Err(Error::Bind { source, .. }) if is_lacking(&source) => take(v4, false, &[v4]),
            other => other,
        },
    }
}

/// Tells whether the host has no IPv6 (`EAFNOSUPPORT`, `EADDRNOTAVAIL`).
fn is_lacking(source: &io::Error) -> bool {
    let errno = source.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
}

/// Returns the port that the kernel has chosen for a socket.
fn port_of(socket: &OwnedFd) -> u16 {
    let bound = rustix::net::getsockname(socket).and_then(SocketAddr::try_from);
    bound.map_or(0, |address| address.port())
}

/// Looks for a binding that is in the way. Those of one port are not neighbours in the set, but the set is small.
fn is_allocated(binding: &Binding, allocated: &BTreeSet<Binding>) -> bool {
    allocated.iter().any(|other| other.collides(binding))
}

/// Binds, at both families' addresses where that is asked for, and for connections listens: until then two sockets may share a
/// port. None when the kernel has no such protocol.
fn bind(binding: &Binding, both: bool) -> Result<Option<OwnedFd>, Errno> {
    let family = if binding.ip.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (kind, protocol) = match binding.protocol {
        Protocol::Tcp => (SocketType::STREAM, ipproto::TCP),
        Protocol::Udp => (SocketType::DGRAM, ipproto::UDP),
        Protocol::Sctp => (SocketType::STREAM, ipproto::SCTP),
    };
    let socket = match rustix::net::socket_with(family, kind, flags, Some(protocol)) {
        Err(Errno::PROTONOSUPPORT) if binding.protocol == Protocol::Sctp => return Ok(None),
        other => other?,
    };
    if binding.ip.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, !both)?;
    }
    if kind == SocketType::STREAM {
        // Connections of a former owner that are still closing are not in the way.
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    rustix::net::bind(&socket, &SocketAddr::new(binding.ip, binding.port))?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&socket, 128)?;
    }
    Ok(Some(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(host_ip: Option<&str>, host: Option<(u16, u16)>, protocol: Protocol) -> PortMapping {
        PortMapping {
            container: 80,
            protocol,
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            host,
        }
    }

    fn reserve_any(wanted: &[PortMapping]) -> Result<Vec<Reserved>, Error> {
        reserve(wanted, &BTreeSet::new())
    }

    #[test]
    fn a_chosen_port_is_the_same_for_both_families_and_taken() {
        let got = reserve_any(&[mapping(None, None, Protocol::Tcp)]).unwrap();
        let port = got[0].binding.port;
        assert!(port > 0 && got.iter().all(|one| one.binding.port == port));
        let error = reserve_any(&[mapping(Some("127.0.0.1"), Some((port, port)), Protocol::Tcp)])
            .unwrap_err();
        assert_eq!(error.to_string(), format!("failed to bind host port 127.0.0.1:{port}/tcp"));
        assert!(reserve_any(&[mapping(None, Some((port, port)), Protocol::Udp)]).is_ok());
        drop(got);
        assert!(reserve_any(&[mapping(None, Some((port, port)), Protocol::Tcp)]).is_ok());
    }

    #[test]
    fn a_range_gives_the_first_free_port() {
        let local = |host| mapping(Some("127.0.0.1"), host, Protocol::Tcp);
        let first = reserve_any(&[local(None)]).unwrap();
        let port = first[0].binding.port;
        if let Ok(second) = reserve_any(&[local(Some((port, port.saturating_add(20))))]) {
            assert!(second[0].binding.port > port);
        }
    }

    #[test]
    fn a_port_of_ours_is_told_apart() {
        let ip = "0.0.0.0".parse().unwrap();
        let allocated = BTreeSet::from([Binding { ip, port: 8080, protocol: Protocol::Tcp }]);
        let ask = |protocol| {
            reserve(&[mapping(Some("127.0.0.1"), Some((8080, 8080)), protocol)], &allocated)
        };
        assert_eq!(
            ask(Protocol::Tcp).unwrap_err().to_string(),
            "Bind for 127.0.0.1:8080 failed: port is already allocated"
        );
        assert!(!matches!(ask(Protocol::Udp), Err(Error::Allocated(_))));
    }

    #[test]
    fn an_address_that_is_not_the_hosts_is_refused() {
        let error = reserve_any(&[mapping(Some("192.0.2.77"), None, Protocol::Tcp)]).unwrap_err();
        assert_eq!(error.kind(), Kind::Invalid);
    }

    #[test]
    fn an_entry_needs_an_address_of_its_family() {
        let got = reserve_any(&[mapping(None, None, Protocol::Udp)]).unwrap();
        let addresses = ["10.0.0.2".parse().unwrap()];
        assert_eq!(got[0].publish(&addresses).unwrap().target, "10.0.0.2:80".parse().unwrap());
        assert!(got.iter().skip(1).all(|one| one.publish(&addresses).is_none()));
    }
}
