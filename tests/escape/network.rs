//! What a container's packets may reach.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use crate::world::World;

#[test]
fn the_hosts_loopback_is_out_of_reach() {
    // CVE-2020-8558: `route_localnet` let a neighbour's packets to 127.0.0.1 in.
    let Some(world) = World::new() else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // A published port, so that the bridge is set up for loopback as it is at its weakest.
    world.ok(&["run", "-d", "--name", "pp", "-p", "127.0.0.1::80", "box", "sleep", "60"]);
    let script = format!(
        "g=$(ip route | grep default | cut -d' ' -f3); ip addr del 127.0.0.1/8 dev lo; ip route flush table local dev lo 2>/dev/null; ip link set lo down; \
         ip route add 127.0.0.0/8 via $g dev eth0; ip route get 127.0.0.1; for n in 1 2 3; do echo evil | nc -w 1 127.0.0.1 {port} && echo REACHED; done; true"
    );
    let done = world.hako(&[
        "run",
        "--rm",
        "--cap-add",
        "NET_ADMIN",
        "--sysctl",
        "net.ipv4.conf.all.route_localnet=1",
        "box",
        "sh",
        "-c",
        &script,
    ]);
    assert!(done.text.contains("via"), "the route was not made: {}", done.text);
    let mut got = [0; 8];
    let reached = listener.accept().is_ok_and(|(mut stream, _)| stream.read(&mut got).is_ok());
    assert!(!reached && !done.text.contains("REACHED"), "{}", done.text);
}

#[test]
fn the_bridge_believes_no_router() {
    // CVE-2020-13401, CVE-2020-10749: router advertisements from a container.
    let Some(world) = World::new() else { return };
    let before = links();
    world.ok(&["run", "-d", "--name", "cc", "box", "sleep", "60"]);
    let new: Vec<_> = links().into_iter().filter(|name| !before.contains(name)).collect();
    assert!(!new.is_empty());
    // What arrives at a port of a bridge is the bridge's to believe.
    for name in
        new.into_iter().filter(|name| fs::exists(format!("/sys/class/net/{name}/bridge")).unwrap())
    {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/accept_ra");
        let off = path.replace("accept_ra", "disable_ipv6");
        let is = |path: &str, wanted: &str| {
            fs::read_to_string(path).is_ok_and(|value| value.trim() == wanted)
        };
        assert!(is(&path, "0") || is(&off, "1") || !fs::exists(&path).unwrap(), "{name}");
    }
}

#[test]
fn raw_sockets_do_not_see_other_containers() {
    let Some(world) = World::new() else { return };
    let done =
        world.run(&["--cap-drop", "NET_RAW"], "arping -c 1 -I lo 127.0.0.1; ping -c 1 127.0.0.1");
    assert!(done.text.contains("ermitted") || done.code != 0, "{}", done.text);
    let done = world.hako(&["run", "--rm", "box", "sh", "-c", "ip link | grep -c '^[0-9]'; ip link set eth0 down 2>/dev/null && echo DOWN; ip addr add 10.0.0.1/8 dev eth0 2>/dev/null && echo ADDED; true"]);
    assert_eq!(done.text.trim(), "2");
}

#[test]
fn an_internal_network_does_not_speak_through_the_name_server() {
    // CVE-2024-29018: names asked from an internal network were forwarded by the host.
    let Some(world) = World::new() else { return };
    // A name server of the host, at an address that no other program will want.
    let server = UdpSocket::bind("127.29.0.18:53").unwrap();
    server.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let mut packet = [0; 512];
    let mut asked = |network: &str| {
        let words = ["run", "--rm", "--network", network, "--dns", "127.29.0.18", "box"];
        let script = ["sh", "-c", "ip route; nslookup leak.example & sleep 1; kill $!"];
        let done = world.hako(&[words.as_slice(), &script].concat());
        let mut count = 0;
        while server.recv(&mut packet).is_ok() {
            count += 1;
        }
        (count, done.text)
    };
    world.ok(&["network", "create", "open"]);
    world.ok(&["network", "create", "--internal", "inner"]);
    let (count, text) = asked("open");
    assert!(count > 0, "the name server is never asked, so this proves nothing: {text}");
    let (count, text) = asked("inner");
    assert!(count == 0 && !text.contains("default via"), "{count} questions: {text}");
}

#[test]
fn a_port_published_on_loopback_is_closed_to_neighbours() {
    // CVE-2025-54388 and its elders: what is published on 127.0.0.1 is the host's alone.
    let Some(world) = World::new() else { return };
    world.ok(&[
        "run",
        "-d",
        "--name",
        "pp",
        "-p",
        "127.0.0.1:0:80",
        "box",
        "sh",
        "-c",
        "while :; do echo hello | nc -l -p 80; done",
    ]);
    let port = world.ok(&["port", "pp", "80"]);
    let port = port.rsplit(':').next().unwrap_or_default().to_owned();
    let script = format!(
        "g=$(ip route | grep default | cut -d' ' -f3); echo | nc -w 1 $g {port} && echo REACHED; true"
    );
    let done = world.hako(&["run", "--rm", "box", "sh", "-c", &script]);
    assert!(!done.text.contains("hello"), "{}", done.text);
}

fn links() -> Vec<String> {
    let entries = fs::read_dir("/sys/class/net").unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}
