//! Why a Compose file was refused, and where in it.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use hako_types::{Fault, Kind};
use thiserror::Error;

/// A place in a file: line and column count from one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Span {
    /// The file, as it was named when it was read.
    pub file: Arc<str>,
    /// The line, from one.
    pub line: usize,
    /// The column in characters, from one.
    pub column: usize,
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a project could not be loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The text breaks a rule; `place` is the path of keys (`services.web.ports[0]`), empty for the whole file.
    #[error("{span}: {}{message}", prefix(.place))]
    Invalid {
        /// Where in the text.
        span: Span,
        /// The path of keys.
        place: String,
        /// What is wrong.
        message: String,
        /// What was meant, or how to say it.
        hint: Option<String>,
    },

    /// The parts contradict one another, or name something that is not there.
    #[error("{message}")]
    Inconsistent {
        /// What is wrong.
        message: String,
        /// How to mend it.
        hint: Option<String>,
    },

    /// A file could not be read.
    #[error("cannot read {what} `{}`", path.display())]
    Read {
        /// What the file is for.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },

    /// No Compose file in the directory or above it.
    #[error("no configuration file provided: not found in `{}` nor above it", .0.display())]
    NoFile(PathBuf),

    /// A name that a project cannot have.
    #[error(
        "invalid project name `{0}`: must consist only of lowercase alphanumeric characters, hyphens, and underscores \
         as well as start with a letter or number"
    )]
    ProjectName(String),

    /// A service that the project does not have.
    #[error("no such service: {0}")]
    NoService(String),

    /// A mistake in a file of variables.
    #[error("{}:{line}: {message}", path.display())]
    Variables {
        /// The file.
        path: PathBuf,
        /// The line, from one.
        line: usize,
        /// What is wrong.
        message: String,
    },
}

fn prefix(place: &str) -> String {
    if place.is_empty() { String::new() } else { format!("{place}: ") }
}

impl Error {
    pub(crate) fn inconsistent(message: impl Into<String>) -> Self {
        Self::Inconsistent { message: message.into(), hint: None }
    }

    pub(crate) fn at(span: &Span, place: impl fmt::Display, message: impl Into<String>) -> Self {
        Self::Invalid {
            span: span.clone(),
            place: place.to_string(),
            message: message.into(),
            hint: None,
        }
    }

    pub(crate) fn with_hint(mut self, text: impl Into<String>) -> Self {
        if let Self::Invalid { hint, .. } | Self::Inconsistent { hint, .. } = &mut self {
            *hint = Some(text.into());
        }
        self
    }

    /// Returns where in the text the mistake is, if it is in a Compose file.
    #[must_use]
    pub fn span(&self) -> Option<&Span> {
        match self {
            Self::Invalid { span, .. } => Some(span),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Read { .. } | Self::NoFile(_) | Self::NoService(_) => Kind::NotFound,
            _ => Kind::Invalid,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Invalid { hint, .. } | Self::Inconsistent { hint, .. } => hint.clone(),
            Self::NoFile(_) => Some("write a compose.yaml, or name a file with -f".into()),
            Self::ProjectName(_) => Some("choose another name with -p or `name:`".into()),
            _ => None,
        }
    }
}

/// The path of keys to a node, as a list from leaf to root on the stack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Trail<'a> {
    Root,
    Key(&'a Self, &'a str),
    Index(&'a Self, usize),
}

impl<'a> Trail<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Self {
        Self::Key(self, key)
    }

    pub(crate) fn index(&'a self, index: usize) -> Self {
        Self::Index(self, index)
    }
}

impl fmt::Display for Trail<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Trail::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}
