//! A step's container as an OCI configuration.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use hako_build::graph::RunOp;
use hako_build::request::Network;
use hako_network::hosts::hosts;
use hako_network::resolv::{Overrides, Resolv};
use hako_runtime::spec::{
    Capabilities, Cpu, DeviceCgroup, Linux, LinuxResources, Memory, Namespace, NamespaceKind,
    Process, Rlimit, Root as SpecRoot, Spec, User,
};
use hako_runtime::{defaults, seccomp};

use super::mounts::{self, Prepared};
use crate::Error;
use crate::container::spec;
use crate::network::Lease;

/// The name that a step's host has, as BuildKit's has.
pub(super) const HOSTNAME: &str = "buildkitsandbox";

/// Returns the configuration of a step's container.
pub(super) fn configuration(
    scratch: &Path,
    run: &RunOp,
    (leases, prepared): (&[Lease], &Prepared),
) -> Result<Spec, Error> {
    let user = if run.user.is_empty() { "0".to_owned() } else { run.user.clone() };
    let process = Process {
        user: User { username: Some(user), ..User::default() },
        args: run.args.clone(),
        env: mounts::environment(run, &prepared.env),
        cwd: run.cwd.clone().into(),
        capabilities: Some(capabilities(run)),
        rlimits: rlimits(run),
        ..Process::default()
    };
    let mut mounts = defaults::default_mounts(run.shm_size.unwrap_or(defaults::SHM_SIZE));
    for (target, path) in etc(scratch, run, leases)? {
        mounts.push(spec::bind(
            path,
            target.into(),
            vec!["rbind".into(), "rprivate".into(), "ro".into()],
        ));
    }
    mounts.retain(|mount| !prepared.mounts.iter().any(|own| own.destination == mount.destination));
    mounts.extend(prepared.mounts.iter().cloned());
    Ok(Spec {
        oci_version: hako_runtime::spec::VERSION.into(),
        root: Some(SpecRoot { path: "rootfs".into(), readonly: false }),
        process: Some(process),
        hostname: Some(HOSTNAME.into()),
        mounts,
        linux: Some(linux(run)),
        ..Spec::default()
    })
}

/// Returns what a step may do: what every container may, or everything.
fn capabilities(run: &RunOp) -> Capabilities {
    let names: Vec<String> = if run.insecure {
        crate::container::rights::all_capabilities()
    } else {
        defaults::default_capabilities().iter().map(|&name| name.to_owned()).collect()
    };
    Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        ..Capabilities::default()
    }
}

fn linux(run: &RunOp) -> Linux {
    let hidden = |paths: &[&str]| {
        if run.insecure { Vec::new() } else { paths.iter().map(PathBuf::from).collect() }
    };
    let kinds = [
        Some(NamespaceKind::Mount),
        Some(NamespaceKind::Pid),
        Some(NamespaceKind::Ipc),
        Some(NamespaceKind::Uts),
        Some(NamespaceKind::Cgroup),
        (run.network != Network::Host).then_some(NamespaceKind::Network),
    ];
    let rules = if run.insecure {
        vec![DeviceCgroup { allow: true, access: Some("rwm".into()), ..DeviceCgroup::default() }]
    } else {
        defaults::device_rules()
    };
    let cpu = run.nano_cpus.map(|cpus| Cpu {
        period: Some(100_000),
        quota: Some((cpus / 10_000).max(1_000)),
        ..Cpu::default()
    });
    let memory = run.memory.map(|limit| Memory { limit: Some(limit), ..Memory::default() });
    Linux {
        resources: Some(LinuxResources {
            devices: rules,
            memory,
            cpu,
            ..LinuxResources::default()
        }),
        namespaces: kinds
            .into_iter()
            .flatten()
            .map(|kind| Namespace { kind, path: None })
            .collect(),
        seccomp: (!run.insecure).then(|| {
            defaults::default_seccomp(defaults::default_capabilities(), seccomp::Arch::native())
        }),
        masked_paths: hidden(defaults::masked_paths()),
        readonly_paths: hidden(defaults::readonly_paths()),
        ..Linux::default()
    }
}

/// Reads `nofile=1000:2000`; what is none was refused before.
fn rlimits(run: &RunOp) -> Vec<Rlimit> {
    let one = |text: &String| {
        let (name, values) = text.split_once('=')?;
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let number = |text: &str| match text {
            "-1" | "unlimited" => Some(u64::MAX),
            text => text.parse().ok(),
        };
        Some(Rlimit {
            kind: format!("RLIMIT_{}", name.to_ascii_uppercase()),
            soft: number(soft)?,
            hard: number(hard)?,
        })
    };
    run.ulimits.iter().filter_map(one).collect()
}

/// Writes the hosts file and the resolver's configuration of a step.
fn etc(
    scratch: &Path,
    run: &RunOp,
    leases: &[Lease],
) -> Result<Vec<(&'static str, PathBuf)>, Error> {
    let extra: Vec<(IpAddr, String)> = run
        .hosts
        .iter()
        .filter_map(|line| {
            let (name, address) = line.split_once([':', '='])?;
            let bare = address.trim_start_matches('[').trim_end_matches(']');
            let gateway = || {
                leases
                    .iter()
                    .flat_map(|lease| &lease.wiring.subnets)
                    .filter_map(|subnet| subnet.gateway)
                    .find(IpAddr::is_ipv4)
            };
            let address = if bare == "host-gateway" { gateway()? } else { bare.parse().ok()? };
            Some((address, name.to_owned()))
        })
        .collect();
    let own: Vec<(IpAddr, String)> = leases
        .iter()
        .flat_map(Lease::addresses)
        .map(|address| (address, HOSTNAME.to_owned()))
        .collect();
    let hosts = if run.network == Network::Host {
        let mut text = fs::read_to_string("/etc/hosts").unwrap_or_default();
        for (address, name) in &extra {
            text.push_str(&format!("{address}\t{name}\n"));
        }
        text
    } else {
        hosts(&extra, &own, true)
    };
    let theirs = Resolv::read(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    let none = Overrides { servers: Vec::new(), search: Vec::new(), options: Vec::new() };
    let resolv = match run.network {
        Network::Host => theirs,
        _ => theirs.for_default_network(
            &none,
            leases.iter().flat_map(Lease::addresses).any(|a| a.is_ipv6()),
        ),
    };
    let put = |name: &str, text: String| {
        let path = scratch.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))?;
        Ok::<_, Error>(path)
    };
    Ok(vec![
        ("/etc/hosts", put("hosts", hosts)?),
        ("/etc/resolv.conf", put("resolv.conf", resolv.write(&[]))?),
        ("/etc/hostname", put("hostname", format!("{HOSTNAME}\n"))?),
    ])
}
