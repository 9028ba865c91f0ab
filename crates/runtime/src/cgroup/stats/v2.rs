//! Statistics of cgroup v2.

use std::path::Path;

use super::v1::sizes;
use super::{HugetlbStats, PidsStats, Stats, device, pairs};
use crate::cgroup::controller::Controller;
use crate::cgroup::{Error, file};

/// Reads what `controller` tells about the cgroup `dir`.
pub(super) fn read(controller: Controller, dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    match controller {
        // Times are there without the controller, throttling only with it.
        Controller::Cpuacct => cpu(&file::read(dir, "cpu.stat")?, stats),
        Controller::Memory => memory(dir, stats)?,
        Controller::Pids => {
            stats.pids = PidsStats {
                current: file::read_number(dir, "pids.current")?,
                limit: file::read_number(dir, "pids.max")?,
            };
        }
        Controller::Io => io(&file::read_if_there(dir, "io.stat")?.unwrap_or_default(), stats),
        Controller::Hugetlb => hugetlb(dir, stats)?,
        _ => {}
    }
    Ok(())
}

fn cpu(text: &str, stats: &mut Stats) {
    let cpu = &mut stats.cpu;
    for (key, value) in pairs(text) {
        match key {
            "usage_usec" => cpu.total = value * 1000,
            "user_usec" => cpu.user = value * 1000,
            "system_usec" => cpu.system = value * 1000,
            "nr_periods" => cpu.periods = value,
            "nr_throttled" => cpu.throttled_periods = value,
            "throttled_usec" => cpu.throttled_time = value * 1000,
            _ => {}
        }
    }
}

fn memory(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    let memory = &mut stats.memory;
    memory.usage = file::read_number(dir, "memory.current")?;
    // Linux 5.19.
    memory.max_usage = file::read_number_if_there(dir, "memory.peak")?.unwrap_or(0);
    memory.limit = file::read_number(dir, "memory.max")?;
    memory.swap = file::read_number_if_there(dir, "memory.swap.current")?.unwrap_or(0);
    memory.swap_limit = file::read_number_if_there(dir, "memory.swap.max")?.unwrap_or(u64::MAX);
    let events = file::read(dir, "memory.events")?;
    memory.failures = pairs(&events).find(|(key, _)| *key == "max").map_or(0, |(_, count)| count);
    memory.stat = pairs(&file::read(dir, "memory.stat")?)
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    Ok(())
}

/// Reads lines like `8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0`.
fn io(text: &str, stats: &mut Stats) {
    for line in text.lines() {
        let mut fields = line.split(' ');
        let Some(of) = fields.next().and_then(device) else { continue };
        let one = stats.device(of);
        for (key, count) in fields.filter_map(|field| field.split_once('=')) {
            let count = count.parse().unwrap_or(0);
            match key {
                "rbytes" => one.read_bytes = count,
                "wbytes" => one.write_bytes = count,
                "rios" => one.reads = count,
                "wios" => one.writes = count,
                _ => {}
            }
        }
    }
}

fn hugetlb(dir: &Path, stats: &mut Stats) -> Result<(), Error> {
    for size in sizes(dir, ".current") {
        let events =
            file::read_if_there(dir, &format!("hugetlb.{size}.events"))?.unwrap_or_default();
        let failures = pairs(&events).find(|(key, _)| *key == "max").map_or(0, |(_, count)| count);
        let usage = file::read_number(dir, &format!("hugetlb.{size}.current"))?;
        stats.hugetlb.insert(size, HugetlbStats { usage, max_usage: 0, failures });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Stats, cpu, io};

    #[test]
    fn times_are_nanoseconds() {
        let mut stats = Stats::default();
        cpu(
            "usage_usec 5\nuser_usec 3\nsystem_usec 2\nnr_throttled 1\nthrottled_usec 7\n",
            &mut stats,
        );
        assert_eq!([stats.cpu.total, stats.cpu.user, stats.cpu.system], [5000, 3000, 2000]);
        assert_eq!([stats.cpu.throttled_periods, stats.cpu.throttled_time], [1, 7000]);
    }

    #[test]
    fn devices_are_summed_up() {
        let mut stats = Stats::default();
        io(
            "8:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n254:1 rbytes=10\n8:16 \n",
            &mut stats,
        );
        let total = stats.io_total();
        assert_eq!([total.read_bytes, total.write_bytes, total.reads, total.writes], [11, 2, 3, 4]);
    }
}
