//! What was built before.
//!
//! The cache maps a [`Key`] to the layer that a step made, and remembers the digests of parts of snapshots, so that they are not read
//! again. It owns no files: whoever removes a layer's directory tells it.

mod memory;
mod sqlite;
mod usage;

use hako_types::Moment;

pub use memory::MemoryCache;
pub use sqlite::{ROOM, SqliteCache};
pub use usage::{Keep, Usage, UsageRow};

use crate::graph::LayerId;
use crate::key::Key;

/// A layer that a step made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Record {
    /// The layer.
    pub layer: LayerId,
    /// Bytes that it takes.
    pub size: u64,
    /// When it was made.
    pub created: Moment,
    /// The step, for people.
    pub description: String,
    /// What it is, in the words of `builder du`: `regular`, `source.local`, `exec.cachemount`.
    pub kind: &'static str,
}

/// Remembers what was built. Several threads and processes use it at once.
pub trait Cache: Sync {
    /// Returns the layer that was stored under `key`, and notes that it was used.
    ///
    /// # Errors
    /// When the memory fails.
    fn lookup(&self, key: &Key) -> Result<Option<Record>, hako_store::Error>;

    /// Remembers a layer under `key`; one that was there before is replaced.
    ///
    /// # Errors
    /// When the memory fails.
    fn store(&self, key: &Key, record: &Record) -> Result<(), hako_store::Error>;

    /// Returns the digest that was remembered under `key`.
    ///
    /// # Errors
    /// When the memory fails.
    fn content(&self, key: &Key) -> Result<Option<String>, hako_store::Error>;

    /// Remembers a digest under `key`.
    ///
    /// # Errors
    /// When the memory fails.
    fn remember(&self, key: &Key, digest: &str) -> Result<(), hako_store::Error>;
}
