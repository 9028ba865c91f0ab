//! Questions that somebody else must answer: sent on as they came, each by a socket of its own.
//!
//! A server that does not answer within a second gets company by the next; the first good answer wins. After three seconds
//! nobody is waited for any more, so a client never hangs longer than its own first patience.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::message::{self, Question};
use super::{From, Upstream};
use crate::namespace::within;

/// How long one server is waited for before the next is asked too.
const STEP: Duration = Duration::from_millis(1000);
/// How long all of them are waited for.
const LIMIT: Duration = Duration::from_millis(3000);

/// Codes with which a server says that it cannot help: `SERVFAIL`, `NOTIMP`, `REFUSED`.
const USELESS: [u8; 3] = [2, 4, 5];

/// A question on its way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) client: SocketAddr,
    pub(super) query: Vec<u8>,
    pub(super) question: Question,
    /// The sockets to the servers that have been asked and have not answered.
    pub(super) sockets: Vec<UdpSocket>,
    /// The place of the server that is asked next.
    next: usize,
    /// When it is asked.
    due: Instant,
    /// When it is over.
    end: Instant,
    /// An answer that helps nobody, for when there is no better.
    poor: Option<Vec<u8>>,
}

/// What has become of an exchange.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Progress {
    /// Somebody may still answer.
    Waiting,
    /// This is the answer.
    Answered(Vec<u8>),
    /// Nobody answered.
    Failed,
}

impl Exchange {
    /// Sends the question to the first server that can be sent to.
    pub(super) fn start(client: SocketAddr, query: &[u8], question: Question) -> Self {
        let now = Instant::now();
        let (query, sockets) = (query.to_vec(), Vec::new());
        Self { client, query, question, sockets, next: 0, due: now, end: now + LIMIT, poor: None }
    }

    /// Returns when [`Exchange::advance`] must be called at the latest.
    pub(super) fn due(&self) -> Instant {
        self.due.min(self.end)
    }

    /// Asks further servers when it is time to, and tells how things stand.
    pub(super) fn advance(
        &mut self,
        upstreams: &[Upstream],
        namespace: BorrowedFd<'_>,
        now: Instant,
    ) -> Progress {
        while self.next < upstreams.len() && (now >= self.due || self.sockets.is_empty()) {
            let upstream = upstreams[self.next];
            self.next += 1;
            // A server without a route to it is like one that does not answer, only sooner.
            if let Ok(socket) = in_place(upstream, namespace, || ask(upstream.address, &self.query))
            {
                self.sockets.push(socket);
                self.due = now + STEP;
            }
        }
        if self.next >= upstreams.len() {
            self.due = self.end;
        }
        if now < self.end && !self.sockets.is_empty() {
            return Progress::Waiting;
        }
        self.poor.take().map_or(Progress::Failed, Progress::Answered)
    }

    /// Reads what has arrived at the socket at this place; an answer, if it is one.
    pub(super) fn receive(&mut self, index: usize) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 65_535];
        match self.sockets.get(index)?.recv(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                if !message::answers(&buffer, &self.query, &self.question) {
                    return None;
                }
                if !USELESS.contains(&message::code(&buffer)) {
                    return Some(buffer);
                }
                self.poor = Some(buffer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
            // Nobody listens there.
            Err(_) => {}
        }
        self.sockets.remove(index);
        None
    }
}

/// Asks by TCP, one server after the other, and waits.
pub(super) fn ask_by_stream(
    query: &[u8],
    question: &Question,
    upstreams: &[Upstream],
    namespace: BorrowedFd<'_>,
) -> Option<Vec<u8>> {
    let end = Instant::now() + LIMIT;
    let mut poor = None;
    for upstream in upstreams {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let patience = left.min(2 * STEP);
        let answer = in_place(*upstream, namespace, || {
            TcpStream::connect_timeout(&upstream.address, patience)
        })
        .and_then(|mut stream| {
            stream.set_read_timeout(Some(patience))?;
            stream.set_write_timeout(Some(patience))?;
            send(&mut stream, query)?;
            receive(&mut stream)
        });
        match answer {
            Ok(answer) if message::answers(&answer, query, question) => {
                if !USELESS.contains(&message::code(&answer)) {
                    return Some(answer);
                }
                poor = Some(answer);
            }
            _ => {}
        }
    }
    poor
}

/// Sends a message with its length before it (RFC 1035, 4.2.2).
pub(super) fn send(stream: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u16::try_from(message.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(message);
    stream.write_all(&framed)
}

/// Receives one such message.
pub(super) fn receive(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

/// Opens a socket where the upstream is asked from.
fn in_place<T>(
    upstream: Upstream,
    namespace: BorrowedFd<'_>,
    open: impl FnOnce() -> io::Result<T>,
) -> io::Result<T> {
    match upstream.from {
        From::Host => open(),
        From::Namespace => {
            within(namespace, open).unwrap_or_else(|error| Err(io::Error::other(error)))
        }
    }
}

/// Sends the query from a port that only the kernel and the server know, which is what makes a forged answer unlikely.
fn ask(server: SocketAddr, query: &[u8]) -> io::Result<UdpSocket> {
    let any = if server.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(server)?;
    socket.set_nonblocking(true)?;
    socket.send(query)?;
    Ok(socket)
}
