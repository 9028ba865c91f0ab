//! From a configuration to a process that waits to be started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use crate::cgroup::Cgroup;
use crate::spec::{NamespaceKind, Spec};
use crate::{Error, Running};

/// What [`create`] needs to know.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Name of the container, for hooks and messages.
    pub id: &'a str,
    /// The configuration. Its `root.path` is not looked at, `root.readonly` is.
    pub spec: &'a Spec,
    /// Directory against which relative paths are resolved.
    pub bundle: &'a Path,
    /// What becomes `/`.
    pub root: Root,
    /// What becomes descriptors 0, 1 and 2.
    pub stdio: Stdio,
    /// The control group, made and limited; the process is put into it before it does anything.
    pub cgroup: Option<&'a Cgroup>,
    /// What callers rarely need.
    pub options: Options,
}

/// What becomes the container's root directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Root {
    /// A directory of the host.
    Directory(PathBuf),
    /// An overlay that is mounted inside the container's own mount namespace only.
    Overlay {
        /// Read-only layers, topmost first; any number, any length of path.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// Scratch directory of the kernel, on the file system of `upper`.
        work: PathBuf,
        /// Further options of overlayfs: `userxattr`, `metacopy=on`, `volatile` …
        options: Vec<String>,
    },
}

/// What becomes descriptors 0, 1 and 2.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's.
    Inherit,
    /// These.
    Files([OwnedFd; 3]),
    /// A new pseudo-terminal of the container's own devpts; its other end is [`Created::take_terminal`].
    Terminal {
        /// First width; 0 leaves the size alone.
        columns: u16,
        /// First height.
        rows: u16,
    },
}

/// What callers of [`create`] and [`exec`](crate::exec) rarely need.
#[derive(Debug, Default)]
pub struct Options {
    /// How many descriptors from 3 on, open and inheritable in the caller, the program gets.
    pub preserve: u32,
    /// A listening Unix socket on which init waits for its start instead of [`Created::start`];
    /// see [`Created::detach`].
    pub gate: Option<OwnedFd>,
    /// Change the root by moving mounts and `chroot`, for roots on an initial ramdisk.
    pub no_pivot: bool,
    /// Stay in the caller's session keyring.
    pub no_keyring: bool,
    /// The binary that calls [`init`](crate::init) when its first argument is `init`; the running one when absent.
    pub binary: Option<PathBuf>,
}

/// A container that has been made and waits before the user's program is executed.
///
/// Dropping it kills it.
#[derive(Debug)]
pub struct Created {
    pid: i32,
    pidfd: OwnedFd,
}

/// Makes the container's first process and has it set itself up.
///
/// Returns as soon as the process exists in its namespaces, so that the caller can work on these
/// (the network) while init mounts; what goes wrong in init is the error of [`Created::ready`].
pub fn create(launch: Launch<'_>) -> Result<Created, Error> {
    let _ = launch;
    Err(Error::Invalid("not yet".into()))
}

impl Created {
    /// Returns the process's number in the caller's PID namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Returns the process's descriptor.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits until everything is set up and the user's program has been found.
    ///
    /// Runs the `prestart`, `createRuntime` and `createContainer` hooks on the way.
    /// [`start`](Self::start) does this too.
    pub fn ready(&mut self) -> Result<(), Error> {
        Err(Error::Invalid("not yet".into()))
    }

    /// Opens one of the process's namespaces.
    pub fn namespace(&self, kind: NamespaceKind) -> io::Result<OwnedFd> {
        let _ = kind;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Opens the container's root directory (`O_PATH`), for use with `openat2(RESOLVE_IN_ROOT)`.
    ///
    /// Only after [`ready`](Self::ready); before, it is the host's.
    pub fn root(&self) -> io::Result<OwnedFd> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Takes the master side of the terminal; there is none before [`ready`](Self::ready).
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        None
    }

    /// Lets it execute the user's program.
    ///
    /// Returns once the program runs; a program that cannot be executed is [`Error::Program`].
    pub fn start(self) -> Result<Running, Error> {
        Err(Error::Invalid("not yet".into()))
    }

    /// Leaves it waiting at its gate (see [`Options::gate`]) and no longer owns it.
    pub fn detach(self) -> Result<Running, Error> {
        Err(Error::Invalid("not yet".into()))
    }
}
