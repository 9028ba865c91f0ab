//! Changing the limits of a container, while it runs too.

use super::{Container, Containers, check, limits};
use crate::model::{HostConfig, Map, RestartPolicy};
use crate::{Error, monitor};

/// What is to change; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct UpdateRequest {
    /// Block I/O weight.
    pub blkio_weight: Option<u16>,
    /// CPU weight.
    pub cpu_shares: Option<i64>,
    /// Scheduler period in microseconds.
    pub cpu_period: Option<i64>,
    /// Processor time in a period, in microseconds.
    pub cpu_quota: Option<i64>,
    /// Real-time period in microseconds.
    pub cpu_realtime_period: Option<i64>,
    /// Real-time processor time in a period, in microseconds.
    pub cpu_realtime_runtime: Option<i64>,
    /// Processor time in billionths of a processor.
    pub nano_cpus: Option<i64>,
    /// Processors that may be used.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes that may be used.
    pub cpuset_mems: Option<String>,
    /// Memory limit in bytes.
    pub memory: Option<i64>,
    /// Soft memory limit in bytes.
    pub memory_reservation: Option<i64>,
    /// Limit of memory and swap together, in bytes; −1 means none.
    pub memory_swap: Option<i64>,
    /// Limit of processes; −1 means none.
    pub pids_limit: Option<i64>,
    /// What happens when the program ends.
    pub restart_policy: Option<RestartPolicy>,
}

impl Containers<'_> {
    /// Changes a container's limits, those of a running one at once.
    ///
    /// # Errors
    /// When there is no such container, or a limit is malformed or refused by the kernel; nothing has changed then.
    pub fn update(self, name: &str, request: &UpdateRequest) -> Result<(), Error> {
        let container = self.find(name)?;
        let mut record = container.record.clone();
        if let (Some(memory), None) = (request.memory, request.memory_swap)
            && record.host.memory_swap > 0
            && memory > record.host.memory_swap
        {
            return Err(Error::Invalid(
                "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time"
                    .into(),
            ));
        }
        apply(&mut record.host, request);
        if record.host.auto_remove
            && request.restart_policy.as_ref().is_some_and(|policy| policy.name != "no")
        {
            return Err(Error::Invalid(
                "Restart policy cannot be updated because AutoRemove is enabled for the container"
                    .into(),
            ));
        }
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        check::check(&record.config, &record.host, cpus)?;
        if container.is_running() {
            self.apply_now(&container, &record.host)?;
        }
        self.save_record(&container.id, &record)?;
        self.emit(&container, "update", Map::new());
        Ok(())
    }

    fn apply_now(self, container: &Container, host: &HostConfig) -> Result<(), Error> {
        let Some(mut cgroup) = monitor::cgroup_of(self.engine, container)? else { return Ok(()) };
        let mut resources = limits::resources(host, &[])?;
        // The devices do not change, and rules without those of this container would take some away.
        resources.devices.clear();
        cgroup
            .update(&resources)
            .map_err(Error::below(format!("cannot update the container `{}`", container.name)))
    }
}

fn apply(host: &mut HostConfig, request: &UpdateRequest) {
    fn set<T: Clone>(place: &mut T, value: &Option<T>) {
        if let Some(value) = value {
            place.clone_from(value);
        }
    }
    set(&mut host.blkio_weight, &request.blkio_weight);
    set(&mut host.cpu_shares, &request.cpu_shares);
    set(&mut host.cpu_period, &request.cpu_period);
    set(&mut host.cpu_quota, &request.cpu_quota);
    set(&mut host.cpu_realtime_period, &request.cpu_realtime_period);
    set(&mut host.cpu_realtime_runtime, &request.cpu_realtime_runtime);
    set(&mut host.nano_cpus, &request.nano_cpus);
    set(&mut host.cpuset_cpus, &request.cpuset_cpus);
    set(&mut host.cpuset_mems, &request.cpuset_mems);
    set(&mut host.memory, &request.memory);
    set(&mut host.memory_reservation, &request.memory_reservation);
    set(&mut host.memory_swap, &request.memory_swap);
    set(&mut host.restart_policy, &request.restart_policy);
    if request.pids_limit.is_some() {
        host.pids_limit = request.pids_limit;
    }
    // Docker keeps swap at twice the memory where nobody asked for another limit.
    if request.memory_swap.is_none()
        && request.memory.is_some()
        && host.memory_swap > 0
        && host.memory_swap < host.memory
    {
        host.memory_swap = host.memory.saturating_mul(2);
    }
}
