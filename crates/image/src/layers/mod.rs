//! Layers: each is unpacked once, into a directory that an overlay can be mounted from.
//!
//! ```text
//! layers/<hex of the diff ID>/root/       the files, whiteouts and opaque directories as overlayfs has them
//!                             recipe.zst  what of its tar is not in the files: headers, padding, the order
//!                             shadow/     files that the tar has and a later member of the same tar replaced (rare)
//!                             facts.json  size, number of files, how it came about
//! ```
//!
//! The compressed blob is not kept. From recipe and files the tar can be made again, bit for bit, which is checked against the diff
//! ID whenever it is done: for `push`, `save`, and after a power cut. A directory *made* here (by `commit` or a build) becomes a layer by
//! being renamed; its tar is written once, into a hash, which leaves the recipe.
//!
//! **Life.** A layer is made in `tmp/layer-…`, whose lock its maker holds, and appears by one `rename(2)`: it is there whole or not at all, whoever
//! dies. Who makes or finds layers holds a [`Lease`] until the image that needs them is in the database; nothing is
//! removed meanwhile. What no image and no container needs is removed by [`Layers::remove_unused`].
//!
//! **Power cuts.** Nothing is flushed to disk when a layer is made: `syncfs(2)` would cost as much as the unpacking. The file system's journal
//! keeps directories, names and attributes in order, so after a power cut a layer that is there has all its names; but data may be missing. So a
//! layer's facts name the boot it was made in until its data is known to be on disk, and the first command after a boot makes
//! the tars of such layers into a hash: sound ones are marked so, others are removed ([`Layers::settle`] marks them earlier, where nobody waits).

mod check;
mod error;
mod facts;
mod lease;
mod recipe;
mod scratch;
mod stream;

use std::collections::HashSet;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use hako_store::{Lock, Paths};
use hako_types::Digest;

pub use error::Error;
pub use facts::{Facts, Origin};
pub use lease::{Lease, Staged};
pub use stream::TarStream;

use crate::files::Overlay;

/// The layers of a state directory. Cheap to copy, and safe to use from several threads.
#[derive(Clone, Debug)]
pub struct Layers {
    root: PathBuf,
    tmp: PathBuf,
    locks: PathBuf,
    overlay: Overlay,
}

/// A layer that is there.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Layer {
    /// The digest of its uncompressed tar.
    pub diff_id: Digest,
    /// The sizes of its files in bytes.
    pub size: u64,
}

/// What [`Layers::remove_unused`] removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Freed {
    /// The layers.
    pub layers: Vec<Digest>,
    /// The sizes of their files together, in bytes.
    pub bytes: u64,
}

impl Layers {
    /// Returns the layers of the state directory at `paths`. The first time after a boot, layers whose data may not have
    /// reached the disk are checked.
    ///
    /// # Errors
    /// When the layers cannot be looked at.
    pub fn open(paths: &Paths) -> Result<Self, Error> {
        let layers = Self::at(paths);
        check::after_boot(&layers)?;
        Ok(layers)
    }

    fn at(paths: &Paths) -> Self {
        Self {
            root: paths.layers(),
            tmp: paths.tmp(),
            locks: paths.locks(),
            overlay: Overlay::default(),
        }
    }

    /// Returns the same layers with marks in another form, for use in a user namespace.
    #[must_use]
    pub fn with_overlay(mut self, overlay: Overlay) -> Self {
        self.overlay = overlay;
        self
    }

    /// Returns the form of the layers' marks.
    #[must_use]
    pub fn overlay(&self) -> Overlay {
        self.overlay
    }

    /// Tells whether a layer is there.
    #[must_use]
    pub fn has(&self, diff_id: &Digest) -> bool {
        self.directory(diff_id).join("facts.json").exists()
    }

    /// Returns the directory with a layer's files, whether it is there or not.
    #[must_use]
    pub fn path(&self, diff_id: &Digest) -> PathBuf {
        self.directory(diff_id).join("root")
    }

