//! Builds: from a Dockerfile and what the caller asks for to a graph of steps, and from the graph to layers.
//!
//! ```text
//!   Request ──outline──▶ stages the target needs ──resolve──▶ base images (the engine)
//!                                  │
//!                                  └──plan──▶ Graph { vertices } + configuration
//!                                                │
//!                         Cache ◀──solve──▶ Operations (the engine)
//!                                  └──▶ Snapshot: a list of layers
//! ```
//!
//! The crate runs nothing itself: what a step *does* is behind [`Operations`], so that the solver is tested without a
//! container. What it does have is all that needs none: cache keys ([`key`]), the walk over a context and its digests
//! ([`tree`]), and the copier of `COPY` and `ADD` ([`copy`]), which works on directory descriptors.
//!
//! Words: a *vertex* is one step of the graph, a *layer* what one step adds to the files, a *snapshot* the layers that a step
//! stands on, a *cache key* what must be the same for a layer to be used again.

pub mod cache;
pub mod copy;
mod crew;
pub mod event;
pub mod graph;
pub mod key;
mod outline;
mod plan;
pub mod request;
mod scope;
pub mod solve;
pub mod tree;

pub use cache::{Cache, ROOM, Record, SqliteCache};
pub use event::{Event, Events, Step, Stream};
pub use graph::{Graph, LayerId, Operation, Snapshot, Source, Vertex, VertexId};
pub use outline::{ImageWanted, Outline, outline};
pub use plan::{Planned, plan};
pub use request::{Base, NamedContext, Network, NoCache, Request, RunDefaults};
pub use solve::{Cancel, Failure, Operations, Solved, Work, solve};
