//! The kernel's resource controllers, by the names they have in both versions.

use std::fmt;

/// A resource controller.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[repr(u8)]
pub enum Controller {
    /// Processor time.
    Cpu,
    /// Accounting of processor time; part of `cpu` on v2.
    Cpuacct,
    /// Processors and memory nodes.
    Cpuset,
    /// Memory.
    Memory,
    /// Access to devices; eBPF on v2.
    Devices,
    /// Suspension; a property of every cgroup on v2.
    Freezer,
    /// Block devices, `blkio` on v1.
    Io,
    /// Number of processes.
    Pids,
    /// Huge pages.
    Hugetlb,
    /// RDMA devices.
    Rdma,
    /// Miscellaneous scalar resources.
    Misc,
    /// Tags of packets; v1 only.
    NetCls,
    /// Priorities of packets; v1 only.
    NetPrio,
    /// Performance counters; of no concern on v2.
    PerfEvent,
}

use Controller::{
    Cpu, Cpuacct, Cpuset, Devices, Freezer, Hugetlb, Io, Memory, Misc, NetCls, NetPrio, PerfEvent,
    Pids, Rdma,
};

impl Controller {
    pub(super) const ALL: [Self; 14] = [
        Cpu, Cpuacct, Cpuset, Memory, Devices, Freezer, Io, Pids, Hugetlb, Rdma, Misc, NetCls,
        NetPrio, PerfEvent,
    ];

    /// Returns the name on v1.
    #[must_use]
    pub const fn v1_name(self) -> &'static str {
        match self {
            Cpu => "cpu",
            Cpuacct => "cpuacct",
            Cpuset => "cpuset",
            Memory => "memory",
            Devices => "devices",
            Freezer => "freezer",
            Io => "blkio",
            Pids => "pids",
            Hugetlb => "hugetlb",
            Rdma => "rdma",
            Misc => "misc",
            NetCls => "net_cls",
            NetPrio => "net_prio",
            PerfEvent => "perf_event",
        }
    }

    /// Returns the name in `cgroup.controllers` of v2, if it is one there.
    #[must_use]
    pub const fn v2_name(self) -> Option<&'static str> {
        match self {
            Io => Some("io"),
            Cpu | Cpuset | Memory | Pids | Hugetlb | Rdma | Misc => Some(self.v1_name()),
            Cpuacct | Devices | Freezer | NetCls | NetPrio | PerfEvent => None,
        }
    }

    /// Returns whether v2 has what the controller does in every cgroup, enabled or not.
    pub(super) const fn is_built_in(self) -> bool {
        matches!(self, Cpuacct | Devices | Freezer)
    }

    pub(super) fn from_v1(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.v1_name() == name)
    }

    pub(super) fn from_v2(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.v2_name() == Some(name))
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.v1_name())
    }
}

/// A set of controllers.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Controllers(u16);

impl Controllers {
    /// What a container without any limit is put under: for accounts, suspension, device rules, a fair
    /// share of processors, and because programs look for their limits there.
    pub(super) const USUAL: Self = Self(0)
        .with(Cpu)
        .with(Cpuacct)
        .with(Cpuset)
        .with(Memory)
        .with(Devices)
        .with(Freezer)
        .with(Io)
        .with(Pids);

    pub(super) const fn has(self, one: Controller) -> bool {
        self.0 & (1 << one as u8) != 0
    }

    pub(super) const fn with(self, one: Controller) -> Self {
        Self(self.0 | 1 << one as u8)
    }

    pub(super) const fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    pub(super) const fn both(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    pub(super) const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Controller> {
        Controller::ALL.into_iter().filter(move |one| self.has(*one))
    }
}

impl FromIterator<Controller> for Controllers {
    fn from_iter<I: IntoIterator<Item = Controller>>(all: I) -> Self {
        all.into_iter().fold(Self::default(), Self::with)
    }
}
