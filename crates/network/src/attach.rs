//! Networks and endpoints as interfaces of the kernel.
//!
//! ```text
//!   host                                    namespace
//!   ┌──────────┐   ┌──────────────┐         ┌──────────────┐
//!   │  bridge  ├───┤ vethXXXXXXXX ├─────────┤ eth0 (02:42…)│
//!   │ .0.1/16  │   └──────────────┘         │ .0.2/16      │
//!   └──────────┘                            └──────────────┘
//! ```
//!
//! An attachment is two batches: one message to the host's rtnetlink makes the pair with one end on the bridge and the other
//! inside of the namespace; one batch to the namespace's gives addresses, brings the interfaces up and sets the route. Nothing
//! here waits for anything: IPv6 addresses skip duplicate detection, and the bridge has no spanning tree.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, BorrowedFd};

use crate::error::{Error, Result};
use crate::firewall::Firewall;
use crate::link::{self, Made};
use crate::namespace::within;
use crate::netlink::{Batch, Socket};
use crate::network::{Driver, Endpoint, Mac, Network};
use crate::prefix::Prefix;
use crate::sysctl;

/// The index of the loopback in every namespace.
const LOOPBACK: u32 = 1;

/// Makes the network's bridge (or its macvlan parent) and its part of the firewall, when they are not there.
///
/// Cheap when they are: two questions to the kernel. Several processes may do it at the same time.
///
/// # Errors
/// [`Error::NoTable`] when all is there but the firewall's table: see [`Firewall::ensure`]. Else when the kernel refuses,
/// or the named parent does not exist.
pub fn ensure(network: &Network, firewall: &Firewall) -> Result<()> {
    match network.driver {
        Driver::Bridge => ensure_bridge(network).and_then(|()| firewall.ensure(network)),
        Driver::Macvlan | Driver::Ipvlan => parent(&route_socket()?, network).map(drop),
        Driver::Host | Driver::None => Ok(()),
    }
}

fn ensure_bridge(network: &Network) -> Result<()> {
    let name = checked_name(&network.bridge)?;
    let failed = |source: io::Error| Error::Link { doing: "make", name: name.to_owned(), source };
    let socket = route_socket()?;
    // Written last, so a bridge that has it has all the rest, and one that somebody else made is set up too.
    let alias = format!("hako network {}", network.id.get(..12).unwrap_or(&network.id));
    let mut found = link::find(&socket, name).map_err(failed)?;
    if found.as_ref().is_some_and(|bridge| bridge.is_up && bridge.alias == alias) {
        return Ok(());
    }
    if found.is_none() {
        let mut batch = Batch::default();
        link::make(&mut batch, name, &Made::Bridge, network.mtu, false);
        socket.run(&mut batch).map_err(failed)?;
        found = link::find(&socket, name).map_err(failed)?;
    }
    let bridge = found.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
    if !bridge.is_bridge {
        return Err(Error::NoBridge(name.to_owned()));
    }
    sysctl::for_bridge(network)?;
    let mut batch = Batch::default();
    // Else the bridge would take the lowest hardware address of its ports, and change it with them.
    link::set_mac(&mut batch, bridge.index, bridge_mac(network));
    // Up before the addresses: a route of IPv6 that waits for a bridge without ports appears up to a second after the first.
    link::up(&mut batch, bridge.index);
    for gateway in network
        .subnets
        .iter()
        .filter_map(|subnet| Prefix::new(subnet.gateway?, subnet.prefix.length()))
    {
        link::address(&mut batch, bridge.index, name, gateway);
    }
    link::set_alias(&mut batch, bridge.index, &alias);
    socket.run(&mut batch).map_err(failed)
}

/// A bridge's hardware address follows its gateway's address, so that it is the same when the bridge is made again.
fn bridge_mac(network: &Network) -> Mac {
    let gateway = network.subnets.iter().find_map(|subnet| subnet.gateway);
    gateway.map_or_else(
        || {
            let byte = |n: usize| {
                network
                    .id
                    .get(n * 2..n * 2 + 2)
                    .and_then(|two| u8::from_str_radix(two, 16).ok())
                    .unwrap_or(0)
            };
            Mac([0x02, 0x42, byte(0), byte(1), byte(2), byte(3)])
        },
        Mac::of,
    )
}

