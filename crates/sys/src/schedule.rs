//! Scheduling, I/O priority and memory placement of this process.

use std::io;

use crate::check;

/// Arguments of `sched_setattr(2)`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(C)]
pub struct Scheduling {
    /// Size of this struct; set by [`set_scheduling`].
    pub size: u32,
    /// `SCHED_…`.
    pub policy: u32,
    /// `SCHED_FLAG_…`.
    pub flags: u64,
    /// Nice value.
    pub nice: i32,
    /// Priority of the real-time policies.
    pub priority: u32,
    /// Nanoseconds.
    pub runtime: u64,
    /// Nanoseconds.
    pub deadline: u64,
    /// Nanoseconds.
    pub period: u64,
}

/// Sets the scheduling policy of this thread.
pub fn set_scheduling(scheduling: Scheduling) -> io::Result<()> {
    let size = u32::try_from(size_of::<Scheduling>()).unwrap_or_default();
    let args = Scheduling { size, ..scheduling };
    // SAFETY: the struct has the layout of `sched_attr` (version 0) and says its own size.
    check(unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const args, 0_u32) }).map(drop)
}

/// Sets the I/O priority of this thread: `class` 1 (real time), 2 (best effort) or 3 (idle), `level` 0 to 7.
pub fn set_io_priority(class: u32, level: u32) -> io::Result<()> {
    const WHO_PROCESS: u32 = 1;
    // SAFETY: ioprio_set(2) takes integers only.
    check(unsafe { libc::syscall(libc::SYS_ioprio_set, WHO_PROCESS, 0, class << 13 | level) })
        .map(drop)
}

/// Sets where this thread's memory lies: `mode` is `MPOL_…` with its flags, `nodes` a bit per node.
pub fn set_memory_policy(mode: i32, nodes: &[u64]) -> io::Result<()> {
    let bits = nodes.len() * 64 + 1;
    let mask = if nodes.is_empty() { std::ptr::null() } else { nodes.as_ptr() };
    let bits = if nodes.is_empty() { 0 } else { bits };
    // SAFETY: the kernel reads `bits - 1` bits, which is what the slice has.
    check(unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask, bits) }).map(drop)
}
