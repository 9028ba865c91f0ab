//! A container's files, seen from outside.
//!
//! No mount is ever visible on the host: a running container's root is reached through its first process, that of one that
//! does not run is mounted in a mount namespace that ends with the work.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use hako_types::Digest;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree,
};
use rustix::thread::UnshareFlags;

use super::{Container, Containers};
use crate::model::MountKind;
use crate::{Engine, Error};

impl Containers<'_> {
    /// Returns the directories below a container of `image` (an id), topmost first.
    pub(crate) fn lower_dirs_of(self, image: &str) -> Result<Vec<PathBuf>, Error> {
        let id: Digest = image.parse().map_err(|error: hako_types::digest::InvalidDigest| {
            Error::Invalid(error.to_string())
        })?;
        let images = self.engine.images()?;
        let image =
            images.get(&id).map_err(Error::below(format!("cannot use the image `{id}`")))?;
        self.lower_dirs(&image)
    }

    /// Returns the directories below a container of `image`, topmost first; the base's mount points are the lowest.
    pub(crate) fn lower_dirs(self, image: &hako_image::Image) -> Result<Vec<PathBuf>, Error> {
        let mut lower = image.lower_dirs(self.engine.images()?.layers());
        lower.push(self.engine.paths().base());
        Ok(lower)
    }

    /// Calls `work` with the root directory of a container, running or not, its volumes in place.
    ///
    /// Resolve paths below it with `openat2(2)` and `RESOLVE_IN_ROOT` only: what is in it is the container's to change.
    pub(crate) fn with_root<T: Send>(
        self,
        container: &Container,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T, Error> + Send,
    ) -> Result<T, Error> {
        if container.is_running() {
            let path = PathBuf::from(format!("/proc/{}/root", container.live.state.pid));
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let root = rustix::fs::open(&path, flags, Mode::empty());
            let root = root.map_err(|error| Error::io("open", &path)(error.into()))?;
            return work(root.as_fd());
        }
        let layout = Layout::of(self.engine, container)?;
        let done = std::thread::scope(|scope| scope.spawn(|| layout.mounted(work)).join());
        done.unwrap_or_else(|_| {
            Err(Error::Conflict(format!("the files of `{}` could not be reached", container.name)))
        })
    }
}

/// What is mounted where, to see the files of a container that does not run.
struct Layout {
    lower: Vec<PathBuf>,
    upper: (PathBuf, PathBuf),
    binds: Vec<(PathBuf, PathBuf)>,
}

impl Layout {
    fn of(engine: &Engine, container: &Container) -> Result<Self, Error> {
        let directory = container.directory(engine);
        let mut binds: Vec<(PathBuf, PathBuf)> = container
            .record
            .mounts
            .iter()
            .filter(|planned| matches!(planned.point.kind, MountKind::Volume | MountKind::Bind))
            .filter(|planned| {
                planned
                    .mount
                    .volume_options
                    .as_ref()
                    .is_none_or(|options| options.subpath.is_empty())
            })
            .map(|planned| {
                (PathBuf::from(&planned.point.source), PathBuf::from(&planned.point.destination))
            })
            .collect();
        binds.sort_by_key(|(_, target)| target.components().count());
        Ok(Self {
            lower: engine.containers().lower_dirs_of(&container.image)?,
            upper: (directory.join("upper"), directory.join("work")),
            binds,
        })
    }

    /// Mounts in a namespace of this thread's own, which must end afterwards, and calls `work`.
    fn mounted<T>(
        &self,
        work: impl FnOnce(BorrowedFd<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let refused = |error: rustix::io::Errno| Error::io("mount", Path::new("/"))(error.into());
        hako_sys::process::unshare(
            i32::try_from((UnshareFlags::NEWNS | UnshareFlags::FS).bits()).unwrap_or(0),
        )
        .map_err(Error::io("make a mount namespace for", &self.upper.0))?;
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(refused)?;
        let tree = overlay(&self.lower, Some(&self.upper))?;
        // Any directory will do to attach it to, since nobody else sees this namespace.
        move_mount(
            &tree,
            "",
            rustix::fs::CWD,
            &self.upper.0,
            MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
        )
        .map_err(refused)?;
        let root = rustix::fs::open(
            &self.upper.0,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let root = root.map_err(refused)?;
        for (source, target) in &self.binds {
            // A mount point that is not there yet is made when the container starts; until then its volume is not seen.
            let place = hako_image::files::open_in_root(
                root.as_fd(),
                target.as_os_str().as_encoded_bytes(),
                OFlags::PATH,
            );
            let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let source = open_tree(rustix::fs::CWD, source, flags);
            if let (Ok(place), Ok(source)) = (place, source) {
                let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
                    | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                move_mount(&source, "", &place, "", flags).map_err(refused)?;
            }
        }
        work(root.as_fd())
    }
}

/// Mounts an overlay of `lower` (topmost first) that is attached to nothing; read-only without an upper and a work directory.
pub(crate) fn overlay(
    lower: &[PathBuf],
    upper: Option<&(PathBuf, PathBuf)>,
) -> Result<OwnedFd, Error> {
    let refused =
        |error: rustix::io::Errno| Error::io("mount the overlay over", &lower[0])(error.into());
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC).map_err(refused)?;
    for directory in lower {
        fsconfig_set_string(context.as_fd(), "lowerdir+", directory.as_path()).map_err(refused)?;
    }
    let mut attributes = MountAttrFlags::empty();
    match upper {
        Some((upper, work)) => {
            fsconfig_set_string(context.as_fd(), "upperdir", upper.as_path()).map_err(refused)?;
            fsconfig_set_string(context.as_fd(), "workdir", work.as_path()).map_err(refused)?;
        }
        None => {
            // The kernel wants two lower directories when there is no upper one.
            if lower.len() == 1 {
                fsconfig_set_string(context.as_fd(), "lowerdir+", lower[0].as_path())
                    .map_err(refused)?;
            }
            fsconfig_set_flag(context.as_fd(), "ro").map_err(refused)?;
            attributes |= MountAttrFlags::MOUNT_ATTR_RDONLY;
        }
    }
    fsconfig_create(context.as_fd()).map_err(refused)?;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(refused)
}

/// Mounts a memory file system of `size` bytes for `/dev/shm` that is attached to nothing.
pub(crate) fn tmpfs(size: u64) -> Result<OwnedFd, Error> {
    let refused =
        |error: rustix::io::Errno| Error::io("mount", Path::new("/dev/shm"))(error.into());
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC).map_err(refused)?;
    fsconfig_set_string(context.as_fd(), "size", size.to_string()).map_err(refused)?;
    fsconfig_set_string(context.as_fd(), "mode", "1777").map_err(refused)?;
    fsconfig_create(context.as_fd()).map_err(refused)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOEXEC
        | MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(refused)
}
