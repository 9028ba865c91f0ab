//! Covers paths, and makes paths read-only.
//!
//! What is covered is exactly what was opened: the mount is attached at the descriptor, so that a
//! path which is swapped in between changes nothing (CVE-2025-31133, CVE-2025-52565). What it is
//! covered with was opened before the root was changed, on the host, and checked.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::inside::Inside;
use super::root;
use crate::plan::option::{NODEV, NOEXEC, NOSUID, RDONLY};

/// What paths are covered with.
#[derive(Debug)]
pub struct Covers {
    null: OwnedFd,
    empty: Option<OwnedFd>,
}

impl Covers {
    /// Takes the null device of the mount namespace as it is now, before the change of root.
    pub fn take() -> io::Result<Self> {
        let null = rustix::fs::open(
            "/dev/null",
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let stat = rustix::fs::fstat(&null)?;
        let is_null = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            && stat.st_rdev == rustix::fs::makedev(1, 3);
        if !is_null {
            return Err(io::Error::other("/dev/null is not the null device"));
        }
        Ok(Self { null: root::clone_open(&null, false)?, empty: None })
    }

    /// Covers a path, if it is there.
    pub fn mask(&mut self, inside: &Inside, path: &Path) -> io::Result<()> {
        let Some(place) = existing(inside, path)? else { return Ok(()) };
        let is_directory =
            FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Directory;
        let cover = if is_directory { self.empty()? } else { root::clone_open(&self.null, false)? };
        root::attach(&cover, &place)
    }

    /// Returns another mount of one empty, read-only directory.
    fn empty(&mut self) -> io::Result<OwnedFd> {
        if let Some(empty) = &self.empty {
            return root::clone_open(empty, false);
        }
        let context = rustix::mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(&context, "source", "tmpfs")?;
        rustix::mount::fsconfig_set_string(&context, "nr_inodes", "1")?;
        rustix::mount::fsconfig_set_string(&context, "mode", "755")?;
        rustix::mount::fsconfig_create(&context)?;
        let flags = u32::try_from(RDONLY | NOSUID | NODEV | NOEXEC).unwrap_or_default();
        let flags = MountAttrFlags::from_bits_retain(flags);
        let empty = rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?;
        let copy = root::clone_open(&empty, false)?;
        self.empty = Some(empty);
        Ok(copy)
    }
}

/// Makes a path read-only, if it is there.
pub fn read_only(inside: &Inside, path: &Path) -> io::Result<()> {
    let Some(place) = existing(inside, path)? else { return Ok(()) };
    let tree = root::clone_open(&place, true)?;
    root::set(&tree, RDONLY, 0, true)?;
    root::attach(tree.as_fd(), &place)
}

fn existing(inside: &Inside, path: &Path) -> io::Result<Option<OwnedFd>> {
    match inside.place(path) {
        Ok(place) => Ok(Some(place)),
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            _ => Err(error),
        },
    }
}
