//! Limits: sizes, processors, ulimits, block I/O.

use hako_engine::model::{HostConfig, ThrottleDevice, Ulimit, WeightDevice};
use hako_types::Bytes;

use crate::args::{Parsed, UsageError};
use crate::report::Failure;

/// Sets the limits that were asked for.
///
/// # Errors
/// When a value is none, or two of them contradict each other.
pub(crate) fn apply(parsed: &Parsed, host: &mut HostConfig) -> Result<(), Failure> {
    resources(parsed, host)?;
    host.shm_size = parsed.read("shm-size", size)?.unwrap_or(0);
    host.oom_kill_disable = parsed.given("oom-kill-disable").then(|| parsed.on("oom-kill-disable"));
    host.oom_score_adj = parsed.integer("oom-score-adj")?;
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        let value = host.oom_score_adj;
        return Err(Failure::engine(format!(
            "invalid value {value}, range for oom score adj is [-1000, 1000]"
        )));
    }
    host.ulimits = ulimits(parsed.read_all("ulimit", ulimit)?);
    host.blkio_weight_device = parsed.read_all("blkio-weight-device", weight_device)?;
    host.blkio_device_read_bps = parsed.read_all("device-read-bps", bps)?;
    host.blkio_device_write_bps = parsed.read_all("device-write-bps", bps)?;
    host.blkio_device_read_iops = parsed.read_all("device-read-iops", iops)?;
    host.blkio_device_write_iops = parsed.read_all("device-write-iops", iops)?;
    if host.nano_cpus > 0 && (host.cpu_quota > 0 || host.cpu_period > 0) {
        let other = if host.cpu_period > 0 { "CPU Period" } else { "CPU Quota" };
        return Err(Failure::engine(format!(
            "Conflicting options: Nano CPUs and {other} cannot both be set"
        )));
    }
    Ok(())
}

/// Sets the limits that `update` takes too.
///
/// # Errors
/// As [`apply`].
pub(crate) fn resources(parsed: &Parsed, host: &mut HostConfig) -> Result<(), Failure> {
    host.memory = parsed.read("memory", size)?.unwrap_or(0);
    host.memory_reservation = parsed.read("memory-reservation", size)?.unwrap_or(0);
    host.memory_swap = parsed.read("memory-swap", swap)?.unwrap_or(0);
    host.memory_swappiness =
        parsed.read("memory-swappiness", integer)?.filter(|value| *value != -1);
    if let Some(value) = host.memory_swappiness.filter(|value| !(0..=100).contains(value)) {
        return Err(Failure::engine(format!(
            "invalid value: {value}. Valid memory swappiness range is 0-100"
        )));
    }
    host.nano_cpus = parsed.read("cpus", nano_cpus)?.unwrap_or(0);
    host.cpu_shares = parsed.integer("cpu-shares")?;
    host.cpu_period = parsed.integer("cpu-period")?;
    host.cpu_quota = parsed.integer("cpu-quota")?;
    host.cpu_realtime_period = parsed.integer("cpu-rt-period")?;
    host.cpu_realtime_runtime = parsed.integer("cpu-rt-runtime")?;
    host.cpuset_cpus = parsed.string("cpuset-cpus");
    host.cpuset_mems = parsed.string("cpuset-mems");
    host.pids_limit = parsed.read("pids-limit", integer)?.filter(|value| *value != 0);
    host.blkio_weight = parsed.read("blkio-weight", weight)?.unwrap_or(0);
    Ok(())
}

/// Reads an amount of bytes.
///
/// # Errors
/// When it is none.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let bytes: Bytes = text.parse().map_err(|_| format!("invalid size: '{text}'"))?;
    i64::try_from(bytes.0).map_err(|_| format!("invalid size: '{text}'"))
}

fn swap(text: &str) -> Result<i64, String> {
    if text == "-1" { Ok(-1) } else { size(text) }
}

fn integer(text: &str) -> Result<i64, String> {
    text.parse().map_err(|_| format!("strconv.ParseInt: parsing \"{text}\": invalid syntax"))
}

/// Reads a number of processors with up to nine decimals, as billionths.
///
/// # Errors
/// When it is none, or finer than that.
pub(super) fn nano_cpus(text: &str) -> Result<i64, String> {
    let bad = || format!("failed to parse {text} as a rational number");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) || (whole.is_empty() && part.is_empty()) {
        return Err(bad());
    }
    let part = part.trim_end_matches('0');
    if part.len() > 9 {
        return Err("value is too precise".into());
    }
    let whole: i64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| bad())? };
    let part: i64 = format!("{part:0<9}").parse().map_err(|_| bad())?;
    whole.checked_mul(1_000_000_000).and_then(|nanos| nanos.checked_add(part)).ok_or_else(bad)
}

