//! Docker's default seccomp profile, for a set of capabilities and an architecture.

use super::calls::ALLOWED;
use crate::seccomp::Arch;
use crate::spec::{Seccomp, SeccompArg, SeccompSyscall};

const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// Calls that come with a capability.
const BY_CAPABILITY: [(&str, &str); 14] = [
    ("CAP_BPF", "bpf"),
    ("CAP_DAC_READ_SEARCH", "open_by_handle_at"),
    ("CAP_PERFMON", "perf_event_open"),
    (
        "CAP_SYS_ADMIN",
        "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr lsm_list_modules \
         lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd setdomainname \
         sethostname setns syslog umount umount2 unshare",
    ),
    ("CAP_SYS_BOOT", "reboot"),
    ("CAP_SYS_CHROOT", "chroot"),
    ("CAP_SYSLOG", "syslog"),
    ("CAP_SYS_MODULE", "delete_module finit_module init_module"),
    ("CAP_SYS_NICE", "get_mempolicy mbind set_mempolicy set_mempolicy_home_node"),
    ("CAP_SYS_PACCT", "acct"),
    (
        "CAP_SYS_PTRACE",
        "kcmp pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace",
    ),
    ("CAP_SYS_RAWIO", "ioperm iopl"),
    ("CAP_SYS_TIME", "clock_settime clock_settime64 settimeofday stime"),
    ("CAP_SYS_TTY_CONFIG", "vhangup"),
];

/// The flags of clone(2) that make namespaces: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const CLONE_NAMESPACES: u64 = 0x7e02_0000;

/// Returns Docker's default profile for a container whose bounding set is `capabilities` (`CAP_…`).
///
/// The kernel is taken to be 4.8 or newer, whose ptrace(2) cannot get around a filter. One thing is
/// stricter: of a socket's family all 64 bits count here, where a garbled upper half would pass for
/// a large, harmless family number and reach the kernel as one of the two that are denied.
#[must_use]
pub fn default_seccomp(capabilities: &[impl AsRef<str>], arch: Arch) -> Seccomp {
    let has = |name: &str| capabilities.iter().any(|capability| capability.as_ref() == name);
    let allow = |names: &str, args: Vec<SeccompArg>| SeccompSyscall {
        names: names.split_whitespace().map(str::to_owned).collect(),
        action: "SCMP_ACT_ALLOW".to_owned(),
        errno_ret: None,
        args,
    };
    let mut always: Vec<String> =
        ALLOWED.iter().flat_map(|names| names.split_whitespace()).map(str::to_owned).collect();
    always.extend(
        by_architecture(arch).iter().flat_map(|names| names.split_whitespace()).map(str::to_owned),
    );
    let mut syscalls = vec![SeccompSyscall { names: always, ..allow("", Vec::new()) }];
    syscalls.extend(socket_families().into_iter().map(|family| allow("socket", vec![family])));
    syscalls.extend(
        personalities()
            .map(|which| allow("personality", vec![argument(0, "SCMP_CMP_EQ", which, 0)])),
    );
    for (_, names) in BY_CAPABILITY.iter().filter(|(capability, _)| has(capability)) {
        syscalls.push(allow(names, Vec::new()));
    }
    if !has("CAP_SYS_ADMIN") {
        let index = if arch == Arch::S390x { 1 } else { 0 };
        syscalls
            .push(allow("clone", vec![argument(index, "SCMP_CMP_MASKED_EQ", CLONE_NAMESPACES, 0)]));
        // Its flags are in memory, where no filter sees them; without it, libraries use clone.
        let action = "SCMP_ACT_ERRNO".to_owned();
        syscalls.push(SeccompSyscall {
            action,
            errno_ret: Some(ENOSYS),
            ..allow("clone3", Vec::new())
        });
    }
    Seccomp {
        default_action: "SCMP_ACT_ERRNO".to_owned(),
        default_errno_ret: Some(EPERM),
        architectures: architectures(arch).iter().map(|name| (*name).to_owned()).collect(),
        syscalls,
        ..Seccomp::default()
    }
}

/// The architectures whose programs may run, the native one first.
fn architectures(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 => &["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        Arch::Aarch64 => &["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        Arch::S390x => &["SCMP_ARCH_S390X", "SCMP_ARCH_S390"],
        Arch::Riscv64 => &["SCMP_ARCH_RISCV64"],
        Arch::Loongarch64 => &["SCMP_ARCH_LOONGARCH64"],
        Arch::X86 | Arch::X32 | Arch::Arm | Arch::Ppc64le => &[],
    }
}

/// Calls that only some machines have.
fn by_architecture(arch: Arch) -> &'static [&'static str] {
    match arch {
        Arch::X86_64 | Arch::X32 => &["arch_prctl", "modify_ldt"],
        Arch::X86 => &["modify_ldt"],
        Arch::Aarch64 | Arch::Arm => {
            &["arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls sync_file_range2"]
        }
        Arch::Ppc64le => &["swapcontext sync_file_range2"],
        Arch::Riscv64 => &["riscv_flush_icache"],
        Arch::S390x => &["s390_pci_mmio_read s390_pci_mmio_write s390_runtime_instr"],
        Arch::Loongarch64 => &[],
    }
}

/// Every address family but the kernel's crypto (38) and virtual machine sockets (40), which know
/// no network namespace; up to 63, where the kernel has 46.
fn socket_families() -> [SeccompArg; 6] {
    let masked = |mask: u64, value| argument(0, "SCMP_CMP_MASKED_EQ", !mask, value);
    [
        argument(0, "SCMP_CMP_LT", 38, 0),
        argument(0, "SCMP_CMP_EQ", 39, 0),
        argument(0, "SCMP_CMP_EQ", 41, 0),
        masked(1, 42),
        masked(3, 44),
        masked(15, 48),
    ]
}

/// PER_LINUX and PER_LINUX32, each also with UNAME26, and the question for the present one.
fn personalities() -> [u64; 5] {
    [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff]
}

fn argument(index: u32, op: &str, value: u64, value_two: u64) -> SeccompArg {
    SeccompArg { index, value, value_two, op: op.to_owned() }
}
