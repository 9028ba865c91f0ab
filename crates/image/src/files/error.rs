//! What can go wrong between an archive and a tree.

use std::io;
use std::path::PathBuf;

use hako_types::{Fault, Kind};
use thiserror::Error;

use crate::tar;

/// Why a tree could not be written from an archive, or an archive from a tree.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive was refused.
    #[error("cannot read the archive")]
    Archive(#[source] tar::Error),
    /// Something in the tree cannot be made, read or changed.
    #[error("cannot {action} `{}`", path.display())]
    Path {
        /// What we were doing (`write`).
        action: &'static str,
        /// To what, as the container sees it.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A hard link to something that the archive did not bring.
    #[error("`{}` is a hard link to `{}`, which the archive does not have before it", path.display(), target.display())]
    LinkTarget {
        /// The link.
        path: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// A name that stands for no file (`.wh.` alone).
    #[error("`{}` is not the name of a whiteout", .0.display())]
    Whiteout(PathBuf),
    /// A directory would be replaced by something that is none, or the other way round.
    #[error("cannot overwrite {} `{}`", if *.directory { "directory" } else { "non-directory" }, path.display())]
    Overwrite {
        /// What is there.
        path: PathBuf,
        /// Whether that is a directory.
        directory: bool,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

impl Error {
    /// Returns a function that wraps what the kernel said about `path` while we were doing `action`.
    pub(crate) fn at<E: Into<io::Error>>(
        action: &'static str,
        path: &[u8],
    ) -> impl FnOnce(E) -> Self {
        let path = display(path);
        move |source| Self::Path { action, path, source: source.into() }
    }
}

/// Returns a path below a root as the container sees it.
pub(crate) fn display(path: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    let mut out = PathBuf::from("/");
    out.push(std::ffi::OsStr::from_bytes(path.strip_prefix(b"/").unwrap_or(path)));
    out
}

impl From<tar::Error> for Error {
    fn from(error: tar::Error) -> Self {
        Self::Archive(error)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Path { source, .. } => match source.kind() {
                io::ErrorKind::NotFound => Kind::NotFound,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
                io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory => Kind::Invalid,
                _ => Kind::Internal,
            },
            Self::Archive(_)
            | Self::LinkTarget { .. }
            | Self::Whiteout(_)
            | Self::Overwrite { .. } => Kind::Invalid,
            Self::Write(_) => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Path { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("free some space: `hako system prune` removes what nobody uses".into())
            }
            _ => None,
        }
    }
}
