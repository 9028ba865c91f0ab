//! Why a cgroup could not be made, changed or read.

use std::io;
use std::path::PathBuf;

use hako_types::{Fault, Kind};
use thiserror::Error;

/// Why a cgroup could not be made, changed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read `{}`", file.display())]
    Read {
        /// Which.
        file: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file did not take a value.
    #[error("cannot write `{value}` to `{}`", file.display())]
    Write {
        /// Which.
        file: PathBuf,
        /// What was written.
        value: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file holds something unexpected.
    #[error("`{}` says `{text}`", file.display())]
    Parse {
        /// Which.
        file: PathBuf,
        /// What it says.
        text: String,
    },
    /// The cgroup's directory could not be made or opened.
    #[error("cannot create the cgroup `{}`", dir.display())]
    Create {
        /// Which.
        dir: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The cgroup's directory could not be removed.
    #[error("cannot remove the cgroup `{}`", dir.display())]
    Remove {
        /// Which.
        dir: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// There is no such cgroup.
    #[error("there is no cgroup `{0}`")]
    NotFound(String),
    /// Something else already runs in a cgroup that was to be new.
    #[error("container's cgroup is not empty: {count} process(es) found in `{}`", dir.display())]
    NotEmpty {
        /// Which.
        dir: PathBuf,
        /// How many processes there are.
        count: usize,
    },
    /// A cgroup that was there before is suspended: nothing put into it would ever run.
    #[error("container's cgroup unexpectedly frozen: `{}`", .0.display())]
    Frozen(PathBuf),
    /// A limit needs a controller that cannot be had.
    #[error("cannot set `{file}`: there is no `{controller}` controller here ({reason})")]
    NoController {
        /// What was to be written.
        file: String,
        /// Which controller it belongs to.
        controller: String,
        /// Why it is not there.
        reason: String,
    },
    /// A limit makes no sense.
    #[error("`{value}` cannot be the {what}: {reason}")]
    Invalid {
        /// Which limit.
        what: &'static str,
        /// What was asked for.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The program for device rules could not be loaded or attached.
    #[error("cannot attach the device rules to the cgroup `{}`", dir.display())]
    Devices {
        /// Of which cgroup.
        dir: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Processes did not do what was asked of them in time.
    #[error("the processes in the cgroup `{}` do not {what}", dir.display())]
    Stuck {
        /// Of which cgroup.
        dir: PathBuf,
        /// What they ought to do.
        what: &'static str,
    },
}

impl Error {
    #[expect(clippy::needless_pass_by_value, reason = "numbers and texts alike")]
    pub(super) fn invalid(
        what: &'static str,
        value: impl ToString,
        reason: impl Into<String>,
    ) -> Self {
        Self::Invalid { what, value: value.to_string(), reason: reason.into() }
    }

    /// What the kernel said, if it was asked.
    pub(super) fn errno(&self) -> Option<rustix::io::Errno> {
        match self {
            Self::Read { source, .. }
            | Self::Write { source, .. }
            | Self::Create { source, .. }
            | Self::Remove { source, .. }
            | Self::Devices { source, .. } => rustix::io::Errno::from_io_error(source),
            _ => None,
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Invalid { .. } | Self::NoController { .. } => Kind::Invalid,
            Self::NotFound(_) => Kind::NotFound,
            Self::NotEmpty { .. } | Self::Frozen(_) => Kind::Conflict,
            Self::Stuck { .. } => Kind::Unavailable,
            Self::Write { source, .. }
            | Self::Create { source, .. }
            | Self::Devices { source, .. } => match source.kind() {
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Kind::Denied,
                io::ErrorKind::InvalidInput => Kind::Invalid,
                _ => Kind::Internal,
            },
            Self::Read { .. } | Self::Parse { .. } | Self::Remove { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Create { .. } | Self::Devices { .. } if self.kind() == Kind::Denied => {
                Some("run as root, or have systemd delegate a cgroup to you".into())
            }
            Self::NoController { .. } => Some(
                "leave the limit away, or enable the controller for this cgroup's parents".into(),
            ),
            Self::Write { source, .. } if source.kind() == io::ErrorKind::ResourceBusy => Some(
                "more is in use than the new limit allows; stop something in the container first"
                    .into(),
            ),
            _ => None,
        }
    }
}
