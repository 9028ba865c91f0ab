//! What passes and what does not.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::Instant;

use hako_network::firewall::plan;
use hako_network::{Firewall, Published};
use hako_types::Protocol;

use crate::world::{
    ask, ask_from, at, empty, ensure, inside, ip, network, on_a_host, serve, server, shell,
};

fn published(host: &str, port: u16, target: &str) -> Published {
    Published { host: ip(host), port, protocol: Protocol::Tcp, target: at(target) }
}

/// Another machine at 192.0.2.2, which has a route to everything through this host at 192.0.2.1.
fn outside() -> OwnedFd {
    let namespace = empty();
    let path =
        format!("/proc/{}/fd/{}", std::process::id(), std::os::fd::AsRawFd::as_raw_fd(&namespace));
    shell(&format!(
        "ip link add out0 type veth peer name eth9; ip link set eth9 netns {path}; ip link set out0 up; ip addr add 192.0.2.1/24 dev out0; ip addr add 2001:db8::1/64 dev out0 nodad"
    ));
    let set = "ip link set lo up; ip link set eth9 up; ip addr add 192.0.2.2/24 dev eth9; ip addr add 2001:db8::2/64 dev eth9 nodad; ip route add default via 192.0.2.1; ip -6 route add default via 2001:db8::1";
    let said = inside(&namespace, move || shell(set)).join().unwrap();
    assert_eq!(said, "");
    namespace
}

#[test]
fn published_ports_are_reached_from_everywhere_and_others_are_not() {
    on_a_host(|| {
        let firewall = Firewall::default();
        let (one, two) = (network(1), network(2));
        ensure(&one, &firewall);
        ensure(&two, &firewall);
        let a = server(&one, 1, 2);
        let b = server(&one, 1, 3);
        let c = server(&two, 2, 2);
        let out = outside();
        firewall
            .publish(&[
                published("0.0.0.0", 8080, "10.0.1.2:80"),
                published("::", 8080, "[fd00:1::2]:80"),
                published("127.0.0.1", 8081, "10.0.1.3:80"),
                published("192.0.2.1", 8082, "10.0.1.3:80"),
            ])
            .unwrap();
        // The host, by each kind of address; then endpoints themselves.
        assert_eq!(ask("127.0.0.1:8080"), "10.0.1.1");
        assert_eq!(ask("192.0.2.1:8080"), "192.0.2.1");
        assert_eq!(ask("10.0.1.1:8080"), "10.0.1.1");
        assert_eq!(ask("[2001:db8::1]:8080"), "2001:db8::1");
        assert_eq!(ask("127.0.0.1:8081"), "10.0.1.1");
        assert_eq!(ask("192.0.2.1:8081"), "-");
        assert_eq!(ask("192.0.2.1:8082"), "192.0.2.1");
        assert_eq!(ask("10.0.1.2:80"), "10.0.1.1");
        // Another machine: its address is kept, and it reaches published ports only.
        assert_eq!(ask_from(&out, "192.0.2.1:8080"), "192.0.2.2");
        assert_eq!(ask_from(&out, "[2001:db8::1]:8080"), "2001:db8::2");
        assert_eq!(ask_from(&out, "192.0.2.1:8081"), "-");
        assert_eq!(ask_from(&out, "192.0.2.1:8082"), "192.0.2.2");
        assert_eq!(ask_from(&out, "10.0.1.2:80"), "-");
        assert_eq!(ask_from(&out, "[fd00:1::2]:80"), "-");
        // Endpoints: their network yes, another's no; a published port by the gateway, even their own.
        assert_eq!(ask_from(&a, "10.0.1.3:80"), "10.0.1.2");
        assert_eq!(ask_from(&a, "[fd00:1::3]:80"), "fd00:1::2");
        assert_eq!(ask_from(&a, "10.0.2.2:80"), "-");
        assert_eq!(ask_from(&c, "10.0.1.2:80"), "-");
        assert_eq!(ask_from(&a, "10.0.1.1:8080"), "10.0.1.1");
        assert_eq!(ask_from(&b, "10.0.1.1:8080"), "10.0.1.1");
        assert_eq!(ask_from(&a, "[fd00:1::1]:8080"), "fd00:1::1");
        assert_eq!(ask_from(&c, "10.0.2.1:8080"), "10.0.1.1");
        assert_eq!(ask_from(&c, "10.0.1.1:8080"), "10.0.1.1");
        assert_eq!(ask_from(&c, "127.0.0.1:8080"), "-");
        firewall
            .unpublish(&[
                published("0.0.0.0", 8080, "10.0.1.2:80"),
                published("0.0.0.0", 99, "10.0.1.2:80"),
            ])
            .unwrap();
        assert_eq!(ask("127.0.0.1:8080"), "-");
        assert_eq!(ask("127.0.0.1:8081"), "10.0.1.1");
    });
}

