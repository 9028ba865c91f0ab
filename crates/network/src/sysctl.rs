//! Switches of the kernel that a bridge and an endpoint need, below `/proc/sys/net` of the thread's network namespace.

use std::io;

use crate::error::{Error, Result};
use crate::network::{Endpoint, Mac, Network};
use crate::prefix::Prefix;

/// Sets what the kernel must do on the bridge, in an order that never leaves it open.
pub(crate) fn for_bridge(network: &Network) -> Result<()> {
    let bridge = &network.bridge;
    let has_v6 = network.subnets.iter().any(|subnet| !subnet.prefix.is_ipv4());
    if has_v6 {
        // Router advertisements of an endpoint must not lead the host astray (CVE-2020-13401).
        set(&format!("net/ipv6/conf/{bridge}/accept_ra"), "0")?;
        // The bridge's link-local address, which asks for endpoints' hardware addresses, is usable at once.
        set(&format!("net/ipv6/conf/{bridge}/accept_dad"), "0")?;
        set(&format!("net/ipv6/conf/{bridge}/disable_ipv6"), "0")?;
    } else {
        set_if_there(&format!("net/ipv6/conf/{bridge}/disable_ipv6"), "1")?;
    }
    if network.internal {
        return Ok(());
    }
    // Connections of the host to a published port at 127.0.0.1 are led to the bridge with that source; the firewall's first
    // chain drops such addresses when they come from outside (CVE-2020-8558).
    set(&format!("net/ipv4/conf/{bridge}/route_localnet"), "1")?;
    set("net/ipv4/ip_forward", "1")?;
    if has_v6 {
        set("net/ipv6/conf/all/forwarding", "1")?;
    }
    Ok(())
}

/// Writes a sysctl of the thread's network namespace.
fn set(name: &str, value: &str) -> Result<()> {
    std::fs::write(format!("/proc/sys/{name}"), value)
        .map_err(|source| Error::Sysctl { name: name.to_owned(), source })
}

/// Writes a sysctl that is not there when the kernel runs without IPv6.
fn set_if_there(name: &str, value: &str) -> Result<()> {
    match set(name, value) {
        Err(Error::Sysctl { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Sets what the kernel must do on the interface of an endpoint, before it comes up.
pub(crate) fn for_endpoint(endpoint: &Endpoint) -> Result<()> {
    let name = &endpoint.interface;
    let has_v6 = endpoint.addresses.iter().any(|prefix| !prefix.is_ipv4());
    // Without an address of ours there is no IPv6 on the interface at all: neither link-local nor advertised by a neighbour.
    set_if_there(&format!("net/ipv6/conf/{name}/disable_ipv6"), if has_v6 { "0" } else { "1" })?;
    if has_v6 {
        set(&format!("net/ipv6/conf/{name}/accept_ra"), "0")?;
    }
    let follows = |prefix: &Prefix| Mac::of(prefix.address()) == endpoint.mac;
    if !endpoint.addresses.iter().any(follows) {
        // Neighbours may know the address with another hardware address: tell them when the interface comes up.
        set(&format!("net/ipv4/conf/{name}/arp_notify"), "1")?;
        set_if_there(&format!("net/ipv6/conf/{name}/ndisc_notify"), "1")?;
    }
    for (name, value) in &endpoint.sysctls {
        set(&format!("net/{name}"), value)?;
    }
    Ok(())
}

/// Tells whether bridged packets pass the IP firewall too (`br_netfilter`).
pub(crate) fn is_bridge_filtered() -> bool {
    std::fs::read("/proc/sys/net/bridge/bridge-nf-call-iptables")
        .is_ok_and(|value| value.first() == Some(&b'1'))
}
