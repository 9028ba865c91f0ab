//! Going over what is below a path.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use hako_dockerfile::Ignore;
use hako_dockerfile::ignore::Matched;
use rustix::fs::{AtFlags, Dir, FileType, OFlags, Stat};

use super::{Error, Found, Tree, path};

/// What sort of file an entry is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A regular file.
    File,
    /// A symbolic link and where it points.
    Link(PathBuf),
    /// A fifo, a socket or a device.
    Special,
}

/// One file below (or at) what a source path led to.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its real path from the tree's root.
    pub path: PathBuf,
    /// Its path from what was found; empty for that itself.
    pub below: PathBuf,
    /// What sort of file it is.
    pub kind: Kind,
    /// What the kernel says about it.
    pub stat: Stat,
}

/// A directory that has not been told because it is left out itself: it is when something in it is not.
type Pending = Vec<Entry>;

struct Walk<'a> {
    tree: &'a Tree,
    exclude: &'a Ignore,
    visit: &'a mut dyn FnMut(Entry) -> Result<(), Error>,
    pending: Pending,
}

impl Tree {
    /// Calls `visit` for what was found and all below it, directories before what is in them, names sorted; what the tree's
    /// rules or `exclude` (seen from what was found) leave out is not told.
    ///
    /// # Errors
    /// When something cannot be read, or what `visit` returns.
    pub fn walk(
        &self,
        found: &Found,
        exclude: &Ignore,
        visit: &mut dyn FnMut(Entry) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let at = stat(self.root.as_fd(), &found.path)
            .map_err(|errno| Error::read(&found.path, errno))?;
        let kind = kind(self.root.as_fd(), &found.path, &at)
            .map_err(|source| Error::read(&found.path, source))?;
        let entry = Entry { path: found.path.clone(), below: PathBuf::new(), kind, stat: at };
        if entry.kind != Kind::Directory {
            let name = if found.name.is_empty() {
                super::file_name(&found.path)
            } else {
                found.name.clone()
            };
            let whole = found.parents.join(&name);
            let is_out = exclude.decide_alone(&name).is_out
                || exclude.decide_alone(&whole.to_string_lossy()).is_out;
            return if is_out { Ok(()) } else { visit(entry) };
        }
        let fd = self.open(&found.path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut walk = Walk { tree: self, exclude, visit, pending: Vec::new() };
        (walk.visit)(entry)?;
        walk.directory(&fd, &found.path, Path::new(""), (&found.matched, &Matched::default()))
    }
}

impl Walk<'_> {
    fn directory(
        &mut self,
        fd: &OwnedFd,
        path: &Path,
        below: &Path,
        (ignored, excluded): (&Matched, &Matched),
    ) -> Result<(), Error> {
        for (name, _) in names(fd).map_err(|source| Error::read(path, source))? {
            let (path, below) = (path.join(&name), below.join(&name));
            let ignore = &self.tree.ignore;
            let ignored =
                (!ignore.is_empty()).then(|| ignore.decide(&path.to_string_lossy(), ignored));
            let excluded = (!self.exclude.is_empty())
                .then(|| self.exclude.decide(&below.to_string_lossy(), excluded));
            let is_ignored = ignored.as_ref().is_some_and(|v| v.is_out);
            let is_excluded = excluded.as_ref().is_some_and(|v| v.is_out);
            let may_enter = (!is_ignored || ignore.must_enter(&path.to_string_lossy()))
                && (!is_excluded || self.exclude.must_enter(&below.to_string_lossy()));
            let is_out = is_ignored || is_excluded;
            if is_out && !may_enter {
                continue;
            }
            let stat = match rustix::fs::statat(fd, &name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(rustix::io::Errno::NOENT) => continue,
                Err(errno) => return Err(Error::read(&path, errno)),
            };
            let kind = kind(fd.as_fd(), Path::new(&name), &stat)
                .map_err(|source| Error::read(&path, source))?;
            let is_directory = kind == Kind::Directory;
            let entry = Entry { path: path.clone(), below: below.clone(), kind, stat };
            if is_out {
                if is_directory {
                    self.pending.push(entry);
                    self.enter(fd, &name, &path, &below, (ignored, excluded))?;
                    if self.pending.last().is_some_and(|last| last.below == below) {
                        self.pending.pop();
                    }
                }
                continue;
            }
            for pending in std::mem::take(&mut self.pending) {
                (self.visit)(pending)?;
            }
            (self.visit)(entry)?;
            if is_directory {
                self.enter(fd, &name, &path, &below, (ignored, excluded))?;
            }
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "the state of a recursion")]
    fn enter(
        &mut self,
        fd: &OwnedFd,
        name: &OsString,
        path: &Path,
        below: &Path,
        verdicts: (
            Option<hako_dockerfile::ignore::Verdict>,
            Option<hako_dockerfile::ignore::Verdict>,
        ),
    ) -> Result<(), Error> {
        let child = path::open(fd.as_fd(), Path::new(name), OFlags::RDONLY | OFlags::DIRECTORY)
            .map_err(|errno| Error::read(path, errno))?;
        let ignored = verdicts.0.map(|v| v.matched).unwrap_or_default();
        let excluded = verdicts.1.map(|v| v.matched).unwrap_or_default();
        self.directory(&child, path, below, (&ignored, &excluded))
    }
}

/// Returns the names in a directory, sorted, with what sort of file each is.
pub(super) fn names(fd: &OwnedFd) -> io::Result<Vec<(OsString, FileType)>> {
    let mut all = Vec::new();
    for entry in Dir::read_from(fd)? {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name != b"." && name != b".." {
            all.push((OsString::from_vec(name.to_vec()), entry.file_type()));
        }
    }
    all.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    Ok(all)
}

/// Returns what the kernel says about a path, a link not followed.
pub(super) fn stat(root: BorrowedFd<'_>, path: &Path) -> Result<Stat, rustix::io::Errno> {
    if path.as_os_str().is_empty() {
        return rustix::fs::fstat(root);
    }
    rustix::fs::statat(root, path, AtFlags::SYMLINK_NOFOLLOW)
}

fn kind(directory: BorrowedFd<'_>, name: &Path, stat: &Stat) -> io::Result<Kind> {
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Kind::Directory,
        FileType::RegularFile => Kind::File,
        FileType::Symlink => {
            let target = rustix::fs::readlinkat(directory, name, Vec::new())?;
            Kind::Link(PathBuf::from(OsString::from_vec(target.into_bytes())))
        }
        _ => Kind::Special,
    })
}
