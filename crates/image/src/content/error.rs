//! What can go wrong with images.

use hako_types::reference::InvalidReference;
use hako_types::{Digest, Fault, Kind};
use thiserror::Error;

use crate::{config, layers};

/// Why something could not be done with an image.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no such image.
    #[error("no such image: `{0}`")]
    NotFound(String),
    /// The beginning of an id that several images have.
    #[error("`{0}` is the beginning of the ids of several images")]
    Ambiguous(String),
    /// Text that can be neither a name nor an id.
    #[error("`{text}` is not the name of an image")]
    Name {
        /// The text.
        text: String,
        /// Why not.
        source: InvalidReference,
    },
    /// A tag was to be made of a reference with a digest.
    #[error("cannot tag `{0}`: a name with a digest is not a tag")]
    TagDigest(String),
    /// The configuration cannot be read.
    #[error("cannot read the configuration of image `{}`", id.short())]
    Config {
        /// The image.
        id: Digest,
        /// Why.
        source: config::Malformed,
    },
    /// The image has a layer that is not here.
    #[error("image `{}` needs layer `{}`, which is not here", image.short(), layer.short())]
    MissingLayer {
        /// The image.
        image: Digest,
        /// Its layer.
        layer: Digest,
    },
    /// The image is in use, or has more names than the one given.
    #[error("conflict: unable to {what} ({}) - {why}", if *.forcible { "must be forced" } else { "cannot be forced" })]
    InUse {
        /// What was to be done (`` delete `abc` ``).
        what: String,
        /// Whether force would do it.
        forcible: bool,
        /// What stands against it.
        why: String,
    },
    /// The layers failed.
    #[error("cannot use the layers")]
    Layers(#[source] layers::Error),
    /// The database failed.
    #[error("cannot read or write the images in the database")]
    Database(#[source] hako_store::Error),
}

impl Error {
    /// Wraps what SQLite said.
    pub(crate) fn query(source: hako_store::rusqlite::Error) -> Self {
        Self::Database(hako_store::Error::Query(source))
    }
}

impl From<hako_store::Error> for Error {
    fn from(source: hako_store::Error) -> Self {
        Self::Database(source)
    }
}

impl From<layers::Error> for Error {
    fn from(source: layers::Error) -> Self {
        Self::Layers(source)
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::NotFound(_) | Self::MissingLayer { .. } => Kind::NotFound,
            Self::Ambiguous(_) | Self::Name { .. } | Self::TagDigest(_) | Self::Config { .. } => {
                Kind::Invalid
            }
            Self::InUse { .. } => Kind::Conflict,
            Self::Layers(error) => error.kind(),
            Self::Database(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Ambiguous(_) => Some("give more digits of the id".into()),
            Self::MissingLayer { .. } => Some("pull or load the image again".into()),
            Self::InUse { forcible: true, .. } => {
                Some("remove what uses it, or use `--force`".into())
            }
            Self::InUse { .. } => Some("stop and remove the container that uses it".into()),
            Self::Layers(error) => error.hint(),
            Self::Database(error) => error.hint(),
            _ => None,
        }
    }
}
