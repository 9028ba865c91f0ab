//! How much a container uses.

use hako_network::Counters;
use hako_types::Moment;
use rustix::fs::{Mode, OFlags};

use super::Containers;
use super::lifecycle::not_running;
use crate::{Error, monitor};

/// What a container used up to a moment.
#[derive(Clone, Debug)]
pub struct Stats {
    /// The container's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When this was read.
    pub time: Moment,
    /// Its control group's numbers.
    pub cgroup: hako_runtime::cgroup::Stats,
    /// Bytes of memory that it may use: its limit, or the machine's memory.
    pub memory_limit: u64,
    /// Nanoseconds of processor time that the whole machine had.
    pub system_cpu: u64,
    /// How many processors the machine has.
    pub processors: u32,
    /// What went through its interfaces.
    pub networks: Vec<Counters>,
}

impl Containers<'_> {
    /// Reads how much a running container has used so far.
    ///
    /// # Errors
    /// When there is no such container or it does not run.
    pub fn stats(self, name: &str) -> Result<Stats, Error> {
        let container = self.find(name)?;
        if !container.is_running() {
            return Err(not_running(&container));
        }
        let failed = || format!("cannot read the statistics of `{}`", container.name);
        let cgroup =
            monitor::cgroup_of(self.engine, &container)?.ok_or_else(|| not_running(&container))?;
        let numbers = cgroup.stats().map_err(Error::below(failed()))?;
        let path = format!("/proc/{}/ns/net", container.live.state.pid);
        let networks = if container.record.host.network_mode == "host" {
            Vec::new()
        } else {
            let namespace =
                rustix::fs::open(path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
            namespace
                .ok()
                .and_then(|fd| hako_network::counters(std::os::fd::AsFd::as_fd(&fd)).ok())
                .unwrap_or_default()
        };
        let machine = memory_of_machine();
        let limit = numbers.memory.limit;
        Ok(Stats {
            id: container.id.as_str().to_owned(),
            name: container.name.clone(),
            time: Moment::now(),
            memory_limit: if limit == 0 || limit > machine { machine } else { limit },
            cgroup: numbers,
            system_cpu: system_cpu(),
            processors: std::thread::available_parallelism()
                .map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
            networks,
        })
    }
}

fn memory_of_machine() -> u64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0)
        * 1024
}

/// Returns the processor time of the whole machine in nanoseconds (the first line of `/proc/stat`, in hundredths of a second).
fn system_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = text.lines().next().unwrap_or_default();
    let ticks: u64 =
        first.split_whitespace().skip(1).take(7).filter_map(|word| word.parse::<u64>().ok()).sum();
    ticks.saturating_mul(10_000_000)
}
