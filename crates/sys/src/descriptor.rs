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

/// Closes every descriptor of this process but these numbers (Linux 5.9).
///
/// Only for the very beginning of a program, before anything else has opened one: what is closed here must belong to nobody.
pub fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let mut kept: Vec<u32> = kept.iter().filter_map(|number| u32::try_from(*number).ok()).collect();
    kept.sort_unstable();
    let mut first = 0;
    for number in kept.into_iter().chain([u32::MAX]) {
        if number > first {
            close_range(first, number - 1)?;
        }
        first = number.saturating_add(1);
    }
    Ok(())
}

fn close_range(first: u32, last: u32) -> io::Result<()> {
    // SAFETY: close_range(2) takes integers and touches no memory; by the contract of the caller nobody owns what it closes.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) }).map(drop)
}
