//! From an archive into a tree.

use std::io::{self, BufRead, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::place::{Placer, Retire};
use super::root::{DIRECTORY, open_in_root};
use super::{Error, Overlay};
use crate::tar::{Limits, Reader};

/// Whom unpacked files belong to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Owner {
    /// Whom the archive says.
    #[default]
    Archive,
    /// This user and group.
    Fixed(u32, u32),
    /// Whoever unpacks.
    Process,
}

/// How an archive is unpacked.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnpackOptions {
    /// The archive is a layer: `.wh.` names become overlayfs's marks. `None` takes every name as it is.
    pub layer: Option<Overlay>,
    /// Whom the files belong to.
    pub owner: Owner,
    /// Refuse to put a directory in the place of something else, and the other way round (`docker cp`).
    pub keep_kinds: bool,
    /// How much the archive may ask for.
    pub limits: Limits,
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// The sizes of all regular files, in bytes.
    pub bytes: u64,
    /// The number of members.
    pub entries: u64,
}

/// Unpacks the archive in `tar` into the directory `path` below `root`.
///
/// Links in `path` are followed within `root`. What was unpacked before an error stays.
///
/// # Errors
/// When the directory is not there, or as [`unpack`].
pub fn unpack_into(
    root: BorrowedFd<'_>,
    path: &Path,
    tar: impl Read,
    options: &UnpackOptions,
) -> Result<Totals, Error> {
    let bytes = path.as_os_str().as_bytes();
    let directory = open_in_root(root, bytes, DIRECTORY.difference(rustix::fs::OFlags::NOFOLLOW))
        .map_err(Error::at("open the directory", bytes))?;
    let source = io::BufReader::with_capacity(1 << 17, tar);
    let mut reader = Reader::new(source, options.limits);
    let totals = unpack(directory.as_fd(), &mut reader, options)?;
    reader.finish()?;
    Ok(totals)
}

/// Unpacks all members of `reader` into `root`; paths and links stay within it.
///
/// A member that comes twice counts the second time. The times of directories are set at the end.
///
/// # Errors
/// When the archive is refused, or something cannot be made.
pub fn unpack<R: BufRead, T: Retire>(
    root: BorrowedFd<'_>,
    reader: &mut Reader<R, T>,
    options: &UnpackOptions,
) -> Result<Totals, Error> {
    let mut placer = Placer::new(root, options);
    while let Some(entry) = reader.next()? {
        placer.place(&entry, reader)?;
    }
    placer.finish()
}
