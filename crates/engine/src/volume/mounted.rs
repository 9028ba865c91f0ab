//! Volumes that are a file system of their own (`type=tmpfs`, `type=nfs` …): mounted once, while containers use them.
//!
//! All containers of such a volume see the same files, so it is mounted on its directory by the first that starts and unmounted
//! after the last. Who uses it holds a shared lock: when a monitor is killed, the kernel drops it.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hako_runtime::plan::option;
use hako_store::Lock;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, UnmountFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string};
use rustix::mount::{fsmount, fsopen, move_mount, unmount};

use super::{Volume, Volumes};
use crate::Error;
use crate::container::Container;
use crate::model::MountKind;

impl Volumes<'_> {
    /// Mounts a volume on its directory where it is not mounted yet. It stays while the returned lock is held.
    pub(crate) fn mounted(self, volume: &Volume) -> Result<(PathBuf, Lock), Error> {
        let data = self.data(&volume.spec.name);
        let path = self.users_lock(&volume.spec.name);
        loop {
            if let Some(_alone) = Lock::try_exclusive(&path).map_err(Error::io("lock", &path))?
                && !is_mounted(&data)
            {
                mount(volume, &data).map_err(Error::io("mount the volume at", &data))?;
            }
            let lock = Lock::shared(&path).map_err(Error::io("lock", &path))?;
            // Between the two locks the last other user may have gone.
            if is_mounted(&data) {
                return Ok((data, lock));
            }
        }
    }

    /// Unmounts those volumes of a container that nobody uses any more.
    pub(crate) fn unmount_unused(self, container: &Container) {
        for planned in &container.record.mounts {
            if planned.point.kind == MountKind::Volume {
                self.unmount_if_unused(&planned.point.name);
            }
        }
    }

    /// Unmounts a volume when no container uses it.
    pub(super) fn unmount_if_unused(self, name: &str) {
        let data = self.data(name);
        if !is_mounted(&data) {
            return;
        }
        if let Ok(Some(_alone)) = Lock::try_exclusive(&self.users_lock(name)) {
            // What is still open somewhere goes when it is closed.
            let _gone_already = unmount(&data, UnmountFlags::DETACH);
        }
    }

    fn users_lock(self, name: &str) -> PathBuf {
        self.0.paths().volumes().join(name).join("users")
    }
}

/// Tells whether something is mounted on a volume's directory.
fn is_mounted(data: &Path) -> bool {
    let device = |path: &Path| path.symlink_metadata().map(|meta| meta.dev()).ok();
    data.parent().is_some_and(|parent| device(data) != device(parent))
}

fn mount(volume: &Volume, data: &Path) -> std::io::Result<()> {
    let option =
        |key: &str| volume.spec.driver_opts.get(key).map(String::as_str).unwrap_or_default();
    let words: Vec<String> =
        option("o").split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect();
    let options = option::parse(&words);
    let made = fsopen(option("type"), FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&made, "source", option("device"))?;
    for (name, value) in &options.data {
        match value {
            Some(value) => fsconfig_set_string(&made, name.as_str(), value.as_str())?,
            None => fsconfig_set_flag(&made, name.as_str())?,
        }
    }
    fsconfig_create(&made)?;
    let attributes = u32::try_from(options.set).unwrap_or(0);
    let attributes = MountAttrFlags::from_bits_retain(attributes);
    let mounted = fsmount(&made, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    move_mount(&mounted, "", rustix::fs::CWD, data, flags)?;
    Ok(())
}
