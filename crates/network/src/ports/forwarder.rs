//! Carries what arrives at the reserved sockets themselves.
//!
//! One thread waits for all of them at once and costs nothing while it does. A connection gets two threads with small
//! stacks, one for each direction; datagrams are carried by the waiting thread, with one socket for each client.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use hako_types::Protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::SocketFlags;

use super::{Reserved, stream};

/// How long a client's datagrams keep their socket after the last one.
const IDLE: Duration = Duration::from_secs(90);
/// How many clients' datagrams are carried at once for one port; the one that was silent longest gives way.
const CLIENTS: usize = 512;

/// Forwards connections and datagrams from reserved sockets to an endpoint.
#[derive(Debug)]
pub struct Forwarder {
    streams: Vec<(OwnedFd, SocketAddr)>,
    datagrams: Vec<(UdpSocket, SocketAddr)>,
    /// What we cannot forward: kept open so that the port stays ours.
    kept: Vec<OwnedFd>,
}

/// One client of a UDP port: its socket to the endpoint.
#[derive(Debug)]
struct Client {
    socket: UdpSocket,
    last: Instant,
}

/// Clients by the port's place in the list and the client's address.
type Clients = HashMap<(usize, SocketAddr), Client>;

impl Forwarder {
    /// Takes the sockets. What arrives at one goes to the first of the endpoint's addresses that is of its family, or else to
    /// the first of all.
    #[must_use]
    pub fn new(ports: Vec<Reserved>, addresses: Vec<IpAddr>) -> Self {
        let first = addresses.first().copied();
        let (v4, v6): (Vec<_>, Vec<_>) = addresses.into_iter().partition(IpAddr::is_ipv4);
        let mut forwarder = Self { streams: Vec::new(), datagrams: Vec::new(), kept: Vec::new() };
        for port in ports {
            let same = if port.binding.ip.is_ipv4() { v4.first() } else { v6.first() };
            let target = same.copied().or(first).map(|ip| SocketAddr::new(ip, port.container));
            match (port.socket, target, port.binding.protocol) {
                (Some(socket), Some(target), Protocol::Tcp) => {
                    forwarder.streams.push((socket, target));
                }
                (Some(socket), Some(target), Protocol::Udp) => {
                    forwarder.datagrams.push((socket.into(), target));
                }
                (Some(socket), ..) => forwarder.kept.push(socket),
                (None, ..) => {}
            }
        }
        forwarder
    }

    /// Tells whether there is nothing to forward, nor to keep, so that no thread is needed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty() && self.datagrams.is_empty() && self.kept.is_empty()
    }

    /// Serves until `stop` becomes readable or its other end is closed. Blocks: meant for a thread of its own.
    ///
    /// # Errors
    /// When poll(2) fails.
    pub fn run(&self, stop: BorrowedFd<'_>) -> io::Result<()> {
        let mut clients = Clients::new();
        loop {
            let (ports, answers) = self.wait(stop, &clients)?;
            let Some(ports) = ports else { return Ok(()) };
            for index in ports {
                match index.checked_sub(self.streams.len()) {
                    None => self.accept(index),
                    Some(index) => self.receive(index, &mut clients),
                }
            }
            for key in answers {
                self.answer(key, &mut clients);
            }
            let now = Instant::now();
            clients.retain(|_, client| now.duration_since(client.last) < IDLE);
        }
    }

    /// Waits for traffic; returns the ports (none: stop) and the clients that have some.
    #[expect(clippy::type_complexity, reason = "two lists, named in the sentence above")]
    fn wait(
        &self,
        stop: BorrowedFd<'_>,
        clients: &Clients,
    ) -> io::Result<(Option<Vec<usize>>, Vec<(usize, SocketAddr)>)> {
        let keys: Vec<_> = clients.keys().copied().collect();
        let ready = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut fds = vec![ready(stop)];
        fds.extend(self.streams.iter().map(|(socket, _)| ready(socket.as_fd())));
        fds.extend(self.datagrams.iter().map(|(socket, _)| ready(socket.as_fd())));
        let first_client = fds.len();
        fds.extend(
            keys.iter()
                .filter_map(|key| clients.get(key))
                .map(|client| ready(client.socket.as_fd())),
        );
        // Without clients there is nothing to forget, and no reason to wake up.
        let limit = Timespec { tv_sec: 30, tv_nsec: 0 };
        match poll(&mut fds, (!clients.is_empty()).then_some(&limit)) {
            Err(Errno::INTR) => return Ok((Some(Vec::new()), Vec::new())),
            other => other?,
        };
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        if is_ready(&fds[0]) {
            return Ok((None, Vec::new()));
        }
        let ports = fds[1..first_client]
            .iter()
            .enumerate()
            .filter(|(_, fd)| is_ready(fd))
            .map(|(index, _)| index)
            .collect();
        let answers = fds[first_client..]
            .iter()
            .zip(keys)
            .filter(|(fd, _)| is_ready(fd))
            .map(|(_, key)| key)
            .collect();
        Ok((Some(ports), answers))
    }

    /// Accepts a connection and gives it its threads.
    fn accept(&self, index: usize) {
        let Some((listener, target)) = self.streams.get(index) else { return };
        match rustix::net::accept_with(listener, SocketFlags::CLOEXEC) {
            Ok(client) => stream::carry(client.into(), *target),
            // Out of descriptors: the connection stays in the queue, and a busy loop would not help it.
            Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                std::thread::sleep(Duration::from_millis(50));
            }
            Err(_) => {}
        }
    }

    /// Sends the datagrams that wait at a port to the endpoint.
    fn receive(&self, index: usize, clients: &mut Clients) {
        let Some((socket, target)) = self.datagrams.get(index) else { return };
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let key = (index, from);
            if !clients.contains_key(&key) {
                make_room(clients);
                let Ok(socket) = connected(*target) else { continue };
                clients.insert(key, Client { socket, last: Instant::now() });
            }
            if let Some(client) = clients.get_mut(&key) {
                client.last = Instant::now();
                // As on a wire, what cannot be sent is lost.
                let _lost = client.socket.send(&buffer[..length]);
            }
        }
    }

    /// Sends the endpoint's datagrams back to the client.
    fn answer(&self, key: (usize, SocketAddr), clients: &mut Clients) {
        let (Some((port, _)), Some(client)) = (self.datagrams.get(key.0), clients.get_mut(&key))
        else {
            return;
        };
        let mut buffer = vec![0; 65_535];
        loop {
            match client.socket.recv(&mut buffer) {
                Ok(length) => {
                    client.last = Instant::now();
                    let _lost = port.send_to(&buffer[..length], key.1);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The endpoint does not listen; the error was read, and the client finds out by itself.
                Err(_) => return,
            }
        }
    }
}

fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any = if target.is_ipv4() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED)
    } else {
        IpAddr::V6(Ipv6Addr::UNSPECIFIED)
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(target)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Forgets the client that was silent longest, when there are too many.
fn make_room(clients: &mut Clients) {
    if clients.len() >= CLIENTS
        && let Some(oldest) =
            clients.iter().min_by_key(|(_, client)| client.last).map(|(key, _)| *key)
    {
        clients.remove(&oldest);
    }
}
