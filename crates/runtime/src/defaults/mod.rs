//! What a container gets when nobody says otherwise: the values of Docker Engine 29.
//!
//! Everything here is data and pure functions that return parts of a [`Spec`](crate::spec::Spec); whoever
//! writes a container's configuration starts from them. There are no default resource limits.

mod calls;
mod format;
mod profile;

use std::path::PathBuf;

pub use format::{Error as ProfileError, Host as ProfileHost, read_profile};
pub use profile::default_seccomp;

use crate::spec::{DeviceCgroup, Mount};

/// The capabilities of a container that was given none and denied none.
#[must_use]
pub const fn default_capabilities() -> &'static [&'static str] {
    &[
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_FSETID",
        "CAP_FOWNER",
        "CAP_MKNOD",
        "CAP_NET_RAW",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETFCAP",
        "CAP_SETPCAP",
        "CAP_NET_BIND_SERVICE",
        "CAP_SYS_CHROOT",
        "CAP_KILL",
        "CAP_AUDIT_WRITE",
    ]
}

/// The paths that are covered because they tell about, or reach, the machine.
///
/// Those that a kernel does not have are passed over by the runtime.
#[must_use]
pub const fn masked_paths() -> &'static [&'static str] {
    &[
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ]
}

/// The paths that are covered too on a machine with `processors` of them: their throttle counters
/// are a clock for spying on neighbours.
#[must_use]
pub fn masked_processor_paths(processors: usize) -> Vec<String> {
    (0..processors)
        .map(|number| format!("/sys/devices/system/cpu/cpu{number}/thermal_throttle"))
        .collect()
}

/// The paths below `/proc` that can be read but not written.
#[must_use]
pub const fn readonly_paths() -> &'static [&'static str] {
    &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"]
}

/// The device rules: every node may be made, the usual ones used.
///
/// In order: none, mknod of any, null, zero, full, random, urandom, tty, console, ptmx, terminals,
/// tun (which does nothing without CAP_NET_ADMIN).
#[must_use]
pub fn device_rules() -> Vec<DeviceCgroup> {
    let rule = |kind: &str, major: Option<i64>, minor: Option<i64>, access: &str| DeviceCgroup {
        allow: true,
        kind: Some(kind.to_owned()),
        major,
        minor,
        access: Some(access.to_owned()),
    };
    let mut rules = vec![
        DeviceCgroup {
            allow: false,
            kind: None,
            major: None,
            minor: None,
            access: Some("rwm".to_owned()),
        },
        rule("c", None, None, "m"),
        rule("b", None, None, "m"),
    ];
    let usual = [(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2)];
    rules.extend(usual.map(|(major, minor)| rule("c", Some(major), Some(minor), "rwm")));
    rules.push(rule("c", Some(136), None, "rwm"));
    rules.push(rule("c", Some(10), Some(200), "rwm"));
    rules
}

/// How much `/dev/shm` holds unless told.
pub const SHM_SIZE: u64 = 64 << 20;

/// The mounts of every container, in order; `/dev/shm` holds `shm_size` bytes.
#[must_use]
pub fn default_mounts(shm_size: u64) -> Vec<Mount> {
    let shm = format!("mode=1777,size={shm_size}");
    [
        ("/proc", "proc", "proc", "nosuid,noexec,nodev"),
        ("/dev", "tmpfs", "tmpfs", "nosuid,strictatime,mode=755,size=65536k"),
        ("/dev/pts", "devpts", "devpts", "nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5"),
        ("/sys", "sysfs", "sysfs", "nosuid,noexec,nodev,ro"),
        ("/sys/fs/cgroup", "cgroup", "cgroup", "ro,nosuid,noexec,nodev"),
        ("/dev/mqueue", "mqueue", "mqueue", "nosuid,noexec,nodev"),
        ("/dev/shm", "tmpfs", "shm", &*format!("nosuid,noexec,nodev,{shm}")),
    ]
    .into_iter()
    .map(|(destination, kind, source, options)| Mount {
        destination: PathBuf::from(destination),
        kind: Some(kind.to_owned()),
        source: Some(PathBuf::from(source)),
        options: options.split(',').map(str::to_owned).collect(),
        ..Mount::default()
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::{default_capabilities, default_mounts};

    #[test]
    fn there_are_fourteen_capabilities() {
        assert_eq!(default_capabilities().len(), 14);
    }

    #[test]
    fn shared_memory_has_the_size_that_was_asked_for() {
        let mounts = default_mounts(1 << 20);
        assert_eq!(
            mounts.last().unwrap().options,
            ["nosuid", "noexec", "nodev", "mode=1777", "size=1048576"]
        );
    }
}
