//! A container as an OCI configuration: a pure function of what was decided and what was found out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hako_runtime::defaults;
use hako_runtime::spec::{
    Device, Linux, Mount, Namespace, NamespaceKind, Process, Root, Spec, User,
};

use super::Container;
use super::limits::{resources, rlimits};
use super::mounts::clean;
use super::rights::{Security, capabilities};
use crate::Error;
use crate::model::{HostConfig, MountKind};

/// What is found out when a container starts.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What its mounts are made from, in the order of the record.
    pub(crate) sources: Vec<Source>,
    /// The namespaces that it joins; those it shares with the host are `None`.
    pub(crate) joined: BTreeMap<NamespaceKind, Option<PathBuf>>,
    /// Its host name.
    pub(crate) hostname: String,
    /// The file for `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, where they are mounted.
    pub(crate) etc: Vec<(&'static str, PathBuf)>,
    /// What is mounted at `/dev/shm` instead of a new memory file system.
    pub(crate) shm: Option<PathBuf>,
    /// Devices of the host.
    pub(crate) devices: Vec<(Device, String)>,
    /// Where the control group lies.
    pub(crate) cgroup: String,
    /// The program that is the first process with `--init`.
    pub(crate) init: PathBuf,
}

/// What a mount is made from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    /// A file or directory of the host.
    Path(PathBuf),
    /// The same, as a path that was resolved and must still lead there without links.
    Resolved(PathBuf),
    /// A file system that the kernel mounts: type, device, options.
    Filesystem(String, String, Vec<String>),
}

/// Where the tiny init is found inside a container: this program, which knows itself by that name.
pub const INIT: &str = "/.hako-init";

/// Returns the configuration that makes `container` what it was decided to be.
///
/// # Errors
/// When a security option, a capability or a device rule is none.
pub(crate) fn build(container: &Container, findings: &Findings) -> Result<Spec, Error> {
    let host = &container.record.host;
    let config = &container.record.config;
    let security = Security::read(host)?;
    Ok(Spec {
        oci_version: hako_runtime::spec::VERSION.into(),
        root: Some(Root { path: "rootfs".into(), readonly: host.readonly_rootfs }),
        process: Some(process(container, findings, &security)?),
        hostname: (!findings.joined.contains_key(&NamespaceKind::Uts))
            .then(|| findings.hostname.clone()),
        domainname: Some(config.domainname.clone()).filter(|name| !name.is_empty()),
        mounts: mounts(container, findings),
        annotations: host.annotations.clone(),
        linux: Some(linux(container, findings, &security)?),
        ..Spec::default()
    })
}

fn process(
    container: &Container,
    findings: &Findings,
    security: &Security,
) -> Result<Process, Error> {
    let (config, host) = (&container.record.config, &container.record.host);
    let mut args = vec![container.record.path.clone()];
    args.extend(container.record.args.iter().cloned());
    if host.init == Some(true) {
        args.splice(0..0, [INIT.to_owned(), "--".to_owned()]);
    }
    Ok(Process {
        terminal: config.tty,
        user: User {
            username: Some(config.user.clone())
                .filter(|user| !user.is_empty())
                .or(Some("0".into())),
            additional_groups: host.group_add.clone(),
            ..User::default()
        },
        args,
        env: environment(&config.env, &findings.hostname, config.tty),
        cwd: if config.working_dir.is_empty() {
            "/".into()
        } else {
            clean(&config.working_dir).into()
        },
        capabilities: Some(capabilities(host)?),
        rlimits: rlimits(host),
        no_new_privileges: security.no_new_privileges,
        apparmor_profile: security.apparmor.clone(),
        oom_score_adj: i32::try_from(host.oom_score_adj).ok(),
        ..Process::default()
    })
}

/// Returns the environment: the usual names first, which `own` may override.
pub(crate) fn environment(own: &[String], hostname: &str, tty: bool) -> Vec<String> {
    let mut env =
        vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
    env.push(format!("HOSTNAME={hostname}"));
    if tty {
        env.push("TERM=xterm".into());
    }
    override_environment(&mut env, own);
    env
}

/// Sets the pairs of `own` in `env`; a name without a value is removed.
pub(crate) fn override_environment(env: &mut Vec<String>, own: &[String]) {
    for pair in own {
        let name = pair.split('=').next().unwrap_or_default();
        let place = env.iter().position(|old| old.split('=').next() == Some(name));
        match (place, pair.contains('=')) {
            (Some(place), true) => env[place].clone_from(pair),
            (None, true) => env.push(pair.clone()),
            (Some(place), false) => drop(env.remove(place)),
            (None, false) => {}
        }
    }
}

