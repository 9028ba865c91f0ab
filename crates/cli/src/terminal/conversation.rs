//! The conversation: the program's output to ours, our input to it, and signals and the terminal's size along with it.
//!
//! Two threads: this one waits for the monitor and for signals, another one reads standard input, so that a program that does
//! not read its input cannot keep its output from us. Signals are blocked and read from a descriptor; no handler
//! runs, and every way out passes through the drop of [`Raw`].

use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hako_engine::attach::{Attachment, Failure as Refusal, Frame};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::stdio::{stderr, stdin, stdout};

use super::{Keys, Raw, is_terminal, size};

/// How a conversation ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum End {
    /// The program ended with this code.
    Exit(i32),
    /// The program could not be started.
    Refused(Refusal),
    /// The keys that detach were typed.
    Detached,
    /// Nobody reads our output any more.
    ReaderGone,
    /// A signal ended the conversation, since signals are not passed on.
    Signal(i32),
    /// The monitor went away.
    Lost,
}

/// How a conversation is held.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// Whether our standard input goes to the program.
    pub(crate) stdin: bool,
    /// Whether the program has a terminal.
    pub(crate) tty: bool,
    /// Whether signals are passed on.
    pub(crate) proxy: bool,
    /// The keys that detach, where the program has a terminal.
    pub(crate) keys: Keys,
}

const SIGPIPE: i32 = 13;
const SIGCHLD: i32 = 17;
const SIGWINCH: i32 = 28;

/// Signals that are none of the program's business: those about our own children and stopped terminals, and what
/// cannot be caught.
const KEPT: [i32; 9] = [9, SIGPIPE, SIGCHLD, 18, 19, 20, 21, 22, 23];

/// The number of signals that are not real-time ones.
const SIGNALS: i32 = 31;

impl Conversation {
    /// Talks until the program ends or the conversation does.
    ///
    /// # Errors
    /// When the socket or the signals cannot be waited for.
    pub(crate) fn hold(mut self, program: &Attachment) -> io::Result<End> {
        let caught: Vec<i32> = (1..=SIGNALS).filter(|signal| !KEPT.contains(signal)).collect();
        let signals = hako_sys::signal::descriptor(&caught)?;
        let _raw = if self.tty && self.stdin { Raw::enter(stdin()) } else { None };
        if self.tty {
            resize(program);
        }
        let detached = Arc::new(AtomicBool::new(false));
        if self.stdin {
            let (program, detached) = (program.try_clone()?, Arc::clone(&detached));
            let keys = if self.tty && is_terminal(stdin()) {
                Some(std::mem::take(&mut self.keys))
            } else {
                None
            };
            std::thread::Builder::new().spawn(move || pass_input(&program, keys, &detached))?;
        }
        loop {
            let mut ready = [
                PollFd::new(program.socket(), PollFlags::IN),
                PollFd::new(&signals, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(errno) => return Err(errno.into()),
            }
            let (talks, signalled) =
                (!ready[0].revents().is_empty(), !ready[1].revents().is_empty());
            if signalled && let Some(end) = self.pass_signals(program, &signals)? {
                return Ok(end);
            }
            if talks && let Some(end) = self.take(program, &detached)? {
                return Ok(end);
            }
        }
    }

    fn pass_signals(&self, program: &Attachment, signals: &OwnedFd) -> io::Result<Option<End>> {
        while let Some(signal) = hako_sys::signal::next(signals)? {
            if signal == SIGWINCH {
                if self.tty {
                    resize(program);
                }
            } else if self.proxy {
                program.send(&Frame::Signal(signal)).ok();
            } else if matches!(signal, 1 | 2 | 3 | 15) {
                return Ok(Some(End::Signal(signal)));
            }
        }
        Ok(None)
    }

    /// Takes the monitor's next frame.
    fn take(&self, program: &Attachment, detached: &AtomicBool) -> io::Result<Option<End>> {
        let frame = match program.next() {
            Ok(frame) => frame,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => return Err(error),
        };
        let written = match frame {
            Some(Frame::Stdout(bytes)) => write_all(stdout(), &bytes),
            Some(Frame::Stderr(bytes)) => write_all(stderr(), &bytes),
            Some(Frame::Exit(code)) => return Ok(Some(End::Exit(code))),
            Some(Frame::Failed(text)) => return Ok(Some(End::Refused(refusal(&text)))),
            Some(_) => Ok(()),
            None if detached.load(Ordering::SeqCst) => return Ok(Some(End::Detached)),
            None => return Ok(Some(End::Lost)),
        };
        match written {
            Ok(()) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Some(End::ReaderGone)),
            Err(error) => Err(error),
        }
    }
}

fn refusal(text: &[u8]) -> Refusal {
    let plain = || Refusal { message: String::from_utf8_lossy(text).into_owned(), code: 125 };
    serde_json::from_slice(text).unwrap_or_else(|_| plain())
}

fn resize(program: &Attachment) {
    if let Some((columns, rows)) = size(stdout()).or_else(|| size(stdin())) {
        program.send(&Frame::Resize(columns, rows)).ok();
    }
}

/// Sends our standard input until it ends, the program does not take it any more, or the keys are typed.
fn pass_input(program: &Attachment, mut keys: Option<Keys>, detached: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = match rustix::io::read(stdin(), &mut buffer) {
            Ok(0) | Err(rustix::io::Errno::IO) => break,
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => continue,
            Err(_) => break,
        };
        let (bytes, detach) = match &mut keys {
            Some(keys) => keys.pass(&buffer[..count]),
            None => (buffer[..count].to_vec(), false),
        };
        if !bytes.is_empty() && program.send(&Frame::Stdin(bytes)).is_err() {
            return;
        }
        if detach {
            detached.store(true, Ordering::SeqCst);
            program.socket().shutdown(std::net::Shutdown::Both).ok();
            return;
        }
    }
    program.send(&Frame::StdinEnd).ok();
}

fn write_all(file: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&file, bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => wait_writable(&file)?,
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Waits until a descriptor that somebody made non-blocking takes more.
fn wait_writable(file: impl AsFd) -> io::Result<()> {
    let mut ready = [PollFd::new(&file, PollFlags::OUT)];
    match poll(&mut ready, None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Prints text on standard output; a reader that has gone is not an error.
pub(crate) fn print(text: &str) {
    io::stdout().lock().write_all(text.as_bytes()).ok();
}
