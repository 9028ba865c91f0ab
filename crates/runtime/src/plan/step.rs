//! The vocabulary of plans: everything that is done to make a container, as values.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::spec::{Hook, IdMapping, NamespaceKind};

/// How a container is made: by the caller, then by init.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Plan {
    /// What the caller does so that init exists.
    pub outside: Outside,
    /// What init does, in this order. The order is the security.
    pub inside: Vec<Step>,
}

/// What the caller does.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Outside {
    /// Namespaces that are made together with the process.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub create: Vec<NamespaceKind>,
    /// Namespaces in which the process is made.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<(NamespaceKind, PathBuf)>,
    /// Users of the new user namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// Groups of the new user namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
    /// Mounts whose owners are shifted: only the caller has the right to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shifted: Vec<Shifted>,
    /// Value for `oom_score_adj`, which init may not be allowed to lower itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom_score_adj: Option<i32>,
    /// Host interfaces to move, with their name inside.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<(String, String)>,
    /// Hooks of the caller's namespaces, before the root is changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<(String, Hook)>,
}

/// A tree of mounts whose owners are shifted by a mapping.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Shifted {
    /// Path on the host.
    pub source: PathBuf,
    /// Whether mounts below it are cloned too.
    pub clone_all: bool,
    /// Whether those are shifted too.
    pub recursive: bool,
    /// The mapping of users; the container's own when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uid_mappings: Vec<IdMapping>,
    /// The mapping of groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gid_mappings: Vec<IdMapping>,
}

/// One thing that init does.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Step {
    /// Enter the user namespace of this file, and become its root.
    EnterUser(PathBuf),
    /// Continue in a sibling with these new namespaces.
    Continue(Vec<NamespaceKind>),
    /// Enter the mount namespace of this file.
    EnterMounts(PathBuf),
    /// Enter these namespaces of the process whose pidfd the caller passed.
    EnterContainer(Vec<NamespaceKind>),
    /// Make a time namespace for the program, with these lines of offsets.
    TimeNamespace(String),
    /// Begin a session, so that signals from the caller's terminal do not arrive.
    Session,
    /// Begin a session keyring of this name.
    Keyring(String),
    /// Set the propagation of every mount of the namespace (`MS_…`), so that nothing done here
    /// reaches the host.
    Propagation(u64),
    /// Clone this directory to be the root.
    RootDirectory(PathBuf),
    /// Mount an overlay to be the root.
    RootOverlay {
        /// Read-only layers, topmost first.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// Scratch directory.
        work: PathBuf,
        /// Further options.
        options: Vec<String>,
    },
    /// Attach a mount below the root.
    Mount(Mount),
    /// Attach the container's control groups below the root.
    ControlGroups {
        /// Path inside.
        target: PathBuf,
        /// What is attached there.
        layout: Groups,
        /// `MOUNT_ATTR_…`.
        attributes: u64,
    },
    /// Change attributes of the mount at a path inside.
    Attributes {
        /// Path inside.
        target: PathBuf,
        /// `MOUNT_ATTR_…`.
        set: u64,
    },
    /// Make a device file.
    Device {
        /// Path inside.
        path: PathBuf,
        /// `S_IFCHR`, `S_IFBLK` or `S_IFIFO`, and permissions.
        mode: u32,
        /// Major number.
        major: u32,
        /// Minor number.
        minor: u32,
        /// Owner.
        owner: (u32, u32),
        /// Whether to attach the host's file instead, because a user namespace may not make one.
        bind: bool,
    },
    /// Make a symbolic link.
    Link {
        /// Path inside.
        path: PathBuf,
        /// What it says.
        to: PathBuf,
    },
    /// Open a pseudo-terminal of the root's devpts, send its master to the caller.
    Terminal {
        /// First width; 0 leaves the size alone.
        columns: u16,
        /// First height.
        rows: u16,
        /// Whether it is attached at `/dev/console`.
        console: bool,
    },
    /// Let the caller run its hooks.
    CallerHooks,
    /// Run hooks here.
    Hooks(String, Vec<Hook>),
    /// Make the root the root of the mount namespace, and let go of the host's.
    Pivot,
    /// The same by moving the mount and `chroot`, for hosts whose root is a ramdisk.
    MoveRoot,
    /// Make it the root of this process only: the mount namespace is the caller's.
    ChangeRoot,
    /// Set the propagation of the root, or of it and all below (`MS_…`).
    RootPropagation(u64),
    /// Set the host name.
    HostName(String),
    /// Set the NIS domain name.
    DomainName(String),
    /// Write a kernel parameter: path below `/proc/sys`, value.
    Sysctl(String, String),
    /// Make a path read-only, if it exists.
    ReadOnly(PathBuf),
    /// Cover a path with something empty, if it exists.
    Mask(PathBuf),
    /// Make a directory and its parents, if they are missing.
    Directory(PathBuf),
    /// Make the root mount read-only.
    SealRoot,
    /// Wait until the caller has put this process into its control group.
    AwaitGroup,
    /// Make a cgroup namespace whose root is where this process is.
    GroupNamespace,
    /// Set a limit: `RLIMIT_…`, soft, hard.
    Limit(String, u64, u64),
    /// Set scheduling.
    Scheduling(Scheduling),
    /// Set I/O class and level.
    IoPriority(u32, u32),
    /// Set memory placement: mode and flags, a bit per node.
    MemoryPolicy(i32, Vec<u64>),
    /// Set the processors this process may use; all of its control group when none are named.
    Affinity(Vec<u32>),
    /// Set the execution domain.
    Personality(u32),
    /// Ask `AppArmor` to confine the program.
    AppArmor(String),
    /// Ask `SELinux` to label the program.
    SeLinux(String),
    /// Give up to gain privileges by executing programs.
    NoNewPrivileges,
    /// Look up the user, and the program's environment that depends on it.
    Identify(Box<Identity>),
    /// Drop all others from the bounding set.
    Bounding(u64),
    /// Become the user that was looked up, keeping capabilities for the steps that follow.
    Become,
    /// Change to the program's working directory.
    WorkIn(PathBuf),
    /// Mark every descriptor from this number on to be closed by the program's execution.
    CloseFrom(u32),
    /// Find the program, tell the caller that everything is ready, wait for the start.
    Ready,
    /// Load the filter that came with the plan.
    Seccomp,
    /// Set the capability sets.
    Capabilities(Capabilities),
    /// Execute the program.
    Execute,
}

