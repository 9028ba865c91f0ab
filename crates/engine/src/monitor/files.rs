//! The files of a container's directory that its monitor makes.

use std::net::IpAddr;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use hako_network::hosts::hosts;
use hako_network::resolv::{Overrides, Resolv};
use hako_types::ContainerId;
use rustix::fs::{Mode, OFlags};

use crate::container::Container;
use crate::network::Lease;
use crate::{Engine, Error};

/// How a container is wired, as far as its files tell of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Connection {
    /// It has the host's network.
    Host,
    /// It has networks without names, or none.
    Plain,
    /// It has a network whose containers find each other by name.
    Named,
}

/// Returns where a container's log lies.
pub(crate) fn log_path(directory: &Path, id: &ContainerId) -> PathBuf {
    directory.join(format!("{id}-json.log"))
}

/// Opens the socket of the monitor of the container in `directory`.
pub(super) fn listen(directory: &Path) -> Result<UnixListener, Error> {
    let path = directory.join(super::request::SOCKET);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove", &path)(error));
        }
        _ => {}
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = rustix::fs::open(directory, flags, Mode::empty());
    let opened = opened.map_err(|error| Error::io("open", directory)(error.into()))?;
    let short = format!(
        "/proc/self/fd/{}/{}",
        std::os::fd::AsRawFd::as_raw_fd(&opened),
        super::request::SOCKET
    );
    UnixListener::bind(short).map_err(Error::io("listen on", &path))
}

/// Writes the hosts file, the host's name and the resolver's configuration; returns where each is to be mounted.
pub(super) fn write(
    engine: &Engine,
    container: &Container,
    leases: &[Lease],
    connection: Connection,
) -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let directory = container.directory(engine);
    if let Some(other) = container.record.host.network_mode.strip_prefix("container:") {
        let other = engine.containers().find(other)?.directory(engine);
        return Ok(vec![
            ("/etc/hosts", other.join("hosts")),
            ("/etc/hostname", other.join("hostname")),
            ("/etc/resolv.conf", other.join("resolv.conf")),
        ]);
    }
    let put = |name: &str, text: String| {
        let path = directory.join(name);
        std::fs::write(&path, text).map_err(Error::io("write", &path))?;
        Ok::<_, Error>(path)
    };
    let hostname = put("hostname", format!("{}\n", container.record.config.hostname))?;
    let hosts = put("hosts", hosts_text(engine, container, leases, connection)?)?;
    let resolv = put("resolv.conf", resolv_text(container, leases, connection))?;
    Ok(vec![("/etc/hosts", hosts), ("/etc/hostname", hostname), ("/etc/resolv.conf", resolv)])
}

fn hosts_text(
    engine: &Engine,
    container: &Container,
    leases: &[Lease],
    connection: Connection,
) -> Result<String, Error> {
    let mut extra = extra_hosts(container, leases);
    if connection == Connection::Host {
        let mut text = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        for (address, name) in extra {
            text.push_str(&format!("{address}\t{name}\n"));
        }
        return Ok(text);
    }
    extra.extend(linked(engine, container)?);
    let config = &container.record.config;
    let name = if config.domainname.is_empty() {
        config.hostname.clone()
    } else {
        format!("{}.{}", config.hostname, config.domainname)
    };
    let names = match name.split_once('.') {
        Some((short, _)) => format!("{name} {short}"),
        None => name,
    };
    let own: Vec<(IpAddr, String)> =
        leases.iter().flat_map(Lease::addresses).map(|address| (address, names.clone())).collect();
    Ok(hosts(&extra, &own, true))
}

/// Returns the lines of `--add-host`; `host-gateway` is the host's address in the first network.
fn extra_hosts(container: &Container, leases: &[Lease]) -> Vec<(IpAddr, String)> {
    let gateway = || {
        let subnets = leases.iter().flat_map(|lease| &lease.wiring.subnets);
        subnets
            .filter_map(|subnet| subnet.gateway)
            .find(IpAddr::is_ipv4)
            .unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))
    };
    let lines =
        container.record.host.extra_hosts.iter().filter_map(|line| line.split_once([':', '=']));
    lines
        .filter_map(|(name, address)| {
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let address = if bare == "host-gateway" { gateway() } else { bare.parse().ok()? };
            Some((address, name.to_owned()))
        })
        .collect()
}

/// Returns the addresses of the containers that this one is linked to, on the default network, where there are no names.
fn linked(engine: &Engine, container: &Container) -> Result<Vec<(IpAddr, String)>, Error> {
    let mut lines = Vec::new();
    for link in &container.record.host.links {
        let (name, alias) = link.split_once(':').unwrap_or((link, link));
        let other = engine.containers().find(name)?;
        for row in crate::network::memberships(engine.database().connection(), &other.id)? {
            if let Some(address) = row.ipv4.as_ref().and_then(|text| text.parse().ok()) {
                lines.push((address, format!("{alias} {} {}", other.id.short(), other.name)));
            }
        }
    }
    Ok(lines)
}

fn overrides(container: &Container) -> Overrides {
    let host = &container.record.host;
    Overrides {
        servers: host.dns.clone(),
        search: host.dns_search.clone(),
        options: host.dns_options.clone(),
    }
}

fn resolv_text(container: &Container, leases: &[Lease], connection: Connection) -> String {
    let theirs = host_resolv();
    let overrides = overrides(container);
    let composed = match connection {
        Connection::Host => theirs.overridden(&overrides),
        Connection::Plain => {
            let ipv6 = leases.iter().flat_map(Lease::addresses).any(|address| address.is_ipv6());
            theirs.for_default_network(&overrides, ipv6)
        }
        Connection::Named => theirs.for_user_network(&overrides),
    };
    let behind =
        if connection == Connection::Named { upstream_servers(container) } else { Vec::new() };
    composed.write(&behind)
}

/// Returns the name servers that the embedded one asks: those asked for, else the host's.
pub(super) fn upstream_servers(container: &Container) -> Vec<String> {
    let own = &container.record.host.dns;
    if own.is_empty() { host_resolv().servers } else { own.clone() }
}

fn host_resolv() -> Resolv {
    Resolv::read(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}
