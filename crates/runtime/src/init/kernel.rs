//! Writes to `/proc`, reached so that no mount or link of the container can redirect them
//! (CVE-2025-52881).

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{OFlags, ResolveFlags};

use super::inside::{self, Inside};
use super::mount::{PROC_MAGIC, is_on};

/// Writes `value` to a file below `/proc`, in one call.
///
/// `proc` is the procfs that was mounted for this container, if one was.
pub(crate) fn write(
    proc: Option<&OwnedFd>,
    inside: &Inside,
    path: &str,
    value: &str,
) -> io::Result<()> {
    let opened;
    let proc = match proc {
        Some(proc) => proc,
        None => {
            opened = inside.open(Path::new("/proc"), OFlags::PATH | OFlags::DIRECTORY)?;
            if !is_on(&opened, PROC_MAGIC)? {
                return Err(io::Error::other("/proc is not procfs"));
            }
            &opened
        }
    };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
    let file = inside::open(proc, Path::new(path), OFlags::WRONLY, resolve)?;
    if !is_on(&file, PROC_MAGIC)? {
        return Err(io::Error::other("it does not lie on procfs"));
    }
    let written = rustix::io::write(&file, value.as_bytes())?;
    if written == value.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Returns the path of one of this process's own files below `/proc`.
pub(crate) fn own(file: &str) -> String {
    format!("{}/{file}", rustix::process::getpid().as_raw_nonzero())
}
