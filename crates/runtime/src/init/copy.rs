//! Fills an empty mount with what the image has at its place.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;

/// Copies the content of directory `from`, and its owner and permissions, into `to`, if that is an
/// empty directory.
pub(crate) fn fill(from: &OwnedFd, to: &OwnedFd) -> io::Result<()> {
    let to = rustix::fs::openat(
        to,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let mut entries = Dir::read_from(&to)?;
    let is_dot = |name: &CStr| name == c"." || name == c"..";
    if entries.any(|entry| {
        entry.is_ok_and(|entry| !is_dot(entry.file_name()) && entry.file_name() != c"lost+found")
    }) {
        return Ok(());
    }
    directory(from.as_fd(), to.as_fd())
}

fn directory(from: std::os::fd::BorrowedFd<'_>, to: std::os::fd::BorrowedFd<'_>) -> io::Result<()> {
    for entry in Dir::read_from(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let stat = rustix::fs::statat(from, name, AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                rustix::fs::mkdirat(to, name, Mode::from_raw_mode(0o700))?;
                let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let inner = rustix::fs::openat(from, name, flags, Mode::empty())?;
                let copy = rustix::fs::openat(to, name, flags, Mode::empty())?;
                directory(inner.as_fd(), copy.as_fd())?;
            }
            FileType::RegularFile => file(from, to, name, &stat)?,
            FileType::Symlink => link(from, to, name, &stat)?,
            kind => {
                rustix::fs::mknodat(
                    to,
                    name,
                    kind,
                    Mode::from_raw_mode(stat.st_mode & 0o7777),
                    stat.st_rdev,
                )?;
                rustix::fs::chownat(
                    to,
                    name,
                    owner(&stat).0,
                    owner(&stat).1,
                    AtFlags::SYMLINK_NOFOLLOW,
                )?;
            }
        }
    }
    finish(from, to, &rustix::fs::fstat(from)?)
}

fn file(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
) -> io::Result<()> {
    let source = rustix::fs::openat(
        from,
        name,
        OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
        Mode::empty(),
    )?;
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let copy = rustix::fs::openat(to, name, flags, Mode::from_raw_mode(0o600))?;
    let (mut source, mut copy) = (std::fs::File::from(source), std::fs::File::from(copy));
    io::copy(&mut source, &mut copy)?;
    finish(source.as_fd(), copy.as_fd(), stat)
}

fn link(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
    name: &CStr,
    stat: &Stat,
) -> io::Result<()> {
    let target = rustix::fs::readlinkat(from, name, Vec::new())?;
    rustix::fs::symlinkat(target.as_c_str(), to, name)?;
    rustix::fs::chownat(to, name, owner(stat).0, owner(stat).1, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(rustix::fs::utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Gives a copy the owner, permissions, extended attributes and times of its original. The owner
/// comes first: a change of it takes away the set-user-ID bit and file capabilities.
fn finish(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
    stat: &Stat,
) -> io::Result<()> {
    rustix::fs::fchown(to, owner(stat).0, owner(stat).1)?;
    rustix::fs::fchmod(to, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    attributes(from, to)?;
    Ok(rustix::fs::futimens(to, &times(stat))?)
}

fn attributes(
    from: std::os::fd::BorrowedFd<'_>,
    to: std::os::fd::BorrowedFd<'_>,
) -> io::Result<()> {
    let mut names = vec![0_u8; 4096];
    let length = match rustix::fs::flistxattr(from, &mut names) {
        Ok(length) => length,
        Err(Errno::OPNOTSUPP) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    for name in names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0_u8; 65536];
        let Ok(length) = rustix::fs::fgetxattr(from, name, &mut value) else { continue };
        match rustix::fs::fsetxattr(to, name, &value[..length], rustix::fs::XattrFlags::empty()) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::PERM) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn owner(stat: &Stat) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid)))
}

fn times(stat: &Stat) -> Timestamps {
    let time = |seconds, nanoseconds| Timespec { tv_sec: seconds, tv_nsec: nanoseconds };
    Timestamps {
        last_access: time(stat.st_atime, i64::try_from(stat.st_atime_nsec).unwrap_or_default()),
        last_modification: time(
            stat.st_mtime,
            i64::try_from(stat.st_mtime_nsec).unwrap_or_default(),
        ),
    }
}
