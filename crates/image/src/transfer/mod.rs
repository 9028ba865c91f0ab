//! Images between registries and layers: pull and push.
mod block;
mod compression;
mod layer;
mod pipeline;

pub use compression::Compression;
pub use layer::{BlobLedger, KnownBlob, LayerSink, LayerSource, NoLedger};
pub use pipeline::{Content, WrongContent, decode};
