//! Paths within a root, resolved here: absolute links and `..` stay inside.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use thiserror::Error;

/// Why a path leads nowhere.
#[derive(Debug, Error)]
pub enum Error {
    /// Nothing is there.
    #[error("not found")]
    Missing,
    /// Too many symbolic links.
    #[error("too many symbolic links")]
    Loop,
    /// A part cannot be looked at.
    #[error("cannot look")]
    Io(#[from] io::Error),
}

/// As many symbolic links as the kernel follows.
const LINKS: usize = 40;

/// Returns where `path` really is: from the root, without symbolic links. It must be there.
///
/// # Errors
/// When it is not there.
pub fn resolve(root: BorrowedFd<'_>, path: &Path) -> Result<PathBuf, Error> {
    let (real, rest) = walk(root, path)?;
    if rest.as_os_str().is_empty() { Ok(real) } else { Err(Error::Missing) }
}

/// Returns where `path` really is, whether it is there or not.
///
/// # Errors
/// When a part that is there is no directory.
pub fn resolve_new(root: BorrowedFd<'_>, path: &Path) -> Result<PathBuf, Error> {
    let (real, rest) = walk(root, path)?;
    Ok(if rest.as_os_str().is_empty() { real } else { real.join(rest) })
}

/// Follows `path` as far as it is there; returns that and the rest.
fn walk(root: BorrowedFd<'_>, path: &Path) -> Result<(PathBuf, PathBuf), Error> {
    let mut real = PathBuf::new();
    let mut open: VecDeque<OsString> = parts(path);
    let mut links = 0;
    while let Some(part) = open.pop_front() {
        if part == ".." {
            real.pop();
            continue;
        }
        let next = real.join(&part);
        let stat = match rustix::fs::statat(root, &next, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT | Errno::NOTDIR) => {
                let mut rest = PathBuf::from(part);
                for part in open {
                    if part == ".." {
                        rest.pop();
                    } else {
                        rest.push(part);
                    }
                }
                return Ok((real, rest));
            }
            Err(errno) => return Err(io::Error::from(errno).into()),
        };
        if FileType::from_raw_mode(stat.st_mode) != FileType::Symlink {
            real = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err(Error::Loop);
        }
        let target = rustix::fs::readlinkat(root, &next, Vec::new()).map_err(io::Error::from)?;
        let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
        if target.is_absolute() {
            real.clear();
        }
        for part in parts(&target).into_iter().rev() {
            open.push_front(part);
        }
    }
    Ok((real, PathBuf::new()))
}

fn parts(path: &Path) -> VecDeque<OsString> {
    path.components()
        .filter_map(|component| match component {
            Component::Normal(part) => Some(part.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        })
        .collect()
}

/// Opens a path that [`resolve`] returned; one that has become a link since is refused.
///
/// # Errors
/// What the kernel says.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let mode =
        if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o600) } else { Mode::empty() };
    let mut tries = 0;
    loop {
        match rustix::fs::openat2(root, path, flags, mode, resolve) {
            // The tree changes under us; whoever keeps changing it must not keep us here for ever.
            Err(Errno::AGAIN) if tries < 256 => tries += 1,
            Err(Errno::INTR) => {}
            result => return result,
        }
    }
}
