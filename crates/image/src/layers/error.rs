//! What can go wrong with layers.

use std::io;
use std::path::{Path, PathBuf};

use hako_types::{Digest, Fault, Kind};
use thiserror::Error;

use crate::files;

/// Why a layer could not be made, read or removed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The layer is not there.
    #[error("layer `{}` is not here", .0.short())]
    Missing(Digest),
    /// The tar has another digest than it should.
    #[error("layer `{}` has the digest `{found}` instead", expected.short())]
    Mismatch {
        /// What it should be.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The tar was refused, or a file could not be made.
    #[error("cannot unpack the layer")]
    Unpack(#[source] files::Error),
    /// A directory could not be read.
    #[error("cannot make a layer of `{}`", path.display())]
    Pack {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: files::Error,
    },
    /// A layer's tar could not be made again.
    #[error("cannot make the tar of layer `{}`", layer.short())]
    Tar {
        /// The layer.
        layer: Digest,
        /// Why.
        source: io::Error,
    },
    /// Something in the state directory failed.
    #[error("cannot {action} `{}`", path.display())]
    State {
        /// What we were doing.
        action: &'static str,
        /// To what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

impl Error {
    /// Returns a function that wraps what the kernel said about `path` while we were doing `action`.
    pub(super) fn at<E: Into<io::Error>>(
        action: &'static str,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        let path = path.to_owned();
        move |source| Self::State { action, path, source: source.into() }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing(_) => Kind::NotFound,
            Self::Mismatch { .. } => Kind::Invalid,
            Self::Unpack(error) | Self::Pack { source: error, .. } => error.kind(),
            Self::Tar { .. } | Self::State { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Missing(_) => Some("pull or load the image again".into()),
            Self::Unpack(error) | Self::Pack { source: error, .. } => error.hint(),
            _ => None,
        }
    }
}
