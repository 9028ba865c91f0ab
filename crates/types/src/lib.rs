//! The values that every room of the house speaks: identifiers, digests, image references, platforms,
//! sizes, durations, moments, published ports, and what an error may say when it leaves the engine.
//!
//! Nothing here does I/O (but [`ContainerId::random`], which asks the kernel for entropy), and
//! nothing here knows what a container does.

pub mod digest;
pub mod duration;
pub mod fault;
pub mod id;
pub mod moment;
pub mod platform;
pub mod port;
pub mod reference;
pub mod signal;
pub mod size;

pub use digest::{Digest, Hasher};
pub use duration::GoDuration;
pub use fault::{Fault, Kind};
pub use id::{ContainerId, ObjectName, RandomId};
pub use moment::Moment;
pub use platform::Platform;
pub use port::{PortMapping, Protocol};
pub use reference::Reference;
pub use size::Bytes;
