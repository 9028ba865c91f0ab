//! Capability names.

use crate::Error;
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

/// Turns names into bits.
pub fn bits(names: &[String]) -> Result<u64, Error> {
    names.iter().try_fold(0, |bits, name| {
        let number = NAMES.iter().position(|known| known == name);
        let number =
            number.ok_or_else(|| Error::Invalid(format!("unknown capability `{name}`")))?;
        Ok(bits | 1 << number)
    })
}

/// Turns the five sets into bits: the bounding set, and the others.
///
/// An ambient capability that is not permitted and inheritable as well would be refused by the
/// kernel; like runc, it is left out.
pub fn sets(capabilities: &spec::Capabilities) -> Result<(u64, Capabilities), Error> {
    let permitted = bits(&capabilities.permitted)?;
    let inheritable = bits(&capabilities.inheritable)?;
    let sets = Capabilities {
        effective: bits(&capabilities.effective)? & permitted,
        permitted,
        inheritable,
        ambient: bits(&capabilities.ambient)? & permitted & inheritable,
    };
    Ok((bits(&capabilities.bounding)?, sets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_capability_is_refused_by_name() {
        let error = bits(&["CAP_CHOWN".into(), "CAP_FLY".into()]).unwrap_err();
        assert_eq!(error.to_string(), "unknown capability `CAP_FLY`");
    }

    #[test]
    fn bits_are_the_kernels() {
        assert_eq!(bits(&["CAP_CHOWN".into(), "CAP_SYS_ADMIN".into()]).unwrap(), 1 | 1 << 21);
    }
}