/// Wires the namespace to the network: interface, addresses, routes, and the loopback.
///
/// # Errors
/// When the kernel refuses; then no interface of the endpoint is left.
pub fn attach(network: &Network, namespace: BorrowedFd<'_>, endpoint: &Endpoint) -> Result<()> {
    let socket = route_socket()?;
    let inner = checked_name(&endpoint.interface)?;
    let name = match network.driver {
        Driver::Bridge => checked_name(&endpoint.host_interface)?,
        _ => inner,
    };
    let failed = |source: io::Error| Error::Link { doing: "make", name: name.to_owned(), source };
    let mut batch = Batch::default();
    let made = made(&socket, network, namespace, endpoint)?;
    link::make(&mut batch, name, &made, network.mtu, true);
    if network.driver == Driver::Bridge {
        // Where the IP firewall sees bridged packets too, its rules keep endpoints apart, and a port that it redirects must
        // be able to send back to where the packet came from. Elsewhere the bridge itself keeps them apart.
        let filtered = sysctl::is_bridge_filtered();
        if filtered || !network.icc {
            link::port(&mut batch, name, filtered, !filtered);
        }
    }
    socket.run(&mut batch).map_err(failed)?;
    let done = within(namespace, || configure(network, endpoint)).and_then(|outcome| outcome);
    if done.is_err() {
        // The first failure is the one to tell.
        let _also = detach(network, Some(namespace), endpoint);
    }
    done
}

/// Decides what the endpoint's interface is.
fn made<'a>(
    socket: &Socket,
    network: &Network,
    namespace: BorrowedFd<'_>,
    endpoint: &'a Endpoint,
) -> Result<Made<'a>> {
    let namespace = namespace.as_raw_fd();
    let mac = endpoint.mac;
    match network.driver {
        Driver::Bridge => {
            let name = &network.bridge;
            let bridge = index(socket, name).map_err(|source| Error::Link {
                doing: "find",
                name: name.clone(),
                source,
            })?;
            Ok(Made::Pair { bridge, peer: &endpoint.interface, namespace, mac })
        }
        Driver::Macvlan => {
            let mode = match network.mode.as_deref() {
                Some("private") => 1,
                Some("vepa") => 2,
                Some("passthru") => 8,
                _ => 4,
            };
            Ok(Made::Macvlan { parent: parent(socket, network)?, mode, namespace, mac })
        }
        Driver::Ipvlan => Ok(Made::Ipvlan {
            parent: parent(socket, network)?,
            mode: ipvlan_mode(network),
            namespace,
        }),
        Driver::Host | Driver::None => Err(Error::NothingToAttach(network.driver.as_str())),
    }
}

fn ipvlan_mode(network: &Network) -> u16 {
    match network.mode.as_deref() {
        Some("l3") => 1,
        Some("l3s") => 2,
        _ => 0,
    }
}

/// Returns the index of the interface that a macvlan or ipvlan network lies on, making what Docker makes: a VLAN
/// for `eth0.20`, a dummy for a network without parent.
fn parent(socket: &Socket, network: &Network) -> Result<u32> {
    let own = format!("dm-{}", network.id.get(..12).unwrap_or(&network.id));
    let name = checked_name(network.parent.as_deref().unwrap_or(&own))?;
    let failed = |source: io::Error| Error::Link { doing: "make", name: name.to_owned(), source };
    if let Some(found) = link::find(socket, name).map_err(failed)? {
        return Ok(found.index);
    }
    let made = match (&network.parent, name.rsplit_once('.')) {
        (None, _) => Made::Dummy,
        (Some(_), Some((base, tag))) => {
            let gone = || Error::NoParent(name.to_owned());
            let tag = tag.parse().ok().filter(|tag| (1..4095).contains(tag)).ok_or_else(gone)?;
            Made::Vlan { parent: index(socket, base).map_err(|_| gone())?, tag }
        }
        (Some(_), None) => return Err(Error::NoParent(name.to_owned())),
    };
    let mut batch = Batch::default();
    link::make(&mut batch, name, &made, None, false);
    socket.run(&mut batch).map_err(failed)?;
    let index = index(socket, name).map_err(failed)?;
    let mut batch = Batch::default();
    link::up(&mut batch, index);
    socket.run(&mut batch).map_err(failed)?;
    Ok(index)
}

/// Gives the interface inside its addresses and routes. The calling thread is in the namespace.
fn configure(network: &Network, endpoint: &Endpoint) -> Result<()> {
    let name = &endpoint.interface;
    let failed = |source: io::Error| Error::Address { name: name.clone(), source };
    sysctl::for_endpoint(endpoint)?;
    let socket = route_socket()?;
    let index = index(&socket, name).map_err(failed)?;
    let mut batch = Batch::default();
    link::up(&mut batch, LOOPBACK);
    for prefix in &endpoint.addresses {
        link::address(&mut batch, index, name, *prefix);
    }
    link::up(&mut batch, index);
    let is_layer_3 = network.driver == Driver::Ipvlan && ipvlan_mode(network) != 0;
    for gateway in &endpoint.gateways {
        let by = (!is_layer_3).then_some(*gateway);
        link::default_route(&mut batch, index, by, if gateway.is_ipv4() { 2 } else { 10 });
    }
    socket.run(&mut batch).map_err(failed)
}

