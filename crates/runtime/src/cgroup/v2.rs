//! Limits in the files of cgroup v2, converted from the terms of v1 as the field does it.

use super::host::{Home, Host};
use super::settings::{IfAbsent, Setting, rdma};
use super::{Controller, Error, v1};
use crate::spec::{BlockIo, Cpu, LinuxResources, Memory};

/// Adds the settings of `controller` to `all`.
pub(super) fn settings(
    controller: Controller,
    resources: &LinuxResources,
    all: &mut Vec<Setting>,
) -> Result<(), Error> {
    match controller {
        Controller::Cpu => resources.cpu.iter().for_each(|limits| cpu(limits, all)),
        Controller::Cpuset => resources.cpu.iter().for_each(|limits| v1::cpuset(limits, all)),
        Controller::Memory => resources.memory.iter().try_for_each(|limits| memory(limits, all))?,
        Controller::Io => resources.block_io.iter().try_for_each(|limits| io(limits, all))?,
        Controller::Pids => resources
            .pids
            .iter()
            .filter_map(|pids| pids.limit)
            .for_each(|limit| v1::pids(limit, all)),
        Controller::Hugetlb => {
            for limit in &resources.hugepage_limits {
                all.push(Setting::new(
                    controller,
                    format!("hugetlb.{}.max", limit.page_size),
                    limit.limit,
                ));
                let reserved = Setting::new(
                    controller,
                    format!("hugetlb.{}.rsvd.max", limit.page_size),
                    limit.limit,
                );
                all.push(reserved.or(IfAbsent::Skip));
            }
        }
        Controller::Rdma => all.extend(
            resources
                .rdma
                .iter()
                .map(|(device, limits)| Setting::new(controller, "rdma.max", rdma(device, limits))),
        ),
        _ => {}
    }
    Ok(())
}

/// Adds what the specification gives verbatim; it is written last and so wins.
pub(super) fn unified(
    resources: &LinuxResources,
    host: &Host,
    all: &mut Vec<Setting>,
) -> Result<(), Error> {
    for (file, value) in &resources.unified {
        let Some((name, _)) = file.split_once('.').filter(|_| !file.contains('/')) else {
            return Err(Error::invalid(
                "file of a unified resource",
                file,
                "it is to be like `memory.high`",
            ));
        };
        let controller = match Controller::from_v2(name) {
            Some(controller) if host.home(controller) == Some(Home::V2) => controller,
            // The files of no controller are in every cgroup of v2.
            None if name == "cgroup" && host.unified().is_some() => Controller::Freezer,
            _ => {
                return Err(Error::invalid(
                    "file of a unified resource",
                    file,
                    "invalid configuration: the unified hierarchy here does not offer it",
                ));
            }
        };
        all.extend(value.lines().map(|line| Setting::new(controller, file.clone(), line)));
    }
    Ok(())
}

fn cpu(limits: &Cpu, all: &mut Vec<Setting>) {
    let mut add = |file, value: String| all.push(Setting::new(Controller::Cpu, file, value));
    if let Some(idle) = limits.idle {
        add("cpu.idle", idle.to_string());
    }
    if let Some(shares) = limits.shares.filter(|shares| *shares != 0) {
        add("cpu.weight", cpu_weight(shares).to_string());
    }
    let (quota, period) = (limits.quota.unwrap_or(0), limits.period.unwrap_or(0));
    if quota != 0 || period != 0 {
        let quota = if quota > 0 { quota.to_string() } else { "max".to_owned() };
        // 100 ms is the kernel's own period.
        add("cpu.max", format!("{quota} {}", if period == 0 { 100_000 } else { period }));
    }
    if let Some(burst) = limits.burst {
        add("cpu.max.burst", burst.to_string());
    }
}

/// Converts shares (2 to 262144, 1024 unless set) to a weight (1 to 10000, 100 unless set).
///
/// The curve goes through both ends and the default: 10 to the power of (l² + 125 l) / 612 − 7/34, where l
/// is the binary logarithm of the shares.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "between 1 and 10000"
)]
fn cpu_weight(shares: u64) -> u64 {
    match shares {
        0..=2 => 1,
        262_144.. => 10_000,
        shares => {
            let log = (shares as f64).log2();
            let exponent = log.mul_add(log, 125.0 * log) / 612.0 - 7.0 / 34.0;
            // Without the small step back, 1024 shares become a weight of 101 on some machines.
            (10_f64.powf(exponent) - 1e-9).ceil() as u64
        }
    }
}

