//! `features`: what this runtime can do, for those who ask before they use it.

use hako_runtime::plan::{capability, option};
use hako_runtime::{seccomp, spec};
use serde_json::{Value, json};

use super::words::Parsed;
use super::{Failure, log};

/// Prints the version as callers parse it.
pub(super) fn version() {
    log::print(&format!(
        "hako oci version {}\nspec: {}\n",
        env!("CARGO_PKG_VERSION"),
        spec::VERSION
    ));
}

/// `features`: the document of the specification's `features-linux.md`.
pub(super) fn features(words: &[String]) -> Result<u8, Failure> {
    let _no_options = Parsed::all(words, &[])?;
    let document = json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": spec::VERSION,
        "hooks": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"],
        "mountOptions": option::KNOWN.as_slice(),
        "linux": linux(),
        "annotations": { "org.hako.version": env!("CARGO_PKG_VERSION") },
        "potentiallyUnsafeConfigAnnotations": [],
    });
    log::print(&format!("{}\n", serde_json::to_string_pretty(&document).unwrap_or_default()));
    Ok(0)
}

fn linux() -> Value {
    json!({
        "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
        "capabilities": capability::NAMES.as_slice(),
        "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false, "rdma": true },
        "seccomp": {
            "enabled": true,
            "actions": seccomp::ACTIONS,
            "operators": seccomp::OPERATORS,
            "archs": archs(),
            "knownFlags": seccomp::FLAGS.map(|(name, _)| name),
            "supportedFlags": seccomp::FLAGS.map(|(name, _)| name),
        },
        "apparmor": { "enabled": true },
        "selinux": { "enabled": true },
        "intelRdt": { "enabled": false },
        "memoryPolicy": {
            "modes": [
                "MPOL_BIND", "MPOL_DEFAULT", "MPOL_INTERLEAVE", "MPOL_LOCAL", "MPOL_PREFERRED", "MPOL_PREFERRED_MANY",
                "MPOL_WEIGHTED_INTERLEAVE",
            ],
            "flags": ["MPOL_F_NUMA_BALANCING", "MPOL_F_RELATIVE_NODES", "MPOL_F_STATIC_NODES"],
        },
        "mountExtensions": { "idmap": { "enabled": true } },
        "netDevices": { "enabled": false },
    })
}

fn archs() -> [&'static str; 6] {
    [
        "SCMP_ARCH_AARCH64",
        "SCMP_ARCH_ARM",
        "SCMP_ARCH_RISCV64",
        "SCMP_ARCH_X32",
        "SCMP_ARCH_X86",
        "SCMP_ARCH_X86_64",
    ]
}
