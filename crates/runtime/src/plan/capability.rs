//! Capability names.

use crate::spec;

use super::step::Capabilities;

/// Names in the order of `linux/capability.h`.
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// Turns names into bits; a name that is not known here has none.
///
/// The specification wants a warning for those, not an error: see [`warnings`].
#[must_use]
pub fn bits(names: &[String]) -> u64 {
    names.iter().filter_map(|name| number(name)).fold(0, |bits, number| bits | 1 << number)
}

fn number(name: &str) -> Option<usize> {
    NAMES.iter().position(|known| *known == name)
}

/// Says which of the wanted capabilities the program will not have, and why.
#[must_use]
pub fn warnings(capabilities: &spec::Capabilities) -> Vec<String> {
    let spec::Capabilities { bounding, effective, inheritable, permitted, ambient } = capabilities;
    let mut unknown: Vec<_> = [bounding, effective, inheritable, permitted, ambient]
        .into_iter()
        .flatten()
        .filter(|name| number(name).is_none())
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    let unknown = unknown.into_iter().map(|name| format!("ignoring unknown capability {name}"));
    let impossible = ambient
        .iter()
        .filter(|name| number(name).is_some())
        .filter(|name| !(permitted.contains(name) && inheritable.contains(name)))
        .map(|name| {
            format!(
                "can't raise ambient capability {name}: it is not both permitted and inheritable"
            )
        });
    unknown.chain(impossible).collect()
}

/// Turns the five sets into bits: the bounding set, and the others.
///
/// An ambient capability that is not permitted and inheritable as well would be refused by the
/// kernel; like runc, it is left out.
#[must_use]
pub fn sets(capabilities: &spec::Capabilities) -> (u64, Capabilities) {
    let permitted = bits(&capabilities.permitted);
    let inheritable = bits(&capabilities.inheritable);
    let sets = Capabilities {
        effective: bits(&capabilities.effective) & permitted,
        permitted,
        inheritable,
        ambient: bits(&capabilities.ambient) & permitted & inheritable,
    };
    (bits(&capabilities.bounding), sets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_had_is_told_and_left_out() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let wanted = spec::Capabilities {
            bounding: names(&["CAP_CHOWN", "CAP_FLY"]),
            permitted: names(&["CAP_CHOWN", "CAP_KILL"]),
            inheritable: names(&["CAP_KILL"]),
            ambient: names(&["CAP_KILL", "CAP_CHOWN"]),
            ..spec::Capabilities::default()
        };
        let (bounding, sets) = sets(&wanted);
        assert_eq!((bounding, sets.ambient), (1, 1 << 5));
        let warnings = warnings(&wanted);
        assert_eq!(warnings.len(), 2);
        assert!(warnings[0].contains("CAP_FLY"));
        assert!(warnings[1].starts_with("can't raise ambient capability CAP_CHOWN: "));
    }

    #[test]
    fn bits_are_the_kernels() {
        assert_eq!(bits(&["CAP_CHOWN".into(), "CAP_SYS_ADMIN".into()]), 1 | 1 << 21);
    }
}
