//! Names below a root, and the descriptors of the directories that they lie in.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat, openat2};
use rustix::io::Errno;

use super::Error;

/// How a directory is opened: for reading, so that its attributes can be set through the descriptor.
pub(super) const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// How often a path is resolved anew because the tree changes under it.
const MOST_TRIES: u32 = 256;

/// Opens `path` below `root` as if `root` were `/`: absolute links and `..` stay within it.
///
/// # Errors
/// What `openat2(2)` says.
pub fn open_in_root(
    root: BorrowedFd<'_>,
    path: &[u8],
    flags: OFlags,
) -> rustix::io::Result<OwnedFd> {
    let path = if path.is_empty() { b"." } else { path };
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let mut tries = 0;
    loop {
        // EAGAIN: something was renamed or mounted meanwhile, so the kernel cannot vouch for the result. Whoever keeps renaming must
        // not keep us here for ever.
        match openat2(root, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve) {
            Err(Errno::AGAIN) if tries < MOST_TRIES => tries += 1,
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}

/// Splits a path into its components; `.` and empty ones are dropped, `..` takes away the one before it and stops at the root.
pub(super) fn components(path: &[u8]) -> Vec<&[u8]> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts
}

/// The open directories on the way to the last member's parent, so that the next member, which mostly lies beside it,
/// costs no lookup.
#[derive(Debug)]
pub(super) struct Parents<'a> {
    root: BorrowedFd<'a>,
    levels: Vec<Level>,
}

#[derive(Debug)]
struct Level {
    name: Vec<u8>,
    directory: OwnedFd,
    /// Whether a symbolic link was followed here.
    linked: bool,
}

impl<'a> Parents<'a> {
    pub(super) fn new(root: BorrowedFd<'a>) -> Self {
        Self { root, levels: Vec::new() }
    }

    /// Returns the directory at `parts`; `missing` is called with the directory above, its path and the name of each one that
    /// is not there or is no directory, and must make it (or return the error to give up with).
    pub(super) fn enter<E: From<Error>>(
        &mut self,
        parts: &[&[u8]],
        mut missing: impl FnMut(BorrowedFd<'_>, &[&[u8]], Errno) -> Result<(), E>,
    ) -> Result<BorrowedFd<'_>, E> {
        let common =
            self.levels.iter().zip(parts).take_while(|(level, part)| level.name == **part).count();
        self.levels.truncate(common);
        for depth in common..parts.len() {
            let level = self.open(&parts[..=depth], &mut missing)?;
            self.levels.push(level);
        }
        Ok(self.top())
    }

    fn open<E: From<Error>>(
        &self,
        parts: &[&[u8]],
        missing: &mut impl FnMut(BorrowedFd<'_>, &[&[u8]], Errno) -> Result<(), E>,
    ) -> Result<Level, E> {
        let name = *parts.last().unwrap_or(&b".".as_slice());
        let level = |directory, linked| Level { name: name.to_vec(), directory, linked };
        let plain = || openat(self.top(), name, DIRECTORY, Mode::empty());
        let fault = |errno: Errno| Error::at("open the directory", &parts.join(&b'/'))(errno);
        match plain() {
            Ok(directory) => return Ok(level(directory, false)),
            Err(errno @ (Errno::NOTDIR | Errno::LOOP)) => {
                // A symbolic link, perhaps: the kernel follows it within the root.
                let through = open_in_root(
                    self.root,
                    &parts.join(&b'/'),
                    DIRECTORY.difference(OFlags::NOFOLLOW),
                );
                match through {
                    Ok(directory) => return Ok(level(directory, true)),
                    Err(Errno::NOTDIR) => missing(self.top(), parts, errno)?,
                    Err(other) => return Err(fault(other).into()),
                }
            }
            Err(errno @ Errno::NOENT) => missing(self.top(), parts, errno)?,
            Err(errno) => return Err(fault(errno).into()),
        }
        plain().map(|directory| level(directory, false)).map_err(|errno| fault(errno).into())
    }

    /// Returns the directory that was entered last.
    pub(super) fn top(&self) -> BorrowedFd<'_> {
        self.levels.last().map_or(self.root, |level| level.directory.as_fd())
    }

    /// Tells whether the way here went through a symbolic link.
    pub(super) fn is_linked(&self) -> bool {
        self.levels.iter().any(|level| level.linked)
    }

    /// Keeps `directory`, the directory `name` in the one that was entered last, at hand.
    pub(super) fn push(&mut self, name: &[u8], directory: OwnedFd) {
        self.levels.push(Level { name: name.to_vec(), directory, linked: false });
    }

    /// Forgets all descriptors, because something on the way was replaced.
    pub(super) fn forget(&mut self) {
        self.levels.clear();
    }
}

/// Makes the directory `name`, as parents that no archive brings are made.
pub(super) fn make_parent(parent: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
    match mkdirat(parent, name, Mode::from_raw_mode(0o755)) {
        Err(Errno::EXIST) => Ok(()),
        // The umask may have taken bits away.
        Ok(()) => rustix::fs::fchmod(
            openat(parent, name, DIRECTORY, Mode::empty())?,
            Mode::from_raw_mode(0o755),
        ),
        other => other,
    }
}

/// Returns the path of an open file as the kernel has it, below the open directory `root`.
pub(super) fn real_path(root: BorrowedFd<'_>, file: BorrowedFd<'_>) -> Option<Vec<u8>> {
    let path = |fd: BorrowedFd<'_>| rustix::fs::readlinkat(CWD, proc_path(fd), Vec::new()).ok();
    let (root, file) = (path(root)?.into_bytes(), path(file)?.into_bytes());
    let rest = file.strip_prefix(root.strip_suffix(b"/").unwrap_or(&root))?;
    Some(rest.strip_prefix(b"/").unwrap_or(rest).to_vec())
}

/// Returns the path by which `/proc` leads to exactly what a descriptor has open.
pub(super) fn proc_path(fd: BorrowedFd<'_>) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cleaned_and_never_climb_above_the_root() {
        let joined =
            |path: &str| String::from_utf8(components(path.as_bytes()).join(&b'/')).unwrap();
        for (path, want) in [
            ("a/b", "a/b"),
            ("/a//b/", "a/b"),
            ("./a/./b/.", "a/b"),
            ("../../a", "a"),
            ("a/../../../b", "b"),
            ("/..", ""),
            ("a/..b/...", "a/..b/..."),
        ] {
            assert_eq!(joined(path), want, "{path}");
        }
    }
}
