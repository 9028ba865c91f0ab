//! The crate against a real kernel, each test in network namespaces of its own.

mod attaching;
mod firewall;
mod names;
mod world;
