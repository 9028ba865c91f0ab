//! `keyctl(2)`.

use std::ffi::CStr;
use std::io;

use crate::check;

/// Makes a session keyring of this name and moves this process into it; returns its serial number.
pub fn join_session(name: &CStr) -> io::Result<i32> {
    const JOIN_SESSION_KEYRING: i32 = 1;
    // SAFETY: the name lives through the call.
    let got =
        check(unsafe { libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, name.as_ptr()) })?;
    Ok(i32::try_from(got).unwrap_or_default())
}