fn mounts(container: &Container, findings: &Findings) -> Vec<Mount> {
    let host = &container.record.host;
    let mut mounts = defaults::default_mounts(u64::try_from(host.shm_size).unwrap_or(0));
    if host.privileged {
        for mount in &mut mounts {
            if matches!(mount.kind.as_deref(), Some("sysfs" | "cgroup" | "cgroup2")) {
                mount.options.retain(|option| option != "ro");
            }
        }
    }
    if findings.joined.contains_key(&NamespaceKind::Network) {
        for mount in mounts
            .iter_mut()
            .filter(|mount| mount.kind.as_deref() == Some("sysfs") && host.userns_mode == "auto")
        {
            *mount = bind("/sys".into(), "/sys".into(), vec!["rbind".into(), "ro".into()]);
        }
    }
    match (&findings.shm, host.ipc_mode.as_str()) {
        (_, "none") => mounts.retain(|mount| mount.destination.as_os_str() != "/dev/shm"),
        (Some(shm), _) => {
            mounts.retain(|mount| mount.destination.as_os_str() != "/dev/shm");
            mounts.push(bind(shm.clone(), "/dev/shm".into(), vec!["rbind".into()]));
        }
        (None, _) => {}
    }
    // A host without message queues to share gets what a container of its own would.
    if findings.joined.get(&NamespaceKind::Ipc) == Some(&None)
        && std::path::Path::new("/dev/mqueue").exists()
    {
        mounts.retain(|mount| mount.destination.as_os_str() != "/dev/mqueue");
        mounts.push(bind("/dev/mqueue".into(), "/dev/mqueue".into(), vec!["bind".into()]));
    }
    let mut own = own_mounts(container, findings);
    own.sort_by_key(|mount| mount.destination.components().count());
    mounts.retain(|mount| !own.iter().any(|mine| mine.destination == mount.destination));
    mounts.extend(own);
    mounts
}

/// Returns the mounts that were asked for, and those of the engine's own files where nobody asked for others.
fn own_mounts(container: &Container, findings: &Findings) -> Vec<Mount> {
    let host = &container.record.host;
    let mut own: Vec<Mount> = Vec::new();
    for (planned, source) in container.record.mounts.iter().zip(&findings.sources) {
        let target = PathBuf::from(&planned.point.destination);
        own.push(match source {
            Source::Path(path) => bind(path.clone(), target, bind_options(planned)),
            Source::Resolved(path) => {
                let mut options = bind_options(planned);
                options.push(hako_runtime::plan::option::RESOLVED.into());
                bind(path.clone(), target, options)
            }
            Source::Filesystem(kind, device, options) => Mount {
                destination: target,
                kind: Some(kind.clone()),
                source: Some(device.into()),
                options: options.clone(),
                ..Mount::default()
            },
        });
    }
    for (target, options) in &host.tmpfs {
        let mut all: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
        for option in options.split(',').filter(|option| !option.is_empty()) {
            all.retain(|old| old.strip_prefix("no") != Some(option));
            all.push(option.to_owned());
        }
        own.push(tmpfs(clean(target).into(), all));
    }
    for (target, path) in &findings.etc {
        if !own.iter().any(|mount| mount.destination.as_os_str() == *target) {
            let mut options = vec!["rbind".to_owned(), "rprivate".to_owned()];
            if host.readonly_rootfs {
                options.push("ro".into());
            }
            own.push(bind(path.clone(), (*target).into(), options));
        }
    }
    if host.init == Some(true) {
        own.push(bind(findings.init.clone(), INIT.into(), vec!["bind".into(), "ro".into()]));
    }
    own
}

fn bind_options(planned: &super::PlannedMount) -> Vec<String> {
    let bind = planned.mount.bind_options.clone().unwrap_or_default();
    let mut options = vec![if bind.non_recursive { "bind".to_owned() } else { "rbind".to_owned() }];
    if !planned.point.rw {
        options.push("ro".into());
        if bind.read_only_force_recursive {
            options.push("rro".into());
        }
    }
    let propagation = &planned.point.propagation;
    options.push(if propagation.is_empty() { "rprivate".into() } else { propagation.clone() });
    options
}

