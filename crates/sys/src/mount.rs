//! What rustix lacks of the descriptor-based mount calls.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use crate::check;

/// A change of mount attributes, for [`set_attributes`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Attributes<'a> {
    /// `MOUNT_ATTR_…` to set.
    pub set: u64,
    /// `MOUNT_ATTR_…` to clear; to change the access-time policy, `MOUNT_ATTR__ATIME` must be here.
    pub clear: u64,
    /// `MS_SHARED`, `MS_SLAVE`, `MS_PRIVATE`, `MS_UNBINDABLE`, or 0 to leave it.
    pub propagation: u64,
    /// A user namespace whose mappings shift owners; only on a mount that is not attached yet.
    pub idmap: Option<BorrowedFd<'a>>,
}

/// `MOUNT_ATTR_IDMAP`.
const IDMAP: u64 = 0x0010_0000;

/// Changes the mount that `mount` lies on; `recursive` includes all below it (Linux 5.12).
pub fn set_attributes(mount: impl AsFd, recursive: bool, change: Attributes<'_>) -> io::Result<()> {
    let args = libc::mount_attr {
        attr_set: change.set | if change.idmap.is_some() { IDMAP } else { 0 },
        attr_clr: change.clear,
        propagation: change.propagation,
        userns_fd: change.idmap.map_or(0, |file| u64::from(file.as_raw_fd().unsigned_abs())),
    };
    let flags = libc::AT_EMPTY_PATH | if recursive { libc::AT_RECURSIVE } else { 0 };
    // SAFETY: the path and the struct live through the call, and the struct's size is its own.
    let got = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_fd().as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const args,
            size_of::<libc::mount_attr>(),
        )
    };
    check(got).map(drop)
}
