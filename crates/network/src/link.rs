//! The rtnetlink messages that we send: links, addresses, routes (rtnetlink(7), `linux/if_link.h`).
//!
//! Each function writes one message into a batch. Numbers are the kernel's, named here because no file of ours needs
//! them elsewhere.

use std::io;
use std::net::IpAddr;
use std::os::fd::RawFd;

use crate::counters::Counters;
use crate::netlink::{
    Attributes, Batch, CREATE, DUMP, EXCLUSIVE, REPLACE, Received, Socket, text_of, u16_at, u32_at,
    u64_at,
};
use crate::network::Mac;
use crate::prefix::Prefix;

const NEWLINK: u16 = 16;
const DELLINK: u16 = 17;
const GETLINK: u16 = 18;
const NEWADDR: u16 = 20;
const NEWROUTE: u16 = 24;
const GETROUTE: u16 = 26;

const UP: u32 = 1;

// `enum` of `IFLA_…`.
const ADDRESS: u16 = 1;
const NAME: u16 = 3;
const MTU: u16 = 4;
const LINK: u16 = 5;
const MASTER: u16 = 10;
const LINKINFO: u16 = 18;
const ALIAS: u16 = 20;
const STATS64: u16 = 23;
const NET_NS_FD: u16 = 28;
const TX_QUEUES: u16 = 31;
const RX_QUEUES: u16 = 32;

// Inside of `IFLA_LINKINFO`.
const KIND: u16 = 1;
const DATA: u16 = 2;
const SLAVE_KIND: u16 = 4;
const SLAVE_DATA: u16 = 5;

const VETH_PEER: u16 = 1;
const BRIDGE_PORT_HAIRPIN: u16 = 4;
const BRIDGE_PORT_ISOLATED: u16 = 33;

/// The family numbers of the kernel: `AF_INET`, `AF_INET6`.
fn family(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `struct ifinfomsg`.
fn link(index: u32, flags: u32, change: u32) -> [u8; 16] {
    let mut fixed = [0; 16];
    fixed[4..8].copy_from_slice(&index.to_ne_bytes());
    fixed[8..12].copy_from_slice(&flags.to_ne_bytes());
    fixed[12..].copy_from_slice(&change.to_ne_bytes());
    fixed
}

/// What a new interface is.
#[derive(Clone, Debug)]
pub(crate) enum Made<'a> {
    Bridge,
    Dummy,
    /// A VLAN of the parent with this index.
    Vlan {
        parent: u32,
        tag: u16,
    },
    Macvlan {
        parent: u32,
        mode: u32,
        namespace: RawFd,
        mac: Mac,
    },
    Ipvlan {
        parent: u32,
        mode: u16,
        namespace: RawFd,
    },
    /// A pair: this end is a port of the bridge and up, the other is in the namespace.
    Pair {
        bridge: u32,
        peer: &'a str,
        namespace: RawFd,
        mac: Mac,
    },
}

/// Makes an interface; one that is there already is an error only with `exclusive`.
pub(crate) fn make(
    batch: &mut Batch,
    name: &str,
    made: &Made<'_>,
    mtu: Option<u32>,
    exclusive: bool,
) {
    let flags = CREATE | if exclusive { EXCLUSIVE } else { 0 };
    let state = if matches!(made, Made::Pair { .. }) { UP } else { 0 };
    batch.message(NEWLINK, flags, &link(0, state, state)).text(NAME, name);
    if let Some(mtu) = mtu {
        batch.native(MTU, mtu);
    }
    match made {
        Made::Pair { bridge, .. } => {
            one_queue(batch.native(MASTER, *bridge));
        }
        Made::Vlan { parent, .. } => {
            batch.native(LINK, *parent);
        }
        Made::Macvlan { parent, namespace, mac, .. } => {
            batch
                .native(LINK, *parent)
                .native(NET_NS_FD, namespace.cast_unsigned())
                .bytes(ADDRESS, &mac.0);
        }
        Made::Ipvlan { parent, namespace, .. } => {
            batch.native(LINK, *parent).native(NET_NS_FD, namespace.cast_unsigned());
        }
        Made::Bridge | Made::Dummy => {}
    }
    batch.nest(LINKINFO, |info| kind_of(info, made, mtu));
}

