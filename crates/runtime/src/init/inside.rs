//! Paths inside the container's root, resolved by the kernel so that none leads out of it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

/// The most symbolic links that lead to things which are yet to be made.
const MOST_LINKS: u32 = 40;

/// What is to be at a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    /// A directory.
    Directory,
    /// Anything else that a mount can cover.
    File,
}

/// A directory that is `/` for all paths below it.
#[derive(Debug)]
pub(crate) struct Inside(pub OwnedFd);

impl Inside {
    /// Opens what is at `path`, links followed, for use as a place only.
    pub(crate) fn place(&self, path: &Path) -> io::Result<OwnedFd> {
        self.open(path, OFlags::PATH)
    }

    /// Opens what is at `path`, links followed.
    pub(crate) fn open(&self, path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        open(&self.0, path, flags, resolve)
    }

    /// Opens what is at `path` as a place; a link on the way is refused (`ELOOP`).
    pub(crate) fn real(&self, path: &Path) -> io::Result<OwnedFd> {
        open(&self.0, path, OFlags::PATH, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
    }

    /// Opens what is at `path` as a place, and makes it first, with all its parents, if it is missing.
    pub(crate) fn ensure(&self, path: &Path, want: Want) -> io::Result<OwnedFd> {
        self.ensure_through(path, want, MOST_LINKS)
    }

    /// Opens the directory that holds `path`, made if it is missing, and returns the last name.
    pub(crate) fn parent<'a>(&self, path: &'a Path) -> io::Result<(OwnedFd, &'a OsStr)> {
        let name = path.file_name().ok_or(Errno::INVAL)?;
        let parent = path.parent().unwrap_or(Path::new("/"));
        Ok((self.ensure(parent, Want::Directory)?, name))
    }

    fn ensure_through(&self, path: &Path, want: Want, links: u32) -> io::Result<OwnedFd> {
        match self.place(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => return other,
        }
        let name = path.file_name().ok_or(Errno::NOENT)?;
        let parent_path = path.parent().unwrap_or(Path::new("/"));
        let parent = self.ensure_through(parent_path, Want::Directory, links)?;
        let made = match want {
            Want::Directory => rustix::fs::mkdirat(&parent, name, Mode::from_raw_mode(0o755)),
            Want::File => {
                let flags = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o755)).map(drop)
            }
        };
        match made {
            Ok(()) => {}
            // Something is there although it was not found: a link to something that is missing.
            Err(Errno::EXIST) => {
                let links = links.checked_sub(1).ok_or(Errno::LOOP)?;
                let target = rustix::fs::readlinkat(&parent, name, Vec::new())?;
                let target = parent_path.join(OsString::from_vec(target.into_bytes()));
                return self.ensure_through(&crate::plan::clean(&target), want, links);
            }
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::PATH | OFlags::NOFOLLOW;
        open(&parent, Path::new(name), flags, ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS)
    }
}

/// Opens a path below a directory; an interrupted or raced resolution is tried again.
pub(crate) fn open(
    directory: impl AsFd,
    path: &Path,
    flags: OFlags,
    resolve: ResolveFlags,
) -> io::Result<OwnedFd> {
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(&directory, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve)
        {
            // `..` raced with a rename somewhere; see openat2(2).
            Err(Errno::AGAIN) if tries < 64 => tries += 1,
            other => return Ok(other?),
        }
    }
}
