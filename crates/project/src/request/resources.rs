//! Limits.

use hako_compose::model::{Rate, Service};
use hako_engine::model::{HostConfig, ThrottleDevice, Ulimit, WeightDevice};
use serde_json::Number;

use crate::Error;

/// Sets the limits: those of `deploy.resources` win, for the model says that they do not contradict the others.
pub(super) fn limits(service: &Service, host: &mut HostConfig) -> Result<(), Error> {
    host.memory = bytes(&service.mem_limit)?;
    host.memory_reservation = bytes(&service.mem_reservation)?;
    host.memory_swap = bytes(&service.memswap_limit)?;
    host.memory_swappiness = service.mem_swappiness;
    host.shm_size = bytes(&service.shm_size)?;
    host.nano_cpus = nano_cpus(service.cpus.as_ref());
    host.cpu_shares = service.cpu_shares;
    host.cpu_period = service.cpu_period;
    host.cpu_quota = service.cpu_quota;
    host.cpu_realtime_period = service.cpu_rt_period;
    host.cpu_realtime_runtime = service.cpu_rt_runtime;
    host.cpuset_cpus.clone_from(&service.cpuset);
    host.oom_kill_disable = service.oom_kill_disable.then_some(true);
    host.pids_limit = Some(service.pids_limit).filter(|limit| *limit != 0);
    host.ulimits = service
        .ulimits
        .iter()
        .map(|(name, limit)| {
            let (soft, hard) = limit.limits();
            Ulimit { name: name.clone(), soft, hard }
        })
        .collect();
    block_io(service, host)?;
    let Some(deploy) = &service.deploy else { return Ok(()) };
    if let Some(limits) = &deploy.resources.limits {
        if limits.cpus.is_some() {
            host.nano_cpus = nano_cpus(limits.cpus.as_ref());
        }
        if !limits.memory.is_empty() {
            host.memory = bytes(&limits.memory)?;
        }
        if limits.pids != 0 {
            host.pids_limit = Some(limits.pids);
        }
    }
    if let Some(reservations) = &deploy.resources.reservations
        && !reservations.memory.is_empty()
    {
        host.memory_reservation = bytes(&reservations.memory)?;
    }
    Ok(())
}

fn bytes(text: &str) -> Result<i64, Error> {
    if text.is_empty() {
        return Ok(0);
    }
    text.parse().map_err(|_| Error::Invalid(format!("`{text}` is not a number of bytes")))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "more processors than fit are more than there are"
)]
fn nano_cpus(number: Option<&Number>) -> i64 {
    number.and_then(Number::as_f64).map_or(0, |cpus| (cpus * 1e9).round() as i64)
}

fn block_io(service: &Service, host: &mut HostConfig) -> Result<(), Error> {
    let Some(blkio) = &service.blkio_config else { return Ok(()) };
    let weight = |weight: i64| {
        u16::try_from(weight).map_err(|_| Error::Invalid(format!("`{weight}` is not a weight")))
    };
    host.blkio_weight = weight(blkio.weight)?;
    for device in &blkio.weight_device {
        host.blkio_weight_device
            .push(WeightDevice { path: device.path.clone(), weight: weight(device.weight)? });
    }
    let rates = |rates: &[Rate]| -> Result<Vec<ThrottleDevice>, Error> {
        rates
            .iter()
            .map(|rate| {
                let number = rate
                    .rate
                    .parse()
                    .map_err(|_| Error::Invalid(format!("`{}` is not a rate", rate.rate)))?;
                Ok(ThrottleDevice { path: rate.path.clone(), rate: number })
            })
            .collect()
    };
    host.blkio_device_read_bps = rates(&blkio.device_read_bps)?;
    host.blkio_device_write_bps = rates(&blkio.device_write_bps)?;
    host.blkio_device_read_iops = rates(&blkio.device_read_iops)?;
    host.blkio_device_write_iops = rates(&blkio.device_write_iops)?;
    Ok(())
}
