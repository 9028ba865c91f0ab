//! Published ports from the first socket to the last byte.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hako_network::ports::{Forwarder, Reserved, reserve};
use hako_network::{Firewall, Published, attach};
use hako_types::{PortMapping, Protocol};

use crate::world::{empty, endpoint, ensure, inside, ip, network, on_a_host};

/// A namespace on network 1, IPv4 only, that has a port of the host.
struct Publishing {
    _namespace: OwnedFd,
    firewall: Firewall,
    published: Vec<Published>,
    port: u16,
    _stop: std::io::PipeWriter,
}

/// Publishes a port of a namespace, and serves what the firewall cannot.
fn publish(namespace: OwnedFd, protocol: Protocol) -> Publishing {
    let (network, firewall) = (network(1), Firewall::default());
    ensure(&network, &firewall);
    attach(&network, namespace.as_fd(), &endpoint(1, 2, "eth0")).unwrap();
    let wanted = [PortMapping { container: 80, protocol, host_ip: None, host: None }];
    let reserved = reserve(&wanted, &BTreeSet::new()).unwrap();
    assert_eq!(reserved.len(), 2);
    let port = reserved[0].binding.port;
    let addresses = vec![ip("10.0.1.2")];
    let published: Vec<_> =
        reserved.iter().filter_map(|one: &Reserved| one.publish(&addresses)).collect();
    firewall.publish(&published).unwrap();
    let (stopped, stop) = std::io::pipe().unwrap();
    let host = hako_network::namespace::current().unwrap();
    inside(&host, move || Forwarder::new(reserved, addresses).run(stopped.as_fd()));
    Publishing { _namespace: namespace, firewall, published, port, _stop: stop }
}

/// Answers each connection with how many bytes it sent and from where, when it has sent all.
fn counting() -> OwnedFd {
    let namespace = empty();
    let listener = inside(&namespace, || TcpListener::bind("0.0.0.0:80").unwrap()).join().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let length = std::io::copy(&mut client, &mut std::io::sink()).unwrap();
            write!(client, "{length} from {}", client.peer_addr().unwrap().ip()).unwrap();
        }
    });
    namespace
}

fn send_all(address: &str, port: u16) -> String {
    let mut stream = TcpStream::connect((address, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    stream.write_all(&vec![7; 3_000_000]).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

#[test]
fn half_closed_connections_get_their_answer_on_every_way() {
    on_a_host(|| {
        let publishing = publish(counting(), Protocol::Tcp);
        assert_eq!(send_all("127.0.0.1", publishing.port), "3000000 from 10.0.1.1");
        assert_eq!(send_all("10.0.1.1", publishing.port), "3000000 from 10.0.1.1");
        assert_eq!(send_all("::1", publishing.port), "3000000 from 10.0.1.1");
        publishing.firewall.unpublish(&publishing.published).unwrap();
        assert_eq!(send_all("127.0.0.1", publishing.port), "3000000 from 10.0.1.1");
    });
}

/// Sends a datagram and returns the answer, in the socket's own time.
fn exchange(socket: &UdpSocket, to: SocketAddr) -> Option<String> {
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    socket.send_to(b"hello", to).unwrap();
    let mut buffer = [0; 100];
    let (length, _) = socket.recv_from(&mut buffer).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
}

/// Answers datagrams with a word.
fn saying(word: &'static str) -> OwnedFd {
    let namespace = empty();
    let socket = inside(&namespace, || UdpSocket::bind("0.0.0.0:80").unwrap()).join().unwrap();
    std::thread::spawn(move || {
        let mut buffer = [0; 100];
        while let Ok((_, client)) = socket.recv_from(&mut buffer) {
            let _client_may_be_gone = socket.send_to(word.as_bytes(), client);
        }
    });
    namespace
}

#[test]
fn datagrams_go_both_ways_and_follow_the_port_to_another_endpoint() {
    on_a_host(|| {
        let publishing = publish(saying("one"), Protocol::Udp);
        let to = |address: &str| SocketAddr::new(ip(address), publishing.port);
        let four = UdpSocket::bind("0.0.0.0:0").unwrap();
        assert_eq!(exchange(&four, to("127.0.0.1")).as_deref(), Some("one"));
        assert_eq!(
            exchange(&UdpSocket::bind("[::]:0").unwrap(), to("::1")).as_deref(),
            Some("one")
        );
        let far = UdpSocket::bind("0.0.0.0:0").unwrap();
        assert_eq!(exchange(&far, to("10.0.1.1")).as_deref(), Some("one"));
        // The port moves to another endpoint; the client keeps its socket, and reaches the new one.
        let second = saying("two");
        attach(&network(1), second.as_fd(), &endpoint(1, 3, "eth0")).unwrap();
        let mut moved = publishing.published.clone();
        for port in &mut moved {
            port.target = SocketAddr::new(ip("10.0.1.3"), 80);
        }
        publishing.firewall.publish(&moved).unwrap();
        assert_eq!(exchange(&far, to("10.0.1.1")).as_deref(), Some("two"));
        assert_eq!(exchange(&four, to("127.0.0.1")).as_deref(), Some("two"));
    });
}

#[test]
fn two_hundred_ports_are_reserved_quickly() {
    on_a_host(|| {
        let wanted: Vec<_> = (0..200)
            .map(|n| PortMapping {
                container: 80,
                protocol: Protocol::Tcp,
                host_ip: None,
                host: Some((20_000 + n, 20_000 + n)),
            })
            .collect();
        let start = Instant::now();
        let reserved = reserve(&wanted, &BTreeSet::new()).unwrap();
        eprintln!("{} ports reserved in {:?}", reserved.len(), start.elapsed());
    });
}
