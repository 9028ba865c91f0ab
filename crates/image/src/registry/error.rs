//! Why a registry did not do what it was asked for.

use std::io;
use std::path::PathBuf;

use hako_types::{Digest, Fault, Kind};
use thiserror::Error;

const TLS_HINT: &str = "put the certificate that it is signed with into `/etc/hako/certs.d/HOST/ca.crt`, \
                        or name the registry as insecure if it has none";

/// Why a registry did not do what it was asked for.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration forbids the registry.
    #[error("`{0}` is blocked by the configuration")]
    Blocked(String),

    /// No answer came.
    #[error("cannot reach registry `{address}`")]
    Unreachable {
        /// The host and port.
        address: String,
        /// What went wrong.
        source: Box<ureq::Error>,
    },

    /// The registry wants other credentials, or none will do.
    #[error("access to `{subject}` denied: {reason}")]
    Denied {
        /// The repository, or the registry.
        subject: String,
        /// What the registry said.
        reason: String,
    },

    /// What was asked for is not there.
    #[error("`{subject}` not found: {reason}")]
    NotFound {
        /// The reference or the blob.
        subject: String,
        /// What the registry said.
        reason: String,
    },

    /// The registry answered with an error.
    #[error("registry `{address}` answered {status} to {request}: {reason}")]
    Status {
        /// The host and port.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The method and the path.
        request: String,
        /// What the registry said.
        reason: String,
    },

    /// Content does not have the digest it was asked for by.
    #[error("`{subject}` has the wrong digest: want `{wanted}`, got `{got}`")]
    Mismatch {
        /// What it was.
        subject: String,
        /// The digest it should have.
        wanted: Digest,
        /// The digest it has.
        got: Digest,
    },

    /// Content is longer or shorter than it was said to be, or than hako accepts.
    #[error("`{subject}` has the wrong size: want {wanted} bytes, got {got}")]
    Size {
        /// What it was.
        subject: String,
        /// The size it should have, or the most it may have.
        wanted: u64,
        /// The size it has, as far as it was read.
        got: u64,
    },

    /// A document is not what it should be.
    #[error("cannot read {what} of `{subject}`")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// Of what.
        subject: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },

    /// The registry does not keep to the protocol.
    #[error("registry `{address}` broke the protocol: {problem}")]
    Protocol {
        /// The host and port.
        address: String,
        /// What it did.
        problem: String,
    },

    /// The manifest is of a kind that hako does not read.
    #[error("`{subject}` is of the unsupported type `{media_type}`")]
    Unsupported {
        /// The reference.
        subject: String,
        /// Its media type.
        media_type: String,
    },

    /// Content broke off or could not be read.
    #[error("cannot transfer `{subject}`")]
    Broken {
        /// What it was.
        subject: String,
        /// What went wrong.
        source: io::Error,
    },

    /// The file of credentials cannot be read or written.
    #[error("cannot use the credentials in `{}`", path.display())]
    Credentials {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },

    /// A credential helper failed.
    #[error("credential helper `{program}` failed")]
    Helper {
        /// Its name.
        program: String,
        /// What went wrong, or what it said.
        source: io::Error,
    },

    /// A certificate, a key or a proxy's address is malformed.
    #[error("cannot use `{subject}` for connections")]
    Connection {
        /// The file or the address.
        subject: String,
        /// What is wrong with it.
        source: Box<ureq::Error>,
    },
}

impl Error {
    /// Returns this error as one of a reader.
    pub(super) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Mismatch { .. } | Self::Size { .. } => io::ErrorKind::InvalidData,
            Self::Unreachable { .. } => io::ErrorKind::ConnectionAborted,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, self)
    }

    /// Returns the error of a reader as the one it was made from, or as content that broke off.
    #[must_use]
    pub fn from_io(error: io::Error, subject: &str) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(source) => Self::Broken { subject: subject.to_owned(), source },
        }
    }
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Blocked(_) | Self::Denied { .. } => Kind::Denied,
            Self::NotFound { .. } => Kind::NotFound,
            Self::Unsupported { .. } | Self::Connection { .. } => Kind::Invalid,
            Self::Status { status: 400..=428, .. } => Kind::Invalid,
            Self::Unreachable { .. }
            | Self::Status { .. }
            | Self::Mismatch { .. }
            | Self::Size { .. }
            | Self::Malformed { .. }
            | Self::Protocol { .. }
            | Self::Broken { .. } => Kind::Unavailable,
            Self::Credentials { .. } | Self::Helper { .. } => Kind::Internal,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { .. } => Some("log in with `hako login`, and check the name: private and missing repositories look alike".into()),
            Self::NotFound { .. } => Some("check the name and the tag".into()),
            Self::Unreachable { source, .. } => match &**source {
                ureq::Error::HostNotFound => Some("check the registry's name and this machine's DNS".into()),
                ureq::Error::Rustls(_) | ureq::Error::Tls(_) => Some(TLS_HINT.into()),
                ureq::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => Some(TLS_HINT.into()),
                _ => Some("check that the registry runs and that no proxy or firewall is in the way".into()),
            },
            Self::Status { status: 429, .. } => Some("wait, or log in: registries allow more to those they know".into()),
            _ => None,
        }
    }
}
