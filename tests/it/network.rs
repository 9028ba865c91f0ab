//! Containers find each other by name, and the host finds them by their published ports.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use hako_testkit::env::{Env, wait_for};

const SERVER: &str = "mkdir /w; echo page >/w/index.html; exec httpd -f -p 80 -h /w";

fn ask(port: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port.parse().ok()?)).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.ends_with("page\n").then_some(answer)
}

#[test]
fn a_published_port_is_answered_on_loopback() {
    let Some(env) = Env::new() else { return };
    let _id = env
        .hako(&["run", "-d", "--name", "web", "-p", "127.0.0.1::80", "box", "sh", "-c", SERVER])
        .ok();
    let told = env.hako(&["port", "web", "80"]).ok();
    let port = told.rsplit(':').next().unwrap().to_owned();
    let _answer = wait_for("an answer", || ask(&port));

    let taken = env.hako(&[
        "run",
        "-d",
        "--name",
        "two",
        "-p",
        &format!("127.0.0.1:{port}:80"),
        "box",
        "sleep",
        "9",
    ]);
    assert_eq!(taken.code, 125, "{taken:?}");
    assert!(taken.stderr.contains(&port), "the error names the port: {taken:?}");

    let _name = env.hako(&["rm", "-f", "web"]).ok();
    assert!(TcpStream::connect(("127.0.0.1", port.parse::<u16>().unwrap())).is_err());
}

#[test]
fn names_are_known_on_a_network_and_not_outside() {
    let Some(env) = Env::new() else { return };
    let _id = env.hako(&["network", "create", "net"]).ok();
    let _id = env
        .hako(&[
            "run",
            "-d",
            "--name",
            "web",
            "--network",
            "net",
            "--network-alias",
            "www",
            "box",
            "sh",
            "-c",
            SERVER,
        ])
        .ok();
    // Not wget: Debian's static BusyBox cannot resolve names for it.
    let finds = |network: &str, name: &str| {
        let words =
            ["run", "--rm", "--network", network, "box", "ping", "-c", "1", "-W", "3", name];
        env.hako(&words).code == 0
    };
    assert!(finds("net", "web") && finds("net", "www"));
    assert!(!finds("bridge", "web"));
    assert_eq!(env.hako(&["network", "rm", "net"]).code, 1, "a network in use stays");
    let _name = env.hako(&["rm", "-f", "web"]).ok();
    assert_eq!(env.hako(&["network", "rm", "net"]).code, 0);
}

#[test]
fn without_a_network_there_is_only_loopback() {
    let Some(env) = Env::new() else { return };
    assert_eq!(
        env.hako(&["run", "--rm", "--network", "none", "box", "ls", "/sys/class/net"]).ok(),
        "lo"
    );
}
