//! Device files and links of `/dev`.

use std::io;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, Uid};
use rustix::io::Errno;

use super::inside::{Inside, Want};
use super::root;

/// A device file to make.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Device<'a> {
    /// Path inside.
    pub path: &'a Path,
    /// Type and permissions.
    pub mode: u32,
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
    /// Owner.
    pub owner: (u32, u32),
}

/// Makes a device file; one of the same kind that is there already stays.
pub(crate) fn make(inside: &Inside, device: &Device<'_>) -> io::Result<()> {
    let (parent, name) = inside.parent(device.path)?;
    let kind = FileType::from_raw_mode(device.mode);
    let number = rustix::fs::makedev(device.major, device.minor);
    let mode = Mode::from_raw_mode(device.mode & 0o7777);
    match rustix::fs::mknodat(&parent, name, kind, mode, number) {
        Ok(()) => {}
        Err(Errno::EXIST) => {
            let stat = rustix::fs::statat(&parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if FileType::from_raw_mode(stat.st_mode) != kind || stat.st_rdev != number {
                return Err(Errno::EXIST.into());
            }
        }
        Err(errno) => return Err(errno.into()),
    }
    if device.owner != (0, 0) {
        let (uid, gid) = device.owner;
        let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
        rustix::fs::chownat(&parent, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    }
    Ok(())
}

/// Attaches the host's device file of the same path.
pub(crate) fn bind(inside: &Inside, path: &Path) -> io::Result<()> {
    let tree = root::clone(path, false)?;
    root::attach(&tree, inside.ensure(path, Want::File)?)
}

/// Makes a symbolic link; anything that is there already stays.
pub(crate) fn link(inside: &Inside, path: &Path, to: &Path) -> io::Result<()> {
    let (parent, name) = inside.parent(path)?;
    match rustix::fs::symlinkat(to, &parent, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}
