//! A process of a container, held by its descriptor.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::process::{WaitId, WaitIdOptions, WaitIdStatus};

/// A process that has been started: a child of the caller.
#[derive(Debug)]
pub struct Running {
    pid: i32,
    pidfd: OwnedFd,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Exit {
    /// Its exit status, or 128 and the number of the signal that ended it.
    pub code: i32,
    /// The signal that ended it.
    pub signal: Option<i32>,
}

impl Running {
    pub(crate) fn new(pid: i32, pidfd: OwnedFd) -> Self {
        Self { pid, pidfd }
    }

    /// Returns its number in the caller's PID namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Returns its descriptor; readable (`POLLIN`) once it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits until it has ended and reaps it.
    pub fn wait(&self) -> io::Result<Exit> {
        loop {
            match rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED)
            {
                Ok(Some(status)) => return Ok(exit(&status)),
                Ok(None) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Reaps it if it has ended; returns `None` while it runs.
    pub fn try_wait(&self) -> io::Result<Option<Exit>> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        let status = rustix::process::waitid(WaitId::PidFd(self.pidfd.as_fd()), options)?;
        Ok(status
            .filter(|status| status.exited() || status.killed() || status.dumped())
            .map(|status| exit(&status)))
    }

    /// Sends it a signal, by number.
    pub fn kill(&self, signal: i32) -> io::Result<()> {
        hako_sys::process::send_signal(&self.pidfd, signal)
    }
}

fn exit(status: &WaitIdStatus) -> Exit {
    match (status.exit_status(), status.terminating_signal()) {
        (_, Some(signal)) => Exit { code: 128 + signal, signal: Some(signal) },
        (code, None) => Exit { code: code.unwrap_or_default(), signal: None },
    }
}
