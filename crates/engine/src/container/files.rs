//! Files in and out of a container: `cp`, `export`, `diff`.

use std::io::{Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use hako_image::files::{
    self, Change, Overlay, Owner, PackOptions, Plain, UnpackOptions, diff, open_in_root, pack_from,
    unpack_into,
};
use rustix::fs::OFlags;

pub use hako_image::files::PathStat;

use super::{Container, Containers};
use crate::Error;

/// How an archive is put into a container.
#[derive(Clone, Copy, Debug, Default)]
pub struct Placement {
    /// Keep the owners that the archive has; otherwise everything is root's.
    pub keep_owners: bool,
}

impl Containers<'_> {
    /// Looks at a path in a container; its last component is not followed.
    ///
    /// # Errors
    /// When there is no such container or path.
    pub fn stat(self, name: &str, path: &str) -> Result<PathStat, Error> {
        let container = self.find(name)?;
        let missing = no_such_path(&container, path);
        self.with_root(&container, |root| files::stat(root, Path::new(path)).map_err(missing))
    }

    /// Writes a file or directory of a container to `out` as a tar archive that begins with its name; `follow` follows a
    /// link at the end of the path.
    ///
    /// # Errors
    /// When there is no such container or path, or `out` fails.
    pub fn copy_out(
        self,
        name: &str,
        path: &str,
        follow: bool,
        out: &mut (dyn Write + Send),
    ) -> Result<(), Error> {
        self.copy_out_as(name, path, (name_of(path), follow), out)
    }

    /// Does the same, but the archive begins with another name: an empty one leaves what is in the directory, nothing is the
    /// path's own.
    ///
    /// # Errors
    /// As [`copy_out`](Self::copy_out).
    pub fn copy_out_as(
        self,
        name: &str,
        path: &str,
        (called, follow): (Option<String>, bool),
        out: &mut (dyn Write + Send),
    ) -> Result<(), Error> {
        let container = self.find(name)?;
        let missing = no_such_path(&container, path);
        let options =
            PackOptions { follow, nanoseconds: true, name: called, ..PackOptions::default() };
        self.with_root(&container, |root| {
            pack_from(root, Path::new(path), Plain(out), &options).map(drop).map_err(missing)
        })
    }

    /// Unpacks a tar archive into a directory of a container.
    ///
    /// # Errors
    /// When there is no such container or directory, or the archive is refused.
    pub fn copy_in(
        self,
        name: &str,
        path: &str,
        tar: &mut (dyn Read + Send),
        how: Placement,
    ) -> Result<(), Error> {
        let container = self.find(name)?;
        if container.record.host.readonly_rootfs && !container.is_running() {
            return Err(Error::Conflict("container rootfs is marked read-only".into()));
        }
        let missing = no_such_path(&container, path);
        let owner = if how.keep_owners { Owner::default() } else { Owner::Fixed(0, 0) };
        let options = UnpackOptions { owner, keep_kinds: true, ..UnpackOptions::default() };
        self.with_root(&container, |root| {
            is_directory(root, path, &container)?;
            unpack_into(root, Path::new(path), tar, &options).map(drop).map_err(missing)
        })
    }

    /// Writes all files of a container to `out` as a tar archive.
    ///
    /// # Errors
    /// When there is no such container, or `out` fails.
    pub fn export(self, name: &str, out: &mut (dyn Write + Send)) -> Result<(), Error> {
        let container = self.find(name)?;
        let failed = format!("cannot export the container `{}`", container.name);
        // The root is mounted anew, without volumes and what the kernel shows: as it lies on disk.
        let lower = self.lower_dirs_of(&container.image)?;
        let upper = container.directory(self.engine).join("upper");
        let layers: Vec<PathBuf> = std::iter::once(upper).chain(lower).collect();
        let tree = super::rootfs::overlay(&layers, None)?;
        let options = PackOptions { name: Some(String::new()), ..PackOptions::default() };
        pack_from(tree.as_fd(), Path::new("/"), Plain(out), &options)
            .map(drop)
            .map_err(Error::below(failed))
    }

    /// Returns what a container changed, compared with its image.
    ///
    /// # Errors
    /// When there is no such container, or its files cannot be read.
    pub fn diff(self, name: &str) -> Result<Vec<Change>, Error> {
        let container = self.find(name)?;
        let failed = format!("cannot compare the files of `{}`", container.name);
        let lower = self.lower_dirs_of(&container.image)?;
        let upper = container.directory(self.engine).join("upper");
        diff(&upper, &lower, Overlay::Trusted).map_err(Error::below(failed))
    }
}

/// Returns the name that a copied path has in the archive: its last component; nothing for the root or `dir/.`.
fn name_of(path: &str) -> Option<String> {
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    match last {
        "" | "." | ".." => None,
        last => Some(last.to_owned()),
    }
}

fn is_directory(root: BorrowedFd<'_>, path: &str, container: &Container) -> Result<(), Error> {
    match open_in_root(root, path.as_bytes(), OFlags::PATH | OFlags::DIRECTORY) {
        Ok(_) => Ok(()),
        Err(rustix::io::Errno::NOTDIR) => {
            Err(Error::Invalid(format!("extraction point is not a directory: {path}")))
        }
        Err(_) => Err(Error::Invalid(format!(
            "Could not find the file {path} in container {}",
            container.name
        ))),
    }
}

fn no_such_path(container: &Container, path: &str) -> impl FnOnce(files::Error) -> Error + use<> {
    let (path, name) = (path.to_owned(), container.name.clone());
    move |error| match &error {
        files::Error::Path { source, .. } if source.kind() == std::io::ErrorKind::NotFound => {
            Error::Invalid(format!("Could not find the file {path} in container {name}"))
        }
        _ => Error::below(format!("cannot copy `{path}` of the container `{name}`"))(error),
    }
}
