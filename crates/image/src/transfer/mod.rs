//! Images on their way: from a registry into layers (*pull*), and from layers into a registry (*push*).
//!
//! ```text
//!   pull   resolve (index → platform → manifest → config) → layers side by side, each unpacked while it arrives
//!   push   layers side by side: there already? mountable? else compressed while it is sent → config → manifest
//! ```
//!
//! Nothing here knows how layers or images are kept: layers go to a [`LayerSink`] and come from a [`LayerSource`], and the documents are returned to
//! whoever asked. Nothing here prints: whoever wants to see what happens brings a [`Progress`].

mod block;
mod compression;
mod error;
mod gzip;
mod image;
mod layer;
mod members;
mod pipeline;
mod progress;
mod pull;
mod push;

pub use compression::Compression;
pub use error::Error;
pub use gzip::compressed;
pub use layer::{BlobLedger, KnownBlob, LayerSink, LayerSource, NoLedger};
pub use pipeline::{Content, WrongContent, decode};
pub use progress::{Event, Progress, Silent, Status};
pub use pull::{PullOptions, Pulled, Resolved, fetch, pull, resolve};
pub use push::{Format, PushOptions, Pushed, Pushing, push};
