//! Containers, images, volumes and networks as objects with a life.
//!
//! An [`Engine`] is one state directory. It has no daemon: every method works directly on the state, under locks, and
//! any number of processes may do so at once. What must go on when a command has ended is done by a *monitor*, one small
//! process per running container (the same binary, re-executed; see [`monitor`]).
//!
//! ```text
//!   Engine ── containers() ── create · start · attach · exec · stop · remove …
//!          ── images()        (crate hako-image)
//!          ── networks()      create · connect · remove …
//!          ── volumes()       create · remove …
//!          ── events()        what happened, and what happens now
//!          ── system()        check · repair · disk usage
//! ```
//!
//! Nothing here knows a terminal or HTTP: the command line, Compose and the API call the same methods.

pub mod attach;
pub mod build;
pub mod container;
pub mod error;
pub mod event;
pub mod log;
pub mod model;
pub mod monitor;
pub mod network;
mod schema;
pub mod system;
pub mod volume;

mod open;

pub use container::TINY_INIT;
pub use error::Error;
pub use open::{Engine, Settings};
