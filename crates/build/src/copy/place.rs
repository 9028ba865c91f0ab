//! Where a source goes, and its files one by one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use hako_dockerfile::Ignore;
use rustix::fs::{FileType, OFlags};

use super::files::Copier;
use super::target::Target;
use super::{Error, is_existing_directory};
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
    let mut to = operation.target.clone();
    if operation.parents {
        parents(target, &to, tree, found)?;
        to = format!("{}/{}/", to.trim_end_matches('/'), found.parents.display());
    }
    let mut copier: Option<(PathBuf, Copier<'_, '_>)> = None;
    let outcome = tree.walk(found, exclude, &mut |entry| {
        let path = entry.path.clone();
        let placed = (|| {
            let is_top = entry.below.as_os_str().is_empty();
            let (base, copier) = match &mut copier {
                Some((base, copier)) => (base, copier),
                none => {
                    let base = first(target, &to, found, &entry, operation.parents)?;
                    let is_new =
                        entry.kind == Kind::Directory && !is_existing_directory(target.root, &base);
                    let copier = Copier::new(target, tree, is_new);
                    let (base, copier) = none.insert((base, copier));
                    (base, copier)
                }
            };
            let real = if is_top { base.clone() } else { base.join(&entry.below) };
            copier.entry(entry, real, is_top && !operation.parents)
        })();
        placed.map_err(|error| match error {
            Error::Source(error) => error,
            other => tree::Error::Read { path, source: std::io::Error::other(other) },
        })
    });
    outcome.map_err(unwrapped)?;
    copier.map_or(Ok(()), |(_, copier)| copier.finish())
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
