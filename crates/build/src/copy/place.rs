//! Where a source goes, and its files one by one.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use hako_dockerfile::Ignore;
use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::target::{Target, clash};
use super::{Error, is_existing_directory, xattr};
use crate::graph::CopyOp;
use crate::tree::{self, Entry, Found, Kind, Tree};

/// Writes a file whose content stands in the Dockerfile.
pub(super) fn inline(
    target: &Target<'_>,
    to: &str,
    name: &str,
    content: &str,
) -> Result<(), Error> {
    let real = file_target(target, to, name)?;
    let fd = target.create(&real)?;
    let mut file = File::from(fd);
    file.write_all(content.as_bytes()).map_err(|source| Error::write(&real, source))?;
    let mut stat = rustix::fs::fstat(&file).map_err(|errno| Error::write(&real, errno))?;
    stat.st_mode = (stat.st_mode & !0o7777) | 0o644;
    target.dress(&real, &stat, false)
}

/// Returns where a file goes: below `to` when that ends with a slash or is a directory, else there.
fn file_target(target: &Target<'_>, to: &str, name: &str) -> Result<PathBuf, Error> {
    let real = target.resolve(Path::new(to))?;
    if to.ends_with('/') || is_existing_directory(target.root, &real) {
        target.make(&real)?;
        return Ok(real.join(name));
    }
    if let Some(parent) = real.parent() {
        target.make(parent)?;
    }
    Ok(real)
}

/// Opens what was found when it is a regular file, which may be an archive.
pub(super) fn archive(tree: &Tree, found: &Found) -> Result<Option<File>, Error> {
    let Ok(fd) = tree.open(&found.path, OFlags::PATH) else { return Ok(None) };
    let stat = rustix::fs::fstat(&fd).map_err(|errno| Error::write(&found.path, errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(None);
    }
    Ok(Some(File::from(tree.open(&found.path, OFlags::RDONLY)?)))
}

/// Copies one thing that was found.
pub(super) fn found(
    target: &Target<'_>,
    operation: &CopyOp,
    (tree, found): (&Tree, &Found),
    exclude: &Ignore,
) -> Result<(), Error> {
    let mut base = None;
    let mut links = HashMap::new();
    let mut late = Vec::new();
    let mut to = operation.target.clone();
    if operation.parents {
        parents(target, &to, tree, found)?;
        to = format!("{}/{}/", to.trim_end_matches('/'), found.parents.display());
    }
    let outcome = tree.walk(found, exclude, &mut |entry| {
        let placed = (|| {
            if base.is_none() {
                base = Some(first(target, &to, found, &entry, operation.parents)?);
            }
            let base = base.as_deref().unwrap_or(Path::new(""));
            let is_top = entry.below.as_os_str().is_empty();
            let real = if is_top { base.to_owned() } else { base.join(&entry.below) };
            let mut copier = Copier { target, tree, links: &mut links, late: &mut late };
            copier.entry(&entry, &real, is_top && !operation.parents)
        })();
        placed.map_err(|error| match error {
            Error::Source(error) => error,
            other => {
                tree::Error::Read { path: entry.path.clone(), source: std::io::Error::other(other) }
            }
        })
    });
    outcome.map_err(unwrapped)?;
    // What was put into a directory changed its time.
    for (real, stat) in late.iter().rev() {
        target.time(real, stat)?;
    }
    Ok(())
}

/// Takes an error of this room out of the walk's.
fn unwrapped(error: tree::Error) -> Error {
    match error {
        tree::Error::Read { path, source } => match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => Error::Source(tree::Error::Read { path, source }),
        },
        other => Error::Source(other),
    }
}

/// Makes the directories that `--parents` keeps, dressed as they are in the source.
fn parents(target: &Target<'_>, to: &str, tree: &Tree, found: &Found) -> Result<(), Error> {
    let mut below = PathBuf::new();
    let root = target.resolve(Path::new(to))?;
    target.make(&root)?;
    for part in found.parents.components() {
        below.push(part);
        let real = target.resolve(&root.join(&below))?;
        if !is_existing_directory(target.root, &real) {
            target.make(&real)?;
            let fd = tree.open(&found.base.join(&below), OFlags::PATH)?;
            let stat = rustix::fs::fstat(&fd).map_err(|errno| Error::write(&real, errno))?;
            target.dress(&real, &stat, tree.keeps_owners())?;
        }
    }
    Ok(())
}

/// Returns where the first entry goes, and makes what is above it.
fn first(
    target: &Target<'_>,
    to: &str,
    found: &Found,
    entry: &Entry,
    with_parents: bool,
) -> Result<PathBuf, Error> {
    if entry.kind != Kind::Directory {
        return file_target(target, to, &found.name);
    }
    let path = if with_parents { format!("{to}{}", found.name) } else { to.to_owned() };
    let real = target.resolve(Path::new(&path))?;
    if let Some(parent) = real.parent() {
        target.make(parent)?;
    }
    Ok(real)
}

