//! A netlink socket: one batch out, its answers in.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::{Batch, Received, messages, u32_at};

/// `NLMSG_ERROR`: an answer, with 0 or a negated errno.
const ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const DONE: u16 = 3;
/// Netlink's own largest datagram for dumps.
const BUFFER: usize = 32 * 1024;
/// How many bytes can be sent without a larger buffer.
const USUAL: usize = 128 * 1024;

/// A socket to one part of the kernel, in the network namespace that the thread was in when it was opened.
#[derive(Debug)]
pub(crate) struct Socket(OwnedFd);

impl Socket {
    /// Opens a socket to rtnetlink: links, addresses, routes.
    pub(crate) fn route() -> io::Result<Self> {
        Self::open(None)
    }

    /// Opens a socket to nfnetlink: firewall and connection tracking.
    pub(crate) fn netfilter() -> io::Result<Self> {
        Self::open(Some(netlink::NETFILTER))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> io::Result<Self> {
        Ok(Self(rustix::net::socket_with(
            AddressFamily::NETLINK,
            SocketType::RAW,
            SocketFlags::CLOEXEC,
            protocol,
        )?))
    }

    /// Sends the batch and waits until the kernel has worked through it.
    ///
    /// # Errors
    /// The first message that failed. Those after it were tried all the same, except in an nfnetlink transaction.
    pub(crate) fn run(&self, batch: &mut Batch) -> io::Result<()> {
        if batch.is_empty() {
            return Ok(());
        }
        batch.acknowledge();
        self.send(batch)?;
        self.answers(batch.count)
    }

    /// Sends the batch as it is.
    pub(crate) fn send(&self, batch: &Batch) -> io::Result<()> {
        let kernel = SocketAddrNetlink::new(0, 0);
        if batch.bytes.len() > USUAL {
            // The kernel doubles it; beyond its limit for everybody, it takes a privilege that we have when we need it.
            rustix::net::sockopt::set_socket_send_buffer_size_force(&self.0, batch.bytes.len())?;
        }
        rustix::net::sendto(&self.0, &batch.bytes, SendFlags::empty(), &kernel)?;
        Ok(())
    }

    /// Waits for the answer to message `last`.
    pub(crate) fn answers(&self, last: u32) -> io::Result<()> {
        let mut failed: Option<io::Error> = None;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = self.receive(&mut buffer, failed.is_some())?;
            if length == 0 {
                return failed.map_or(Ok(()), Err);
            }
            for message in messages(&buffer[..length]) {
                let Some(source) = failure(&message) else {
                    if message.kind == ERROR && message.sequence >= last {
                        return failed.map_or(Ok(()), Err);
                    }
                    continue;
                };
                let done = message.sequence >= last;
                failed.get_or_insert(source);
                if done {
                    return failed.map_or(Ok(()), Err);
                }
            }
        }
    }

    /// Sends one request and calls `each` with what the kernel answers: all objects of a dump, or the one asked for.
    pub(crate) fn ask(&self, batch: &Batch, mut each: impl FnMut(&Received<'_>)) -> io::Result<()> {
        self.send(batch)?;
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = self.receive(&mut buffer, false)?;
            for message in messages(&buffer[..length]) {
                if let Some(error) = failure(&message) {
                    return Err(error);
                }
                if matches!(message.kind, ERROR | DONE) {
                    return Ok(());
                }
                each(&message);
            }
        }
    }

    /// Sends one request that is answered by one message, and returns what `read` makes of it.
    pub(crate) fn get<T>(
        &self,
        batch: &Batch,
        read: impl FnOnce(&Received<'_>) -> T,
    ) -> io::Result<T> {
        self.send(batch)?;
        let mut buffer = vec![0; BUFFER];
        let length = self.receive(&mut buffer, false)?;
        let found = messages(&buffer[..length]);
        let message = found.first().ok_or(io::ErrorKind::InvalidData)?;
        failure(message).map_or_else(|| Ok(read(message)), Err)
    }

    /// Receives one datagram; 0 bytes when none is there and the caller does not want to wait.
    fn receive(&self, buffer: &mut [u8], only_ready: bool) -> io::Result<usize> {
        let flags = if only_ready { RecvFlags::DONTWAIT } else { RecvFlags::empty() };
        loop {
            match rustix::net::recv(&self.0, &mut *buffer, flags) {
                Ok((length, _)) => return Ok(length),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) if only_ready => return Ok(0),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns the error that the message reports.
fn failure(message: &Received<'_>) -> Option<io::Error> {
    if message.kind != ERROR {
        return None;
    }
    let code = u32_at(message.body, 0).map_or(-22, u32::cast_signed);
    (code != 0).then(|| io::Error::from_raw_os_error(code.wrapping_neg()))
}