    /// Returns what is known of a layer.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn facts(&self, diff_id: &Digest) -> Result<Facts, Error> {
        Facts::read(&self.directory(diff_id), diff_id)
    }

    /// Returns the sizes of a layer's files together, in bytes.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn size(&self, diff_id: &Digest) -> Result<u64, Error> {
        self.facts(diff_id).map(|facts| facts.size)
    }

    /// Returns all layers, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn list(&self) -> Result<Vec<Digest>, Error> {
        let list = || -> io::Result<Vec<Digest>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(&self.root)? {
                found.extend(
                    format!("sha256:{}", entry?.file_name().to_string_lossy()).parse::<Digest>(),
                );
            }
            Ok(found)
        };
        match list() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            other => other.map_err(Error::at("list", &self.root)),
        }
    }

    /// Returns a layer's tar, to be read. Reading its end fails when its digest is not the diff ID.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn stream(&self, diff_id: &Digest) -> Result<TarStream, Error> {
        TarStream::open(&self.directory(diff_id), diff_id)
    }

    /// Writes a layer's tar to `out`; returns its length.
    ///
    /// # Errors
    /// When the layer is not there or is damaged, or `out` fails.
    pub fn tar(&self, diff_id: &Digest, out: &mut dyn Write) -> Result<u64, Error> {
        self.stream(diff_id)?
            .copy_to(out)
            .map_err(|source| Error::Tar { layer: diff_id.clone(), source })
    }

    /// Returns the length of a layer's tar.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn tar_size(&self, diff_id: &Digest) -> Result<u64, Error> {
        self.facts(diff_id).map(|facts| facts.tar_size)
    }

    /// Promises that nothing is removed while the lease is held, and lets layers be made.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn lease(&self) -> Result<Lease, Error> {
        let path = self.lock_path();
        let lock = Lock::shared(&path).map_err(Error::at("lock", &path))?;
        Ok(Lease::new(self.clone(), lock))
    }

    /// Removes the layers that are not in the set that `keep` returns. Does nothing while somebody holds a [`Lease`].
    ///
    /// `keep` is asked while no lease can be taken, so that nothing comes into use behind its back.
    ///
    /// # Errors
    /// What `keep` returns, or when a layer cannot be removed.
    pub fn remove_unused<E: From<Error>>(
        &self,
        keep: impl FnOnce() -> Result<HashSet<Digest>, E>,
    ) -> Result<Freed, E> {
        let path = self.lock_path();
        let Some(_lock) = Lock::try_exclusive(&path).map_err(Error::at("lock", &path))? else {
            return Ok(Freed::default());
        };
        let keep = keep()?;
        let mut freed = Freed::default();
        for diff_id in self.list()? {
            if !keep.contains(&diff_id) {
                freed.bytes += self.size(&diff_id).unwrap_or(0);
                self.discard(&diff_id)?;
                freed.layers.push(diff_id);
            }
        }
        Ok(freed)
    }

    /// Removes what dead processes left half made; returns how many pieces.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn sweep(&self) -> Result<usize, Error> {
        scratch::sweep(&self.tmp).map_err(Error::at("sweep", &self.tmp))
    }

    /// Waits until all layers are on disk and marks them so.
    ///
    /// # Errors
    /// When the file system cannot be flushed, or a mark not be written.
    pub fn settle(&self) -> Result<(), Error> {
        check::settle(self)
    }

    /// Makes the tar of a layer into a hash and tells whether it is sound.
    ///
    /// # Errors
    /// [`Error::Missing`] when it is not there.
    pub fn is_sound(&self, diff_id: &Digest) -> Result<bool, Error> {
        let mut stream = self.stream(diff_id)?;
        Ok(stream.copy_to(&mut io::sink()).is_ok())
    }

    fn directory(&self, diff_id: &Digest) -> PathBuf {
        self.root.join(diff_id.hex())
    }

    fn lock_path(&self) -> PathBuf {
        self.locks.join("layers")
    }

    /// Takes a layer away by renaming it, so that it is gone at once, and deletes it then.
    fn discard(&self, diff_id: &Digest) -> Result<(), Error> {
        let directory = self.directory(diff_id);
        let scratch = scratch::Scratch::new(&self.tmp)?;
        match fs::rename(&directory, scratch.path().join("removed")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other.map_err(Error::at("remove", &directory)),
        }
    }
}
