//! The stream between a client and a monitor: frames over a Unix socket.
//!
//! A frame is a kind (one byte), a length (four bytes, little endian) and that many bytes.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

/// One message between a client and a monitor.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Frame {
    /// Client: bytes for standard input.
    Stdin(Vec<u8>),
    /// Client: standard input has ended.
    StdinEnd,
    /// Client: the terminal's columns and rows.
    Resize(u16, u16),
    /// Client: a signal for the program.
    Signal(i32),
    /// Client: a request (JSON), always the first frame.
    Request(Vec<u8>),
    /// Monitor: bytes from standard output.
    Stdout(Vec<u8>),
    /// Monitor: bytes from standard error.
    Stderr(Vec<u8>),
    /// Monitor: the program has started; its process id.
    Started(i32),
    /// Monitor: the program has ended with this code; nothing follows.
    Exit(i32),
    /// Monitor: the request failed; a [`Failure`] as JSON; nothing follows.
    Failed(Vec<u8>),
    /// Monitor: the request is done; an answer as JSON.
    Done(Vec<u8>),
}

/// Why a monitor could not do what it was asked.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Failure {
    /// What failed, why, in one line.
    pub message: String,
    /// The exit code that a command should end with: 126, 127 or 125.
    pub code: i32,
}

impl Failure {
    /// Returns what a client is told of `error`: it and its causes in one line.
    pub(crate) fn of(error: &dyn std::error::Error, code: i32) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { message, code }
    }
}

const LONGEST: usize = 1 << 20;

impl Frame {
    /// Writes the frame in one piece.
    ///
    /// # Errors
    /// What writing gives.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let (kind, body): (u8, &[u8]) = match self {
            Self::Stdin(bytes) => (0, bytes),
            Self::StdinEnd => (1, &[]),
            Self::Resize(columns, rows) => {
                let mut body = [0; 4];
                body[..2].copy_from_slice(&columns.to_le_bytes());
                body[2..].copy_from_slice(&rows.to_le_bytes());
                return write_frame(&mut out, 2, &body);
            }
            Self::Signal(signal) => return write_frame(&mut out, 3, &signal.to_le_bytes()),
            Self::Request(bytes) => (4, bytes),
            Self::Stdout(bytes) => (5, bytes),
            Self::Stderr(bytes) => (6, bytes),
            Self::Started(pid) => return write_frame(&mut out, 7, &pid.to_le_bytes()),
            Self::Exit(code) => return write_frame(&mut out, 8, &code.to_le_bytes()),
            Self::Failed(bytes) => (9, bytes),
            Self::Done(bytes) => (10, bytes),
        };
        write_frame(&mut out, kind, body)
    }

    /// Reads the next frame; nothing at the end of the stream.
    ///
    /// # Errors
    /// What reading gives; `InvalidData` for what is no frame.
    pub fn read(mut from: impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        let mut got = 0;
        while got < head.len() {
            match from.read(&mut head[got..]) {
                Ok(0) if got == 0 => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => got += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Self::decode(head[0], body).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    fn decode(kind: u8, body: Vec<u8>) -> Option<Self> {
        let number = || body.as_slice().try_into().ok().map(i32::from_le_bytes);
        Some(match kind {
            0 => Self::Stdin(body),
            1 => Self::StdinEnd,
            2 => {
                let body: [u8; 4] = body.as_slice().try_into().ok()?;
                Self::Resize(
                    u16::from_le_bytes([body[0], body[1]]),
                    u16::from_le_bytes([body[2], body[3]]),
                )
            }
            3 => Self::Signal(number()?),
            4 => Self::Request(body),
            5 => Self::Stdout(body),
            6 => Self::Stderr(body),
            7 => Self::Started(number()?),
            8 => Self::Exit(number()?),
            9 => Self::Failed(body),
            10 => Self::Done(body),
            _ => return None,
        })
    }
}

/// Writes a frame's head and body; one system call for all but very long ones.
pub(crate) fn write_frame(out: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut head = [kind, 0, 0, 0, 0];
    head[1..].copy_from_slice(&length.to_le_bytes());
    let mut parts = [io::IoSlice::new(&head), io::IoSlice::new(body)];
    let mut parts = &mut parts[..];
    while parts.iter().any(|part| !part.is_empty()) {
        match out.write_vectored(parts) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => io::IoSlice::advance_slices(&mut parts, count),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// A client's end of a conversation with a program in a container: its output and end come in, its input goes out.
///
/// Both directions may be used from different threads (see [`try_clone`](Self::try_clone)). Dropping all of
/// them detaches; the program runs on.
#[derive(Debug)]
pub struct Attachment(UnixStream);

impl Attachment {
    /// Returns the client's end of `stream`.
    #[must_use]
    pub fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Returns another handle of the same conversation.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }

    /// Waits for the monitor's next frame; nothing when the monitor has gone.
    ///
    /// # Errors
    /// What reading gives.
    pub fn next(&self) -> io::Result<Option<Frame>> {
        Frame::read(&self.0)
    }

    /// Sends a frame to the monitor.
    ///
    /// # Errors
    /// What writing gives: `BrokenPipe` when the monitor has gone.
    pub fn send(&self, frame: &Frame) -> io::Result<()> {
        frame.write(&self.0)
    }

    /// Returns the socket, to wait for it with `poll(2)`.
    #[must_use]
    pub fn socket(&self) -> &UnixStream {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in() {
        let frames = [
            Frame::Stdin(b"x".to_vec()),
            Frame::StdinEnd,
            Frame::Resize(80, 24),
            Frame::Signal(15),
            Frame::Stdout(vec![7; 70_000]),
            Frame::Exit(-1),
        ];
        let mut wire = Vec::new();
        for frame in &frames {
            frame.write(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut rest).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut rest).unwrap(), None);
        assert!(Frame::read(&b"\xff\0\0\0\0"[..]).is_err());
        assert!(Frame::read(&b"\0\xff\xff\xff\xff"[..]).is_err());
    }
}
