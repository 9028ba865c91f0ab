//! What is known of images: configurations, manifests, names, digests in registries.
//!
//! All of it is in the database, configuration bytes included: they are small, and so an image appears and
//! goes in one transaction. Layers are directories (see [`crate::layers`]); an image can only be [`put`](Images::put) when all of its layers are there.

mod error;
mod history;
mod image;
mod ledger;
mod prune;
mod remove;
mod resolve;
mod rows;

use std::collections::HashSet;

use hako_store::{Database, Paths};
use hako_types::{Digest, Moment, Reference};

pub use error::Error;
pub use history::HistoryLine;
pub use image::Image;
pub use ledger::Ledger;
pub use prune::{ImageUsage, LabelFilter, PruneFilter, Usage};
pub use remove::{ImageUse, Removed};

use crate::config::ImageConfig;
use crate::layers::{Freed, Layers};

/// The images of a state directory.
#[derive(Debug)]
pub struct Images<'a> {
    database: &'a Database,
    layers: Layers,
}

/// An image that is to be kept.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// The configuration's bytes; their digest is the image's id.
    pub config: Vec<u8>,
    /// The manifest's bytes, where there is one.
    pub manifest: Option<Vec<u8>>,
    /// The image that this one was made from, when that is known here.
    pub parent: Option<Digest>,
    /// Under which repository and digest a registry has it.
    pub repo_digest: Option<Reference>,
    /// The compressed forms in which its layers were seen.
    pub layer_blobs: Vec<LayerBlob>,
}

/// A compressed form of a layer, and where it was seen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LayerBlob {
    /// The layer.
    pub diff_id: Digest,
    /// The compressed blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Its media type.
    pub media_type: String,
    /// The repository with its registry that has it; empty when none.
    pub repository: String,
}

impl<'a> Images<'a> {
    /// Returns the images of the state directory at `paths`; `database` must be its database, opened with [`crate::ROOM`].
    ///
    /// # Errors
    /// When the layers cannot be looked at (see [`Layers::open`]).
    pub fn new(paths: &Paths, database: &'a Database) -> Result<Self, Error> {
        Ok(Self { database, layers: Layers::open(paths)? })
    }

    /// Returns the layers of the same state directory.
    #[must_use]
    pub fn layers(&self) -> &Layers {
        &self.layers
    }

    /// Returns the image that `text` names, as people type it.
    ///
    /// A reference (`alpine`, `alpine:3`, `alpine@sha256:…`), a full id (`sha256:…` or 64 hex digits), or the beginning of an id. A name is
    /// preferred to the beginning of an id.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Ambiguous`], or [`Error::Name`] when it can be neither a name nor an id.
    pub fn resolve(&self, text: &str) -> Result<Image, Error> {
        let id = resolve::find(self.database.connection(), text)?;
        self.get(&id)
    }

    /// Returns image `id`.
    ///
    /// # Errors
    /// [`Error::NotFound`], or when the database fails.
    pub fn get(&self, id: &Digest) -> Result<Image, Error> {
        rows::image(self.database.connection(), id)?.ok_or_else(|| Error::NotFound(id.to_string()))
    }

    /// Returns all images, the newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub fn list(&self) -> Result<Vec<Image>, Error> {
        rows::all(self.database.connection())
    }

    /// Keeps an image; does nothing but add what is new when it is there already.
    ///
    /// The layers must be there, and a [`Lease`](crate::layers::Lease) must be held since they were found or made.
    ///
    /// # Errors
    /// When the configuration is malformed, a layer is missing, or the database fails.
    pub fn put(&self, draft: &Draft) -> Result<Image, Error> {
        let id = Digest::of(&draft.config);
        let config = ImageConfig::parse(&draft.config)
            .map_err(|source| Error::Config { id: id.clone(), source })?;
        let mut size = 0;
        for diff_id in &config.rootfs.diff_ids {
            if !self.layers.has(diff_id) {
                return Err(Error::MissingLayer { image: id, layer: diff_id.clone() });
            }
            size += self.layers.size(diff_id)?;
        }
        self.database.write(|t| rows::insert(t, &id, &config, draft, size))?;
        self.get(&id)
    }

    /// Makes `name` point to image `id`; a name that points elsewhere moves. A name without a tag means `latest`.
    ///
    /// # Errors
    /// [`Error::TagDigest`] when the name has a digest, [`Error::NotFound`] when there is no such image.
    pub fn tag(&self, id: &Digest, name: &Reference) -> Result<(), Error> {
        let name = name.clone().tagged();
        let (None, Some(tag)) = (&name.digest, &name.tag) else {
            return Err(Error::TagDigest(name.familiar()));
        };
        self.database.write(|t| {
            if rows::image(t, id)?.is_none() {
                return Err(Error::NotFound(id.to_string()));
            }
            t.prepare_cached(
                "INSERT OR REPLACE INTO image_name (repository, tag, image) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut s| s.execute((name.repository(), tag, id.as_str())))
            .map_err(Error::query)?;
            Ok(())
        })
    }

    /// Takes the name away from whichever image has it; returns that image's id. The image stays.
    ///
    /// # Errors
    /// When the database fails.
    pub fn untag(&self, name: &Reference) -> Result<Option<Digest>, Error> {
        self.database.write(|t| rows::untag(t, name))
    }

    /// Notes that a registry has image `id` as `name`, a repository with a digest.
    ///
    /// # Errors
    /// When the database fails.
    pub fn add_repo_digest(&self, id: &Digest, name: &Reference) -> Result<(), Error> {
        self.database.write(|t| rows::insert_repo_digest(t, id, name))
    }

    /// Returns the names of image `id`, sorted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn names_of(&self, id: &Digest) -> Result<Vec<Reference>, Error> {
        rows::names(self.database.connection(), id)
    }

    /// Returns the repositories with digests that image `id` is known under, sorted.
    ///
    /// # Errors
    /// When the database fails.
    pub fn repo_digests_of(&self, id: &Digest) -> Result<Vec<Reference>, Error> {
        rows::repo_digests(self.database.connection(), id)
    }

    /// Notes that image `id` was used just now.
    ///
    /// # Errors
    /// When the database fails.
    pub fn touch_used(&self, id: &Digest) -> Result<(), Error> {
        self.database.write(|t| {
            t.execute(
                "UPDATE image SET used = ?2 WHERE id = ?1",
                (id.as_str(), Moment::now().nanos()),
            )
            .map_err(Error::query)?;
            Ok(())
        })
    }

    /// Returns the layers that some image has.
    ///
    /// # Errors
    /// When the database fails.
    pub fn layers_in_use(&self) -> Result<HashSet<Digest>, Error> {
        rows::layers_in_use(self.database.connection())
    }

    /// Deletes the layers that no image has and that are not in `held` (those that containers and build snapshots stand on).
    ///
    /// Nothing is deleted while somebody holds a [`Lease`](crate::layers::Lease): the next call does it.
    ///
    /// # Errors
    /// When the database fails or a layer cannot be deleted.
    pub fn free_layers(&self, held: &HashSet<Digest>) -> Result<Freed, Error> {
        let freed = self.layers.remove_unused(|| {
            let mut keep = self.layers_in_use()?;
            keep.extend(held.iter().cloned());
            Ok::<_, Error>(keep)
        })?;
        Ok(freed)
    }
}
