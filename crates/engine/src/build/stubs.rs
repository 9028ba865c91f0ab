//! Mount points that a step's mounts leave in its layer, and how they are taken out of it again.

use std::ffi::OsStr;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hako_build::tree::path;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, ResolveFlags, Timespec, Timestamps, UTIME_OMIT};

/// Paths that are not in the image and will be made for mounts.
#[derive(Debug, Default)]
pub(super) struct Stubs(Vec<PathBuf>);

impl Stubs {
    /// Finds what is missing in `root` of the way to each target.
    pub(super) fn of<'t>(root: BorrowedFd<'_>, targets: impl IntoIterator<Item = &'t str>) -> Self {
        let mut all = Vec::new();
        for target in targets {
            let Ok(real) = path::resolve_new(root, Path::new(target)) else { continue };
            let mut way = PathBuf::new();
            for part in real.components() {
                way.push(part);
                if path::resolve(root, &way).is_err() && !all.contains(&way) {
                    all.push(way.clone());
                }
            }
        }
        Self(all)
    }

    /// Removes them from the layer in `upper`, unless the step put something into them.
    ///
    /// The step may have put links on the way to them (CVE-2024-23652): none is followed.
    pub(super) fn remove(&self, upper: &Path) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let Ok(upper) = rustix::fs::open(upper, flags, Mode::empty()) else { return };
        for stub in self.0.iter().rev() {
            let (Some(name), Some(above)) = (stub.file_name(), stub.parent()) else { continue };
            let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
            let Ok(parent) = rustix::fs::openat2(&upper, above, flags, Mode::empty(), resolve)
            else {
                continue;
            };
            let _still_used = remove_one(&parent, name);
        }
    }
}

/// Removes an empty file or directory; the directory that it lies in keeps its time.
fn remove_one(parent: &OwnedFd, name: &OsStr) -> rustix::io::Result<()> {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let flags = match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => AtFlags::REMOVEDIR,
        FileType::RegularFile if stat.st_size == 0 => AtFlags::empty(),
        _ => return Ok(()),
    };
    let before = rustix::fs::fstat(parent)?;
    rustix::fs::unlinkat(parent, name, flags)?;
    let nanos = i64::try_from(before.st_mtime_nsec).unwrap_or(0);
    let modified = Timespec { tv_sec: before.st_mtime, tv_nsec: nanos };
    let accessed = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    rustix::fs::futimens(parent, &Timestamps { last_access: accessed, last_modification: modified })
}
