//! `COPY`, `ADD` and `WORKDIR`: files from trees into a root directory, as BuildKit copies them.
//!
//! Everything works on descriptors: sources are [`Tree`]s, the target is the descriptor of a directory, usually an overlay that is mounted
//! nowhere. Nothing is ever resolved outside of either.

mod accounts;
mod files;
mod mode;
mod place;
mod target;
pub mod xattr;

use std::io;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use hako_dockerfile::Ignore;
use thiserror::Error;

pub use accounts::{Accounts, Owner};
pub use mode::{ModeChange, is_mode};

use crate::graph::{CopyOp, DirectoryOp};
use crate::tree::{self, Found, Tree, is_directory};
use target::Target;

/// Why files cannot be copied.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The source.
    #[error(transparent)]
    Source(#[from] tree::Error),
    /// `--chown` or `USER` names somebody whom the image does not know.
    #[error("unknown {what} `{name}`")]
    Unknown {
        /// `user` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A directory shall go where a file is, or the other way round.
    #[error("cannot copy to `{}`: it is {what}", path.display())]
    Clash {
        /// Where.
        path: PathBuf,
        /// What is there.
        what: &'static str,
    },
    /// `--exclude` with a pattern that is none.
    #[error("illegal pattern `{0}`")]
    Pattern(String),
    /// The target cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An archive cannot be unpacked.
    #[error("cannot unpack `{name}`: {why}")]
    Unpack {
        /// The archive.
        name: String,
        /// Why.
        why: String,
    },
}

impl Error {
    fn write(path: &Path, source: impl Into<io::Error>) -> Self {
        Self::Write { path: path.to_owned(), source: source.into() }
    }
}

/// Where is copied to.
#[derive(Clone, Copy, Debug)]
pub struct Destination<'a> {
    /// The root directory.
    pub root: BorrowedFd<'a>,
    /// Where the root is an overlay that nobody else uses: its upper directory, so that what cannot have anything below it need not go
    /// through the overlay.
    pub upper: Option<BorrowedFd<'a>>,
}

impl<'a> Destination<'a> {
    /// Returns a plain directory as the place to copy to.
    #[must_use]
    pub fn plain(root: BorrowedFd<'a>) -> Self {
        Self { root, upper: None }
    }
}

/// What a source of a copy is, opened.
#[derive(Debug)]
pub enum Opened<'a> {
    /// A tree, and the path or pattern in it.
    Tree(&'a Tree, &'a str),
    /// A file whose name and content stand in the Dockerfile.
    Inline(&'a str, &'a str),
}

/// Unpacks archives; without one they are copied as they are.
pub trait Unpack {
    /// Unpacks `file` into `directory` when it is an archive; tells whether it is.
    ///
    /// # Errors
    /// Why a broken archive cannot be unpacked.
    fn unpack(&self, file: std::fs::File, directory: BorrowedFd<'_>) -> Result<bool, String>;
}

/// Copies every source of `operation` to where `into` says. `owner` is who `--chown` says, looked up already.
///
/// # Errors
/// At the first thing that cannot be copied; what was copied before stays.
pub fn perform(
    operation: &CopyOp,
    into: Destination<'_>,
    sources: &[Opened<'_>],
    owner: Option<Owner>,
    unpack: Option<&dyn Unpack>,
) -> Result<(), Error> {
    let exclude = exclude(operation)?;
    let mode = operation.mode.as_deref().and_then(ModeChange::parse);
    let target = Target { root: into.root, upper: into.upper, owner, mode };
    for (planned, source) in operation.sources.iter().zip(sources) {
        match source {
            Opened::Inline(name, content) => {
                place::inline(&target, &operation.target, name, content)?;
            }
            Opened::Tree(tree, path) => {
                for found in find(tree, operation, path)? {
                    let unpack = unpack.filter(|_| planned.unpack);
                    one(&target, operation, (tree, &found), &exclude, unpack)?;
                }
            }
        }
    }
    Ok(())
}

/// Copies one thing that was found, as a source of `operation` without options.
///
/// # Errors
/// As [`perform`].
pub fn perform_found(
    operation: &CopyOp,
    root: BorrowedFd<'_>,
    tree: &Tree,
    found: &Found,
) -> Result<(), Error> {
    let target = Target { root, upper: None, owner: None, mode: None };
    place::found(&target, operation, (tree, found), &Ignore::default())
}

/// Returns what a source path of `operation` means in a tree.
///
/// # Errors
/// When a plain path is not there.
pub fn find(tree: &Tree, operation: &CopyOp, path: &str) -> Result<Vec<Found>, tree::Error> {
    if operation.parents { tree.find_with_parents(path) } else { tree.find(path) }
}

/// Returns the rules of `--exclude`.
///
/// # Errors
/// When a pattern is none.
pub fn exclude(operation: &CopyOp) -> Result<Ignore, Error> {
    Ignore::of_patterns(operation.exclude.iter().map(String::as_str))
        .map_err(|bad| Error::Pattern(bad.pattern))
}

fn one(
    target: &Target<'_>,
    operation: &CopyOp,
    (tree, found): (&Tree, &Found),
    exclude: &Ignore,
    unpack: Option<&dyn Unpack>,
) -> Result<(), Error> {
    if let Some(unpack) = unpack
        && let Some(file) = place::archive(tree, found)?
    {
        let directory = target.directory(Path::new(&operation.target))?;
        let failed = |why| Error::Unpack { name: found.name.clone(), why };
        if unpack.unpack(file, rustix::fd::AsFd::as_fd(&directory)).map_err(failed)? {
            return Ok(());
        }
    }
    place::found(target, operation, (tree, found), exclude)
}

/// Makes a working directory and those above it, where they are missing; they belong to `owner`.
///
/// # Errors
/// When something that is no directory is in the way.
pub fn directory(
    operation: &DirectoryOp,
    root: BorrowedFd<'_>,
    owner: Option<Owner>,
) -> Result<(), Error> {
    let target = Target { root, upper: None, owner, mode: None };
    let _fd = target.directory(Path::new(&operation.path))?;
    Ok(())
}

/// Tells whether the path is a directory in the root.
fn is_existing_directory(root: BorrowedFd<'_>, path: &Path) -> bool {
    if path.as_os_str().is_empty() {
        return true;
    }
    rustix::fs::statat(root, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| is_directory(&stat))
}

#[cfg(test)]
mod tests;
