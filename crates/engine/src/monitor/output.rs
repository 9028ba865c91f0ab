//! Output on its way from the program to the log and to whoever is attached.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

use super::shared::Shared;
use crate::attach::{Frame, write_frame};
use crate::container::Streams;
use crate::log::{Stream, Writer};

/// Where output goes.
pub(super) struct Output {
    pub(super) writer: Writer,
    clients: Vec<Client>,
}

struct Client {
    stream: UnixStream,
    streams: Streams,
}

impl Output {
    pub(super) fn new(writer: Writer) -> Self {
        Self { writer, clients: Vec::new() }
    }

    /// Sends output to `stream` from now on.
    pub(super) fn attach(&mut self, stream: UnixStream, streams: Streams) {
        self.clients.push(Client { stream, streams });
    }

    /// Passes output on. A client that has gone is forgotten; one that is slow holds the program up, as a pipe would.
    fn pass(&mut self, from: Stream, bytes: &[u8]) {
        // A log that cannot be written (a full disk) must not end the program.
        let _lost = self.writer.write(from, bytes);
        let kind = if from == Stream::Stdout { 5 } else { 6 };
        self.clients.retain_mut(|client| {
            let wanted =
                if from == Stream::Stdout { client.streams.stdout } else { client.streams.stderr };
            !wanted || write_frame(&mut client.stream, kind, bytes).is_ok()
        });
    }

    /// Tells the attached clients how the program ended, and lets them go.
    pub(super) fn end(&mut self, code: i32) {
        for client in self.clients.drain(..) {
            let _gone_is_fine = Frame::Exit(code).write(&client.stream);
        }
    }
}

const BLOCK: usize = 32 << 10;

/// Reads a program's output until there can be no more, and passes it on. Meant for a thread of its own.
pub(super) fn pump(shared: &Arc<Shared>, sources: Vec<(Stream, OwnedFd)>) {
    let mut open = sources;
    let mut block = vec![0; BLOCK];
    while !open.is_empty() {
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut fds, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        let mut ended = vec![false; open.len()];
        for (index, (stream, fd)) in open.iter().enumerate() {
            if ready[index] {
                match read(fd, &mut block) {
                    Ok(0) => ended[index] = true,
                    Ok(count) => shared.output().pass(*stream, &block[..count]),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(_) => ended[index] = true,
                }
            }
        }
        let mut index = 0;
        open.retain(|_| {
            index += 1;
            !ended[index - 1]
        });
    }
    let _lost = shared.output().writer.finish();
}

/// Reads what is there. A terminal whose program has gone gives an error instead of an end.
fn read(fd: &OwnedFd, block: &mut [u8]) -> io::Result<usize> {
    match rustix::io::read(fd, block) {
        Ok(count) => Ok(count),
        Err(Errno::IO) => Ok(0),
        Err(error) => Err(error.into()),
    }
}
