//! The embedded name server, asked from its namespace.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use hako_network::dns::{From, Names, Server, Upstream};
use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, RCODE, TYPE, rdata::RData};

use crate::world::{empty, inside, ip, on_a_host};

struct Book;

impl Names for Book {
    fn addresses(&self, name: &str) -> Option<Vec<IpAddr>> {
        match name {
            "web" | "web.net" => Some(vec![ip("10.0.0.2")]),
            "pool" => Some(vec![ip("10.0.0.3"), ip("10.0.0.4")]),
            "crowd" => Some((0..100).map(|n| IpAddr::from([10, 0, 1, n])).collect()),
            _ => None,
        }
    }

    fn name_of(&self, address: IpAddr) -> Option<String> {
        (address == ip("10.0.0.2")).then(|| "web.net".to_owned())
    }
}

fn query(id: u16, name: &str, kind: TYPE) -> Vec<u8> {
    let mut packet = Packet::new_query(id);
    packet.questions.push(Question::new(
        Name::new_unchecked(name),
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().unwrap()
}

/// What an answer says, as text.
fn told(bytes: &[u8]) -> String {
    let packet = Packet::parse(bytes).unwrap();
    let record = |record: &simple_dns::ResourceRecord<'_>| match &record.rdata {
        RData::A(a) => IpAddr::from(a.address.to_be_bytes()).to_string(),
        RData::PTR(name) => name.to_string(),
        other => format!("{other:?}"),
    };
    let answers: Vec<_> = packet.answers.iter().map(record).collect();
    if packet.rcode() == RCODE::NoError {
        answers.join(" ")
    } else {
        format!("{:?}", packet.rcode())
    }
}

/// Asks 127.0.0.11 from the namespace, by UDP.
fn ask(namespace: &OwnedFd, name: &'static str, kind: TYPE) -> String {
    inside(namespace, move || {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect("127.0.0.11:53").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        socket.send(&query(7, name, kind)).unwrap();
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        told(&buffer[..length])
    })
    .join()
    .unwrap()
}

fn ask_by_stream(namespace: &OwnedFd, name: &'static str) -> String {
    inside(namespace, move || {
        let mut stream = TcpStream::connect("127.0.0.11:53").unwrap();
        let query = query(7, name, TYPE::A);
        stream.write_all(&u16::try_from(query.len()).unwrap().to_be_bytes()).unwrap();
        stream.write_all(&query).unwrap();
        let mut length = [0; 2];
        stream.read_exact(&mut length).unwrap();
        let mut answer = vec![0; usize::from(u16::from_be_bytes(length))];
        stream.read_exact(&mut answer).unwrap();
        told(&answer)
    })
    .join()
    .unwrap()
}

/// Serves the book in a namespace while `test` runs.
fn with_server(upstreams: Vec<Upstream>, test: impl FnOnce(&OwnedFd)) {
    let namespace = empty();
    let server = Server::bind(namespace.as_fd()).unwrap();
    let (stop, stopped) = std::io::pipe().unwrap();
    let host = hako_network::namespace::current().unwrap();
    let serving = inside(&host, move || server.serve(&Book, &upstreams, stop.as_fd()));
    test(&namespace);
    drop(stopped);
    serving.join().unwrap().unwrap();
}

/// A name server of the host that knows one name, and says so by UDP and TCP.
fn upstream() -> SocketAddr {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).unwrap();
    let answer = |query: &[u8]| {
        let packet = Packet::parse(query).unwrap();
        let mut reply = packet.clone().into_reply();
        let name = packet.questions[0].qname.clone();
        if name.to_string() == "example.org" {
            let data = RData::A(simple_dns::rdata::A { address: 0x0909_0909 });
            reply.answers.push(simple_dns::ResourceRecord::new(name, CLASS::IN, 60, data));
        } else {
            *reply.rcode_mut() = RCODE::NameError;
        }
        reply.build_bytes_vec().unwrap()
    };
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok((length, client)) = udp.recv_from(&mut buffer) {
            udp.send_to(&answer(&buffer[..length]), client).unwrap();
        }
    });
    std::thread::spawn(move || {
        for stream in tcp.incoming() {
            let mut stream = stream.unwrap();
            let mut length = [0; 2];
            stream.read_exact(&mut length).unwrap();
            let mut query = vec![0; usize::from(u16::from_be_bytes(length))];
            stream.read_exact(&mut query).unwrap();
            let reply = answer(&query);
            stream.write_all(&u16::try_from(reply.len()).unwrap().to_be_bytes()).unwrap();
            stream.write_all(&reply).unwrap();
        }
    });
    address
}