/// Takes the endpoint away. The kernel does so on its own when the namespace ends.
///
/// # Errors
/// When the kernel refuses; an endpoint that is gone is no error.
pub fn detach(
    network: &Network,
    namespace: Option<BorrowedFd<'_>>,
    endpoint: &Endpoint,
) -> Result<()> {
    let gone_with = |name: &str| -> Result<()> { unmake(&route_socket()?, name) };
    match (network.driver, namespace) {
        (Driver::Bridge, _) => gone_with(&endpoint.host_interface),
        (Driver::Macvlan | Driver::Ipvlan, Some(namespace)) => {
            within(namespace, || gone_with(&endpoint.interface)).and_then(|outcome| outcome)
        }
        _ => Ok(()),
    }
}

/// Moves the default route of a namespace to another endpoint, as after a disconnection.
///
/// # Errors
/// When the kernel refuses.
pub fn set_default_route(
    namespace: BorrowedFd<'_>,
    interface: &str,
    gateways: &[IpAddr],
) -> Result<()> {
    let set = || {
        let failed = |source: io::Error| Error::Address { name: interface.to_owned(), source };
        let socket = route_socket()?;
        let index = index(&socket, interface).map_err(failed)?;
        let mut batch = Batch::default();
        for gateway in gateways {
            link::default_route(
                &mut batch,
                index,
                Some(*gateway),
                if gateway.is_ipv4() { 2 } else { 10 },
            );
        }
        socket.run(&mut batch).map_err(failed)
    };
    within(namespace, set).and_then(|outcome| outcome)
}

/// Removes the network's bridge and its part of the firewall.
///
/// # Errors
/// When the kernel refuses; what is gone is no error.
pub fn remove(network: &Network, firewall: &Firewall) -> Result<()> {
    match (network.driver, &network.parent) {
        (Driver::Bridge, _) => {
            unmake(&route_socket()?, &network.bridge)?;
            firewall.forget(network)
        }
        (Driver::Macvlan | Driver::Ipvlan, None) => {
            unmake(&route_socket()?, &format!("dm-{}", network.id.get(..12).unwrap_or(&network.id)))
        }
        _ => Ok(()),
    }
}

/// Brings the loopback interface of a namespace up.
///
/// # Errors
/// When the kernel refuses.
pub fn loopback_up(namespace: BorrowedFd<'_>) -> Result<()> {
    within(namespace, bring_up_loopback).and_then(|outcome| outcome)
}

/// Brings the loopback of the thread's namespace up.
pub(crate) fn bring_up_loopback() -> Result<()> {
    let mut batch = Batch::default();
    link::up(&mut batch, LOOPBACK);
    let failed =
        |source: io::Error| Error::Link { doing: "bring up", name: "lo".to_owned(), source };
    route_socket()?.run(&mut batch).map_err(failed)
}

/// Returns the destinations of the host's routes, which a new network must keep off.
///
/// # Errors
/// When the kernel does not answer.
pub fn host_prefixes() -> Result<Vec<Prefix>> {
    link::routes(&route_socket()?).map_err(|e| Error::Socket("routing", e))
}

fn route_socket() -> Result<Socket> {
    Socket::route().map_err(|e| Error::Socket("routing", e))
}

fn index(socket: &Socket, name: &str) -> io::Result<u32> {
    let found = link::find(socket, name)?;
    found.map(|found| found.index).ok_or_else(|| rustix::io::Errno::NODEV.into())
}

fn unmake(socket: &Socket, name: &str) -> Result<()> {
    let mut batch = Batch::default();
    link::unmake(&mut batch, name);
    match socket.run(&mut batch) {
        Err(error) if !link::is_gone(&error) => {
            Err(Error::Link { doing: "remove", name: name.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

/// Checks a name before the kernel cuts or refuses it.
fn checked_name(name: &str) -> Result<&str> {
    let good = |b: u8| !b.is_ascii_whitespace() && b != b'/' && b != 0 && b != b':';
    let fits =
        (1..=15).contains(&name.len()) && name != "." && name != ".." && name.bytes().all(good);
    if fits { Ok(name) } else { Err(Error::Name(name.to_owned())) }
}
