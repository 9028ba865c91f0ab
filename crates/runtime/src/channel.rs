//! What the caller and init say to each other, over a pair of sockets.
//!
//! ```text
//!   caller                                   init
//!     ── plan, filter, shifted trees ──▶      performs its steps
//!     ◀── terminal, hooks?, ready ──
//!     ── grouped, go on (state) ──▶
//!     ── start ──▶                            executes: the socket closes, which is success
//!     ◀── listener, failed ──
//! ```
//!
//! A message is its length in four bytes, then JSON; at most one descriptor travels with it. Init
//! is trusted until it executes the user's program, but not more than it must be: lengths are
//! bounded and everything that arrives is parsed.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::seccomp::Program;
use crate::spec::State;
use crate::{Error, Trouble};

/// The most bytes that a message may have.
const MOST: u32 = 64 << 20;

/// What the caller says to init.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Order {
    /// The first: what to do.
    Begin(Box<Plan>, Option<Program>),
    /// A tree of mounts comes with this message.
    Tree,
    /// The process is in its control group.
    Grouped,
    /// The caller's hooks have run; for the hooks of the container, its state.
    Resume(Box<State>),
    /// Execute the program. The state is for the hooks before it.
    Start(Box<State>),
}

/// What init says to its caller.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) enum Report {
    /// Init goes on as another process, whose pidfd comes with this message.
    Moved,
    /// The master side of the terminal comes with this message.
    Terminal,
    /// The caller may run its hooks.
    Hooks,
    /// Everything is done but the execution.
    Ready,
    /// The listener of the filter comes with this message.
    Listener,
    /// A step could not be done.
    Failed(Failure),
}

/// Why a step could not be done, in a form that travels.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) enum Failure {
    /// What it was doing, and the kernel's number for why not.
    Step(String, i32),
    /// What it was doing, and why not in words.
    Refused(String, String),
    /// The program, and what is wrong with it.
    Program(String, Trouble),
    /// What is wrong with the user.
    User(String),
    /// A hook: moment, program, why.
    Hook(String, String, String),
}

impl Failure {
    /// Returns a failure of doing something, with the kernel's reason.
    pub(crate) fn step(doing: impl Into<String>, source: &io::Error) -> Self {
        match source.raw_os_error() {
            Some(errno) => Self::Step(doing.into(), errno),
            None => Self::Refused(doing.into(), source.to_string()),
        }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Step(doing, errno) => {
                Self::Step { doing, source: io::Error::from_raw_os_error(errno) }
            }
            Failure::Refused(doing, why) => Self::Step { doing, source: io::Error::other(why) },
            Failure::Program(program, trouble) => Self::Program { program, trouble },
            Failure::User(text) => Self::User(text),
            Failure::Hook(name, path, why) => Self::Hook { name, path, why },
        }
    }
}

/// Sends a message, and a descriptor with it.
pub(crate) fn send(
    socket: impl AsFd,
    message: &impl Serialize,
    with: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, message)?;
    let length = u32::try_from(bytes.len() - 4).ok().filter(|length| *length <= MOST);
    let length = length.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let with: Vec<_> = with.into_iter().collect();
    if !with.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&with));
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        match rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(rest)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        ) {
            Ok(sent) => {
                rest = &rest[sent..];
                ancillary.clear();
            }
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Receives a message and what came with it; `None` when the other side is gone.
pub(crate) fn receive<T: DeserializeOwned>(
    socket: impl AsFd,
) -> io::Result<Option<(T, Option<OwnedFd>)>> {
    let mut length = [0; 4];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut parts = [IoSliceMut::new(&mut length)];
        match rustix::net::recvmsg(&socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
            Ok(got) => break got.bytes,
            Err(rustix::io::Errno::INTR) => {}
            // A process that was killed leaves what we sent unread: that resets the connection.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            Err(errno) => return Err(errno.into()),
        }
    };
    let with = ancillary.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    if got == 0 {
        return Ok(None);
    }
    fill(&socket, &mut length[got..])?;
    let length = u32::from_ne_bytes(length);
    if length > MOST {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
    fill(&socket, &mut bytes)?;
    Ok(Some((serde_json::from_slice(&bytes)?, with)))
}

fn fill(socket: impl AsFd, mut rest: &mut [u8]) -> io::Result<()> {
    while !rest.is_empty() {
        match rustix::io::read(&socket, &mut *rest) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(got) => rest = &mut rest[got..],
            Err(rustix::io::Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_message_larger_than_the_socket_arrives_whole_with_its_descriptor() {
        let (here, there) = UnixStream::pair().unwrap();
        let long = "x".repeat(3 << 20);
        let text = long.clone();
        let sender = std::thread::spawn(move || {
            let failure = Report::Failed(Failure::User(text));
            send(&here, &failure, Some(here.as_fd())).unwrap();
        });
        let (report, with) = receive::<Report>(&there).unwrap().unwrap();
        sender.join().unwrap();
        assert!(matches!(report, Report::Failed(Failure::User(text)) if text == long));
        assert!(with.is_some());
        drop(with);
        assert!(receive::<Report>(&there).unwrap().is_none());
    }
}
