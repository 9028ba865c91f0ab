//! Limits in the files of cgroup v1, whose terms the specification uses.

use super::settings::{IfAbsent, Setting, rdma};
use super::{Controller, Error};
use crate::spec::{BlockIo, Cpu, LinuxResources, Memory};

/// Returns whether a text is there and not empty.
pub(super) fn given(text: Option<&String>) -> bool {
    text.is_some_and(|text| !text.is_empty())
}

/// Returns whether there is any limit of processor time.
pub(super) fn has_cpu(cpu: &Cpu) -> bool {
    let numbers = [cpu.shares, cpu.burst, cpu.period, cpu.realtime_period];
    let signed = [cpu.quota, cpu.realtime_runtime, cpu.idle];
    numbers.into_iter().flatten().any(|number| number != 0)
        || signed.into_iter().flatten().any(|number| number != 0)
        || cpu.burst.is_some()
        || cpu.idle.is_some()
}

/// Returns whether there is any limit of memory.
pub(super) fn has_memory(memory: &Memory) -> bool {
    let limits = [memory.limit, memory.reservation, memory.swap];
    limits.into_iter().flatten().any(|limit| limit != 0)
        || memory.swappiness.is_some()
        || memory.disable_oom_killer == Some(true)
}

/// Returns whether there is any limit of block devices.
pub(super) fn has_io(io: &BlockIo) -> bool {
    io.weight.is_some_and(|weight| weight != 0)
        || io.leaf_weight.is_some_and(|weight| weight != 0)
        || !io.weight_device.is_empty()
        || throttles(io).iter().any(|(_, rates)| !rates.is_empty())
}

