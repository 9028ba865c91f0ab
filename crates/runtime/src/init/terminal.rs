//! The process's pseudo-terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FileType, OFlags};
use rustix::pty::OpenptFlags;
use rustix::termios::Winsize;

use super::inside::{Inside, Want};
use super::mount::is_on;
use super::root;

/// Magic number of devpts in `statfs(2)`.
const DEVPTS_MAGIC: u64 = 0x1cd1;

/// Opens a new terminal of the root's devpts, makes it this session's and its descriptors 0 to 2,
/// and returns the master.
pub(crate) fn open(inside: &Inside, columns: u16, rows: u16, console: bool) -> io::Result<OwnedFd> {
    let master = inside.open(Path::new("/dev/pts/ptmx"), OFlags::RDWR | OFlags::NOCTTY)?;
    // What lies there may be anything an image brings (CVE-2025-52565).
    let is_multiplexer =
        FileType::from_raw_mode(rustix::fs::fstat(&master)?.st_mode) == FileType::CharacterDevice;
    if !is_multiplexer || !is_on(&master, DEVPTS_MAGIC)? {
        return Err(io::Error::other("/dev/pts is not a devpts file system"));
    }
    rustix::pty::unlockpt(&master)?;
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    if columns != 0 || rows != 0 {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&master, size)?;
    }
    if console {
        let place = inside.ensure(Path::new("/dev/console"), Want::File)?;
        root::attach(root::clone_open(&slave, false)?, &place)?;
    }
    become_terminal(&slave)?;
    Ok(master)
}

fn become_terminal(slave: impl AsFd) -> io::Result<()> {
    rustix::process::ioctl_tiocsctty(&slave)?;
    rustix::stdio::dup2_stdin(&slave)?;
    rustix::stdio::dup2_stdout(&slave)?;
    Ok(rustix::stdio::dup2_stderr(&slave)?)
}