struct Copier<'a, 'b> {
    target: &'a Target<'b>,
    tree: &'a Tree,
    /// Files with several names, by device and inode.
    links: &'a mut HashMap<(u64, u64), PathBuf>,
    /// Directories whose times are set when all is in them.
    late: &'a mut Vec<(PathBuf, rustix::fs::Stat)>,
}

impl Copier<'_, '_> {
    /// Copies one entry to `real`; an existing directory keeps how it is dressed when it is the target itself.
    fn entry(&mut self, entry: &Entry, real: &Path, keeps_existing: bool) -> Result<(), Error> {
        let target = self.target;
        match &entry.kind {
            Kind::Directory => {
                let was_there = is_existing_directory(target.root, real);
                if !was_there {
                    rustix::fs::mkdirat(target.root, real, Mode::from_raw_mode(0o700))
                        .map_err(|errno| clash(real, errno, "a file"))?;
                }
                if was_there && keeps_existing {
                    return Ok(());
                }
                self.dress(entry, real)?;
                self.late.push((real.to_owned(), entry.stat));
                return Ok(());
            }
            Kind::File => {
                let key = (entry.stat.st_dev, entry.stat.st_ino);
                if entry.stat.st_nlink > 1
                    && let Some(other) = self.links.get(&key)
                {
                    target.clear(real)?;
                    return rustix::fs::linkat(
                        target.root,
                        other,
                        target.root,
                        real,
                        AtFlags::empty(),
                    )
                    .map_err(|errno| Error::write(real, errno));
                }
                let from = self.tree.open(&entry.path, OFlags::RDONLY | OFlags::NONBLOCK)?;
                content(&from, &target.create(real)?, entry, real)?;
                if entry.stat.st_nlink > 1 {
                    self.links.insert(key, real.to_owned());
                }
            }
            Kind::Link(to) => {
                target.clear(real)?;
                rustix::fs::symlinkat(to, target.root, real)
                    .map_err(|errno| clash(real, errno, "a file"))?;
            }
            Kind::Special => {
                target.clear(real)?;
                let kind = FileType::from_raw_mode(entry.stat.st_mode);
                rustix::fs::mknodat(
                    target.root,
                    real,
                    kind,
                    Mode::from_raw_mode(0o600),
                    entry.stat.st_rdev,
                )
                .map_err(|errno| clash(real, errno, "a file"))?;
            }
        }
        self.dress(entry, real)?;
        target.time(real, &entry.stat)
    }

    fn dress(&self, entry: &Entry, real: &Path) -> Result<(), Error> {
        self.target.dress(real, &entry.stat, self.tree.keeps_owners())?;
        if !matches!(entry.kind, Kind::File | Kind::Directory) {
            return Ok(());
        }
        let from = self.tree.open(&entry.path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let attributes = xattr::read(&from, self.tree.keeps_owners())
            .map_err(|e| Error::write(&entry.path, e))?;
        if attributes.is_empty() {
            return Ok(());
        }
        let to = tree::path::open(self.target.root, real, OFlags::RDONLY)
            .map_err(|errno| Error::write(real, errno))?;
        xattr::write(&to, &attributes).map_err(|source| Error::write(real, source))
    }
}

/// Copies the content of a file, holes left out.
fn content(from: &OwnedFd, to: &OwnedFd, entry: &Entry, real: &Path) -> Result<(), Error> {
    let size = u64::try_from(entry.stat.st_size).unwrap_or(0);
    let is_sparse = u64::try_from(entry.stat.st_blocks).unwrap_or(0) * 512 < size;
    let failed = |source: std::io::Error| Error::write(real, source);
    if is_sparse {
        return sparse(from, to, size).map_err(failed);
    }
    let mut done = 0_u64;
    loop {
        match rustix::fs::copy_file_range(from, None, to, None, 64 << 20) {
            Ok(0) if done == 0 && size > 0 => break,
            Ok(0) => return Ok(()),
            Ok(length) => done += length as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) if done == 0 => break,
            Err(errno) => return Err(Error::write(real, errno)),
        }
    }
    let (mut from, mut to) = (clone(from).map_err(failed)?, clone(to).map_err(failed)?);
    std::io::copy(&mut from, &mut to).map(|_| ()).map_err(failed)
}

fn clone(fd: &OwnedFd) -> std::io::Result<File> {
    Ok(File::from(fd.try_clone()?))
}

fn sparse(from: &OwnedFd, to: &OwnedFd, size: u64) -> std::io::Result<()> {
    let (mut from, mut to) = (clone(from)?, clone(to)?);
    to.set_len(size)?;
    let mut at = 0;
    while at < size {
        let start = match rustix::fs::seek(&from, rustix::fs::SeekFrom::Data(at)) {
            Ok(start) => start,
            Err(Errno::NXIO) => break,
            Err(errno) => return Err(errno.into()),
        };
        let end = rustix::fs::seek(&from, rustix::fs::SeekFrom::Hole(start))?;
        from.seek(SeekFrom::Start(start))?;
        to.seek(SeekFrom::Start(start))?;
        std::io::copy(&mut (&mut from).take(end - start), &mut to)?;
        at = end;
    }
    Ok(())
}