/// Else there is a queue for each processor, each with objects of its own in sysfs, and a pair without XDP uses only one.
fn one_queue(batch: &mut Batch) {
    batch.native(TX_QUEUES, 1).native(RX_QUEUES, 1);
}

fn kind_of(info: &mut Batch, made: &Made<'_>, mtu: Option<u32>) {
    match made {
        Made::Bridge => info.text(KIND, "bridge"),
        Made::Dummy => info.text(KIND, "dummy"),
        Made::Vlan { tag, .. } => info.text(KIND, "vlan").nest(DATA, |data| {
            data.bytes(1, &tag.to_ne_bytes());
        }),
        Made::Macvlan { mode, .. } => info.text(KIND, "macvlan").nest(DATA, |data| {
            data.native(1, *mode);
        }),
        Made::Ipvlan { mode, .. } => info.text(KIND, "ipvlan").nest(DATA, |data| {
            data.bytes(1, &mode.to_ne_bytes());
        }),
        Made::Pair { peer, namespace, mac, .. } => info.text(KIND, "veth").nest(DATA, |data| {
            data.nest(VETH_PEER, |inner| {
                inner.raw(&link(0, 0, 0)).text(NAME, peer).bytes(ADDRESS, &mac.0);
                one_queue(inner.native(NET_NS_FD, namespace.cast_unsigned()));
                if let Some(mtu) = mtu {
                    inner.native(MTU, mtu);
                }
            });
        }),
    };
}

/// Sets the hardware address of an interface.
pub(crate) fn set_mac(batch: &mut Batch, index: u32, mac: Mac) {
    batch.message(NEWLINK, 0, &link(index, 0, 0)).bytes(ADDRESS, &mac.0);
}

/// Writes a note on an interface, which `ip link` shows as its alias.
pub(crate) fn set_alias(batch: &mut Batch, index: u32, alias: &str) {
    batch.message(NEWLINK, 0, &link(index, 0, 0)).text(ALIAS, alias);
}

/// Brings an interface up.
pub(crate) fn up(batch: &mut Batch, index: u32) {
    batch.message(NEWLINK, 0, &link(index, UP, UP));
}

/// Sets how the bridge treats the port of this name: whether packets may leave by the port that they came from, and
/// whether it is kept apart from other ports of the kind.
pub(crate) fn port(batch: &mut Batch, name: &str, hairpin: bool, isolated: bool) {
    batch.message(NEWLINK, 0, &link(0, 0, 0)).text(NAME, name).nest(LINKINFO, |info| {
        info.text(SLAVE_KIND, "bridge").nest(SLAVE_DATA, |data| {
            data.bytes(BRIDGE_PORT_HAIRPIN, &[u8::from(hairpin)])
                .bytes(BRIDGE_PORT_ISOLATED, &[u8::from(isolated)]);
        });
    });
}

/// Removes an interface, and with it its other half.
pub(crate) fn unmake(batch: &mut Batch, name: &str) {
    batch.message(DELLINK, 0, &link(0, 0, 0)).text(NAME, name);
}

/// Gives an interface an address. It is usable at once: nobody is asked whether he has it too, since the lease says that nobody has.
pub(crate) fn address(batch: &mut Batch, index: u32, name: &str, prefix: Prefix) {
    const LOCAL: u16 = 2;
    const PREFIX: u16 = 1;
    const LABEL: u16 = 3;
    const BROADCAST: u16 = 4;
    const NO_DUPLICATE_DETECTION: u8 = 2;
    let address = prefix.address();
    let flags = if address.is_ipv4() { 0 } else { NO_DUPLICATE_DETECTION };
    let mut fixed = [family(address), prefix.length(), flags, 0, 0, 0, 0, 0];
    fixed[4..].copy_from_slice(&index.to_ne_bytes());
    batch.message(NEWADDR, CREATE | REPLACE, &fixed);
    batch.bytes(LOCAL, &octets(address)).bytes(PREFIX, &octets(address));
    if address.is_ipv4() {
        batch.text(LABEL, name);
        if prefix.length() < 31 {
            batch.bytes(BROADCAST, &octets(prefix.last()));
        }
    }
}

