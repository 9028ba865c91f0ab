//! What a monitor can be asked, and how it is reached.

use std::os::unix::net::UnixStream;

use hako_types::ContainerId;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use crate::attach::{Failure, Frame};
use crate::container::{ExecSpec, Streams};
use crate::{Engine, Error};

/// What a monitor can be asked: the first frame of a conversation.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) enum Request {
    /// Start the container (only on the starter's own socket); with streams, stay attached.
    Start { streams: Option<Streams>, size: Option<(u16, u16)> },
    /// Send output from now on, take input.
    Attach(Streams),
    /// Run a further program.
    Exec(ExecSpec),
    /// Tell the exit code when the container has ended for good, or at its next end.
    Wait { next: bool },
    /// Ask the program to stop, and kill it when it has not after `timeout` seconds (none at all when negative).
    Stop { signal: Option<i32>, timeout: i64 },
    /// The same, and start it again.
    Restart { signal: Option<i32>, timeout: i64 },
    /// Send a signal.
    Kill { signal: i32 },
    /// Freeze all processes.
    Pause,
    /// Let them go on.
    Unpause,
    /// Give the terminal another size.
    Resize { columns: u16, rows: u16 },
    /// Wire the container to a network that it has joined.
    Connect { network: String },
    /// Unwire the container from a network that it is about to leave.
    Disconnect { network: String },
}

/// The name of a monitor's socket in its container's directory; one letter, since a socket's path is short.
pub(crate) const SOCKET: &str = "s";

/// Connects to the monitor of a container and sends a request; nothing when the container has no monitor.
pub(crate) fn connect(
    engine: &Engine,
    id: &ContainerId,
    request: &Request,
) -> Result<Option<UnixStream>, Error> {
    let directory = engine.paths().containers().join(id.as_str());
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(opened) = rustix::fs::open(&directory, flags, Mode::empty()) else { return Ok(None) };
    // The path of a socket is at most 108 bytes long, a state directory's may be longer.
    let path = format!("/proc/self/fd/{}/{SOCKET}", std::os::fd::AsRawFd::as_raw_fd(&opened));
    let Ok(stream) = UnixStream::connect(path) else { return Ok(None) };
    let body = serde_json::to_vec(request).map_err(|error| Error::Invalid(error.to_string()))?;
    match Frame::Request(body).write(&stream) {
        Ok(()) => Ok(Some(stream)),
        Err(_gone) => Ok(None),
    }
}

/// Asks the monitor of a container for something and waits until it is done.
///
/// # Errors
/// When the container has no monitor, or the monitor refuses.
pub(crate) fn ask(engine: &Engine, id: &ContainerId, request: &Request) -> Result<(), Error> {
    let gone = || Error::Conflict(format!("container {} is not running", id.short()));
    let stream = connect(engine, id, request)?.ok_or_else(gone)?;
    loop {
        match Frame::read(&stream) {
            Ok(Some(Frame::Done(_) | Frame::Exit(_))) => return Ok(()),
            Ok(Some(Frame::Failed(body))) => return Err(failure(&body)),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return Err(gone()),
        }
    }
}

/// Reads why a monitor refused.
pub(crate) fn failure(body: &[u8]) -> Error {
    let unreadable = |_| Failure { message: "the monitor failed".into(), code: 125 };
    Error::Monitor(serde_json::from_slice(body).unwrap_or_else(unreadable))
}