#[test]
fn neighbours_are_found_by_name_and_the_rest_is_forwarded() {
    on_a_host(|| {
        let upstreams = vec![Upstream { address: upstream(), from: From::Host }];
        with_server(upstreams, |namespace| {
            assert_eq!(ask(namespace, "WEB", TYPE::A), "10.0.0.2");
            assert_eq!(ask(namespace, "web.net", TYPE::A), "10.0.0.2");
            assert_eq!(ask(namespace, "web", TYPE::AAAA), "");
            assert_eq!(ask(namespace, "web", TYPE::MX), "");
            assert_eq!(ask(namespace, "2.0.0.10.in-addr.arpa", TYPE::PTR), "web.net");
            assert_eq!(ask(namespace, "3.0.0.10.in-addr.arpa", TYPE::PTR), "NameError");
            assert_eq!(ask(namespace, "example.org", TYPE::A), "9.9.9.9");
            assert_eq!(ask(namespace, "nobody", TYPE::A), "NameError");
            assert_eq!(ask(namespace, "crowd", TYPE::A), "");
            assert_eq!(ask_by_stream(namespace, "crowd").split(' ').count(), 100);
            assert_eq!(ask_by_stream(namespace, "example.org"), "9.9.9.9");
            let turns: Vec<_> = (0..4).map(|_| ask(namespace, "pool", TYPE::A)).collect();
            assert!(
                turns.iter().any(|turn| turn.starts_with("10.0.0.3"))
                    && turns.iter().any(|turn| turn.starts_with("10.0.0.4")),
                "{turns:?}"
            );
        });
    });
}

#[test]
fn a_silent_upstream_fails_in_time_and_a_second_one_helps() {
    on_a_host(|| {
        let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
        let deaf = Upstream { address: silent.local_addr().unwrap(), from: From::Host };
        let closed = Upstream { address: "127.0.0.1:9".parse().unwrap(), from: From::Host };
        let good = Upstream { address: upstream(), from: From::Host };
        with_server(vec![closed, deaf, good], |namespace| {
            assert_eq!(ask(namespace, "example.org", TYPE::A), "9.9.9.9");
        });
        with_server(vec![deaf], |namespace| {
            let start = Instant::now();
            assert_eq!(ask(namespace, "example.org", TYPE::A), "ServerFailure");
            assert!(start.elapsed() < Duration::from_secs(60));
        });
        with_server(vec![closed], |namespace| {
            let start = Instant::now();
            assert_eq!(ask(namespace, "example.org", TYPE::A), "ServerFailure");
            assert!(start.elapsed() < Duration::from_secs(60));
        });
        with_server(Vec::new(), |namespace| {
            assert_eq!(ask(namespace, "nobody", TYPE::A), "NameError");
            assert_eq!(ask(namespace, "example.org", TYPE::A), "ServerFailure");
        });
    });
}

#[test]
fn many_questions_at_once_are_all_answered_and_garbage_none() {
    on_a_host(|| {
        with_server(vec![Upstream { address: upstream(), from: From::Host }], |namespace| {
            let garbage = inside(namespace, || {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                for length in 0..40 {
                    socket.send_to(&vec![0xee; length], "127.0.0.11:53").unwrap();
                }
            });
            garbage.join().unwrap();
            let all: Vec<_> = (0..100)
                .map(|n| {
                    let namespace = namespace.try_clone().unwrap();
                    std::thread::spawn(move || {
                        ask(&namespace, if n % 2 == 0 { "web" } else { "example.org" }, TYPE::A)
                    })
                })
                .collect();
            let answers: Vec<_> = all.into_iter().map(|thread| thread.join().unwrap()).collect();
            assert_eq!(answers.iter().filter(|answer| *answer == "10.0.0.2").count(), 50);
            assert_eq!(answers.iter().filter(|answer| *answer == "9.9.9.9").count(), 50);
        });
    });
}

#[test]
fn a_name_server_in_the_namespace_can_have_port_53() {
    on_a_host(|| {
        with_server(Vec::new(), |namespace| {
            let bound = inside(namespace, || {
                (UdpSocket::bind("0.0.0.0:53"), TcpListener::bind("0.0.0.0:53"))
            });
            let (udp, tcp) = bound.join().unwrap();
            assert!(udp.is_ok() && tcp.is_ok());
            assert_eq!(ask(namespace, "web", TYPE::A), "10.0.0.2");
            assert_eq!(ask_by_stream(namespace, "web"), "10.0.0.2");
        });
        let namespace = empty();
        let start = Instant::now();
        let _server = Server::bind(namespace.as_fd()).unwrap();
        eprintln!("binding took {:?}", start.elapsed());
    });
}