/// Adds a default route by the gateway, or by the interface alone.
pub(crate) fn default_route(batch: &mut Batch, index: u32, gateway: Option<IpAddr>, family: u8) {
    const MAIN: u8 = 254;
    const BOOT: u8 = 3;
    const UNICAST: u8 = 1;
    const LINK_SCOPE: u8 = 253;
    const UNIVERSE: u8 = 0;
    const OIF: u16 = 4;
    const GATEWAY: u16 = 5;
    let scope = if gateway.is_some() { UNIVERSE } else { LINK_SCOPE };
    batch.message(
        NEWROUTE,
        CREATE | REPLACE,
        &[family, 0, 0, 0, MAIN, BOOT, scope, UNICAST, 0, 0, 0, 0],
    );
    batch.native(OIF, index);
    if let Some(gateway) = gateway {
        batch.bytes(GATEWAY, &octets(gateway));
    }
}

/// What is known of an interface that is there.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) index: u32,
    pub(crate) is_up: bool,
    pub(crate) is_bridge: bool,
    pub(crate) alias: String,
}

/// Returns the interface of this name; none when there is none.
pub(crate) fn find(socket: &Socket, name: &str) -> io::Result<Option<Found>> {
    let mut batch = Batch::default();
    batch.message(GETLINK, 0, &link(0, 0, 0)).text(NAME, name);
    let read = |message: &Received<'_>| {
        let attributes = Attributes(message.body.get(16..).unwrap_or_default());
        let kind =
            attributes.find(LINKINFO).and_then(|info| Attributes(info).find(KIND)).map(text_of);
        Found {
            index: u32_at(message.body, 4).unwrap_or_default(),
            is_up: u32_at(message.body, 8).is_some_and(|flags| flags & UP != 0),
            is_bridge: kind.as_deref() == Some("bridge"),
            alias: attributes.find(ALIAS).map(text_of).unwrap_or_default(),
        }
    };
    match socket.get(&batch, read) {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Tells whether the error says that an interface is not there (`ENODEV`).
pub(crate) fn is_gone(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error())
}

/// Returns the counters of all interfaces in the socket's namespace but the loopback (`struct rtnl_link_stats64`).
pub(crate) fn counters(socket: &Socket) -> io::Result<Vec<Counters>> {
    const LOOPBACK: u16 = 772;
    let mut batch = Batch::default();
    batch.message(GETLINK, DUMP, &link(0, 0, 0));
    let mut all = Vec::new();
    socket.ask(&batch, |message| {
        let attributes = Attributes(message.body.get(16..).unwrap_or_default());
        if message.kind != NEWLINK || u16_at(message.body, 2) == Some(LOOPBACK) {
            return;
        }
        let (Some(name), Some(stats)) = (attributes.find(NAME), attributes.find(STATS64)) else {
            return;
        };
        let field = |n: usize| u64_at(stats, n * 8).unwrap_or_default();
        all.push(Counters {
            interface: text_of(name),
            rx_packets: field(0),
            tx_packets: field(1),
            rx_bytes: field(2),
            tx_bytes: field(3),
            rx_errors: field(4),
            tx_errors: field(5),
            rx_dropped: field(6),
            tx_dropped: field(7),
        });
    })?;
    Ok(all)
}

/// Returns the destinations of all routes of the main table but the default ones.
pub(crate) fn routes(socket: &Socket) -> io::Result<Vec<Prefix>> {
    const MAIN: u8 = 254;
    const UNICAST: u8 = 1;
    const DESTINATION: u16 = 1;
    let mut batch = Batch::default();
    batch.message(GETROUTE, DUMP, &[0; 12]);
    let mut all = Vec::new();
    socket.ask(&batch, |message| {
        let Some(fixed) = message
            .body
            .get(..12)
            .filter(|fixed| fixed[4] == MAIN && fixed[7] == UNICAST && fixed[1] > 0)
        else {
            return;
        };
        let found = Attributes(&message.body[12..]).find(DESTINATION).unwrap_or_default();
        let address = <[u8; 4]>::try_from(found)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(found).map(IpAddr::from));
        all.extend(address.ok().and_then(|address| Prefix::new(address, fixed[1])));
    })?;
    Ok(all)
}
