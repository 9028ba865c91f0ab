//! Why the kernel could not be wired as asked.

use std::io;

use hako_types::{Fault, Kind};
use thiserror::Error;

/// What this crate's functions return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an interface or the firewall could not be set up, changed or read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// A netlink socket could not be opened.
    #[error("cannot talk to the kernel's {0}")]
    Socket(&'static str, #[source] io::Error),

    /// An interface could not be made, changed or removed.
    #[error("cannot {doing} the interface `{name}`")]
    Link {
        /// What was tried: a verb.
        doing: &'static str,
        /// The interface.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// The addresses or routes of an interface could not be set.
    #[error("cannot give addresses and routes to `{name}`")]
    Address {
        /// The interface inside of the namespace.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// A sysctl could not be written.
    #[error("cannot set the sysctl `{name}`")]
    Sysctl {
        /// Its name below `/proc/sys`, with slashes.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// A name that no interface can have.
    #[error("`{0}` is not an interface name: want 1 to 15 bytes without `/` and spaces")]
    Name(String),

    /// The name of a network's bridge is that of another interface.
    #[error("the interface `{0}` exists and is no bridge")]
    NoBridge(String),

    /// The parent of a macvlan or ipvlan network does not exist.
    #[error("the parent interface `{0}` does not exist")]
    NoParent(String),

    /// A network of a driver that has no interface of its own was to be attached.
    #[error("a network of the driver `{0}` has nothing to attach")]
    NothingToAttach(&'static str),

    /// The kernel has no nf_tables, or not the part of it that we need.
    #[error("this kernel has no nftables")]
    NoNftables(#[source] io::Error),

    /// Our table is not there: it was never made, or somebody flushed it. Call [`crate::Firewall::rebuild`].
    #[error("the firewall table `{0}` is gone")]
    NoTable(String),

    /// A change of the firewall was refused.
    #[error("cannot {doing} the firewall table `{table}`")]
    Firewall {
        /// What was tried: a verb.
        doing: &'static str,
        /// The table.
        table: String,
        /// What the kernel said.
        source: io::Error,
    },

    /// A namespace could not be entered, or left again.
    #[error("cannot enter the network namespace")]
    Namespace(#[source] io::Error),

    /// The resolver's sockets could not be opened inside of the namespace.
    #[error("cannot open the name server's sockets")]
    Resolver(#[source] io::Error),
}

impl Fault for Error {
    fn kind(&self) -> Kind {
        match self {
            Self::Name(_) | Self::NothingToAttach(_) => Kind::Invalid,
            Self::NoParent(_) => Kind::NotFound,
            Self::Link { source, .. }
            | Self::Address { source, .. }
            | Self::Firewall { source, .. } => kind_of(source),
            Self::Namespace(source) | Self::Sysctl { source, .. } | Self::Resolver(source) => {
                kind_of(source)
            }
            Self::Socket(..) | Self::NoNftables(_) => Kind::Unavailable,
            Self::NoTable(_) | Self::NoBridge(_) => Kind::Conflict,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::NoNftables(_) => Some(
                "load the kernel module `nf_tables`, or use a kernel with CONFIG_NF_TABLES".into(),
            ),
            Self::NoParent(_) => {
                Some("name an interface of the host with `-o parent=`; `ip link` lists them".into())
            }
            Self::NoTable(_) => Some("run `hako system check --repair` to set it up again".into()),
            _ if self.kind() == Kind::Denied => Some("run as root".into()),
            _ => None,
        }
    }
}

fn kind_of(source: &io::Error) -> Kind {
    match source.kind() {
        io::ErrorKind::PermissionDenied => Kind::Denied,
        io::ErrorKind::AlreadyExists => Kind::Conflict,
        io::ErrorKind::NotFound => Kind::NotFound,
        _ => Kind::Internal,
    }
}