/// Returns a memory file system.
pub(crate) fn tmpfs(destination: PathBuf, options: Vec<String>) -> Mount {
    Mount {
        destination,
        kind: Some("tmpfs".into()),
        source: Some("tmpfs".into()),
        options,
        ..Mount::default()
    }
}

/// Returns a bind mount.
pub(crate) fn bind(source: PathBuf, destination: PathBuf, options: Vec<String>) -> Mount {
    Mount {
        destination,
        kind: Some("bind".into()),
        source: Some(source),
        options,
        ..Mount::default()
    }
}

/// Returns the options of a `--mount type=tmpfs`.
pub(crate) fn tmpfs_options(planned: &super::PlannedMount) -> Vec<String> {
    let wanted = planned.mount.tmpfs_options.clone().unwrap_or_default();
    let mut options: Vec<String> = ["noexec", "nosuid", "nodev"].map(str::to_owned).to_vec();
    for words in &wanted.options {
        if let Some(name) = words.first() {
            options.retain(|old| old.strip_prefix("no") != Some(name.as_str()));
        }
        options.push(words.join("="));
    }
    if wanted.size_bytes > 0 {
        options.push(format!("size={}", wanted.size_bytes));
    }
    if let Some(mode) = wanted.mode {
        options.push(format!("mode={mode:o}"));
    }
    if !planned.point.rw {
        options.push("ro".into());
    }
    options
}

fn linux(container: &Container, findings: &Findings, security: &Security) -> Result<Linux, Error> {
    let host = &container.record.host;
    let hidden = |own: &Option<Vec<String>>, usual: &[&str]| -> Vec<PathBuf> {
        match own {
            _ if host.privileged || security.open_system_paths => Vec::new(),
            Some(paths) => paths.iter().map(PathBuf::from).collect(),
            None => usual.iter().map(PathBuf::from).collect(),
        }
    };
    Ok(Linux {
        sysctl: sysctls(host, findings),
        resources: Some(resources(host, &findings.devices)?),
        cgroups_path: Some(findings.cgroup.clone()),
        namespaces: namespaces(findings),
        devices: findings.devices.iter().map(|(device, _)| device.clone()).collect(),
        seccomp: security.filter(host)?,
        rootfs_propagation: propagation(container),
        masked_paths: hidden(&host.masked_paths, defaults::masked_paths()),
        readonly_paths: hidden(&host.readonly_paths, defaults::readonly_paths()),
        ..Linux::default()
    })
}

/// A shared or slave bind mount needs a root that passes mounts on.
fn propagation(container: &Container) -> Option<String> {
    let has = |word: &str| {
        container.record.mounts.iter().any(|planned| {
            planned.point.kind == MountKind::Bind
                && planned.point.propagation.trim_start_matches('r') == word
        })
    };
    if has("shared") {
        Some("rshared".into())
    } else if has("slave") {
        Some("rslave".into())
    } else {
        None
    }
}

fn namespaces(findings: &Findings) -> Vec<Namespace> {
    let kinds = [
        NamespaceKind::Mount,
        NamespaceKind::Pid,
        NamespaceKind::Network,
        NamespaceKind::Ipc,
        NamespaceKind::Uts,
        NamespaceKind::Cgroup,
    ];
    let list = kinds.into_iter().filter_map(|kind| match findings.joined.get(&kind) {
        None => Some(Namespace { kind, path: None }),
        Some(None) => None,
        Some(Some(path)) => Some(Namespace { kind, path: Some(path.clone()) }),
    });
    list.collect()
}

/// Returns the kernel settings: low ports and `ping` for everybody, as Docker has it, unless asked otherwise.
fn sysctls(host: &HostConfig, findings: &Findings) -> BTreeMap<String, String> {
    let mut settings = host.sysctls.clone();
    if !findings.joined.contains_key(&NamespaceKind::Network) {
        settings.entry("net.ipv4.ip_unprivileged_port_start".into()).or_insert_with(|| "0".into());
        settings.entry("net.ipv4.ping_group_range".into()).or_insert_with(|| "0 2147483647".into());
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ones_own_environment_overrides_the_usual_one() {
        let env = environment(&["PATH=/x".into(), "A=b".into(), "HOSTNAME".into()], "h", true);
        assert_eq!(env, ["PATH=/x", "TERM=xterm", "A=b"]);
    }
}
