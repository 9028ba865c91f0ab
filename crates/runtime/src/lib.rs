//! The OCI runtime: turns a bundle into a process.
//!
//! The work is in two halves that meet at [`plan::Step`]:
//!
//! ```text
//!   Spec ──plan()──▶ Plan ──channel──▶ init: perform, step by step ──▶ the user's program
//!   (pure, tested by snapshot)         (a re-execution of this binary, inside the namespaces)
//! ```
//!
//! * [`create`] clones the container's first process into its new namespaces, where it becomes
//!   the *init stage* (`hako init`, see [`init`]), reads the plan and performs it up to the point
//!   before the user's program is executed. [`Created::start`] lets it go on.
//! * [`exec`] does the same for a further process in the namespaces of a running container.
//!
//! No Rust code runs between `clone` and `execve`; no descriptor of the caller's is left in the
//! container; every path inside the root is resolved by `openat2(RESOLVE_IN_ROOT)`.
//!
//! The crate knows no image, no network and no state directory: those are its callers'.

pub mod cgroup;
mod channel;
pub mod defaults;
mod error;
mod exec;
pub mod hook;
pub mod identity;
mod init;
mod launch;
mod mapping;
mod notify;
mod placement;
pub mod plan;
pub mod reaper;
mod running;
pub mod seccomp;
mod spawn;
pub mod spec;

pub use error::{Error, Trouble};
pub use exec::{Target, exec};
pub use init::init;
pub use launch::{Created, Launch, Options, Root, Stdio, create, open_gate, plan};
pub use running::{Exit, Running};
