//! What a container may use, as an OCI configuration: the limits of its control group and of its processes.

use hako_runtime::defaults;
use hako_runtime::spec::{
    BlockIo, Cpu, Device, DeviceCgroup, LinuxResources, Memory, Pids, Rlimit, ThrottleDevice,
    WeightDevice,
};

use crate::Error;
use crate::model::HostConfig;

const RLIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// Tells whether this is the name of a resource limit (`getrlimit(2)`), in lower case and without `RLIMIT_`.
#[must_use]
pub fn is_rlimit(name: &str) -> bool {
    RLIMITS.contains(&name)
}

#[expect(clippy::cast_sign_loss, reason = "−1 is RLIM_INFINITY, all bits set")]
pub(super) fn rlimits(host: &HostConfig) -> Vec<Rlimit> {
    let limits = host.ulimits.iter();
    limits
        .map(|limit| Rlimit {
            kind: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
            hard: limit.hard as u64,
            soft: limit.soft as u64,
        })
        .collect()
}

/// Returns the limits of a container's control group.
pub(crate) fn resources(
    host: &HostConfig,
    devices: &[(Device, String)],
) -> Result<LinuxResources, Error> {
    let some = |value: i64| (value != 0).then_some(value);
    let unsigned = |value: i64| u64::try_from(value).ok().filter(|value| *value != 0);
    let (mut quota, mut period) = (some(host.cpu_quota), unsigned(host.cpu_period));
    if host.nano_cpus > 0 {
        period = Some(100_000);
        quota = Some((host.nano_cpus / 10_000).max(1_000));
    }
    let memory = Memory {
        limit: some(host.memory),
        reservation: some(host.memory_reservation),
        swap: some(host.memory_swap),
        swappiness: host.memory_swappiness.and_then(|value| u64::try_from(value).ok()),
        disable_oom_killer: host.oom_kill_disable,
        ..Memory::default()
    };
    let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let cpu = Cpu {
        shares: unsigned(host.cpu_shares),
        quota,
        period,
        realtime_runtime: some(host.cpu_realtime_runtime),
        realtime_period: unsigned(host.cpu_realtime_period),
        cpus: text(&host.cpuset_cpus),
        mems: text(&host.cpuset_mems),
        ..Cpu::default()
    };
    Ok(LinuxResources {
        devices: device_rules(host, devices)?,
        memory: (memory != Memory::default()).then_some(memory),
        cpu: (cpu != Cpu::default()).then_some(cpu),
        pids: host.pids_limit.filter(|limit| *limit > 0).map(|limit| Pids { limit: Some(limit) }),
        block_io: block_io(host)?,
        ..LinuxResources::default()
    })
}

fn device_rules(
    host: &HostConfig,
    devices: &[(Device, String)],
) -> Result<Vec<DeviceCgroup>, Error> {
    if host.privileged {
        return Ok(vec![DeviceCgroup {
            allow: true,
            access: Some("rwm".into()),
            ..DeviceCgroup::default()
        }]);
    }
    let mut rules = defaults::device_rules();
    for (device, access) in devices {
        rules.push(DeviceCgroup {
            allow: true,
            kind: Some(device.kind.clone()),
            major: Some(device.major),
            minor: Some(device.minor),
            access: Some(access.clone()),
        });
    }
    for rule in &host.device_cgroup_rules {
        rules.push(device_rule(rule)?);
    }
    Ok(rules)
}

/// Reads a device rule: `c 10:229 rwm`, with `*` for any number.
pub(crate) fn device_rule(text: &str) -> Result<DeviceCgroup, Error> {
    let bad = || Error::Invalid(format!("invalid device cgroup rule format: '{text}'"));
    let words: Vec<&str> = text.split_whitespace().collect();
    let [kind @ ("a" | "b" | "c"), numbers, access] = words[..] else { return Err(bad()) };
    let (major, minor) = numbers.split_once(':').ok_or_else(bad)?;
    let number = |text: &str| match text {
        "*" => Ok(-1),
        text => text.parse::<u32>().map(i64::from).map_err(|_| bad()),
    };
    if access.is_empty() || !access.bytes().all(|b| matches!(b, b'r' | b'w' | b'm')) {
        return Err(bad());
    }
    Ok(DeviceCgroup {
        allow: true,
        kind: Some(kind.to_owned()),
        major: Some(number(major)?),
        minor: Some(number(minor)?),
        access: Some(access.to_owned()),
    })
}

fn block_io(host: &HostConfig) -> Result<Option<BlockIo>, Error> {
    let numbers = |path: &str| {
        let stat = rustix::fs::stat(path).map_err(|error| Error::Io {
            doing: "look at the device",
            path: path.into(),
            source: error.into(),
        })?;
        Ok::<_, Error>((
            i64::from(rustix::fs::major(stat.st_rdev)),
            i64::from(rustix::fs::minor(stat.st_rdev)),
        ))
    };
    let throttle = |list: &[crate::model::ThrottleDevice]| {
        let entries = list.iter().map(|device| {
            let (major, minor) = numbers(&device.path)?;
            Ok(ThrottleDevice { major, minor, rate: device.rate })
        });
        entries.collect::<Result<Vec<_>, Error>>()
    };
    let weights = host.blkio_weight_device.iter().map(|device| {
        let (major, minor) = numbers(&device.path)?;
        Ok(WeightDevice { major, minor, weight: Some(device.weight), ..WeightDevice::default() })
    });
    let io = BlockIo {
        weight: (host.blkio_weight != 0).then_some(host.blkio_weight),
        weight_device: weights.collect::<Result<_, Error>>()?,
        throttle_read_bps_device: throttle(&host.blkio_device_read_bps)?,
        throttle_write_bps_device: throttle(&host.blkio_device_write_bps)?,
        throttle_read_iops_device: throttle(&host.blkio_device_read_iops)?,
        throttle_write_iops_device: throttle(&host.blkio_device_write_iops)?,
        ..BlockIo::default()
    };
    Ok((io != BlockIo::default()).then_some(io))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_rules_read() {
        let rule = device_rule("c 10:* rw").unwrap();
        assert_eq!(
            (rule.major, rule.minor, rule.access.as_deref()),
            (Some(10), Some(-1), Some("rw"))
        );
        for bad in ["", "x 1:2 r", "c 1 r", "c 1:2 q", "c 1:2"] {
            assert!(device_rule(bad).is_err(), "{bad}");
        }
    }
}
