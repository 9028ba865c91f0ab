//! What can go wrong with images in files.

use hako_types::{Digest, Fault, Kind};
use thiserror::Error;

use crate::config::{ChangeError, Malformed};
use crate::{content, layers, tar};

/// Why images could not be loaded, saved or imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The archive cannot be read, or is none.
    #[error("cannot read the archive")]
    Archive(#[source] tar::Error),
    /// The archive has no images.
    #[error("the archive has no images: neither `manifest.json` nor `index.json` is in it")]
    NoImages,
    /// There was nothing to import.
    #[error("there is nothing to import: the archive is empty")]
    Empty,
    /// A document of the archive is malformed.
    #[error("cannot read `{name}` of the archive")]
    Document {
        /// Its name.
        name: String,
        /// Why.
        source: serde_json::Error,
    },
    /// An image's configuration is malformed.
    #[error("cannot read the configuration `{name}` of the archive")]
    Config {
        /// Its name.
        name: String,
        /// Why.
        source: Malformed,
    },
    /// The archive lacks something that it speaks of.
    #[error("the archive lacks `{0}`")]
    Lacks(String),
    /// A blob is not what its name says.
    #[error("`{name}` of the archive is damaged: its digest is `{found}`")]
    Damaged {
        /// Its name.
        name: String,
        /// What it is.
        found: Digest,
    },
    /// A layer is not the one that the image's configuration lists.
    #[error(
        "layer `{name}` of the archive is damaged: it is `{found}`, but its image lists `{expected}`"
    )]
    WrongLayer {
        /// Its name in the archive.
        name: String,
        /// What the configuration lists.
        expected: Digest,
        /// What it is.
        found: Digest,
    },
    /// The numbers of layers differ.
    #[error("image `{0}` of the archive lists more or fewer layers than it has")]
    LayerCount(String),
    /// A change of an import was refused.
    #[error("cannot change the image's settings")]
    Change(#[source] ChangeError),
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] std::io::Error),
    /// A layer could not be unpacked or made.
    #[error("cannot use a layer of the archive")]
    Layer(#[source] layers::Error),
    /// An image could not be found or kept.
    #[error("cannot use an image")]
    Image(#[source] content::Error),
}

impl From<tar::Error> for Error {
    fn from(error: tar::Error) -> Self {
        Self::Archive(error)
    }
}

impl From<content::Error> for Error {
    fn from(error: content::Error) -> Self {
        Self::Image(error)
    }
}

impl From<layers::Error> for Error {
    fn from(error: layers::Error) -> Self {
        Self::Layer(error)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Image(error) => error.kind(),
            Self::Layer(error) => error.kind(),
            Self::Write(_) => Kind::Internal,
            _ => Kind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Image(error) => error.hint(),
            Self::Layer(error) => error.hint(),
            Self::Change(error) => error.hint(),
            Self::NoImages => Some("use `import` for an archive of a file system".into()),
            _ => None,
        }
    }
}