fn memory(limits: &Memory, all: &mut Vec<Setting>) -> Result<(), Error> {
    let mut add = |file, value: i64, if_absent| {
        let value = if value == -1 { "max".to_owned() } else { value.to_string() };
        all.push(Setting::new(Controller::Memory, file, value).or(if_absent));
    };
    let limit = limits.limit.unwrap_or(0);
    if let Some(swap) = swap(limit, limits.swap.unwrap_or(0))? {
        add("memory.swap.max", swap, if swap <= 0 { IfAbsent::Skip } else { IfAbsent::Forgo });
    }
    if limit != 0 {
        add("memory.max", limit, IfAbsent::Fail);
    }
    if let Some(reservation) = limits.reservation.filter(|reservation| *reservation != 0) {
        add("memory.low", reservation, IfAbsent::Fail);
    }
    Ok(())
}

/// Returns the limit of swap alone, from one of memory and one of both; -1 is none.
fn swap(limit: i64, both: i64) -> Result<Option<i64>, Error> {
    let wrong = |reason: &str| Err(Error::invalid("limit of memory and swap", both, reason));
    match (limit, both) {
        (-1, 0) | (_, -1) => Ok(Some(-1)),
        (_, 0) => Ok(None),
        (-1, both) => Ok(Some(both)),
        (0, _) => wrong("it says nothing without a limit of memory"),
        (limit, both) if both < limit => wrong("it is below the limit of memory"),
        (limit, both) => Ok(Some(both - limit)),
    }
}

fn io(limits: &BlockIo, all: &mut Vec<Setting>) -> Result<(), Error> {
    let mut add = |file: &'static str, value: String, if_absent| {
        all.push(Setting::new(Controller::Io, file, value).or(if_absent));
    };
    // The file of the BFQ scheduler takes v1's weights, the cost model's its own.
    if let Some(weight) = v1::weight(limits.weight)? {
        add("io.bfq.weight", weight.to_string(), IfAbsent::Skip);
        add("io.weight", io_weight(weight).to_string(), IfAbsent::Forgo);
    }
    for device in &limits.weight_device {
        if let Some(weight) = v1::weight(device.weight)? {
            let number = format!("{}:{}", device.major, device.minor);
            add("io.bfq.weight", format!("{number} {weight}"), IfAbsent::Skip);
            add("io.weight", format!("{number} {}", io_weight(weight)), IfAbsent::Forgo);
        }
    }
    for (key, rates) in [
        ("rbps", &limits.throttle_read_bps_device),
        ("wbps", &limits.throttle_write_bps_device),
        ("riops", &limits.throttle_read_iops_device),
        ("wiops", &limits.throttle_write_iops_device),
    ] {
        for device in rates {
            let rate = if device.rate == 0 { "max".to_owned() } else { device.rate.to_string() };
            add(
                "io.max",
                format!("{}:{} {key}={rate}", device.major, device.minor),
                IfAbsent::Fail,
            );
        }
    }
    Ok(())
}

/// Converts a weight of 10 to 1000 to one of 1 to 10000, in proportion.
fn io_weight(weight: u16) -> u64 {
    1 + (u64::from(weight) - 10) * 9999 / 990
}

#[cfg(test)]
mod tests {
    use super::{Controller, LinuxResources, cpu_weight, io_weight, settings, swap};

    #[test]
    fn weights_go_through_both_ends_and_the_default() {
        assert_eq!([2, 1024, 262_144].map(cpu_weight), [1, 100, 10_000]);
        assert_eq!([10, 1000].map(io_weight), [1, 10_000]);
    }

    #[test]
    fn swap_is_what_both_exceed_memory_by() {
        assert_eq!(swap(64, 96).unwrap(), Some(32));
        assert_eq!(swap(64, 64).unwrap(), Some(0));
        assert_eq!(swap(64, -1).unwrap(), Some(-1));
        assert_eq!(swap(-1, 0).unwrap(), Some(-1));
        assert_eq!(swap(64, 0).unwrap(), None);
        assert!(swap(64, 32).is_err());
        assert!(swap(0, 32).is_err());
    }

    #[test]
    fn limits_are_converted() {
        let json = r#"{"memory": {"limit": 64, "swap": 96, "reservation": 32, "disableOOMKiller": true},
            "cpu": {"shares": 2, "period": 50000, "burst": 100},
            "blockIO": {"throttleReadBpsDevice": [{"major": 8, "minor": 0, "rate": 600}]}}"#;
        let resources: LinuxResources = serde_json::from_str(json).unwrap();
        let mut all = Vec::new();
        for controller in [Controller::Memory, Controller::Cpu, Controller::Io] {
            settings(controller, &resources, &mut all).unwrap();
        }
        let all: Vec<_> =
            all.iter().map(|setting| format!("{} {}", setting.file, setting.value)).collect();
        assert_eq!(
            all,
            [
                "memory.swap.max 32",
                "memory.max 64",
                "memory.low 32",
                "cpu.weight 1",
                "cpu.max max 50000",
                "cpu.max.burst 100",
                "io.max 8:0 rbps=600",
            ]
        );
    }
}
