//! Images: the registries they come from, what is kept of them, their layers as directories and as tar files.
//!
//! ```text
//!   registry ──▶ transfer ──▶ ┌─ content  names, manifests, configurations (database, blobs)
//!   archive  ──▶─────────────▶│
//!   commit   ──▶ config ──────└─ layers   unpacked once, by diff ID  ◀──▶ tar (a recipe gives the same bytes again)
//! ```
//!
//! The room *never mounts*: it returns the directories that an overlay is mounted from
//! ([`Image::lower_dirs`](content::Image::lower_dirs)). Everything that it reads (archives, manifests, configurations) is hostile input: bounded, checked,
//! and refused with a sentence that says what and where.
//!
//! Words: a *layer* is a directory in the format of overlayfs, named by its *diff ID*, the digest of its uncompressed tar; an
//! *image* is a configuration, named by its digest, that lists layers; a *name* is a reference that points to an image.

pub mod archive;
pub mod config;
pub mod content;
pub mod files;
pub mod layers;
pub mod registry;
pub mod tar;
pub mod transfer;

mod schema;

pub use config::ImageConfig;
pub use content::{Draft, Image, Images, LayerBlob, Removed};
pub use layers::{Layer, Layers};
pub use schema::ROOM;
