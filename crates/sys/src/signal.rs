//! Signal masks and dispositions.

use std::io;

use crate::check;

/// The signals that were not blocked before [`block_all`].
#[derive(Clone, Copy)]
pub struct Mask(libc::sigset_t);

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Mask")
    }
}

/// Blocks every signal in this thread and returns the mask before.
pub fn block_all() -> io::Result<Mask> {
    // SAFETY: all-zero is a valid signal set.
    let mut all: libc::sigset_t = unsafe { std::mem::zeroed() };
    let mut before = all;
    // SAFETY: `all` is a valid set to write to.
    unsafe { libc::sigfillset(&raw mut all) };
    // SAFETY: both sets live through the call.
    let got = unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before) };
    if got == 0 { Ok(Mask(before)) } else { Err(io::Error::from_raw_os_error(got)) }
}

/// Restores a mask in this thread.
pub fn restore(mask: &Mask) -> io::Result<()> {
    // SAFETY: the set lives through the call; the old one is not asked for.
    let got = unsafe {
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const mask.0, std::ptr::null_mut())
    };
    if got == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(got)) }
}

/// Unblocks every signal in this thread.
pub fn unblock_all() -> io::Result<()> {
    // SAFETY: all-zero is the empty signal set.
    restore(&Mask(unsafe { std::mem::zeroed() }))
}

/// Sets a signal's disposition to its default.
pub fn reset(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_DFL runs no handler of ours.
    let got = unsafe { libc::signal(signal, libc::SIG_DFL) };
    if got == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Sets every signal's disposition to its default, also those of the two that the C library keeps to itself (32 and 33) and
/// will not touch, but which this process may have inherited as ignored.
pub fn reset_all() {
    // The kernel's own structure: handler, flags, restorer, mask; all zero is `SIG_DFL` (0) with no flags.
    let default = [0_u64; 4];
    for signal in 1..=64_i32 {
        // SAFETY: rt_sigaction(2) reads the 32 bytes of the structure and the 8 of its mask, and SIG_DFL runs no handler of
        // ours. It refuses SIGKILL and SIGSTOP, which cannot be otherwise anyway.
        unsafe {
            libc::syscall(
                libc::SYS_rt_sigaction,
                signal,
                default.as_ptr(),
                std::ptr::null::<u64>(),
                8_usize,
            )
        };
    }
}

/// Ignores a signal.
pub fn ignore(signal: i32) -> io::Result<()> {
    // SAFETY: SIG_IGN runs no handler of ours.
    let got = unsafe { libc::signal(signal, libc::SIG_IGN) };
    if got == libc::SIG_ERR { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Opens a `signalfd(2)` for these signals, close-on-exec and non-blocking, and blocks them in this
/// thread, so that they arrive there only.
pub fn descriptor(signals: &[i32]) -> io::Result<std::os::fd::OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: all-zero is the empty signal set.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    for &signal in signals {
        // SAFETY: `set` is a valid set; an invalid number is refused by the call.
        check(unsafe { libc::sigaddset(&raw mut set, signal) }.into())?;
    }
    // SAFETY: the set lives through the call; the old one is not asked for.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    // SAFETY: the set lives through the call.
    let got = check(
        unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) }
            .into(),
    )?;
    // SAFETY: the kernel just made it for us, so nothing else owns it.
    Ok(unsafe { std::os::fd::OwnedFd::from_raw_fd(i32::try_from(got).unwrap_or(-1)) })
}

/// Reads the number of one signal that arrived at a [`descriptor`]; `None` when there is none.
pub fn next(descriptor: impl std::os::fd::AsFd) -> io::Result<Option<i32>> {
    let mut record = [0_u8; size_of::<libc::signalfd_siginfo>()];
    match rustix::io::read(descriptor, &mut record) {
        Ok(_) => Ok(Some(i32::from_ne_bytes([record[0], record[1], record[2], record[3]]))),
        Err(rustix::io::Errno::AGAIN) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}
