//! Why an image did not come or go.

use hako_types::{Digest, Fault, Kind, Platform};
use thiserror::Error;

use super::WrongContent;
use crate::registry;

/// Why an image did not come or go.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry did not do its part.
    #[error(transparent)]
    Registry(registry::Error),

    /// There is no image for the platform.
    #[error("`{reference}` has no image for {wanted}; there is one for {}", list(.offered))]
    Platform {
        /// What was asked for.
        reference: String,
        /// The platform that was asked for.
        wanted: Platform,
        /// The platforms that there are images for.
        offered: Vec<Platform>,
    },

    /// The manifest or the configuration is not one of an image that can be run.
    #[error("`{reference}` is not an image that can be used: {problem}")]
    Unusable {
        /// What was asked for.
        reference: String,
        /// What is wrong with it.
        problem: String,
    },

    /// The configuration cannot be read.
    #[error("cannot read the configuration of `{reference}`")]
    Config {
        /// Whose configuration.
        reference: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },

    /// The uncompressed layer is not what the image says it is.
    #[error("layer `{layer}` is corrupt")]
    Corrupt {
        /// The digest of the compressed layer.
        layer: Digest,
        /// What it should be and what it is.
        source: WrongContent,
    },

    /// The layer's bytes cannot be uncompressed.
    #[error("cannot uncompress layer `{layer}`")]
    Uncompress {
        /// The digest of the compressed layer.
        layer: Digest,
        /// What is wrong with it.
        source: std::io::Error,
    },

    /// The layer could not be kept, or not be read to be sent.
    #[error("cannot {what} layer `{layer}`")]
    Layer {
        /// What was being done.
        what: &'static str,
        /// The layer: the digest of its compressed form, or its diff ID.
        layer: Digest,
        /// What the layer store said.
        source: Box<dyn std::error::Error + Send + Sync>,
        /// What sort of error that is.
        kind: Kind,
        /// What can be done about it.
        hint: Option<String>,
    },
}

impl Error {
    pub(super) fn layer(what: &'static str, layer: &Digest, source: impl Fault) -> Self {
        let (kind, hint) = (source.kind(), source.hint());
        Self::Layer { what, layer: layer.clone(), source: Box::new(source), kind, hint }
    }
}

fn list(platforms: &[Platform]) -> String {
    if platforms.is_empty() {
        return "none that is named".into();
    }
    platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Registry(error) => error.kind(),
            Self::Platform { .. } => Kind::NotFound,
            Self::Unusable { .. } | Self::Config { .. } => Kind::Invalid,
            Self::Corrupt { .. } | Self::Uncompress { .. } => Kind::Unavailable,
            Self::Layer { kind, .. } => *kind,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.hint(),
            Self::Platform { offered, .. } => offered
                .first()
                .map(|platform| format!("ask for one that there is with `--platform {platform}`")),
            Self::Layer { hint, .. } => hint.clone(),
            Self::Unusable { .. }
            | Self::Config { .. }
            | Self::Corrupt { .. }
            | Self::Uncompress { .. } => None,
        }
    }
}
