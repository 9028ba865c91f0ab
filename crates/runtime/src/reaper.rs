//! The tiny init of `--init`: the first process of a container whose program was not made to be one.
//!
//! It starts the program, passes every signal on to it, reaps what nobody waits for, and ends with the program's exit code. (What
//! `tini` and `catatonit` do elsewhere; here it is this same binary, mounted read-only into the container.)

use std::ffi::OsString;
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

/// Runs `words` (a leading `--` is skipped) as the only child and returns its exit code.
///
/// 127 when the program does not exist, 126 when it cannot be executed.
#[must_use]
pub fn main(words: &[OsString]) -> ExitCode {
    let words = match words.split_first() {
        Some((first, rest)) if first == "--" => rest,
        _ => words,
    };
    let Some((program, arguments)) = words.split_first() else { return ExitCode::from(127) };
    match run(program, arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) if error.kind() == io::ErrorKind::NotFound => ExitCode::from(127),
        Err(_) => ExitCode::from(126),
    }
}

fn run(program: &OsString, arguments: &[OsString]) -> io::Result<u8> {
    let signals: Vec<i32> = (1..=31)
        .filter(|signal| {
            ![libc::SIGKILL, libc::SIGSTOP].contains(signal) && !OWN_FAULTS.contains(signal)
        })
        .collect();
    let arriving = hako_sys::signal::descriptor(&signals)?;
    // The child gets a process group of its own, so that a terminal's Ctrl-C reaches it once and not twice; the standard
    // library gives it an empty signal mask.
    let child = Command::new(program).args(arguments).process_group(0).spawn()?;
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
