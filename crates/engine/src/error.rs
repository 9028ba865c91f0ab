//! Why the engine refused, in one enum for all its objects.

use std::io;
use std::path::{Path, PathBuf};

use hako_types::{Fault, Kind};
use thiserror::Error;

use crate::attach::Failure;

/// A sort of object, in the words of messages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Object {
    /// A container.
    Container,
    /// An image.
    Image,
    /// A network.
    Network,
    /// A volume.
    Volume,
}

impl Object {
    fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Image => "image",
            Self::Network => "network",
            Self::Volume => "volume",
        }
    }
}

/// What a part below said, whichever it was.
#[derive(Debug)]
pub struct Cause(Box<dyn Fault>);

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// Why the engine did not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// No object has this name.
    #[error("No such {}: {name}", object.word())]
    NoSuch {
        /// What was looked for.
        object: Object,
        /// As it was named.
        name: String,
    },
    /// Several objects have an id that begins so.
    #[error("several {}s have an id that begins with `{prefix}`", object.word())]
    Ambiguous {
        /// What was looked for.
        object: Object,
        /// What was given.
        prefix: String,
    },
    /// The name is taken.
    #[error("the {} name `{name}` is already in use by `{by}`", object.word())]
    NameTaken {
        /// What was to be named.
        object: Object,
        /// The name.
        name: String,
        /// The id of the one that has it.
        by: String,
    },
    /// What was asked for is malformed or contradicts itself.
    #[error("{0}")]
    Invalid(String),
    /// The object is in a state, or in use, so that it cannot be done.
    #[error("{0}")]
    Conflict(String),
    /// The monitor of a container could not do it.
    #[error("{}", .0.message)]
    Monitor(Failure),
    /// The system refused.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// What was tried (`open`, `create`).
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A part below refused.
    #[error("{doing}")]
    Below {
        /// What was tried, and on what.
        doing: String,
        /// What the part said.
        source: Cause,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] hako_store::Error),
}

impl Error {
    /// Returns the error for an object that is not there.
    #[must_use]
    pub fn no_such(object: Object, name: &str) -> Self {
        Self::NoSuch { object, name: name.to_owned() }
    }

    /// Returns a function that wraps what the system says about `doing` something to `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// Returns a function that wraps the error of a part below.
    pub(crate) fn below<E: Fault>(doing: impl Into<String>) -> impl FnOnce(E) -> Self {
        move |source| Self::Below { doing: doing.into(), source: Cause(Box::new(source)) }
    }

    /// Returns the exit code of a command such as `run` that could not do its work: 125, or what the
    /// program's own failure to start gives (126, 127).
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Monitor(failure) => u8::try_from(failure.code).unwrap_or(125),
            _ => 125,
        }
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
            Self::NoSuch { .. } => Kind::NotFound,
            Self::Ambiguous { .. } | Self::Invalid(_) => Kind::Invalid,
            Self::NameTaken { .. } | Self::Conflict(_) => Kind::Conflict,
            Self::Monitor(failure) if failure.code == 125 => Kind::Internal,
            Self::Monitor(_) => Kind::Invalid,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Kind::Denied
            }
            Self::Io { .. } => Kind::Internal,
            Self::Below { source, .. } => source.0.kind(),
            Self::Store(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NameTaken { object: Object::Container, name, .. } => {
                Some(format!("remove it with `hako rm {name}`, rename it, or choose another name"))
            }
            Self::Ambiguous { .. } => Some("give more digits of the id, or its name".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("run hako as root, or use a state directory of your own with `--root`".into())
            }
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                Some("make room on the disk, for example with `hako system prune`".into())
            }
            Self::Below { source, .. } => source.0.hint(),
            Self::Store(error) => error.hint(),
            _ => None,
        }
    }
}
