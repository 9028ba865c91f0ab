//! The embedded name server of one namespace, at 127.0.0.11.
//!
//! ```text
//!   client ─▶ 127.0.0.11:53 ─▶ our socket, in the namespace ─▶ Names: an address of a neighbour? ─▶ answer
//!                                                            └▶ no: the query, as it is ─▶ upstream ─▶ its answer, as it is
//! ```
//!
//! The process that serves stays where it is; only the two sockets are in the namespace. So the servers behind it are asked
//! from the host, whose loopback may have one, and a namespace without a way out still has names. One thread waits for
//! everything, and holds nothing while it waits; a client that comes by TCP gets a thread while it is there.

mod message;
mod redirect;
mod stream;
mod upstream;

use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::attach::bring_up_loopback;
use crate::error::{Error, Result};
use crate::namespace::within;
use message::{Asked, Outcome, Question};
use upstream::{Exchange, Progress};

/// Where the server is, in its namespace.
const ADDRESS: IpAddr = crate::resolv::EMBEDDED;
/// For how many seconds a client may remember an answer: a neighbour may be replaced at any moment.
const TTL: u32 = 5;
/// How many forwarded questions are on their way at once; further ones fail.
const EXCHANGES: usize = 512;

/// What the name server asks its owner.
pub trait Names {
    /// Returns the addresses of a name (lower case, without a dot at its end; also `name.network`) on the endpoint's networks,
    /// of both families. None means that the name is nobody's here, and is forwarded.
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>>;

    /// Returns the name that an address has, `name.network`.
    fn name_of(&self, address: IpAddr) -> Option<String>;

    /// Tells whether what is nobody's here may be asked of others. An endpoint of internal networks alone could otherwise
    /// speak to the world in names (CVE-2024-29018).
    fn may_forward(&self) -> bool {
        true
    }
}

/// Where a forwarded question is sent from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum From {
    /// The namespace of the serving thread: the host's.
    Host,
    /// The namespace that the server was bound in.
    Namespace,
}

/// A name server that knows the rest of the world.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Upstream {
    /// Its address, usually port 53.
    pub address: SocketAddr,
    /// Which namespace it is asked from.
    pub from: From,
}

/// The sockets of a name server.
#[derive(Debug)]
pub struct Server {
    namespace: OwnedFd,
    udp: UdpSocket,
    tcp: TcpListener,
    /// Counts answers, so that the first address is another each time.
    turn: AtomicUsize,
}

/// What a thread that answers needs.
#[derive(Clone, Copy)]
struct Answering<'a> {
    server: &'a Server,
    names: &'a (dyn Names + Sync),
    upstreams: &'a [Upstream],
}

/// What is done about a query.
enum Decision {
    /// It is answered at once.
    Answer(Vec<u8>),
    /// It is sent on.
    Forward(Question),
    /// It is no query that anybody can answer.
    Ignore,
}

impl Server {
    /// Opens the server's sockets inside of the namespace, and brings its loopback up.
    ///
    /// # Errors
    /// When the namespace cannot be entered or the sockets cannot be had.
    pub fn bind(namespace: BorrowedFd<'_>) -> Result<Self> {
        let kept = namespace.try_clone_to_owned().map_err(Error::Resolver)?;
        let open = || {
            bring_up_loopback()?;
            let sockets = (open(SocketType::DGRAM, 0)?, open(SocketType::STREAM, 0)?);
            let (udp, tcp) = (UdpSocket::from(sockets.0), TcpListener::from(sockets.1));
            let ports = (
                udp.local_addr().map_err(Error::Resolver)?.port(),
                tcp.local_addr().map_err(Error::Resolver)?.port(),
            );
            match redirect::install(ports.0, ports.1) {
                // Without nftables there is the plain way, which takes the port from everybody else in the namespace.
                Err(Error::NoNftables(_)) => {
                    Ok((open(SocketType::DGRAM, 53)?.into(), open(SocketType::STREAM, 53)?.into()))
                }
                other => other.map(|()| (udp, tcp)),
            }
        };
        let (udp, tcp): (UdpSocket, TcpListener) =
            within(namespace, open).and_then(|outcome| outcome)?;
        Ok(Self { namespace: kept, udp, tcp, turn: AtomicUsize::new(0) })
    }

    /// Answers until `stop` becomes readable or its other end is closed. Blocks: meant for a thread of its own.
    ///
    /// Without upstreams a name without dots that is nobody's does not exist, and any other cannot be looked up.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn serve(
        &self,
        names: &(dyn Names + Sync),
        upstreams: &[Upstream],
        stop: BorrowedFd<'_>,
    ) -> io::Result<()> {
        let answering = Answering { server: self, names, upstreams };
        let streams = AtomicUsize::new(0);
        thread::scope(|scope| {
            let mut exchanges: Vec<Exchange> = Vec::new();
            loop {
                let ready = wait(self, &exchanges, stop)?;
                if ready.stop {
                    return Ok(());
                }
                for (exchange, socket) in ready.upstreams.into_iter().rev() {
                    if let Some(answer) =
                        exchanges.get_mut(exchange).and_then(|one| one.receive(socket))
                    {
                        let done = exchanges.swap_remove(exchange);
                        self.send(&message::fit(answer, &done.question), done.client);
                    }
                }
                if ready.udp {
                    answering.datagrams(&mut exchanges);
                }
                if ready.tcp
                    && let Ok((client, _)) = self.tcp.accept()
                {
                    stream::answer(scope, answering, client, &streams);
                }
                answering.advance(&mut exchanges);
            }
        })
    }

    /// Sends an answer. As on a wire, what cannot be sent is lost, and the client asks again.
    fn send(&self, answer: &[u8], client: SocketAddr) {
        let _lost = self.udp.send_to(answer, client);
    }
}

