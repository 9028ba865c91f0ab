//! A visit to another network namespace.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::error::{Error, Result};

/// Returns a descriptor of the network namespace that the calling thread is in.
///
/// # Errors
/// When `/proc` is not mounted.
pub fn current() -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, "/proc/thread-self/ns/net", flags, Mode::empty())
        .map_err(|e| Error::Namespace(e.into()))
}

/// Calls `work` with the calling thread in the namespace, and brings the thread back.
///
/// Only this thread travels: sockets that `work` opens stay in the namespace, everything else of the process stays
/// where it is.
///
/// # Errors
/// When the namespace cannot be entered, or left again. After the latter the thread must end, since it is
/// in the wrong place; it needs a namespace that vanishes while a descriptor holds it, so it does not happen.
pub fn within<T>(namespace: BorrowedFd<'_>, work: impl FnOnce() -> T) -> Result<T> {
    let home = current()?;
    enter(namespace)?;
    let outcome = work();
    enter(home.as_fd())?;
    Ok(outcome)
}

fn enter(namespace: BorrowedFd<'_>) -> Result<()> {
    move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))
        .map_err(|e| Error::Namespace(e.into()))
}
