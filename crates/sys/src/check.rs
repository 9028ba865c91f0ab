//! From a C return value to a result.

use std::io;

/// Returns `got`, or the thread's last error if it is negative.
pub(crate) fn check(got: i64) -> io::Result<i64> {
    if got < 0 { Err(io::Error::last_os_error()) } else { Ok(got) }
}
