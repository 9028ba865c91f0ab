//! Why a project could not be brought to what is wanted.

use std::io;
use std::path::PathBuf;

use hako_types::{Fault, Kind};
use thiserror::Error;

/// Why a project could not be brought to what is wanted.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine refused.
    #[error("{doing}")]
    Engine {
        /// What was tried, and on what.
        doing: String,
        /// What the engine said.
        source: Box<hako_engine::Error>,
    },
    /// A network that is made elsewhere is not there.
    #[error("network {0} declared as external, but could not be found")]
    ExternalNetwork(String),
    /// A volume that is made elsewhere is not there.
    #[error("external volume {0:?} not found")]
    ExternalVolume(String),
    /// What a secret or config holds is not there.
    #[error("{kind} `{name}` of the service `{service}`: {reason}")]
    Grant {
        /// `secret` or `config`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The service that wants it.
        service: String,
        /// What is missing.
        reason: String,
    },
    /// A file could not be read or written.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A service that another one needs is not as it has to be.
    #[error("dependency failed to start: {0}")]
    Dependency(String),
    /// A service that had to end well did not.
    #[error("service {service:?} didn't complete successfully: exit {code}")]
    Incomplete {
        /// The service.
        service: String,
        /// Its exit code.
        code: i32,
    },
    /// The containers did not become what was waited for.
    #[error("{0}")]
    Waiting(String),
    /// The model asks for what cannot be.
    #[error("{0}")]
    Invalid(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] hako_store::Error),
}

impl Error {
    /// Returns a function that says what the engine refused.
    pub(crate) fn engine(doing: impl Into<String>) -> impl FnOnce(hako_engine::Error) -> Self {
        move |source| Self::Engine { doing: doing.into(), source: Box::new(source) }
    }

    /// Returns a function that says what the system refused.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.into(), source }
    }
}

impl From<hako_store::rusqlite::Error> for Error {
    fn from(error: hako_store::rusqlite::Error) -> Self {
        Self::Store(hako_store::Error::Query(error))
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Engine { source, .. } => source.kind(),
            Self::ExternalNetwork(_) | Self::ExternalVolume(_) => Kind::NotFound,
            Self::Grant { .. } | Self::Invalid(_) => Kind::Invalid,
            Self::Io { .. } => Kind::Internal,
            Self::Dependency(_) | Self::Incomplete { .. } | Self::Waiting(_) => Kind::Unavailable,
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Engine { source, .. } => source.hint(),
            Self::ExternalNetwork(name) => {
                Some(format!("make it with `hako network create {name}`"))
            }
            Self::ExternalVolume(name) => Some(format!("make it with `hako volume create {name}`")),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