/// The throttle lists with the middle of their files' names.
fn throttles(io: &BlockIo) -> [(&'static str, &Vec<crate::spec::ThrottleDevice>); 4] {
    [
        ("blkio.throttle.read_bps_device", &io.throttle_read_bps_device),
        ("blkio.throttle.write_bps_device", &io.throttle_write_bps_device),
        ("blkio.throttle.read_iops_device", &io.throttle_read_iops_device),
        ("blkio.throttle.write_iops_device", &io.throttle_write_iops_device),
    ]
}

/// Adds the settings of `controller` to `all`.
pub(super) fn settings(
    controller: Controller,
    resources: &LinuxResources,
    all: &mut Vec<Setting>,
) -> Result<(), Error> {
    match controller {
        Controller::Cpu => resources.cpu.iter().try_for_each(|limits| cpu(limits, all))?,
        Controller::Cpuset => resources.cpu.iter().for_each(|limits| cpuset(limits, all)),
        Controller::Memory => resources.memory.iter().try_for_each(|limits| memory(limits, all))?,
        Controller::Io => resources.block_io.iter().try_for_each(|limits| io(limits, all))?,
        Controller::Pids => {
            resources.pids.iter().filter_map(|pids| pids.limit).for_each(|limit| pids(limit, all));
        }
        Controller::Hugetlb => {
            for limit in &resources.hugepage_limits {
                let of = |what: &str| format!("hugetlb.{}.{what}limit_in_bytes", limit.page_size);
                all.push(Setting::new(controller, of(""), limit.limit));
                all.push(Setting::new(controller, of("rsvd."), limit.limit).or(IfAbsent::Skip));
            }
        }
        Controller::Rdma => all.extend(
            resources
                .rdma
                .iter()
                .map(|(device, limits)| Setting::new(controller, "rdma.max", rdma(device, limits))),
        ),
        Controller::NetCls => {
            let class = resources.network.iter().filter_map(|network| network.class_id);
            all.extend(class.map(|class| Setting::new(controller, "net_cls.classid", class)));
        }
        Controller::NetPrio => {
            let priorities = resources.network.iter().flat_map(|network| &network.priorities);
            all.extend(priorities.map(|one| {
                Setting::new(
                    controller,
                    "net_prio.ifpriomap",
                    format!("{} {}", one.name, one.priority),
                )
            }));
        }
        _ => {}
    }
    Ok(())
}

fn cpu(limits: &Cpu, all: &mut Vec<Setting>) -> Result<(), Error> {
    let mut add = |file, value: Option<String>| {
        all.extend(value.map(|value| Setting::new(Controller::Cpu, file, value)));
    };
    if let Some(shares) = limits.shares.filter(|shares| *shares != 0) {
        // The kernel would take the nearest one it can without a word.
        if shares < 2 {
            return Err(Error::invalid(
                "cpu shares",
                shares,
                "the minimum allowed cpu-shares is 2",
            ));
        }
        if shares > 262_144 {
            return Err(Error::invalid(
                "cpu shares",
                shares,
                "the maximum allowed cpu-shares is 262144",
            ));
        }
    }
    add("cpu.idle", limits.idle.map(|idle| idle.to_string()));
    add("cpu.shares", set(limits.shares));
    add("cpu.rt_period_us", set(limits.realtime_period));
    add(
        "cpu.rt_runtime_us",
        limits.realtime_runtime.filter(|runtime| *runtime != 0).map(|runtime| runtime.to_string()),
    );
    add("cpu.cfs_period_us", set(limits.period));
    add(
        "cpu.cfs_quota_us",
        limits.quota.filter(|quota| *quota != 0).map(|quota| quota.to_string()),
    );
    all.extend(
        limits.burst.map(|burst| {
            Setting::new(Controller::Cpu, "cpu.cfs_burst_us", burst).or(IfAbsent::Forgo)
        }),
    );
    Ok(())
}

fn set(number: Option<u64>) -> Option<String> {
    number.filter(|number| *number != 0).map(|number| number.to_string())
}

/// Adds the lists of processors and memory nodes; the files have the same names on v2.
pub(super) fn cpuset(limits: &Cpu, all: &mut Vec<Setting>) {
    for (file, list) in [("cpuset.cpus", &limits.cpus), ("cpuset.mems", &limits.mems)] {
        all.extend(
            list.iter()
                .filter(|list| !list.is_empty())
                .map(|list| Setting::new(Controller::Cpuset, file, list)),
        );
    }
}

/// Adds the limit of processes; the file has the same name on v2.
pub(super) fn pids(limit: i64, all: &mut Vec<Setting>) {
    // Zero is a limit, if one that no container can live with; one is what it comes to.
    let value = if limit < 0 { "max".to_owned() } else { limit.max(1).to_string() };
    all.push(Setting::new(Controller::Pids, "pids.max", value));
}

fn memory(limits: &Memory, all: &mut Vec<Setting>) -> Result<(), Error> {
    let mut add = |file, value: i64, if_absent| {
        if value != 0 {
            all.push(Setting::new(Controller::Memory, file, value).or(if_absent));
        }
    };
    let limit = limits.limit.unwrap_or(0);
    // No limit of memory is none of memory and swap either, unless told.
    let swap = limits.swap.filter(|swap| *swap != 0).unwrap_or(if limit == -1 { -1 } else { 0 });
    if swap > 0 && swap < limit {
        return Err(Error::invalid(
            "limit of memory and swap",
            swap,
            format!("the limit of memory is `{limit}`"),
        ));
    }
    add("memory.limit_in_bytes", limit, IfAbsent::Fail);
    add(
        "memory.memsw.limit_in_bytes",
        swap,
        if swap == -1 { IfAbsent::Skip } else { IfAbsent::Forgo },
    );
    add("memory.soft_limit_in_bytes", limits.reservation.unwrap_or(0), IfAbsent::Fail);
    if limits.disable_oom_killer == Some(true) {
        add("memory.oom_control", 1, IfAbsent::Fail);
    }
    match limits.swappiness {
        // All ones is Go's -1: as it is.
        None | Some(u64::MAX) => {}
        Some(swappiness @ 0..=100) => {
            all.push(Setting::new(Controller::Memory, "memory.swappiness", swappiness));
        }
        Some(swappiness) => {
            return Err(Error::invalid("swappiness", swappiness, "it goes from 0 to 100"));
        }
    }
    Ok(())
}

fn io(limits: &BlockIo, all: &mut Vec<Setting>) -> Result<(), Error> {
    let mut add = |file: &'static str, value: String, if_absent| {
        all.push(Setting::new(Controller::Io, file, value).or(if_absent));
    };
    // Which file there is depends on the scheduler; where there is neither, weights have no meaning.
    if let Some(weight) = weight(limits.weight)? {
        add("blkio.weight", weight.to_string(), IfAbsent::Skip);
        add("blkio.bfq.weight", weight.to_string(), IfAbsent::Forgo);
    }
    if let Some(leaf) = weight(limits.leaf_weight)? {
        add("blkio.leaf_weight", leaf.to_string(), IfAbsent::Forgo);
    }
    for device in &limits.weight_device {
        let number = format!("{}:{}", device.major, device.minor);
        if let Some(weight) = weight(device.weight)? {
            add("blkio.weight_device", format!("{number} {weight}"), IfAbsent::Skip);
            add("blkio.bfq.weight_device", format!("{number} {weight}"), IfAbsent::Forgo);
        }
        if let Some(leaf) = weight(device.leaf_weight)? {
            add("blkio.leaf_weight_device", format!("{number} {leaf}"), IfAbsent::Forgo);
        }
    }
    for (file, rates) in throttles(limits) {
        for device in rates {
            add(file, format!("{}:{} {}", device.major, device.minor, device.rate), IfAbsent::Fail);
        }
    }
    Ok(())
}

