//! The two marks by which a layer hides what lies below it.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, Stat, XattrFlags, fgetxattr, fsetxattr, makedev, mknodat,
    openat, statat,
};
use rustix::io::Errno;

use super::Overlay;
use super::root::DIRECTORY;

/// What the name of a whiteout begins with.
pub(super) const PREFIX: &[u8] = b".wh.";
/// What the names begin with that AUFS kept for itself.
pub(super) const META: &[u8] = b".wh..wh.";
/// The name that makes its directory opaque.
pub(super) const OPAQUE: &[u8] = b".wh..wh..opq";

/// Tells whether `stat` is that of overlayfs's whiteout.
pub(super) fn is_whiteout(stat: &Stat) -> bool {
    FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// Makes a whiteout.
pub(super) fn make(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    mknodat(parent, name, FileType::CharacterDevice, Mode::empty(), makedev(0, 0))
}

/// Makes a directory opaque.
pub(super) fn set_opaque(directory: BorrowedFd<'_>, overlay: Overlay) -> rustix::io::Result<()> {
    fsetxattr(directory, overlay.opaque(), b"y", XattrFlags::empty())
}

/// Tells whether a directory is opaque.
pub(super) fn is_opaque(directory: BorrowedFd<'_>, overlay: Overlay) -> bool {
    let mut value = [0_u8; 4];
    matches!(fgetxattr(directory, overlay.opaque(), &mut value[..]), Ok(1)) && value[0] == b'y'
}

/// Hides `name` of the lower layers. What this layer has under that name stays: whiteouts are about lower layers only, in whatever
/// order they come.
pub(super) fn hide(
    parent: BorrowedFd<'_>,
    name: &[u8],
    overlay: Overlay,
) -> rustix::io::Result<()> {
    match make(parent, name) {
        Err(Errno::EXIST) => {}
        other => return other,
    }
    let stat = statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    if FileType::from_raw_mode(stat.st_mode) == FileType::Directory {
        let directory = openat(parent, name, DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        set_opaque(directory.as_fd(), overlay)?;
    }
    Ok(())
}