/// Reads `name=soft[:hard]`.
///
/// # Errors
/// When the resource is unknown, a limit is no number, or the soft one is above the hard one.
pub(crate) fn ulimit(text: &str) -> Result<Ulimit, String> {
    let bad = || format!("invalid ulimit argument: {text}");
    let (name, limits) = text.split_once('=').ok_or_else(bad)?;
    if !hako_engine::container::is_rlimit(name) {
        return Err(format!("invalid ulimit type: {name}"));
    }
    let number = |text: &str| {
        let value: i64 = if text == "unlimited" { -1 } else { text.parse().ok()? };
        (value >= -1).then_some(value)
    };
    let (soft, hard) = match limits.split_once(':') {
        Some((soft, hard)) => (number(soft).ok_or_else(bad)?, number(hard).ok_or_else(bad)?),
        None => (number(limits).ok_or_else(bad)?, number(limits).ok_or_else(bad)?),
    };
    if hard != -1 && (soft == -1 || soft > hard) {
        return Err(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        ));
    }
    Ok(Ulimit { name: name.to_owned(), hard, soft })
}

/// Returns the limits by name, the last of each.
fn ulimits(all: Vec<Ulimit>) -> Vec<Ulimit> {
    let mut kept: Vec<Ulimit> = Vec::new();
    for one in all {
        kept.retain(|other| other.name != one.name);
        kept.push(one);
    }
    kept.sort_by(|a, b| a.name.cmp(&b.name));
    kept
}

fn weight(text: &str) -> Result<u16, String> {
    let value: u16 = text
        .parse()
        .map_err(|_| format!("strconv.ParseUint: parsing \"{text}\": invalid syntax"))?;
    if value == 0 || (10..=1000).contains(&value) {
        Ok(value)
    } else {
        Err("range of blkio weight is from 10 to 1000".into())
    }
}

fn of_device(text: &str) -> Result<(&str, &str), String> {
    let (path, rest) = text.split_once(':').ok_or_else(|| format!("bad format: {text}"))?;
    if !path.starts_with("/dev/") {
        return Err(format!("bad format for device path: {text}"));
    }
    Ok((path, rest))
}

fn weight_device(text: &str) -> Result<WeightDevice, String> {
    let (path, value) = of_device(text)?;
    let weight = weight(value).map_err(|_| format!("invalid weight for device: {text}"))?;
    Ok(WeightDevice { path: path.to_owned(), weight })
}

fn bps(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = of_device(text)?;
    let rate = value.parse::<Bytes>().map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]. Number must be a \
             positive integer. Unit is optional and can be kb, mb, or gb"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate: rate.0 })
}

fn iops(text: &str) -> Result<ThrottleDevice, String> {
    let (path, value) = of_device(text)?;
    let rate = value.parse().map_err(|_| {
        format!(
            "invalid rate for device: {text}. The correct format is <device-path>:<number>. Number must be a positive \
             integer"
        )
    })?;
    Ok(ThrottleDevice { path: path.to_owned(), rate })
}

impl From<UsageError> for Failure {
    fn from(error: UsageError) -> Self {
        Self::usage(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read_exactly() {
        assert_eq!(nano_cpus("0.25"), Ok(250_000_000));
        assert_eq!(nano_cpus("1.5"), Ok(1_500_000_000));
        assert_eq!(nano_cpus(".5"), Ok(500_000_000));
        assert_eq!(nano_cpus("2"), Ok(2_000_000_000));
        for bad in ["", ".", "x", "-1", "1.0000000001", "1e3"] {
            assert!(nano_cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn ulimits_are_checked() {
        assert_eq!(
            ulimit("nofile=100:200").unwrap(),
            Ulimit { name: "nofile".into(), soft: 100, hard: 200 }
        );
        assert_eq!(ulimit("core=0").unwrap().hard, 0);
        assert_eq!(ulimit("memlock=-1:-1").unwrap().soft, -1);
        assert!(ulimit("nofile=200:100").unwrap_err().contains("200 > 100"));
        assert!(ulimit("nonsense=1").unwrap_err().contains("nonsense"));
        assert!(ulimit("nofile").is_err() && ulimit("nofile=x").is_err());
        let last = ulimits(vec![
            ulimit("nofile=1").unwrap(),
            ulimit("core=0").unwrap(),
            ulimit("nofile=2").unwrap(),
        ]);
        assert_eq!(last.iter().map(|one| one.soft).collect::<Vec<_>>(), [0, 2]);
    }
}
