//! Why a container could not be set up, started or entered.

use std::io;

use hako_types::{Fault, Kind};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a container could not be set up, started or entered.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for something that does not exist or contradicts itself.
    #[error("{0}")]
    Invalid(String),

    /// The user's program cannot be executed.
    #[error("{}", told(program, trouble))]
    Program {
        /// As written in the configuration.
        program: String,
        /// In which way.
        trouble: Trouble,
    },

    /// The user or group does not exist in the container.
    #[error("{0}")]
    User(String),

    /// The init stage could not do one of its steps.
    #[error("cannot {doing}")]
    Step {
        /// What it was doing, and to what.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// The process could not be made.
    #[error("cannot {doing}")]
    Spawn {
        /// What this process was doing, and to what.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// The init stage went away without saying why.
    #[error("the container's init ended before the container was set up")]
    Lost(#[source] io::Error),

    /// The seccomp profile cannot be used.
    #[error("cannot compile the seccomp profile")]
    Seccomp(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// The process could not be put into its control group.
    #[error("cannot enter the control group by adding pid to it")]
    Cgroup(#[source] Box<dyn std::error::Error + Send + Sync>),

    /// A hook failed.
    #[error("error running {name}: `{path}`: {why}")]
    Hook {
        /// Which moment, as the configuration spells it, and which of its hooks: `prestart hook #0`.
        name: String,
        /// Its program.
        path: String,
        /// How.
        why: String,
    },
}

/// What the kernel found while it executed a program reads otherwise than what was found before.
fn told(program: &str, trouble: &Trouble) -> String {
    match trouble {
        Trouble::Interpreter | Trouble::Format => format!("exec {program}: {trouble}"),
        _ => format!("exec: {program:?}: {trouble}"),
    }
}

/// In which way the user's program cannot be executed; displays as Docker's users know it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub enum Trouble {
    /// A bare name that is in no directory of `PATH`.
    NotInPath,
    /// A path that does not exist.
    Missing(String),
    /// The interpreter that it names does not exist.
    Interpreter,
    /// It, or its interpreter, may not be executed.
    Denied,
    /// It is a directory.
    Directory,
    /// The kernel does not know its format.
    Format,
    /// Anything else the kernel said.
    Other(i32),
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotInPath => f.write_str("executable file not found in $PATH"),
            Self::Missing(path) => write!(f, "stat {path}: no such file or directory"),
            Self::Interpreter => f.write_str("no such file or directory"),
            Self::Denied => f.write_str("permission denied"),
            Self::Directory => f.write_str("is a directory"),
            Self::Format => f.write_str("exec format error"),
            Self::Other(errno) => io::Error::from_raw_os_error(*errno).fmt(f),
        }
    }
}

impl Error {
    /// Returns the exit code that shells and Docker give this failure: 127 for a program that is
    /// not there, 126 for one that cannot be executed, none for everything else.
    #[must_use]
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Program {
                trouble: Trouble::NotInPath | Trouble::Missing(_) | Trouble::Interpreter,
                ..
            } => Some(127),
            Self::Program { .. } => Some(126),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid(_) | Self::User(_) | Self::Seccomp(_) => Kind::Invalid,
            Self::Program {
                trouble: Trouble::NotInPath | Trouble::Missing(_) | Trouble::Interpreter,
                ..
            } => Kind::NotFound,
            Self::Program { .. } => Kind::Denied,
            Self::Step { source, .. } | Self::Spawn { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Kind::Denied
            }
            Self::Step { .. }
            | Self::Spawn { .. }
            | Self::Lost(_)
            | Self::Cgroup(_)
            | Self::Hook { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Program { trouble: Trouble::Format, .. } => {
                Some("check that the image is for this machine's architecture, and that a script begins with `#!`".into())
            }
            Self::Spawn { source, .. } if source.raw_os_error() == Some(28) => {
                Some("raise the limits in /proc/sys/user, or run fewer containers".into())
            }
            _ => None,
        }
    }
}
