//! The crate against a real kernel, each test in network namespaces of its own.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and one that cannot start says so"
)]

mod attaching;
mod firewall;
mod names;
mod ports;
mod world;
