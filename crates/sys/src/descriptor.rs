//! Descriptors of this process.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use crate::check;

/// Marks every descriptor from `first` on to be closed when a program is executed (Linux 5.11).
pub fn close_on_exec_from(first: u32) -> io::Result<()> {
    // SAFETY: close_range(2) with this flag closes nothing now and touches no memory.
    let got =
        unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    check(got).map(drop)
}

/// Takes over a descriptor that the program which executed this one left open under this number.
///
/// Fails when nothing is open there. It is close-on-exec afterwards. It must be called at most
/// once per number, before anything else could have opened it.
pub fn inherit(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(2) with F_SETFD takes integers only.
    check(unsafe { libc::fcntl(number, libc::F_SETFD, libc::FD_CLOEXEC) }.into())?;
    // SAFETY: it is open, as just seen, and by this function's contract nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Keeps a descriptor open across the execution of a program, or no longer.
pub fn set_inheritable(file: BorrowedFd<'_>, inheritable: bool) -> io::Result<()> {
    let flags = if inheritable { 0 } else { libc::FD_CLOEXEC };
    // SAFETY: fcntl(2) with F_SETFD takes integers only.
    check(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFD, flags) }.into()).map(drop)
}
