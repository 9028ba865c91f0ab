//! Images in files: `load`, `save` and `import`.
//!
//! An archive with images is a tar, perhaps compressed, in Docker's form (`manifest.json`), in OCI's (`oci-layout`, `index.json`,
//! `blobs/`), or both at once, which is what [`SavePlan`] writes. It is read once from the front, as it may come through a pipe: what looks like a layer is
//! unpacked when it passes, what is small is kept in memory, and at the end it turns out what belongs together. Nothing is kept
//! of an archive that does not add up.

mod compression;
mod error;
mod import;
mod load;
mod member;
mod save;

pub use compression::plain;
pub use error::Error;
pub use import::{Import, import};
pub use load::{Loaded, load};
pub use save::SavePlan;