/// Opens a socket at the server's address.
fn open(kind: SocketType, port: u16) -> Result<OwnedFd> {
    let open = || -> std::result::Result<OwnedFd, Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::INET, kind, flags, None)?;
        rustix::net::bind(&socket, &SocketAddr::new(ADDRESS, port))?;
        if kind == SocketType::STREAM {
            rustix::net::listen(&socket, 64)?;
        }
        Ok(socket)
    };
    open().map_err(|errno| Error::Resolver(errno.into()))
}

/// What there is to do.
#[derive(Debug, Default)]
struct Ready {
    stop: bool,
    udp: bool,
    tcp: bool,
    /// Exchanges, and which socket of each.
    upstreams: Vec<(usize, usize)>,
}

/// Waits until there is something to do, or the next exchange must advance; without exchanges, for ever.
fn wait(server: &Server, exchanges: &[Exchange], stop: BorrowedFd<'_>) -> io::Result<Ready> {
    let on = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
    let mut fds = vec![on(stop), on(server.udp.as_fd()), on(server.tcp.as_fd())];
    let places: Vec<_> = exchanges
        .iter()
        .enumerate()
        .flat_map(|(n, exchange)| (0..exchange.sockets.len()).map(move |m| (n, m)))
        .collect();
    fds.extend(places.iter().map(|(n, m)| on(exchanges[*n].sockets[*m].as_fd())));
    let now = Instant::now();
    let limit = exchanges.iter().map(Exchange::due).min().map(|due| {
        let left = due.saturating_duration_since(now);
        let seconds = i64::try_from(left.as_secs()).unwrap_or(i64::MAX);
        Timespec { tv_sec: seconds, tv_nsec: i64::from(left.subsec_nanos()) }
    });
    match poll(&mut fds, limit.as_ref()) {
        Err(Errno::INTR) => return Ok(Ready::default()),
        other => other?,
    };
    let is_ready = |n: usize| !fds[n].revents().is_empty();
    let upstreams = places
        .into_iter()
        .enumerate()
        .filter(|(n, _)| is_ready(n + 3))
        .map(|(_, place)| place)
        .collect();
    Ok(Ready { stop: is_ready(0), udp: is_ready(1), tcp: is_ready(2), upstreams })
}

impl Answering<'_> {
    /// Works through the datagrams that have arrived.
    fn datagrams(&self, exchanges: &mut Vec<Exchange>) {
        let mut buffer = vec![0; 4096];
        while let Ok((length, client)) = self.server.udp.recv_from(&mut buffer) {
            let query = &buffer[..length];
            match self.decide(query) {
                Decision::Answer(answer) => {
                    // Read once already, so it reads again.
                    let answer = match message::read(query) {
                        Some(question) => message::fit(answer, &question),
                        None => answer,
                    };
                    self.server.send(&answer, client);
                }
                Decision::Forward(question) => {
                    // An impatient client's second try waits for the same answer.
                    let is_repeated = exchanges
                        .iter()
                        .any(|other| other.client == client && other.query == query);
                    if exchanges.len() >= EXCHANGES {
                        self.server.send(
                            &message::outcome(query, &question, Outcome::ServerFailure),
                            client,
                        );
                    } else if !is_repeated {
                        exchanges.push(Exchange::start(client, query, question));
                    }
                }
                Decision::Ignore => {}
            }
        }
    }

    /// Lets exchanges ask further servers, and ends those that nobody answered.
    fn advance(&self, exchanges: &mut Vec<Exchange>) {
        let now = Instant::now();
        let mut index = 0;
        while let Some(exchange) = exchanges.get_mut(index) {
            let answer = match exchange.advance(self.upstreams, self.server.namespace.as_fd(), now)
            {
                Progress::Waiting => {
                    index += 1;
                    continue;
                }
                Progress::Answered(answer) => message::fit(answer, &exchange.question),
                Progress::Failed => {
                    message::outcome(&exchange.query, &exchange.question, Outcome::ServerFailure)
                }
            };
            let done = exchanges.swap_remove(index);
            self.server.send(&answer, done.client);
        }
    }

    /// Decides what is done about a query.
    fn decide(&self, query: &[u8]) -> Decision {
        let Some(question) = message::read(query) else { return Decision::Ignore };
        if let Asked::NameOf(address) = question.asked
            && let Some(name) = self.names.name_of(address)
        {
            return Decision::Answer(message::name(query, &question, &name, TTL));
        }
        if let Some(mut addresses) = self.names.addresses(&question.name) {
            // Clients ask for both families at once: an empty answer is no turn, or two replicas would never take turns.
            if message::has_any(&question, &addresses) {
                turned(&mut addresses, self.server.turn.fetch_add(1, Ordering::Relaxed));
            }
            return Decision::Answer(message::addresses(query, &question, &addresses, TTL));
        }
        if self.upstreams.is_empty() || !self.names.may_forward() {
            let outcome = if question.name.contains('.') {
                Outcome::ServerFailure
            } else {
                Outcome::NoSuchName
            };
            return Decision::Answer(message::outcome(query, &question, outcome));
        }
        Decision::Forward(question)
    }
}

/// Puts another address of each family first each time.
fn turned(addresses: &mut [IpAddr], turn: usize) {
    addresses.sort_unstable();
    let middle = addresses.iter().take_while(|address| address.is_ipv4()).count();
    let (v4, v6) = addresses.split_at_mut(middle);
    for family in [v4, v6] {
        if !family.is_empty() {
            family.rotate_left(turn % family.len());
        }
    }
}
