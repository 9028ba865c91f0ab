//! Statistics of cgroup v1.

use std::path::Path;

use super::{HugetlbStats, PidsStats, Stats, device, pairs};
use crate::cgroup::controller::Controller;
use crate::cgroup::{Error, file};

/// Reads what `controller` tells about the cgroup `dir`.
pub(super) fn read(controller: Controller, dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    match controller {
        Controller::Cpu => {
            for (key, value) in pairs(&file::read(dir, "cpu.stat")?) {
                match key {
                    "nr_periods" => stats.cpu.periods = value,
                    "nr_throttled" => stats.cpu.throttled_periods = value,
                    "throttled_time" => stats.cpu.throttled_time = value,
                    _ => {}
                }
            }
        }
        Controller::Cpuacct => cpuacct(dir, stats)?,
        Controller::Memory => memory(dir, stats)?,
        Controller::Pids => {
            stats.pids = PidsStats {
                current: file::read_number(dir, "pids.current")?,
                limit: file::read_number(dir, "pids.max")?,
            };
        }
        Controller::Io => io(dir, stats)?,
        Controller::Hugetlb => hugetlb(dir, stats)?,
        _ => {}
    }
    Ok(())
}

fn cpuacct(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    stats.cpu.total = file::read_number(dir, "cpuacct.usage")?;
    stats.cpu.user = file::read_number_if_there(dir, "cpuacct.usage_user")?.unwrap_or(0);
    stats.cpu.system = file::read_number_if_there(dir, "cpuacct.usage_sys")?.unwrap_or(0);
    let each = file::read_if_there(dir, "cpuacct.usage_percpu")?.unwrap_or_default();
    stats.cpu.per_cpu = each.split_whitespace().filter_map(|number| number.parse().ok()).collect();
    Ok(())
}

fn memory(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    /// What the kernel says when there is no limit: the largest number of whole pages.
    const NO_LIMIT: u64 = 0x7fff_ffff_ffff_0000;
    let limit = |number: u64| if number >= NO_LIMIT { u64::MAX } else { number };
    let memory = &mut stats.memory;
    memory.usage = file::read_number(dir, "memory.usage_in_bytes")?;
    memory.max_usage = file::read_number(dir, "memory.max_usage_in_bytes")?;
    memory.limit = limit(file::read_number(dir, "memory.limit_in_bytes")?);
    memory.failures = file::read_number(dir, "memory.failcnt")?;
    let both = file::read_number_if_there(dir, "memory.memsw.usage_in_bytes")?;
    memory.swap = both.map_or(0, |both| both.saturating_sub(memory.usage));
    memory.swap_limit =
        file::read_number_if_there(dir, "memory.memsw.limit_in_bytes")?.map_or(u64::MAX, limit);
    memory.stat = pairs(&file::read(dir, "memory.stat")?)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Ok(())
}

/// Reads the throttle's counters, which count whatever the scheduler is.
fn io(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    for (name, is_bytes) in [("io_service_bytes", true), ("io_serviced", false)] {
        let all = match file::read_if_there(dir, &format!("blkio.throttle.{name}_recursive"))? {
            Some(text) => text,
            None => {
                file::read_if_there(dir, &format!("blkio.throttle.{name}"))?.unwrap_or_default()
            }
        };
        for line in all.lines() {
            let mut fields = line.split(' ');
            let (Some(of), Some(what), Some(count)) =
                (fields.next().and_then(device), fields.next(), fields.next())
            else {
                continue;
            };
            let (count, one) = (count.parse().unwrap_or(0), stats.device(of));
            match (what, is_bytes) {
                ("Read", true) => one.read_bytes = count,
                ("Write", true) => one.write_bytes = count,
                ("Read", false) => one.reads = count,
                ("Write", false) => one.writes = count,
                _ => {}
            }
        }
    }
    Ok(())
}

fn hugetlb(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    for size in sizes(dir, ".limit_in_bytes") {
        let read = |what: &str| file::read_number(dir, &format!("hugetlb.{size}.{what}"));
        let found = HugetlbStats {
            usage: read("usage_in_bytes")?,
            max_usage: read("max_usage_in_bytes")?,
            failures: read("failcnt")?,
        };
        stats.hugetlb.insert(size, found);
    }
    Ok(())
}

/// Returns the page sizes that `dir` has files for: what is between `hugetlb.` and `suffix`.
pub(super) fn sizes(dir: &Path, suffix: &str) -> Vec<String> {
    let names = std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok());
    names
        .filter_map(|name| Some(name.strip_prefix("hugetlb.")?.strip_suffix(suffix)?.to_owned()))
        .filter(|size| !size.contains('.'))
        .collect()
}
