//! A container as an OCI configuration: a pure function of what was decided and what was found out.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hako_runtime::spec::{
    BlockIo, Capabilities, Cpu, Device, DeviceCgroup, Linux, LinuxResources, Memory, Mount, Namespace, NamespaceKind, Pids,
    Process, Rlimit, Root, Spec, ThrottleDevice, User, WeightDevice,
};
use hako_runtime::plan::capability::NAMES as CAPABILITIES;
use hako_runtime::{defaults, seccomp};

use super::Container;
use super::mounts::clean;
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
        hostname: (!findings.joined.contains_key(&NamespaceKind::Uts)).then(|| findings.hostname.clone()),
        domainname: Some(config.domainname.clone()).filter(|name| !name.is_empty()),
        mounts: mounts(container, findings),
        annotations: host.annotations.clone(),
        linux: Some(linux(container, findings, &security)?),
        ..Spec::default()
    })
}

fn process(container: &Container, findings: &Findings, security: &Security) -> Result<Process, Error> {
    let (config, host) = (&container.record.config, &container.record.host);
    let mut args = vec![container.record.path.clone()];
    args.extend(container.record.args.iter().cloned());
    if host.init == Some(true) {
        args.splice(0..0, [INIT.to_owned(), "--".to_owned()]);
    }
    Ok(Process {
        terminal: config.tty,
        user: User {
            username: Some(config.user.clone()).filter(|user| !user.is_empty()).or(Some("0".into())),
            additional_groups: host.group_add.clone(),
            ..User::default()
        },
        args,
        env: environment(&config.env, &findings.hostname, config.tty),
        cwd: if config.working_dir.is_empty() { "/".into() } else { clean(&config.working_dir).into() },
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
    let mut env = vec!["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()];
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

/// Returns the five sets; a user that is not root has none in force, which the runtime sees to.
pub(crate) fn capabilities(host: &HostConfig) -> Result<Capabilities, Error> {
    let names = capability_names(host)?;
    Ok(Capabilities {
        bounding: names.clone(),
        effective: names.clone(),
        permitted: names,
        inheritable: Vec::new(),
        ambient: Vec::new(),
    })
}

fn capability_names(host: &HostConfig) -> Result<Vec<String>, Error> {
    let is_all = |names: &[String]| names.iter().any(|name| name.eq_ignore_ascii_case("all"));
    let known = |name: &String| capability(name).ok_or_else(|| Error::Invalid(format!("invalid capability: \"{name}\"")));
    let mut names: Vec<String> = if host.privileged || is_all(&host.cap_add) {
        all_capabilities()
    } else if is_all(&host.cap_drop) {
        Vec::new()
    } else {
        defaults::default_capabilities().iter().map(|&name| name.to_owned()).collect()
    };
    if host.privileged {
        return Ok(names);
    }
    for name in host.cap_drop.iter().filter(|name| !name.eq_ignore_ascii_case("all")) {
        let name = known(name)?;
        names.retain(|have| *have != name);
    }
    for name in host.cap_add.iter().filter(|name| !name.eq_ignore_ascii_case("all")) {
        let name = known(name)?;
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Ok(names)
}

/// Returns all capabilities that this process may hand on.
pub(crate) fn all_capabilities() -> Vec<String> {
    let held = std::fs::read_to_string("/proc/self/status").ok().and_then(|text| {
        let line = text.lines().find_map(|line| line.strip_prefix("CapBnd:"))?;
        u64::from_str_radix(line.trim(), 16).ok()
    });
    let held = held.unwrap_or(u64::MAX);
    let names = CAPABILITIES.iter().enumerate().filter(|(number, _)| held >> number & 1 == 1);
    names.map(|(_, name)| (*name).to_owned()).collect()
}

/// Returns a capability's full name (`CAP_CHOWN`) from any spelling; `ALL` stands for itself.
pub(crate) fn capability(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    if upper == "ALL" {
        return Some(upper);
    }
    let name = if upper.starts_with("CAP_") { upper } else { format!("CAP_{upper}") };
    CAPABILITIES.contains(&name.as_str()).then_some(name)
}

const RLIMITS: [&str; 16] = [
    "as", "core", "cpu", "data", "fsize", "locks", "memlock", "msgqueue", "nice", "nofile", "nproc", "rss", "rtprio",
    "rttime", "sigpending", "stack",
];

/// Tells whether this is the name of a resource limit.
pub(crate) fn is_rlimit(name: &str) -> bool {
    RLIMITS.contains(&name)
}

#[expect(clippy::cast_sign_loss, reason = "−1 is RLIM_INFINITY, all bits set")]
fn rlimits(host: &HostConfig) -> Vec<Rlimit> {
    let limits = host.ulimits.iter();
    limits
        .map(|limit| Rlimit {
            kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
            hard: limit.hard as u64,
            soft: limit.soft as u64,
        })
        .collect()
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
        for mount in mounts.iter_mut().filter(|mount| mount.kind.as_deref() == Some("sysfs") && host.userns_mode == "auto") {
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
    if findings.joined.get(&NamespaceKind::Ipc) == Some(&None) && std::path::Path::new("/dev/mqueue").exists() {
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
    Mount { destination, kind: Some("tmpfs".into()), source: Some("tmpfs".into()), options, ..Mount::default() }
}

/// Returns a bind mount.
pub(crate) fn bind(source: PathBuf, destination: PathBuf, options: Vec<String>) -> Mount {
    Mount { destination, kind: Some("bind".into()), source: Some(source), options, ..Mount::default() }
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
    let filter = match &security.seccomp {
        _ if host.privileged && security.seccomp == Profile::Default => None,
        Profile::Unconfined => None,
        Profile::Default => Some(seccomp_default(&capability_names(host)?)),
        Profile::Own(text) => own_profile(text, &capability_names(host)?)?,
    };
    Ok(Linux {
        sysctl: sysctls(host, findings),
        resources: Some(resources(host, &findings.devices)?),
        cgroups_path: Some(findings.cgroup.clone()),
        namespaces: namespaces(findings),
        devices: findings.devices.iter().map(|(device, _)| device.clone()).collect(),
        seccomp: filter,
        rootfs_propagation: propagation(container),
        masked_paths: hidden(&host.masked_paths, defaults::masked_paths()),
        readonly_paths: hidden(&host.readonly_paths, defaults::readonly_paths()),
        ..Linux::default()
    })
}

fn seccomp_default(capabilities: &[String]) -> hako_runtime::spec::Seccomp {
    defaults::default_seccomp(capabilities, seccomp::Arch::native())
}

/// Reads a filter of system calls in Docker's form.
fn own_profile(text: &str, capabilities: &[String]) -> Result<Option<hako_runtime::spec::Seccomp>, Error> {
    let names: Vec<&str> = capabilities.iter().map(String::as_str).collect();
    let host = defaults::ProfileHost { capabilities: &names, arch: seccomp::Arch::native(), kernel: kernel_version() };
    defaults::read_profile(text.as_bytes(), host).map_err(Error::below("cannot use the seccomp profile"))
}

fn kernel_version() -> (u32, u32) {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A shared or slave bind mount needs a root that passes mounts on.
fn propagation(container: &Container) -> Option<String> {
    let has = |word: &str| {
        container.record.mounts.iter().any(|planned| {
            planned.point.kind == MountKind::Bind && planned.point.propagation.trim_start_matches('r') == word
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

/// Returns the limits of a container's control group.
pub(crate) fn resources(host: &HostConfig, devices: &[(Device, String)]) -> Result<LinuxResources, Error> {
    let some = |value: i64| (value != 0).then_some(value);
    let unsigned = |value: i64| u64::try_from(value).ok().filter(|value| *value != 0);
    let (mut quota, mut period) = (some(host.cpu_quota), unsigned(host.cpu_period));
    if host.nano_cpus > 0 {
        period = Some(100_000);
        quota = Some((host.nano_cpus / 10_000).max(1_000));
    }
    let memory = Memory {
        limit: some(host.memory),
        reservation: some(host.memory_reservation),
        swap: some(host.memory_swap),
        swappiness: host.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
        disable_oom_killer: host.oom_kill_disable,
        ..Memory::default()
    };
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let cpu = Cpu {
        shares: unsigned(host.cpu_shares),
        quota,
        period,
        realtime_runtime: some(host.cpu_realtime_runtime),
        realtime_period: unsigned(host.cpu_realtime_period),
        cpus: text(&host.cpuset_cpus),
        mems: text(&host.cpuset_mems),
        ..Cpu::default()
    };
    Ok(LinuxResources {
        devices: device_rules(host, devices)?,
        memory: (memory != Memory::default()).then_some(memory),
        cpu: (cpu != Cpu::default()).then_some(cpu),
        pids: host.pids_limit.filter(|limit| *limit > 0).map(|limit| Pids { limit: Some(limit), ..Pids::default() }),
        block_io: block_io(host)?,
        ..LinuxResources::default()
    })
}

fn device_rules(host: &HostConfig, devices: &[(Device, String)]) -> Result<Vec<DeviceCgroup>, Error> {
    if host.privileged {
        return Ok(vec![DeviceCgroup { allow: true, access: Some("rwm".into()), ..DeviceCgroup::default() }]);
    }
    let mut rules = defaults::device_rules();
    for (device, access) in devices {
        rules.push(DeviceCgroup {
            allow: true,
            kind: Some(device.kind.clone()),
            major: Some(device.major),
            minor: Some(device.minor),
            access: Some(access.clone()),
        });
    }
    for rule in &host.device_cgroup_rules {
        rules.push(device_rule(rule)?);
    }
    Ok(rules)
}

/// Reads a device rule: `c 10:229 rwm`, with `*` for any number.
pub(crate) fn device_rule(text: &str) -> Result<DeviceCgroup, Error> {
    let bad = || Error::Invalid(format!("invalid device cgroup rule format: '{text}'"));
    let words: Vec<&str> = text.split_whitespace().collect();
    let [kind @ ("a" | "b" | "c"), numbers, access] = words[..] else { return Err(bad()) };
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| match text {
        "*" => Ok(-1),
        text => text.parse::<u32>().map(i64::from).map_err(|_| bad()),
    };
    if access.is_empty() || !access.bytes().all(|b| matches!(b, b'r' | b'w' | b'm')) {
        return Err(bad());
    }
    Ok(DeviceCgroup {
        allow: true,
        kind: Some(kind.to_owned()),
        major: Some(number(major)?),
        minor: Some(number(minor)?),
        access: Some(access.to_owned()),
    })
}

fn block_io(host: &HostConfig) -> Result<Option<BlockIo>, Error> {
    let numbers = |path: &str| {
        let stat = rustix::fs::stat(path).map_err(|error| Error::Io {
            doing: "look at the device",
            path: path.into(),
            source: error.into(),
        })?;
        Ok::<_, Error>((i64::from(rustix::fs::major(stat.st_rdev)), i64::from(rustix::fs::minor(stat.st_rdev))))
    };
    let throttle = |list: &[crate::model::ThrottleDevice]| {
        let entries = list.iter().map(|device| {
            let (major, minor) = numbers(&device.path)?;
            Ok(ThrottleDevice { major, minor, rate: device.rate })
        });
        entries.collect::<Result<Vec<_>, Error>>()
    };
    let weights = host.blkio_weight_device.iter().map(|device| {
        let (major, minor) = numbers(&device.path)?;
        Ok(WeightDevice { major, minor, weight: Some(device.weight), ..WeightDevice::default() })
    });
    let io = BlockIo {
        weight: (host.blkio_weight != 0).then_some(host.blkio_weight),
        weight_device: weights.collect::<Result<_, Error>>()?,
        throttle_read_bps_device: throttle(&host.blkio_device_read_bps)?,
        throttle_write_bps_device: throttle(&host.blkio_device_write_bps)?,
        throttle_read_iops_device: throttle(&host.blkio_device_read_iops)?,
        throttle_write_iops_device: throttle(&host.blkio_device_write_iops)?,
        ..BlockIo::default()
    };
    Ok((io != BlockIo::default()).then_some(io))
}

/// Which filter of system calls a container has.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Profile {
    /// The usual one.
    #[default]
    Default,
    /// None.
    Unconfined,
    /// This one, in Docker's JSON.
    Own(String),
}

/// One `--security-opt`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum SecurityOption {
    /// Set-user-ID programs are without effect.
    NoNewPrivileges(bool),
    /// The filter of system calls.
    Seccomp(Profile),
    /// The `AppArmor` profile.
    AppArmor(String),
    /// An `SELinux` label.
    Label,
    /// Nothing of `/proc` and `/sys` is hidden or read-only.
    SystemPathsUnconfined,
}

impl SecurityOption {
    /// Reads one option.
    ///
    /// # Errors
    /// When there is none such.
    pub(crate) fn read(text: &str) -> Result<Self, Error> {
        let bad = || Error::Invalid(format!("invalid --security-opt: \"{text}\""));
        let (name, value) = text.split_once(['=', ':']).unwrap_or((text, ""));
        Ok(match (name, value) {
            ("no-new-privileges", "" | "true") => Self::NoNewPrivileges(true),
            ("no-new-privileges", "false") => Self::NoNewPrivileges(false),
            ("seccomp", "unconfined") => Self::Seccomp(Profile::Unconfined),
            ("seccomp", "builtin" | "default") => Self::Seccomp(Profile::Default),
            ("seccomp", json) if json.trim_start().starts_with('{') => {
                own_profile(json, &[])?;
                Self::Seccomp(Profile::Own(json.to_owned()))
            }
            ("apparmor", profile) if !profile.is_empty() => Self::AppArmor(profile.to_owned()),
            ("label", value) if !value.is_empty() => Self::Label,
            ("systempaths", "unconfined") => Self::SystemPathsUnconfined,
            _ => return Err(bad()),
        })
    }
}

/// All of a container's security options together; the last of a sort wins.
#[derive(Debug, Default)]
struct Security {
    no_new_privileges: bool,
    seccomp: Profile,
    apparmor: Option<String>,
    open_system_paths: bool,
}

impl Security {
    fn read(host: &HostConfig) -> Result<Self, Error> {
        let mut security = Self::default();
        for option in &host.security_opt {
            match SecurityOption::read(option)? {
                SecurityOption::NoNewPrivileges(on) => security.no_new_privileges = on,
                SecurityOption::Seccomp(profile) => security.seccomp = profile,
                SecurityOption::AppArmor(profile) => {
                    security.apparmor = Some(profile).filter(|profile| profile != "unconfined");
                }
                SecurityOption::Label => {}
                SecurityOption::SystemPathsUnconfined => security.open_system_paths = true,
            }
        }
        Ok(security)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_added_and_dropped_in_any_spelling() {
        let host = |add: &[&str], drop: &[&str]| HostConfig {
            cap_add: add.iter().map(|&name| name.to_owned()).collect(),
            cap_drop: drop.iter().map(|&name| name.to_owned()).collect(),
            ..HostConfig::default()
        };
        assert_eq!(capability_names(&host(&[], &[])).unwrap().len(), 14);
        assert_eq!(capability_names(&host(&["chown", "CAP_KILL"], &["all"])).unwrap(), ["CAP_CHOWN", "CAP_KILL"]);
        assert!(!capability_names(&host(&["ALL"], &["NET_RAW"])).unwrap().contains(&"CAP_NET_RAW".to_owned()));
        assert!(capability_names(&host(&["NONSENSE"], &[])).is_err());
    }

    #[test]
    fn ones_own_environment_overrides_the_usual_one() {
        let env = environment(&["PATH=/x".into(), "A=b".into(), "HOSTNAME".into()], "h", true);
        assert_eq!(env, ["PATH=/x", "TERM=xterm", "A=b"]);
    }

    #[test]
    fn device_rules_read() {
        let rule = device_rule("c 10:* rw").unwrap();
        assert_eq!((rule.major, rule.minor, rule.access.as_deref()), (Some(10), Some(-1), Some("rw")));
        for bad in ["", "x 1:2 r", "c 1 r", "c 1:2 q", "c 1:2"] {
            assert!(device_rule(bad).is_err(), "{bad}");
        }
    }
}
