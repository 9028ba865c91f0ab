//! `seccomp(2)`.

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

use crate::check;

/// `SECCOMP_FILTER_FLAG_NEW_LISTENER`: [`install`] returns the listener.
pub const NEW_LISTENER: u32 = 1 << 3;

/// One instruction of classic BPF, as the kernel wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Instruction {
    /// Operation.
    pub code: u16,
    /// Jump if true.
    pub jt: u8,
    /// Jump if false.
    pub jf: u8,
    /// Operand.
    pub k: u32,
}

/// Adds a filter to this thread, for good; needs `no_new_privs` or `CAP_SYS_ADMIN`.
///
/// Returns the listener when `flags` has [`NEW_LISTENER`].
pub fn install(filter: &[Instruction], flags: u32) -> io::Result<Option<OwnedFd>> {
    const SET_MODE_FILTER: u32 = 1;
    let len =
        u16::try_from(filter.len()).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut().cast() };
    // SAFETY: `Instruction` has the layout of `sock_filter`, `len` is the number of them, and the
    // kernel only reads them, during the call.
    let got = check(unsafe {
        libc::syscall(libc::SYS_seccomp, SET_MODE_FILTER, flags, &raw const program)
    })?;
    if flags & NEW_LISTENER == 0 {
        return Ok(None);
    }
    let raw = i32::try_from(got).unwrap_or(-1);
    // SAFETY: the kernel just made it for us, so nothing else owns it.
    Ok(Some(unsafe { OwnedFd::from_raw_fd(raw) }))
}

/// Asks whether the kernel knows an action (`SECCOMP_RET_…`).
pub fn knows_action(action: u32) -> bool {
    const GET_ACTION_AVAIL: u32 = 2;
    // SAFETY: the kernel reads one integer, during the call.
    let got =
        unsafe { libc::syscall(libc::SYS_seccomp, GET_ACTION_AVAIL, 0_u32, &raw const action) };
    got == 0
}
