//! Locks on files: held by an open descriptor, dropped by the kernel when its last copy is closed.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// A lock that is held until this value is dropped, or until every process that inherited its
/// descriptor is gone.
#[derive(Debug)]
pub struct Lock(File);

impl Lock {
    /// Takes the lock on the file at `path`, which is made where missing; waits for whoever holds it.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn exclusive(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockExclusive)
    }

    /// Takes the lock together with others who share it; waits for whoever holds it alone.
    ///
    /// # Errors
    /// When the file cannot be opened or locked.
    pub fn shared(path: &Path) -> io::Result<Self> {
        Self::take(path, FlockOperation::LockShared)
    }

    /// Takes the lock if nobody holds it, and returns nothing otherwise.
    ///
    /// # Errors
    /// When the file cannot be opened or locked for another reason.
    pub fn try_exclusive(path: &Path) -> io::Result<Option<Self>> {
        match Self::take(path, FlockOperation::NonBlockingLockExclusive) {
            Ok(lock) => Ok(Some(lock)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Tells whether somebody holds the lock at `path`; a file that is not there is not locked.
    ///
    /// # Errors
    /// When the file cannot be opened or asked.
    pub fn is_held(path: &Path) -> io::Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        match flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Returns the locked file, so that a child process can inherit it.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }

    /// Returns the lock whose file was inherited as `file`.
    #[must_use]
    pub fn inherited(file: File) -> Self {
        Self(file)
    }

    fn take(path: &Path, operation: FlockOperation) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        loop {
            match flock(&file, operation) {
                Ok(()) => return Ok(Self(file)),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_seen_and_a_dropped_one_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        assert!(!Lock::is_held(&path).unwrap());
        let lock = Lock::exclusive(&path).unwrap();
        assert!(Lock::is_held(&path).unwrap());
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(lock);
        assert!(!Lock::is_held(&path).unwrap());
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }
}
