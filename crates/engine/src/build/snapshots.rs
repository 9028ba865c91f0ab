//! Layers on disk: where each is, how they are seen together, and how a new one comes about.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use hako_build::{LayerId, SqliteCache};
use hako_image::Layers;
use hako_types::RandomId;

use crate::Error;
use crate::container::rootfs;

/// The layers of builds beside those of images.
#[derive(Debug)]
pub(super) struct Snapshots<'a> {
    root: PathBuf,
    layers: Layers,
    cache: &'a SqliteCache,
}

/// A layer in the making; dropping it deletes it.
#[derive(Debug)]
pub(super) struct Making {
    pub(super) id: LayerId,
    directory: PathBuf,
    is_kept: bool,
}

impl<'a> Snapshots<'a> {
    pub(super) fn new(build: &Path, layers: Layers, cache: &'a SqliteCache) -> Self {
        Self { root: build.join("snapshots"), layers, cache }
    }

    /// Returns the directory with a layer's files, where it is there.
    pub(super) fn path(&self, layer: &LayerId) -> Option<PathBuf> {
        let of_image = |text: &str| {
            let id = text.parse().ok()?;
            self.layers.has(&id).then(|| self.layers.path(&id))
        };
        if layer.is_diff_id() {
            return of_image(&layer.0);
        }
        let own = self.directory(layer).join("fs");
        if own.exists() {
            return Some(own);
        }
        of_image(&self.cache.diff_id(layer).ok()??)
    }

    fn directory(&self, layer: &LayerId) -> PathBuf {
        self.root.join(&layer.0)
    }

    /// Returns the directories of layers, topmost first, as overlayfs takes them.
    pub(super) fn lower(&self, layers: &[LayerId]) -> Result<Vec<PathBuf>, Error> {
        let mut seen = HashSet::new();
        let mut all = Vec::new();
        for layer in layers.iter().rev() {
            let path = self.path(layer).ok_or_else(|| {
                Error::Conflict(format!("the layer `{layer}` is not there any more"))
            })?;
            if seen.insert(path.clone()) {
                all.push(path);
            }
        }
        Ok(all)
    }

    /// Opens the files of layers, read-only.
    pub(super) fn open(&self, layers: &[LayerId]) -> Result<OwnedFd, Error> {
        let lower = self.lower(layers)?;
        match &lower[..] {
            [] => {
                let empty = self.empty()?;
                hako_build::tree::open_root(&empty).map_err(Error::io("open", &empty))
            }
            [one] => hako_build::tree::open_root(one).map_err(Error::io("open", one)),
            _ => opened(&rootfs::overlay(&lower, None)?),
        }
    }

    /// Returns a directory with nothing in it.
    pub(super) fn empty(&self) -> Result<PathBuf, Error> {
        let empty = self.root.join("empty");
        make(&empty)?;
        Ok(empty)
    }

    /// Begins a layer.
    pub(super) fn begin(&self) -> Result<Making, Error> {
        let id = LayerId(RandomId::random().as_str()[..32].to_owned());
        let directory = self.directory(&id);
        make(&directory.join("fs"))?;
        Ok(Making { id, directory, is_kept: false })
    }
}

impl Making {
    /// Returns where the layer's files are put.
    pub(super) fn upper(&self) -> PathBuf {
        self.directory.join("fs")
    }

    /// Returns the kernel's scratch directory, made.
    pub(super) fn work(&self) -> Result<PathBuf, Error> {
        let work = self.directory.join("work");
        make(&work)?;
        Ok(work)
    }

    /// Opens the files that are seen through the layer, to be written.
    pub(super) fn open(&self, lower: &[PathBuf]) -> Result<OwnedFd, Error> {
        if lower.is_empty() {
            let upper = self.upper();
            return hako_build::tree::open_root(&upper).map_err(Error::io("open", &upper));
        }
        opened(&rootfs::overlay(lower, Some(&(self.upper(), self.work()?)))?)
    }

    /// Keeps the layer; returns the bytes that its files take.
    pub(super) fn keep(mut self) -> Result<(LayerId, u64), Error> {
        let work = self.directory.join("work");
        match fs::remove_dir_all(&work) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &work)(error));
            }
            _ => {}
        }
        let size = size(&self.upper()).map_err(Error::io("measure", &self.directory))?;
        self.is_kept = true;
        Ok((self.id.clone(), size))
    }
}

impl Drop for Making {
    fn drop(&mut self) {
        if !self.is_kept {
            let _debris = fs::remove_dir_all(&self.directory);
        }
    }
}

/// Turns a detached mount into a directory that can be searched.
fn opened(mount: &OwnedFd) -> Result<OwnedFd, Error> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(mount.as_fd(), ".", flags, Mode::empty())
        .map_err(|e| Error::io("open", Path::new("/"))(e.into()))
}

/// Makes a directory that everybody may enter.
pub(super) fn make(path: &Path) -> Result<(), Error> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(path)
        .map_err(Error::io("create", path))
}

/// Returns the bytes that the files below `path` take.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut bytes = 0;
    let mut open = vec![path.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(&directory)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                open.push(entry.path());
            } else if meta.is_file() {
                bytes += meta.size().min(meta.blocks() * 512);
            }
        }
    }
    Ok(bytes)
}
