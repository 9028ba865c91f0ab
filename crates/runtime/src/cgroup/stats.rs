//! What a cgroup has used.

mod v1;
mod v2;

use std::collections::BTreeMap;

use serde::Serialize;

use super::controller::Controller;
use super::host::Home;
use super::{Cgroup, Error, file};

/// What a cgroup has used; parts are default values where there is no controller for them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Stats {
    /// Processor time.
    pub cpu: CpuStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Processes.
    pub pids: PidsStats,
    /// Block devices.
    pub io: Vec<IoStats>,
    /// Huge pages, by size as in `2MB`.
    pub hugetlb: BTreeMap<String, HugetlbStats>,
}

/// Processor time.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct CpuStats {
    /// Nanoseconds, all together.
    pub total: u64,
    /// Nanoseconds in programs.
    pub user: u64,
    /// Nanoseconds in the kernel.
    pub system: u64,
    /// Nanoseconds of each processor; empty on v2.
    pub per_cpu: Vec<u64>,
    /// Enforcement periods that have gone by.
    pub periods: u64,
    /// Those in which the quota was used up.
    pub throttled_periods: u64,
    /// Nanoseconds of waiting for the next one.
    pub throttled_time: u64,
}

/// Memory, in bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct MemoryStats {
    /// In use, file cache included.
    pub usage: u64,
    /// The most that ever was.
    pub max_usage: u64,
    /// The limit; [`u64::MAX`] is none.
    pub limit: u64,
    /// How often the limit was hit.
    pub failures: u64,
    /// Swap in use.
    pub swap: u64,
    /// The limit of swap (v2) or of memory and swap (v1); [`u64::MAX`] is none.
    pub swap_limit: u64,
    /// The kernel's own list.
    pub stat: BTreeMap<String, u64>,
}

/// Processes and threads.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct PidsStats {
    /// How many there are.
    pub current: u64,
    /// How many there may be; [`u64::MAX`] is no limit, 0 that nobody counts.
    pub limit: u64,
}

/// Use of one block device.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct IoStats {
    /// Major number; 0 in a sum.
    pub major: u32,
    /// Minor number; 0 in a sum.
    pub minor: u32,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Reads.
    pub reads: u64,
    /// Writes.
    pub writes: u64,
}

/// Huge pages of one size, in bytes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct HugetlbStats {
    /// In use.
    pub usage: u64,
    /// The most that ever was; 0 on v2.
    pub max_usage: u64,
    /// How often the limit was hit.
    pub failures: u64,
}

impl MemoryStats {
    /// Returns what is in use less the file cache that can be had back at once, as `docker stats` shows
    /// it.
    #[must_use]
    pub fn working_set(&self) -> u64 {
        let inactive =
            self.stat.get("total_inactive_file").or_else(|| self.stat.get("inactive_file"));
        let inactive = inactive.copied().filter(|inactive| *inactive < self.usage);
        self.usage - inactive.unwrap_or(0)
    }
}

impl Stats {
    /// Returns the entry of a block device.
    fn device(&mut self, (major, minor): (u32, u32)) -> &mut IoStats {
        let at = self
            .io
            .iter()
            .position(|one| (one.major, one.minor) == (major, minor))
            .unwrap_or(self.io.len());
        if at == self.io.len() {
            self.io.push(IoStats { major, minor, ..IoStats::default() });
        }
        &mut self.io[at]
    }

    /// Returns the use of all block devices together.
    ///
    /// Stacked devices count what passes through them again, as in Docker.
    #[must_use]
    pub fn io_total(&self) -> IoStats {
        self.io.iter().fold(IoStats::default(), |sum, one| IoStats {
            major: 0,
            minor: 0,
            read_bytes: sum.read_bytes + one.read_bytes,
            write_bytes: sum.write_bytes + one.write_bytes,
            reads: sum.reads + one.reads,
            writes: sum.writes + one.writes,
        })
    }
}

impl Cgroup {
    /// Reads what the cgroup, with all below it, has used.
    pub fn stats(&self) -> Result<Stats, Error> {
        let mut stats = Stats::default();
        for node in &self.nodes {
            for controller in node.controllers.iter() {
                match node.home {
                    Home::V1(_) => v1::read(controller, &node.dir, &mut stats)?,
                    Home::V2 => v2::read(controller, &node.dir, &mut stats)?,
                }
            }
        }
        Ok(stats)
    }

    /// Returns how many processes the kernel has killed for want of memory.
    pub fn oom_kills(&self) -> Result<u64, Error> {
        let Some(node) = self.node(Controller::Memory) else { return Ok(0) };
        let name = if node.home == Home::V2 { "memory.events" } else { "memory.oom_control" };
        let text = file::read_if_there(&node.dir, name)?.unwrap_or_default();
        Ok(pairs(&text).find(|(key, _)| *key == "oom_kill").map_or(0, |(_, count)| count))
    }
}

/// Reads lines of a key and a number.
fn pairs(text: &str) -> impl Iterator<Item = (&str, u64)> {
    text.lines().filter_map(|line| {
        let (key, value) = line.split_once(' ')?;
        Some((key, file::number(value.trim())?))
    })
}

fn device(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::MemoryStats;

    #[test]
    fn cache_that_can_be_had_back_does_not_count() {
        let mut memory = MemoryStats { usage: 100, ..MemoryStats::default() };
        memory.stat.insert("inactive_file".into(), 30);
        assert_eq!(memory.working_set(), 70);
        memory.stat.insert("total_inactive_file".into(), 40);
        assert_eq!(memory.working_set(), 60);
        memory.stat.insert("total_inactive_file".into(), 400);
        assert_eq!(memory.working_set(), 100);
    }
}
