//! Architectures, as libseccomp, the kernel's audit code and the table of calls name them.

/// A system call interface; the discriminant is the column in the table of calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 32-bit x86.
    X86,
    /// 64-bit x86 with 32-bit pointers; shares the audit code of [`Arch::X86_64`].
    X32,
    /// 64-bit Arm.
    Aarch64,
    /// 32-bit Arm.
    Arm,
    /// 64-bit RISC-V.
    Riscv64,
    /// 64-bit IBM Z.
    S390x,
    /// 64-bit little-endian POWER.
    Ppc64le,
    /// 64-bit LoongArch.
    Loongarch64,
}

/// Bit that marks a call as one of x32 (`__X32_SYSCALL_BIT`).
pub(super) const X32_BIT: u32 = 0x4000_0000;

/// First of the calls that only x32 has; the numbers below are shared with x86-64.
pub(super) const X32_FIRST: u32 = 512;

/// The names that may stand in `architectures`, and what of it can occur together with our tables.
const NAMES: [(&str, Option<Arch>); 19] = [
    ("SCMP_ARCH_X86_64", Some(Arch::X86_64)),
    ("SCMP_ARCH_X86", Some(Arch::X86)),
    ("SCMP_ARCH_X32", Some(Arch::X32)),
    ("SCMP_ARCH_AARCH64", Some(Arch::Aarch64)),
    ("SCMP_ARCH_ARM", Some(Arch::Arm)),
    ("SCMP_ARCH_RISCV64", Some(Arch::Riscv64)),
    ("SCMP_ARCH_S390X", Some(Arch::S390x)),
    ("SCMP_ARCH_PPC64LE", Some(Arch::Ppc64le)),
    ("SCMP_ARCH_LOONGARCH64", Some(Arch::Loongarch64)),
    ("SCMP_ARCH_MIPS", None),
    ("SCMP_ARCH_MIPS64", None),
    ("SCMP_ARCH_MIPS64N32", None),
    ("SCMP_ARCH_MIPSEL", None),
    ("SCMP_ARCH_MIPSEL64", None),
    ("SCMP_ARCH_MIPSEL64N32", None),
    ("SCMP_ARCH_PARISC", None),
    ("SCMP_ARCH_PPC", None),
    ("SCMP_ARCH_PPC64", None),
    ("SCMP_ARCH_S390", None),
];

impl Arch {
    /// The architecture this program was built for, whose kernel it runs on.
    #[must_use]
    pub const fn native() -> Self {
        if cfg!(target_arch = "aarch64") {
            Self::Aarch64
        } else if cfg!(target_arch = "arm") {
            Self::Arm
        } else if cfg!(target_arch = "x86") {
            Self::X86
        } else if cfg!(target_arch = "riscv64") {
            Self::Riscv64
        } else if cfg!(target_arch = "s390x") {
            Self::S390x
        } else if cfg!(target_arch = "powerpc64") {
            Self::Ppc64le
        } else if cfg!(target_arch = "loongarch64") {
            Self::Loongarch64
        } else {
            Self::X86_64
        }
    }

    /// Returns the architecture called `name` (`SCMP_ARCH_…`).
    ///
    /// The outer option says whether there is such a name, the inner one whether a kernel that this
    /// program can run on has that interface.
    #[must_use]
    pub fn named(name: &str) -> Option<Option<Self>> {
        NAMES.iter().find(|(known, _)| *known == name).map(|(_, arch)| *arch)
    }

    /// Returns libseccomp's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        NAMES.iter().find(|(_, arch)| *arch == Some(self)).map_or("", |(name, _)| name)
    }

    /// Returns Docker's name, as in the `arches` of its profiles (Go's, but for x32).
    #[must_use]
    pub const fn docker_name(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::X86 => "x86",
            Self::X32 => "x32",
            Self::Aarch64 => "arm64",
            Self::Arm => "arm",
            Self::Riscv64 => "riscv64",
            Self::S390x => "s390x",
            Self::Ppc64le => "ppc64le",
            Self::Loongarch64 => "loong64",
        }
    }

    /// Returns whether a kernel of architecture `native` serves this one's programs too.
    #[must_use]
    pub const fn runs_on(self, native: Self) -> bool {
        matches!(
            (native, self),
            (Self::X86_64, Self::X86_64 | Self::X86 | Self::X32)
                | (Self::Aarch64, Self::Aarch64 | Self::Arm)
                | (Self::X86, Self::X86)
                | (Self::Arm, Self::Arm)
                | (Self::Riscv64, Self::Riscv64)
                | (Self::S390x, Self::S390x)
                | (Self::Ppc64le, Self::Ppc64le)
                | (Self::Loongarch64, Self::Loongarch64)
        )
    }

    /// Returns the code in `seccomp_data.arch` (`AUDIT_ARCH_…` of `linux/audit.h`).
    pub(super) const fn audit(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => 0xc000_003e,
            Self::X86 => 0x4000_0003,
            Self::Aarch64 => 0xc000_00b7,
            Self::Arm => 0x4000_0028,
            Self::Riscv64 => 0xc000_00f3,
            Self::S390x => 0x8000_0016,
            Self::Ppc64le => 0xc000_0015,
            Self::Loongarch64 => 0xc000_0102,
        }
    }

    /// Returns whether only the low words of arguments count, as libseccomp holds it.
    pub(super) const fn is_narrow(self) -> bool {
        matches!(self, Self::X86 | Self::X32 | Self::Arm)
    }

    /// Returns whether socket and System V calls also come through `socketcall` and `ipc`.
    pub(super) const fn has_multiplexers(self) -> bool {
        matches!(self, Self::X86 | Self::S390x)
    }

    pub(super) const fn column(self) -> usize {
        self as usize
    }
}
