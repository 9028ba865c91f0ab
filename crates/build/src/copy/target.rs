//! The directory that is copied into.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

use super::{Error, ModeChange, Owner, is_existing_directory};
use crate::tree::path;

/// A root directory, and what everything that is written into it gets.
pub(super) struct Target<'a> {
    pub(super) root: BorrowedFd<'a>,
    /// The directory that writes to the root go to, where the root is an overlay that nobody else uses.
    pub(super) upper: Option<BorrowedFd<'a>>,
    /// `--chown`.
    pub(super) owner: Option<Owner>,
    /// `--chmod`.
    pub(super) mode: Option<ModeChange>,
}

impl Target<'_> {
    /// Returns where `path` really is in the root, links followed, whether it is there or not.
    pub(super) fn resolve(&self, path: &Path) -> Result<PathBuf, Error> {
        path::resolve_new(self.root, path).map_err(|error| match error {
            path::Error::Io(source) => Error::write(path, source),
            other => Error::write(path, std::io::Error::other(other.to_string())),
        })
    }

    /// Makes `path` and the directories above it, where they are missing, for the owner; returns it, opened.
    pub(super) fn directory(&self, path: &Path) -> Result<OwnedFd, Error> {
        let real = self.resolve(path)?;
        self.make(&real)?;
        path::open(self.root, &real, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|errno| clash(&real, errno, "a file"))
    }

    /// Makes the real path `real` and those above it.
    pub(super) fn make(&self, real: &Path) -> Result<(), Error> {
        if is_existing_directory(self.root, real) {
            return Ok(());
        }
        if let Some(parent) = real.parent() {
            self.make(parent)?;
        }
        match rustix::fs::mkdirat(self.root, real, Mode::from_raw_mode(0o755)) {
            Ok(()) => {}
            Err(Errno::EXIST) if is_existing_directory(self.root, real) => return Ok(()),
            Err(errno) => return Err(clash(real, errno, "a file")),
        }
        // mkdir(2) takes the umask away from the mode.
        let fd = path::open(self.root, real, OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|e| Error::write(real, e))?;
        rustix::fs::fchmod(&fd, Mode::from_raw_mode(0o755))
            .map_err(|errno| Error::write(real, errno))?;
        if let Some(owner) = self.owner {
            let (uid, gid) = ids(owner);
            rustix::fs::fchown(&fd, Some(uid), Some(gid))
                .map_err(|errno| Error::write(real, errno))?;
        }
        Ok(())
    }

    /// Removes what is at `real` unless it is a directory that is not empty.
    pub(super) fn clear(&self, real: &Path) -> Result<(), Error> {
        match rustix::fs::unlinkat(self.root, real, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(Errno::ISDIR | Errno::PERM) => {
                match rustix::fs::unlinkat(self.root, real, AtFlags::REMOVEDIR) {
                    Ok(()) => Ok(()),
                    Err(errno) => Err(clash(real, errno, "a directory")),
                }
            }
            Err(errno) => Err(clash(real, errno, "a file")),
        }
    }

    /// Gives the file at `real` owner, mode and times: those of `stat`, but for what `--chown` and `--chmod` say.
    pub(super) fn dress(&self, real: &Path, stat: &Stat, keeps_owner: bool) -> Result<(), Error> {
        let failed = |errno: Errno| Error::write(real, errno);
        let kept = if keeps_owner {
            Owner { uid: stat.st_uid, gid: stat.st_gid }
        } else {
            Owner::default()
        };
        let (uid, gid) = ids(self.owner.unwrap_or(kept));
        let name = if real.as_os_str().is_empty() { Path::new(".") } else { real };
        rustix::fs::chownat(self.root, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(failed)?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind != FileType::Symlink {
            let bits = stat.st_mode & 0o7777;
            let bits = self
                .mode
                .as_ref()
                .map_or(bits, |change| change.apply(bits, kind == FileType::Directory));
            rustix::fs::chmodat(self.root, name, Mode::from_raw_mode(bits), AtFlags::empty())
                .map_err(failed)?;
        }
        Ok(())
    }

    /// Gives the file at `real` the times of `stat`.
    pub(super) fn time(&self, real: &Path, stat: &Stat) -> Result<(), Error> {
        let name = if real.as_os_str().is_empty() { Path::new(".") } else { real };
        rustix::fs::utimensat(self.root, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|e| Error::write(real, e))
    }

    /// Makes a new file at `real`, whatever was there, and opens it.
    pub(super) fn create(&self, real: &Path) -> Result<OwnedFd, Error> {
        self.clear(real)?;
        self.create_new(real)
    }

    /// Makes a new file at `real`, where nothing is, and opens it.
    pub(super) fn create_new(&self, real: &Path) -> Result<OwnedFd, Error> {
        path::open(self.root.as_fd(), real, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
            .map_err(|errno| clash(real, errno, "a file"))
    }

    /// As [`dress`](Self::dress), for a file that this process has just made.
    pub(super) fn dress_open(
        &self,
        file: &OwnedFd,
        real: &Path,
        stat: &Stat,
        keeps_owner: bool,
    ) -> Result<(), Error> {
        let failed = |errno: Errno| Error::write(real, errno);
        let kept = if keeps_owner {
            Owner { uid: stat.st_uid, gid: stat.st_gid }
        } else {
            Owner::default()
        };
        let (uid, gid) = ids(self.owner.unwrap_or(kept));
        rustix::fs::fchown(file, Some(uid), Some(gid)).map_err(failed)?;
        let bits = stat.st_mode & 0o7777;
        let bits = self.mode.as_ref().map_or(bits, |change| change.apply(bits, false));
        rustix::fs::fchmod(file, Mode::from_raw_mode(bits)).map_err(failed)
    }
}

/// Returns the times of a file, as they are set.
pub(super) fn times(stat: &Stat) -> Timestamps {
    let nanos = |value| i64::try_from(value).unwrap_or(0);
    let modified = Timespec { tv_sec: stat.st_mtime, tv_nsec: nanos(stat.st_mtime_nsec) };
    let accessed = Timespec { tv_sec: stat.st_atime, tv_nsec: nanos(stat.st_atime_nsec) };
    Timestamps { last_access: accessed, last_modification: modified }
}

fn ids(owner: Owner) -> (Uid, Gid) {
    (Uid::from_raw(owner.uid), Gid::from_raw(owner.gid))
}

/// Returns the error for something that cannot be made because something else is there.
pub(super) fn clash(path: &Path, errno: Errno, what: &'static str) -> Error {
    match errno {
        Errno::NOTDIR | Errno::ISDIR | Errno::EXIST | Errno::NOTEMPTY => {
            Error::Clash { path: path.to_owned(), what }
        }
        errno => Error::write(path, errno),
    }
}
