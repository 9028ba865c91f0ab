//! What a container changed: its upper directory compared with the layers below.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, openat, statat};

use super::error::display;
use super::pack::names;
use super::root::DIRECTORY;
use super::{Error, Overlay, whiteout};

/// One difference.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Change {
    /// The path as the container sees it, absolute.
    pub path: PathBuf,
    /// What became of it.
    pub kind: ChangeKind,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum ChangeKind {
    /// It, or something in it, is not as it was.
    Changed,
    /// It was not there.
    Added,
    /// It is not there any more.
    Deleted,
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Changed => "C",
            Self::Added => "A",
            Self::Deleted => "D",
        })
    }
}

/// Compares `upper` with the layers below it, `lowers`, topmost first; returns the differences sorted by path.
///
/// A file that is only copied up and otherwise as it was counts for nothing; so do a directory's time and size. Of what is deleted only the
/// topmost directory is listed.
///
/// # Errors
/// When a directory cannot be read.
pub fn diff(upper: &Path, lowers: &[PathBuf], overlay: Overlay) -> Result<Vec<Change>, Error> {
    let open = |path: &PathBuf| {
        let bytes = std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str());
        openat(CWD, path.as_path(), DIRECTORY, Mode::empty())
            .map_err(Error::at("open the layer", bytes))
    };
    let upper = open(&upper.to_owned())?;
    let lowers = lowers.iter().map(open).collect::<Result<Vec<_>, _>>()?;
    let mut walk = Walk { overlay, changes: Vec::new() };
    walk.directory(b"", upper.as_fd(), &lowers, false)?;
    walk.changes.sort();
    Ok(walk.changes)
}

struct Walk {
    overlay: Overlay,
    changes: Vec<Change>,
}

impl Walk {
    /// Compares a directory with the directories of the same path in lower layers, as far down as they are merged.
    fn directory(
        &mut self,
        path: &[u8],
        upper: BorrowedFd<'_>,
        lowers: &[OwnedFd],
        opaque: bool,
    ) -> Result<(), Error> {
        let present = names(upper).map_err(Error::at("list", path))?;
        for name in &present {
            let below = [path, b"/", name].concat();
            let stat = statat(upper, name.as_slice(), AtFlags::SYMLINK_NOFOLLOW)
                .map_err(Error::at("look at", &below))?;
            let old = lookup(lowers, name).map_err(Error::at("look at", &below))?;
            match (whiteout::is_whiteout(&stat), old) {
                (true, None) => {}
                (true, Some(_)) => self.push(&below, ChangeKind::Deleted),
                (false, old) => self.member(&below, upper, name, &stat, old.as_ref(), lowers)?,
            }
        }
        if opaque {
            for name in merged(lowers).map_err(Error::at("list", path))? {
                if present.binary_search(&name).is_err() {
                    self.push(&[path, b"/", &name].concat(), ChangeKind::Deleted);
                }
            }
        }
        Ok(())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a path, where it lies, and what was there before"
    )]
    fn member(
        &mut self,
        path: &[u8],
        upper: BorrowedFd<'_>,
        name: &[u8],
        stat: &Stat,
        old: Option<&Stat>,
        lowers: &[OwnedFd],
    ) -> Result<(), Error> {
        let is_directory =
            |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if !is_directory(stat) {
            match old {
                None => self.push(path, ChangeKind::Added),
                Some(old) if differs(old, stat) => self.push(path, ChangeKind::Changed),
                Some(_) => {}
            }
            return Ok(());
        }
        let directory =
            openat(upper, name, DIRECTORY, Mode::empty()).map_err(Error::at("open", path))?;
        let (kind, below) = match old {
            None => (Some(ChangeKind::Added), Vec::new()),
            Some(old) if !is_directory(old) => (Some(ChangeKind::Changed), Vec::new()),
            Some(old) => {
                let kind = differs(old, stat).then_some(ChangeKind::Changed);
                (kind, descend(lowers, name, self.overlay).map_err(Error::at("open", path))?)
            }
        };
        let before = self.changes.len();
        let opaque = whiteout::is_opaque(directory.as_fd(), self.overlay);
        self.directory(path, directory.as_fd(), &below, opaque)?;
        let touched = self.changes.len() > before;
        if let Some(kind) = kind.or_else(|| touched.then_some(ChangeKind::Changed)) {
            self.push(path, kind);
        }
        Ok(())
    }

    fn push(&mut self, path: &[u8], kind: ChangeKind) {
        self.changes.push(Change { path: display(path), kind });
    }
}

/// Tells whether a file is another than it was.
fn differs(old: &Stat, new: &Stat) -> bool {
    let is_directory = FileType::from_raw_mode(new.st_mode) == FileType::Directory;
    old.st_mode != new.st_mode
        || (old.st_uid, old.st_gid, old.st_rdev) != (new.st_uid, new.st_gid, new.st_rdev)
        || !is_directory
            && (old.st_size, old.st_mtime, old.st_mtime_nsec)
                != (new.st_size, new.st_mtime, new.st_mtime_nsec)
}

/// Returns what merged layers have under `name`.
fn lookup(lowers: &[OwnedFd], name: &[u8]) -> rustix::io::Result<Option<Stat>> {
    for lower in lowers {
        match statat(lower, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => return Ok(Some(stat).filter(|stat| !whiteout::is_whiteout(stat))),
            Err(rustix::io::Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(None)
}

/// Returns the directories `name` of merged layers that are merged themselves.
fn descend(lowers: &[OwnedFd], name: &[u8], overlay: Overlay) -> rustix::io::Result<Vec<OwnedFd>> {
    let mut found = Vec::new();
    for lower in lowers {
        match openat(lower, name, DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(directory) => {
                let last = whiteout::is_opaque(directory.as_fd(), overlay);
                found.push(directory);
                if last {
                    break;
                }
            }
            Err(rustix::io::Errno::NOENT) => {}
            // Something else, or a whiteout: it hides what lies below.
            Err(rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// Returns the names in a directory of merged layers.
fn merged(lowers: &[OwnedFd]) -> std::io::Result<Vec<Vec<u8>>> {
    let mut all = Vec::new();
    for lower in lowers {
        all.extend(names(lower.as_fd())?);
    }
    all.sort_unstable();
    all.dedup();
    let mut visible = Vec::new();
    for name in all {
        if lookup(lowers, &name)?.is_some() {
            visible.push(name);
        }
    }
    Ok(visible)
}
