//! Directories in `tmp/` in which layers are made.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use hako_types::RandomId;
use rustix::fs::{FlockOperation, flock};

use super::Error;

const PREFIX: &str = "layer-";

/// A directory of our own, deleted when dropped unless it was renamed away.
///
/// It is locked as long as this value lives, by which others know that it is no debris.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    lock: File,
}

impl Scratch {
    /// Makes one in `tmp`.
    pub(super) fn new(tmp: &Path) -> Result<Self, Error> {
        loop {
            let path = tmp.join(format!("{PREFIX}{}", &RandomId::random().as_str()[..16]));
            let made = Self::take(path.clone()).map_err(Error::at("make", &path))?;
            if let Some(scratch) = made {
                return Ok(scratch);
            }
        }
    }

    /// Makes and locks a directory; `None` when a sweep came in between.
    fn take(path: PathBuf) -> io::Result<Option<Self>> {
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        let lock = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other?,
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Ok(None);
        }
        let is_ours = fs::metadata(&path)
            .is_ok_and(|now| lock.metadata().is_ok_and(|then| then.ino() == now.ino()));
        Ok(is_ours.then_some(Self { path, lock }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the open directory.
    pub(super) fn directory(&self) -> &File {
        &self.lock
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be deleted now is debris for the next sweep.
        drop(fs::remove_dir_all(&self.path));
    }
}

/// Deletes the directories in `tmp` that nobody holds; returns how many.
pub(super) fn sweep(tmp: &Path) -> io::Result<usize> {
    let mut count = 0;
    let entries = match fs::read_dir(tmp) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let Ok(lock) = File::open(entry.path()) else { continue };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            fs::remove_dir_all(entry.path())?;
            count += 1;
        }
    }
    Ok(count)
}