#[test]
fn the_world_sees_the_hosts_address_and_internal_networks_not_at_all() {
    on_a_host(|| {
        let firewall = Firewall::default();
        let mut internal = network(2);
        internal.internal = true;
        let mut apart = network(3);
        apart.icc = false;
        for network in [&network(1), &internal, &apart] {
            ensure(network, &firewall);
        }
        let out = outside();
        serve(&out);
        let a = server(&network(1), 1, 2);
        let b = [server(&internal, 2, 2), server(&internal, 2, 3)];
        let c = [server(&apart, 3, 2), server(&apart, 3, 3)];
        firewall
            .publish(&[
                published("0.0.0.0", 8080, "10.0.1.2:80"),
                published("0.0.0.0", 8083, "10.0.3.3:80"),
            ])
            .unwrap();
        assert_eq!(ask_from(&a, "192.0.2.2:80"), "192.0.2.1");
        assert_eq!(ask_from(&a, "[2001:db8::2]:80"), "2001:db8::1");
        assert_eq!(ask_from(&b[0], "192.0.2.2:80"), "-");
        assert_eq!(ask_from(&b[0], "10.0.2.3:80"), "10.0.2.2");
        assert_eq!(ask_from(&b[0], "192.0.2.1:8080"), "-");
        assert_eq!(ask_from(&out, "10.0.2.2:80"), "-");
        assert_eq!(ask_from(&c[0], "192.0.2.2:80"), "192.0.2.1");
        assert_eq!(ask_from(&c[0], "10.0.3.3:80"), "-");
        assert_eq!(ask_from(&c[0], "10.0.3.1:8083"), "10.0.3.1");
    });
}

#[test]
fn loopback_addresses_from_outside_are_dropped() {
    on_a_host(|| {
        let firewall = Firewall::default();
        ensure(&network(1), &firewall);
        let a = server(&network(1), 1, 2);
        let out = outside();
        firewall.publish(&[published("0.0.0.0", 8080, "10.0.1.2:80")]).unwrap();
        let listener = TcpListener::bind("127.0.0.1:7000").unwrap();
        // A neighbour that sends 127.0.0.1 to our hardware address.
        for (namespace, interface, gateway) in
            [(&out, "eth9", "192.0.2.1"), (&a, "eth0", "10.0.1.1")]
        {
            let set = format!(
                "ip addr del 127.0.0.1/8 dev lo; sysctl -qw net.ipv4.conf.all.route_localnet=1; ip route add 127.0.0.1 via {gateway} dev {interface}; ip route flush table local 127.0.0.0/8 2>&1; ip route del local 127.0.0.0/8 2>&1; ip route get 127.0.0.1"
            );
            let said = inside(namespace, move || shell(&set)).join().unwrap();
            assert!(said.contains(gateway), "{said}");
            assert_eq!(ask_from(namespace, "127.0.0.1:8080"), "-");
            assert_eq!(ask_from(namespace, "127.0.0.1:7000"), "-");
        }
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    });
}

