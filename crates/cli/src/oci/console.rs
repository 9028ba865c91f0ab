//! Terminals: handed to whoever listens at a console socket, or joined to the caller's own.

use std::fs::File;
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use hako_runtime::Running;
use rustix::event::{PollFd, PollFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use rustix::termios::{OptionalActions, OutputModes, Termios};

use super::Failure;

/// Sends the master side of a terminal to the listener at `path`.
pub(super) fn send(path: &str, master: &OwnedFd) -> Result<(), Failure> {
    send_file(path, master.as_fd(), b"/dev/ptmx")
}

/// Sends a process's descriptor to the listener that `--pidfd-socket` names, if it does.
pub(super) fn send_process(path: Option<&str>, pidfd: BorrowedFd<'_>) -> Result<(), Failure> {
    path.filter(|path| !path.is_empty()).map_or(Ok(()), |path| send_file(path, pidfd, b"pidfd"))
}

fn send_file(path: &str, file: BorrowedFd<'_>, name: &[u8]) -> Result<(), Failure> {
    let fail = |error: io::Error| Failure::new(format!("socket `{path}`: {error}"));
    let socket = UnixStream::connect(path).map_err(fail)?;
    let files = [file];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&files));
    let name = IoSlice::new(name);
    rustix::net::sendmsg(&socket, &[name], &mut ancillary, SendFlags::NOSIGNAL)
        .map_err(|errno| fail(errno.into()))?;
    Ok(())
}

/// The caller's terminal, set to pass everything through; dropping it restores it.
struct Raw(Option<Termios>);

impl Raw {
    fn set() -> Self {
        let Ok(before) = rustix::termios::tcgetattr(rustix::stdio::stdin()) else {
            return Self(None);
        };
        let mut raw = before.clone();
        raw.make_raw();
        // Ends of lines are this terminal's to translate, not the program's (`Options::plain_lines`).
        raw.output_modes |= OutputModes::OPOST;
        let _unchanged =
            rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        Self(Some(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _unchanged =
                rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Returns the size of the caller's terminal: columns, rows; zeros if there is none.
pub(super) fn size() -> (u16, u16) {
    rustix::termios::tcgetwinsize(rustix::stdio::stdin())
        .map_or((0, 0), |size| (size.ws_col, size.ws_row))
}

/// Signals that are passed on to the program.
const PASSED: [i32; 8] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGCONT,
    libc::SIGWINCH,
];

/// Prepares to pass signals on; from here on they arrive only there.
pub(super) fn signals() -> io::Result<OwnedFd> {
    hako_sys::signal::descriptor(&PASSED)
}

/// Waits for the program, passing on signals and, with a terminal, what is typed and shown; returns
/// its exit code.
pub(super) fn attend(
    running: &Running,
    terminal: Option<OwnedFd>,
    signals: &OwnedFd,
) -> Result<u8, Failure> {
    let raw = terminal.as_ref().map(|_| Raw::set());
    let mut master = terminal.map(File::from);
    let mut typing = master.is_some();
    loop {
        let ready = {
            let stdin = rustix::stdio::stdin();
            let mut sources = vec![PollFd::from_borrowed_fd(running.pidfd(), PollFlags::IN)];
            sources.push(PollFd::new(signals, PollFlags::IN));
            sources.extend(master.as_ref().map(|master| PollFd::new(master, PollFlags::IN)));
            if typing && master.is_some() {
                sources.push(PollFd::from_borrowed_fd(stdin, PollFlags::IN));
            }
            match rustix::event::poll(&mut sources, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(io::Error::from(errno).into()),
            }
            sources.iter().map(|source| !source.revents().is_empty()).collect::<Vec<_>>()
        };
        if ready[1] {
            pass_signals(running, master.as_ref(), signals)?;
        }
        if ready.get(2) == Some(&true) && !show(master.as_mut()) {
            master = None;
        }
        if ready.get(3) == Some(&true) {
            typing = type_in(master.as_mut());
        }
        // What is left to be shown comes first.
        if ready[0] && ready.get(2) != Some(&true) {
            break;
        }
    }
    drop(raw);
    let exit = running.wait()?;
    Ok(u8::try_from(exit.code & 0xff).unwrap_or(255))
}

fn pass_signals(running: &Running, master: Option<&File>, signals: &OwnedFd) -> io::Result<()> {
    while let Some(signal) = hako_sys::signal::next(signals)? {
        match master {
            Some(master) if signal == libc::SIGWINCH => {
                if let Ok(size) = rustix::termios::tcgetwinsize(rustix::stdio::stdin()) {
                    rustix::termios::tcsetwinsize(master, size)?;
                }
            }
            _ => {
                let _ended = running.kill(signal);
            }
        }
    }
    Ok(())
}

/// Shows what the program wrote; false when it has closed its terminal.
fn show(master: Option<&mut File>) -> bool {
    let Some(master) = master else { return false };
    let mut bytes = [0; 16384];
    match master.read(&mut bytes) {
        Ok(0) | Err(_) => false,
        Ok(length) => {
            let mut output = io::stdout().lock();
            let _reader_gone = output.write_all(&bytes[..length]).and_then(|()| output.flush());
            true
        }
    }
}

/// Passes on what was typed; false when there will be no more.
fn type_in(master: Option<&mut File>) -> bool {
    let Some(master) = master else { return false };
    let mut bytes = [0; 4096];
    match rustix::io::read(rustix::stdio::stdin(), &mut bytes) {
        Ok(0) => {
            // End of input, as a terminal spells it.
            let _program_gone = master.write_all(b"\x04");
            false
        }
        Ok(length) => master.write_all(&bytes[..length]).is_ok(),
        Err(_) => false,
    }
}
