//! Owners, modes, times and attributes of what was made.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Timespec, Timestamps, Uid, XattrFlags, chownat, fchmod, fchown,
    fgetxattr, flistxattr, fsetxattr, futimens, openat, utimensat,
};
use rustix::io::Errno;

use super::root::proc_path;
use crate::tar::{Entry, Time};

/// Sets owner, mode, attributes and, if `time` is given, times of an open file or directory.
///
/// In this order, because a change of owner takes set-id bits and capabilities away.
pub(super) fn apply(
    file: BorrowedFd<'_>,
    entry: &Entry,
    owner: Option<(u32, u32)>,
    time: Option<Time>,
) -> io::Result<()> {
    if let Some((uid, gid)) = owner {
        fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    }
    fchmod(file, Mode::from_raw_mode(entry.mode & 0o7777))?;
    for (name, value) in &entry.xattrs {
        set_xattr(file, name, value)?;
    }
    if let Some(time) = time {
        futimens(file, &timestamps(time))?;
    }
    Ok(())
}

/// Sets owner and times of what cannot be opened: a link, a device, a pipe; `mode` for all but links.
pub(super) fn apply_at(
    parent: BorrowedFd<'_>,
    name: &[u8],
    entry: &Entry,
    owner: Option<(u32, u32)>,
    mode: Option<u32>,
) -> io::Result<()> {
    if let Some((uid, gid)) = owner {
        chownat(
            parent,
            name,
            Some(Uid::from_raw(uid)),
            Some(Gid::from_raw(gid)),
            AtFlags::SYMLINK_NOFOLLOW,
        )?;
    }
    if let Some(mode) = mode {
        // By way of /proc, which leads to the very file that is open even when a link now stands under its name.
        let file =
            openat(parent, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        rustix::fs::chmod(
            proc_path(std::os::fd::AsFd::as_fd(&file)),
            Mode::from_raw_mode(mode & 0o7777),
        )?;
    }
    utimensat(parent, name, &timestamps(entry.mtime), AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(())
}

pub(super) fn timestamps(time: Time) -> Timestamps {
    let time = Timespec { tv_sec: time.seconds, tv_nsec: time.nanos.into() };
    Timestamps { last_access: time, last_modification: time }
}

/// Sets an attribute that came with an archive.
///
/// Those of overlayfs are not for archives to set: a `redirect` would show other directories of the host's layers (as in CVE-2021-3493's neighbourhood).
/// Whatever the file system or our rights do not allow is left out, as Docker does, but for capabilities, without which a program would fail.
fn set_xattr(file: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    if is_overlay(name) {
        return Ok(());
    }
    match fsetxattr(file, name, value, XattrFlags::empty()) {
        Ok(()) => Ok(()),
        Err(error) if name == b"security.capability" => Err(error.into()),
        Err(Errno::OPNOTSUPP | Errno::PERM | Errno::INVAL | Errno::ACCESS) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn is_overlay(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}

/// Returns the attributes that go into archives: capabilities and those of users, sorted by name.
pub(super) fn xattrs(file: BorrowedFd<'_>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut names = [0_u8; 4096];
    let length = match flistxattr(file, &mut names[..]) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => 0,
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names[..length].split(|byte| *byte == 0) {
        let wanted = name == b"security.capability" || name.starts_with(b"user.");
        if !wanted || is_overlay(name) {
            continue;
        }
        let mut value = vec![0_u8; 65536];
        match fgetxattr(file, name, &mut value[..]) {
            Ok(length) => value.truncate(length),
            Err(Errno::NODATA) => continue,
            Err(error) => return Err(error.into()),
        }
        found.push((name.to_vec(), value));
    }
    found.sort_unstable();
    Ok(found)
}