#[test]
fn a_flushed_table_is_noticed_and_rebuilt() {
    on_a_host(|| {
        let firewall = Firewall::default();
        ensure(&network(1), &firewall);
        let _a = server(&network(1), 1, 2);
        let port = published("0.0.0.0", 8080, "10.0.1.2:80");
        firewall.publish(std::slice::from_ref(&port)).unwrap();
        assert!(firewall.is_present().unwrap());
        shell("nft flush ruleset");
        assert!(!firewall.is_present().unwrap());
        assert_eq!(
            firewall.publish(std::slice::from_ref(&port)).unwrap_err().to_string(),
            "the firewall table `hako` is gone"
        );
        assert_eq!(ask("127.0.0.1:8080"), "-");
        for _ in 0..2 {
            firewall.rebuild(&[network(1)], std::slice::from_ref(&port)).unwrap();
            assert_eq!(ask("127.0.0.1:8080"), "10.0.1.1");
        }
        let moved = published("0.0.0.0", 8080, "10.0.1.9:80");
        firewall.publish(std::slice::from_ref(&moved)).unwrap();
        assert!(shell("nft list map inet hako ports4").contains("10.0.1.9 . 80"));
        firewall.remove().unwrap();
        firewall.remove().unwrap();
        assert!(!firewall.is_present().unwrap());
    });
}

#[test]
fn a_host_that_forwards_nothing_is_noticed() {
    on_a_host(|| {
        let firewall = Firewall::default();
        ensure(&network(1), &firewall);
        assert!(firewall.closed_elsewhere().unwrap().is_empty());
        shell(
            "nft 'add table ip filter; add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'",
        );
        assert_eq!(firewall.closed_elsewhere().unwrap(), ["filter FORWARD"]);
    });
}

#[test]
fn the_kernel_has_what_the_text_says() {
    on_a_host(|| {
        let mut internal = network(2);
        internal.internal = true;
        let networks = [network(1), internal];
        let ports = [
            published("0.0.0.0", 8080, "10.0.1.2:80"),
            published("::", 8080, "[fd00:1::2]:80"),
            published("192.0.2.1", 53, "10.0.1.2:53"),
        ];
        let text = plan("hako", &networks, &ports).to_string();
        Firewall::default().rebuild(&networks, &ports).unwrap();
        let ours = shell("nft list table inet hako");
        shell("nft flush ruleset");
        let path = std::env::temp_dir().join(format!("hako-rules-{}", std::process::id()));
        std::fs::write(&path, &text).unwrap();
        assert_eq!(shell(&format!("nft -f {}", path.display())), "");
        std::fs::remove_file(&path).unwrap();
        similar(&ours, &shell("nft list table inet hako"));
    });
}

/// Compares two listings, but for a check that nft leaves out since the translation makes it once more.
fn similar(ours: &str, nfts: &str) {
    let bare = |line: &str| {
        line.trim().replace("meta nfproto ipv4 ", "").replace("meta nfproto ipv6 ", "")
    };
    let lines = |text: &str| text.lines().map(bare).collect::<Vec<_>>();
    assert_eq!(lines(ours), lines(nfts), "ours:\n{ours}\nnft's:\n{nfts}");
}

#[test]
fn two_hundred_ports_are_published_at_once() {
    on_a_host(|| {
        let firewall = Firewall::default();
        ensure(&network(1), &firewall);
        let ports: Vec<_> = (0..200)
            .map(|n| published("0.0.0.0", 10_000 + n, &format!("10.0.1.2:{}", 1000 + n)))
            .collect();
        let both: Vec<_> = ports
            .iter()
            .cloned()
            .chain(
                (0..200).map(|n| published("::", 10_000 + n, &format!("[fd00:1::2]:{}", 1000 + n))),
            )
            .collect();
        let start = Instant::now();
        firewall.publish(&both).unwrap();
        let took = start.elapsed();
        let start = Instant::now();
        firewall.unpublish(&both).unwrap();
        eprintln!(
            "200 ports of both families: published in {took:?}, taken back in {:?}",
            start.elapsed()
        );
        let many: Vec<_> =
            (0..20_000).map(|n| published("0.0.0.0", 10_000 + n, "10.0.1.2:80")).collect();
        firewall.rebuild(&[network(1)], &many).unwrap();
        let start = Instant::now();
        firewall.publish(&[published("0.0.0.0", 9_000, "10.0.1.2:80")]).unwrap();
        eprintln!("one port beside 20,000 others: {:?}", start.elapsed());
    });
}
