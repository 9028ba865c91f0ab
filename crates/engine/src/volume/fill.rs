//! Filling a new volume with what the image has at its mount point.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use hako_image::files::{PackOptions, Plain, UnpackOptions, open_in_root, pack_from, unpack_into};
use hako_store::Lock;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, fstat};

use super::Volumes;
use crate::Error;
use crate::container::rootfs::overlay;

impl Volumes<'_> {
    /// Fills the volume `name` with the directory `target` of an image, given as its directories, if the volume is
    /// empty and the image has one. Those who come meanwhile wait: nobody sees half of it.
    pub(crate) fn fill(self, name: &str, lower: &[PathBuf], target: &str) -> Result<(), Error> {
        let data = self.data(name);
        let lock_path = self.0.paths().volumes().join(name).join("lock");
        let _lock = Lock::exclusive(&lock_path).map_err(Error::io("lock", &lock_path))?;
        let mut entries = std::fs::read_dir(&data).map_err(Error::io("read", &data))?;
        if entries.next().is_some() {
            return Ok(());
        }
        let tree = overlay(lower, None)?;
        let Ok(source) =
            open_in_root(tree.as_fd(), target.as_bytes(), OFlags::RDONLY | OFlags::DIRECTORY)
        else {
            return Ok(());
        };
        let stat = fstat(&source)
            .map_err(|error| Error::io("look at", Path::new(target))(error.into()))?;
        copy(&source, &data, name)?;
        let failed = |error: rustix::io::Errno| Error::io("set the owner of", &data)(error.into());
        let (uid, gid) =
            (rustix::fs::Uid::from_raw(stat.st_uid), rustix::fs::Gid::from_raw(stat.st_gid));
        rustix::fs::chownat(CWD, &data, Some(uid), Some(gid), AtFlags::empty()).map_err(failed)?;
        rustix::fs::chmod(&data, Mode::from_raw_mode(stat.st_mode & 0o7777)).map_err(failed)?;
        Ok(())
    }
}

/// Copies what is in a directory, with all that belongs to it, through a pipe: one side packs, the other unpacks.
fn copy(source: &rustix::fd::OwnedFd, data: &Path, name: &str) -> Result<(), Error> {
    let failed = || format!("cannot fill the volume `{name}`");
    let (reader, writer) = std::io::pipe().map_err(Error::io("make a pipe for", data))?;
    let target =
        rustix::fs::open(data, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty());
    let target = target.map_err(|error| Error::io("open", data)(error.into()))?;
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| {
            let options = PackOptions {
                name: Some(String::new()),
                nanoseconds: true,
                ..PackOptions::default()
            };
            pack_from(
                source.as_fd(),
                Path::new("."),
                Plain(std::io::BufWriter::new(writer)),
                &options,
            )
            .map(drop)
        });
        let unpacked =
            unpack_into(target.as_fd(), Path::new("."), reader, &UnpackOptions::default());
        unpacked.map(drop).map_err(Error::below(failed()))?;
        match packing.join() {
            Ok(packed) => packed.map_err(Error::below(failed())),
            Err(_) => Err(Error::Conflict(failed())),
        }
    })
}
