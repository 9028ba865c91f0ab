#![expect(deprecated, reason = "a thread's own namespace is what unshare is safe for")]
//! A host made for one test: a thread in a network namespace that nobody else has.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use hako_network::{
    Endpoint, Error, Firewall, Mac, Network, Prefix, Subnet, attach, loopback_up, namespace,
};
use rustix::thread::{UnshareFlags, unshare};

/// Runs the test on a thread in a fresh namespace with its loopback up; skips it loudly without privileges.
pub(crate) fn on_a_host(test: impl FnOnce() + Send + 'static) {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: needs root");
        return;
    }
    let body = || {
        unshare(UnshareFlags::NEWNET).unwrap();
        loopback_up(namespace::current().unwrap().as_fd()).unwrap();
        test();
    };
    if let Err(panic) = std::thread::spawn(body).join() {
        std::panic::resume_unwind(panic);
    }
}

/// Makes the network and, when it is the first, the firewall's table.
pub(crate) fn ensure(network: &Network, firewall: &Firewall) {
    match hako_network::ensure(network, firewall) {
        Err(Error::NoTable(_)) => firewall.rebuild(std::slice::from_ref(network), &[]).unwrap(),
        other => other.unwrap(),
    }
}

/// Makes an empty namespace.
pub(crate) fn empty() -> OwnedFd {
    let make = || {
        unshare(UnshareFlags::NEWNET).unwrap();
        namespace::current().unwrap()
    };
    std::thread::spawn(make).join().unwrap()
}

/// Runs `work` on a thread of its own in the namespace.
pub(crate) fn inside<T: Send + 'static>(
    fd: &OwnedFd,
    work: impl FnOnce() -> T + Send + 'static,
) -> std::thread::JoinHandle<T> {
    let fd = fd.try_clone().unwrap();
    std::thread::spawn(move || {
        rustix::thread::move_into_link_name_space(fd.as_fd(), None).unwrap();
        work()
    })
}

/// Runs a shell command in the thread's namespace and returns its output.
pub(crate) fn shell(command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

pub(crate) fn subnet(prefix: &str, gateway: &str) -> Subnet {
    Subnet {
        prefix: prefix.parse().unwrap(),
        gateway: gateway.parse().ok(),
        range: None,
        auxiliary: Vec::new(),
    }
}

/// A network `10.0.N.0/24` and `fd00:N::/64`.
pub(crate) fn network(number: u8) -> Network {
    let v4 = subnet(&format!("10.0.{number}.0/24"), &format!("10.0.{number}.1"));
    let v6 = subnet(&format!("fd00:{number}::/64"), &format!("fd00:{number}::1"));
    Network::bridged(&format!("{number:064x}"), &format!("br{number}"), vec![v4, v6])
}

/// The endpoint with the last byte `host` on that network.
pub(crate) fn endpoint(number: u8, host: u8, interface: &str) -> Endpoint {
    let v4: Prefix = format!("10.0.{number}.{host}/24").parse().unwrap();
    let v6: Prefix = format!("fd00:{number}::{host:x}/64").parse().unwrap();
    Endpoint {
        interface: interface.to_owned(),
        host_interface: format!("veth{number}x{host}"),
        mac: Mac::of(v4.address()),
        addresses: vec![v4, v6],
        gateways: vec![ip(&format!("10.0.{number}.1")), ip(&format!("fd00:{number}::1"))],
        sysctls: Vec::new(),
    }
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// A namespace on the network whose port 80, IPv4 and IPv6, answers each client with the address it sees.
pub(crate) fn server(network: &Network, number: u8, host: u8) -> OwnedFd {
    let namespace = empty();
    attach(network, namespace.as_fd(), &endpoint(number, host, "eth0")).unwrap();
    serve(&namespace);
    namespace
}

/// Answers each client of the namespace's port 80 with the address that is seen of it.
pub(crate) fn serve(namespace: &OwnedFd) {
    let ready = inside(namespace, || TcpListener::bind("[::]:80").unwrap());
    let listener = ready.join().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let seen = client.peer_addr().unwrap().ip().to_canonical();
            let _client_may_be_gone = write!(client, "{seen}");
        }
    });
}

/// Connects from the thread's namespace and returns what the server says; `-` when nobody answers.
pub(crate) fn ask(address: &str) -> String {
    let mut said = String::new();
    match TcpStream::connect_timeout(&at(address), Duration::from_millis(400)) {
        Ok(mut stream) => {
            stream.read_to_string(&mut said).map_or_else(|error| error.to_string(), |_| said)
        }
        Err(_) => "-".to_owned(),
    }
}

pub(crate) fn ask_from(namespace: &OwnedFd, address: &'static str) -> String {
    inside(namespace, move || ask(address)).join().unwrap()
}
