//! `spec`: a configuration to begin with.

use std::path::Path;

use hako_runtime::cgroup::{Host, Version};
use hako_runtime::defaults;
use hako_runtime::spec::{
    Capabilities, DeviceCgroup, IdMapping, Linux, LinuxResources, Mount, Namespace, NamespaceKind,
    Process, Rlimit, Root, Spec,
};

use super::Failure;
use super::words::Parsed;

/// Writes `config.json` in the bundle; one that is there stays.
pub(super) fn spec(words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, &[("bundle", true), ("b", true), ("rootless", false)])?;
    let file = Path::new(parsed.first(&["bundle", "b"]).unwrap_or(".")).join("config.json");
    let mut template = template();
    if parsed.has("rootless") {
        make_rootless(&mut template);
    }
    let text =
        serde_json::to_vec_pretty(&template).map_err(|error| Failure::new(error.to_string()))?;
    let fresh = std::fs::OpenOptions::new().write(true).create_new(true).open(&file);
    let written = fresh.and_then(|mut fresh| std::io::Write::write_all(&mut fresh, &text));
    written.map_err(|error| Failure::new(format!("cannot write `{}`: {error}", file.display())))?;
    Ok(0)
}

fn template() -> Spec {
    let names = ["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"].map(str::to_owned).to_vec();
    let kinds = [
        NamespaceKind::Pid,
        NamespaceKind::Network,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
        NamespaceKind::Mount,
    ];
    // On v1, the programs of the field expect to see the host's paths in `/proc/self/cgroup`.
    let is_v2 = Host::probe().is_ok_and(|host| host.version() == Version::V2);
    let kinds = kinds.into_iter().chain(is_v2.then_some(NamespaceKind::Cgroup));
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    Spec {
        oci_version: hako_runtime::spec::VERSION.to_owned(),
        root: Some(Root { path: "rootfs".into(), readonly: true }),
        process: Some(Process {
            terminal: true,
            args: vec!["sh".to_owned()],
            env: vec![path.to_owned(), "TERM=xterm".to_owned()],
            cwd: "/".into(),
            capabilities: Some(Capabilities {
                bounding: names.clone(),
                effective: names.clone(),
                permitted: names,
                ..Capabilities::default()
            }),
            rlimits: vec![Rlimit { kind: "RLIMIT_NOFILE".to_owned(), hard: 1024, soft: 1024 }],
            no_new_privileges: true,
            ..Process::default()
        }),
        hostname: Some("hako".to_owned()),
        mounts: defaults::default_mounts(defaults::SHM_SIZE),
        linux: Some(Linux {
            resources: Some(LinuxResources {
                devices: vec![DeviceCgroup {
                    access: Some("rwm".to_owned()),
                    ..DeviceCgroup::default()
                }],
                ..LinuxResources::default()
            }),
            namespaces: kinds.map(|kind| Namespace { kind, path: None }).collect(),
            masked_paths: defaults::masked_paths().iter().map(Into::into).collect(),
            readonly_paths: defaults::readonly_paths().iter().map(Into::into).collect(),
            ..Linux::default()
        }),
        ..Spec::default()
    }
}

/// Changes what an ordinary user may not have: the network, `sysfs`, control groups, further groups.
fn make_rootless(spec: &mut Spec) {
    let map = |host_id: u32| vec![IdMapping { container_id: 0, host_id, size: 1 }];
    if let Some(linux) = &mut spec.linux {
        linux.namespaces.retain(|one| one.kind != NamespaceKind::Network);
        linux.namespaces.push(Namespace { kind: NamespaceKind::User, path: None });
        linux.uid_mappings = map(rustix::process::geteuid().as_raw());
        linux.gid_mappings = map(rustix::process::getegid().as_raw());
        linux.resources = None;
    }
    let group = |option: &String| option.starts_with("gid=") || option.starts_with("uid=");
    for mount in &mut spec.mounts {
        mount.options.retain(|option| !group(option));
        if mount.destination == Path::new("/sys") {
            let options = ["rbind", "nosuid", "noexec", "nodev", "ro"].map(str::to_owned).to_vec();
            *mount = Mount {
                kind: Some("none".to_owned()),
                source: Some("/sys".into()),
                options,
                ..mount.clone()
            };
        }
    }
    spec.mounts.retain(|mount| mount.kind.as_deref() != Some("cgroup"));
}
