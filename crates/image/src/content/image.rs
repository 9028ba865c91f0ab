//! An image as it is kept.

use std::path::PathBuf;

use hako_types::{Digest, Moment, Platform, Reference};

use crate::config::ImageConfig;
use crate::layers::Layers;

/// An image: a configuration that lists layers, and the names it goes by.
#[derive(Clone, Debug)]
pub struct Image {
    /// The digest of the configuration's bytes.
    pub id: Digest,
    /// Its names, sorted.
    pub names: Vec<Reference>,
    /// The repositories that have it, with the digest of its manifest there.
    pub repo_digests: Vec<Reference>,
    /// The configuration.
    pub config: ImageConfig,
    /// The configuration's own bytes.
    pub config_bytes: Vec<u8>,
    /// The manifest's own bytes, where it came with one.
    pub manifest: Option<Vec<u8>>,
    /// The sum of its layers' sizes in bytes.
    pub size: u64,
    /// When it was made, by its own account.
    pub created: Moment,
    /// When it came here or was last used.
    pub used: Moment,
    /// The image that it was made from here.
    pub parent: Option<Digest>,
}

impl Image {
    /// Returns the digests of the layers, lowest first.
    #[must_use]
    pub fn diff_ids(&self) -> &[Digest] {
        &self.config.rootfs.diff_ids
    }

    /// Returns the directories of the layers, topmost first, as overlayfs takes them (`lowerdir`).
    ///
    /// An image may list a layer twice, which overlayfs refuses; only the topmost of the two is returned, the other cannot be seen.
    #[must_use]
    pub fn lower_dirs(&self, layers: &Layers) -> Vec<PathBuf> {
        let mut seen = std::collections::HashSet::new();
        self.diff_ids()
            .iter()
            .rev()
            .filter(|id| seen.insert(*id))
            .map(|id| layers.path(id))
            .collect()
    }

    /// Returns what it runs on.
    #[must_use]
    pub fn platform(&self) -> Platform {
        self.config.platform()
    }

    /// Tells whether it has no name (`<none>:<none>`).
    #[must_use]
    pub fn is_dangling(&self) -> bool {
        self.names.is_empty()
    }
}
