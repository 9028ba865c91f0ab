//! The tiny init of `--init`: the first process of a container whose program was not made to be one.
//!
//! It starts the program, passes every signal on to it, reaps what nobody waits for, and ends with the program's exit code. (What
//! `tini` and `catatonit` do elsewhere; here it is this same binary, mounted read-only into the container.)

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitCode, ExitStatus};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};

/// The signals that the kernel sends for a process's own faults: they are not for passing on.
const OWN_FAULTS: [i32; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGFPE,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGSYS,
    libc::SIGABRT,
];

/// Runs `words` (a leading `--` is skipped) as the only child and returns its exit code. `name` is what this program was
/// called by, and must bring it here again.
///
/// 127 when the program does not exist, 126 when it cannot be executed.
#[must_use]
pub fn main(name: &OsStr, words: &[OsString]) -> ExitCode {
    let ended = match words.split_first() {
        Some((first, rest)) if first == EXECUTE => Err(execute(rest)),
        Some((first, rest)) if first == "--" => run(name, rest),
        _ => run(name, words),
    };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.kind() == io::ErrorKind::NotFound => ExitCode::from(127),
        Err(_) => ExitCode::from(126),
    }
}

/// The first word of the child that is to become the program. It inherits the signals that its parent has blocked, so as to
/// lose none, and has to unblock them before it does.
const EXECUTE: &str = "--execute";

/// Becomes the program; returns only why it could not.
fn execute(words: &[OsString]) -> io::Error {
    let Some((program, arguments)) = words.split_first() else {
        return io::ErrorKind::NotFound.into();
    };
    hako_sys::signal::reset_all();
    if let Err(error) = hako_sys::signal::unblock_all() {
        return error;
    }
    Command::new(program).args(arguments).exec()
}

fn run(name: &OsStr, words: &[OsString]) -> io::Result<u8> {
    let signals: Vec<i32> = (1..=31)
        .filter(|signal| {
            ![libc::SIGKILL, libc::SIGSTOP].contains(signal) && !OWN_FAULTS.contains(signal)
        })
        .collect();
    let arriving = hako_sys::signal::descriptor(&signals)?;
    // The child gets a process group of its own, so that a terminal's Ctrl-C reaches it once and not twice.
    let child = Command::new("/proc/self/exe")
        .arg0(name)
        .arg(EXECUTE)
        .args(words)
        .process_group(0)
        .spawn()?;
    let pid =
        i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let _no_terminal = rustix::termios::tcsetpgrp(rustix::stdio::stdin(), pid);
    loop {
        if let Some(code) = reap(pid)? {
            return Ok(code);
        }
        let mut fds = [PollFd::new(&arriving, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        while let Some(signal) = hako_sys::signal::next(&arriving)? {
            if let Some(signal) =
                Signal::from_named_raw(signal).filter(|signal| *signal != Signal::CHILD)
            {
                let _gone_is_fine = kill_process(pid, signal);
            }
        }
    }
}

/// Reaps what has ended; returns the exit code of the program when it is among them.
fn reap(program: Pid) -> io::Result<Option<u8>> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == program => {
                let status = ExitStatus::from_raw(status.as_raw());
                let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
                return Ok(Some(u8::try_from(code).unwrap_or(u8::MAX)));
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(rustix::io::Errno::CHILD) => return Ok(Some(128)),
            Err(error) => return Err(error.into()),
        }
    }
}
