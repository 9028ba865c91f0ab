//! A further process in a running container.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::cgroup::Cgroup;
use crate::spec::{Process, Spec};
use crate::{Error, Options, Running, Stdio};

/// The container that [`exec`] enters.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its first process, in the caller's PID namespace.
    pub pid: i32,
    /// The same process.
    pub pidfd: BorrowedFd<'a>,
    /// Its control group.
    pub cgroup: Option<&'a Cgroup>,
    /// Its configuration: which namespaces it has, its seccomp profile, its root.
    pub spec: &'a Spec,
}

/// Runs `process` in the namespaces, control group and confinement of a running container.
///
/// Returns once the program runs, with the master side of its terminal if it has one. A program
/// that cannot be executed is [`Error::Program`].
pub fn exec(
    target: &Target<'_>,
    process: &Process,
    stdio: Stdio,
    options: Options,
) -> Result<(Running, Option<OwnedFd>), Error> {
    let _ = (target, process, stdio, options);
    Err(Error::Invalid("not yet".into()))
}
