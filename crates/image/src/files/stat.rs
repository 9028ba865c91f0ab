//! What `docker cp` must know of a path before it copies.

use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hako_types::Moment;
use rustix::fs::{FileType, OFlags, fstat, readlinkat};

use super::Error;
use super::root::{components, open_in_root, real_path};

/// A path as a container sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PathStat {
    /// Its last component.
    pub name: String,
    /// Its size in bytes.
    pub size: u64,
    /// Its type and permissions, as `st_mode` has them.
    pub mode: u32,
    /// When it was last changed.
    pub mtime: Moment,
    /// Where it leads, below the root, when it is a symbolic link; a link to nowhere gives its own text.
    pub link_target: Option<PathBuf>,
}

impl PathStat {
    /// Tells whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        FileType::from_raw_mode(self.mode) == FileType::Directory
    }
}

/// Looks at `path` below `root`; its last component is not followed.
///
/// # Errors
/// When it is not there.
pub fn stat(root: BorrowedFd<'_>, path: &Path) -> Result<PathStat, Error> {
    let bytes = path.as_os_str().as_bytes();
    let file = open_in_root(root, bytes, OFlags::PATH | OFlags::NOFOLLOW)
        .map_err(Error::at("find", bytes))?;
    let stat = fstat(&file).map_err(Error::at("look at", bytes))?;
    let link_target = if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink {
        let text = readlinkat(&file, c"", Vec::new()).map_err(Error::at("read the link", bytes))?;
        let real = open_in_root(root, bytes, OFlags::PATH)
            .ok()
            .and_then(|target| real_path(root, std::os::fd::AsFd::as_fd(&target)))
            .map(|path| super::error::display(&path));
        Some(real.unwrap_or_else(|| PathBuf::from(std::ffi::OsStr::from_bytes(text.to_bytes()))))
    } else {
        None
    };
    let name = components(bytes).last().map(|name| String::from_utf8_lossy(name).into_owned());
    Ok(PathStat {
        name: name.unwrap_or_else(|| "/".into()),
        size: u64::try_from(stat.st_size).unwrap_or(0),
        mode: stat.st_mode,
        mtime: Moment::from_nanos(
            stat.st_mtime
                .saturating_mul(1_000_000_000)
                .saturating_add(i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
        ),
        link_target,
    })
}
