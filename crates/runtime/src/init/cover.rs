//! Covers paths, and makes paths read-only.
//!
//! What is covered is exactly what was opened: the mount is attached at the descriptor, so that a
//! path which is swapped in between changes nothing. What it is covered with is checked to be what
//! it should be, after it was opened (CVE-2025-31133).

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};

use super::inside::Inside;
use super::root;
use crate::plan::option::{NODEV, NOEXEC, NOSUID, RDONLY};

/// What paths are covered with.
///
/// Nothing here stays detached: to let go of a detached mount costs a grace period of the kernel,
/// right when the user's program is executed.
#[derive(Debug, Default)]
pub(crate) struct Covers {
    /// An empty directory that is attached somewhere.
    empty: Option<OwnedFd>,
}

impl Covers {
    /// Covers a path, if it is there.
    pub(crate) fn mask(&mut self, inside: &Inside, path: &Path) -> io::Result<()> {
        let Some(place) = existing(inside, path)? else { return Ok(()) };
        let is_directory =
            FileType::from_raw_mode(rustix::fs::fstat(&place)?.st_mode) == FileType::Directory;
        if !is_directory {
            return root::attach(null(inside)?, &place);
        }
        let cover = self.empty()?;
        root::attach(&cover, &place)?;
        self.empty.get_or_insert(cover);
        Ok(())
    }

    /// Returns a mount of an empty, read-only directory.
    fn empty(&self) -> io::Result<OwnedFd> {
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
        Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, flags)?)
    }
}

/// Returns a mount of the container's null device.
fn null(inside: &Inside) -> io::Result<OwnedFd> {
    let null = inside.place(Path::new("/dev/null"))?;
    let stat = rustix::fs::fstat(&null)?;
    let is_device = FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice;
    if !is_device || stat.st_rdev != rustix::fs::makedev(1, 3) {
        return Err(io::Error::other("/dev/null is not the null device"));
    }
    root::clone_open(&null, false)
}

/// Makes a path read-only, if it is there.
pub(crate) fn read_only(inside: &Inside, path: &Path) -> io::Result<()> {
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
