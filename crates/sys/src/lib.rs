//! Linux as safe functions over descriptors.
//!
//! This is the only crate of the workspace that says `unsafe`. It holds what rustix lacks: one
//! function per system call, [`std::io::Result`] and nothing else, no policy, no logging. Whoever
//! needs context in an error adds it; whoever finds the call in rustix uses that.

pub mod bpf;
mod check;
pub mod descriptor;
pub mod keyring;
pub mod mount;
pub mod process;
pub mod schedule;
pub mod seccomp;
pub mod signal;

use check::check;
