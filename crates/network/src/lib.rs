//! Bridges, addresses, published ports and names: how a network namespace is wired to the world.
//!
//! This crate knows no container, only a namespace (a descriptor), and keeps no state: its callers
//! hand it plain values, and everything that it puts into the kernel can be rebuilt from them at any moment.
//! There is no daemon, so any process may call anything here at any time; every change is one netlink
//! batch that is safe to send twice.
//!
//! ```text
//!   ipam: which address            ┐                       ┌ bridge, veth, address, route   (rtnetlink)
//!   firewall::plan: which ruleset  ├ values ──▶ kernel ──▶ ┤ one table of maps and sets     (nf_tables)
//!   resolv, hosts: which text      ┘                       └ listening sockets              (ports, dns)
//! ```
//!
//! A *network* is a bridge (or a parent interface) with subnets; an *endpoint* is one namespace's interface on it;
//! a *published* port is an entry of a map from an address and port of the host to those of an endpoint.
//! The life of a packet is told in [`firewall`]; names are answered in [`dns`].

pub mod attach;
pub mod counters;
pub mod dns;
pub mod error;
pub mod firewall;
pub mod hosts;
pub mod ipam;
mod link;
pub mod namespace;
mod netlink;
pub mod network;
pub mod ports;
pub mod prefix;
pub mod resolv;
mod sysctl;

pub use attach::{attach, detach, ensure, loopback_up, remove};
pub use counters::{Counters, counters};
pub use error::{Error, Result};
pub use firewall::{Firewall, Published};
pub use network::{Driver, Endpoint, Mac, Network, Subnet};
pub use prefix::Prefix;