/// Returns a weight that is set, after a look at its bounds.
pub(super) fn weight(weight: Option<u16>) -> Result<Option<u16>, Error> {
    match weight {
        None | Some(0) => Ok(None),
        Some(weight @ 10..=1000) => Ok(Some(weight)),
        Some(weight) => {
            Err(Error::invalid("block device weight", weight, "it goes from 10 to 1000"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Controller, LinuxResources, settings};

    fn written(controllers: &[Controller], json: &str) -> Vec<String> {
        let resources: LinuxResources = serde_json::from_str(json).unwrap();
        let mut all = Vec::new();
        for controller in controllers {
            settings(*controller, &resources, &mut all).unwrap();
        }
        all.into_iter().map(|setting| format!("{} {}", setting.file, setting.value)).collect()
    }

    #[test]
    fn limits_are_written_in_their_own_terms() {
        let json = r#"{"memory": {"limit": 64, "swap": 96, "reservation": 32, "swappiness": 0},
            "cpu": {"shares": 512, "quota": 25000, "period": 100000, "cpus": "0-1"}, "pids": {"limit": 10}}"#;
        let all = written(
            &[Controller::Memory, Controller::Cpu, Controller::Cpuset, Controller::Pids],
            json,
        );
        assert_eq!(
            all,
            [
                "memory.limit_in_bytes 64",
                "memory.memsw.limit_in_bytes 96",
                "memory.soft_limit_in_bytes 32",
                "memory.swappiness 0",
                "cpu.shares 512",
                "cpu.cfs_period_us 100000",
                "cpu.cfs_quota_us 25000",
                "cpuset.cpus 0-1",
                "pids.max 10",
            ]
        );
    }

    #[test]
    fn unlimited_memory_means_unlimited_swap_too() {
        let all = written(&[Controller::Memory], r#"{"memory": {"limit": -1}}"#);
        assert_eq!(all, ["memory.limit_in_bytes -1", "memory.memsw.limit_in_bytes -1"]);
    }

    #[test]
    fn nonsense_is_refused() {
        for (controller, json) in [
            (Controller::Memory, r#"{"memory": {"limit": 64, "swap": 32}}"#),
            (Controller::Memory, r#"{"memory": {"swappiness": 101}}"#),
            (Controller::Cpu, r#"{"cpu": {"shares": 1}}"#),
            (Controller::Io, r#"{"blockIO": {"weight": 9}}"#),
        ] {
            let resources: LinuxResources = serde_json::from_str(json).unwrap();
            assert!(settings(controller, &resources, &mut Vec::new()).is_err(), "{json}");
        }
    }
}