/// A mount below the root.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Mount {
    /// Path inside.
    pub target: PathBuf,
    /// Where it comes from.
    pub from: From,
    /// `MOUNT_ATTR_…` to set on this mount.
    #[serde(default)]
    pub set: u64,
    /// `MOUNT_ATTR_…` to clear on this mount.
    #[serde(default)]
    pub clear: u64,
    /// `MOUNT_ATTR_…` to set on this mount and all below.
    #[serde(default)]
    pub set_all: u64,
    /// `MOUNT_ATTR_…` to clear on this mount and all below.
    #[serde(default)]
    pub clear_all: u64,
    /// Propagation changes (`MS_…`, with `MS_REC`), in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub propagation: Vec<u64>,
    /// Whether it is filled with what the image has at the target, if it is empty.
    #[serde(default)]
    pub copy_up: bool,
}

/// Where a mount comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum From {
    /// A path of the host, with the mounts below it or without.
    Path {
        /// Path on the host.
        source: PathBuf,
        /// Whether mounts below come along.
        recursive: bool,
        /// Whether the path is fully resolved, so that a symbolic link in it means that somebody has changed it since.
        resolved: bool,
    },
    /// The next of the trees that the caller shifted.
    Shifted,
    /// A new instance of a file system.
    FileSystem {
        /// Its type.
        kind: String,
        /// What mount tables show as its device.
        source: String,
        /// Its own options: flags or pairs.
        options: Vec<(String, Option<String>)>,
    },
    /// Options of what is mounted there already.
    Remount {
        /// The file system's own options.
        options: Vec<(String, Option<String>)>,
    },
}

impl Default for From {
    fn default() -> Self {
        Self::FileSystem { kind: "tmpfs".into(), source: "tmpfs".into(), options: Vec::new() }
    }
}

/// The control groups that a container sees.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub enum Groups {
    /// The unified hierarchy: a new mount, whose root the cgroup namespace decides.
    Unified,
    /// The unified hierarchy: this directory of the host.
    Bound(PathBuf),
    /// A directory per hierarchy, with links for controllers that share one.
    Legacy {
        /// Name inside, directory of the host.
        hierarchies: Vec<(String, PathBuf)>,
        /// Name inside, name it leads to.
        links: Vec<(String, String)>,
    },
}

/// Who the program runs as, before names are looked up.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct Identity {
    /// As configured.
    pub user: crate::spec::User,
    /// Whether `setgroups(2)` is allowed at all in the user namespace.
    pub groups: bool,
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Its environment.
    pub env: Vec<String>,
}

/// The capability sets as bits.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Capabilities {
    /// What the kernel checks.
    pub effective: u64,
    /// Limit of `effective`.
    pub permitted: u64,
    /// Kept by programs that have the file capability.
    pub inheritable: u64,
    /// Kept by any program.
    pub ambient: u64,
}

/// Arguments of `sched_setattr(2)`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Scheduling {
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Real-time priority.
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}
