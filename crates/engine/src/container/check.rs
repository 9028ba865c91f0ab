//! What a container may be asked to be: the checks that need nothing but the request.

use std::collections::BTreeSet;
use std::net::IpAddr;

use hako_types::port::parse_exposed;

use crate::Error;
use crate::model::{Config, Healthcheck, HostConfig};

const MEBIBYTE: i64 = 1 << 20;

/// Checks `config` and `host` for what cannot be, on a machine with `cpus` processors.
///
/// # Errors
/// The first thing found, in Docker's words where scripts may know them.
pub(super) fn check(config: &Config, host: &HostConfig, cpus: usize) -> Result<(), Error> {
    check_config(config)?;
    check_memory(host)?;
    check_processors(host, cpus)?;
    check_modes(config, host)?;
    check_network(config, host)?;
    check_rights(host)?;
    check_restart(host)
}

fn invalid<T>(text: String) -> Result<T, Error> {
    Err(Error::Invalid(text))
}

fn check_config(config: &Config) -> Result<(), Error> {
    if !config.working_dir.is_empty() && !config.working_dir.starts_with('/') {
        return invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            config.working_dir
        ));
    }
    for port in config.exposed_ports.keys() {
        parse_exposed(port).map_err(|error| Error::Invalid(error.to_string()))?;
    }
    if let Some(signal) = &config.stop_signal {
        crate::container::lifecycle::signal_number(signal)?;
    }
    if let Some(pair) = config.env.iter().find(|pair| pair.is_empty() || pair.starts_with('=')) {
        return invalid(format!("invalid environment variable: `{pair}`"));
    }
    config.healthcheck.as_ref().map_or(Ok(()), check_health)
}

fn check_health(health: &Healthcheck) -> Result<(), Error> {
    for (name, value) in [
        ("Interval", health.interval),
        ("Timeout", health.timeout),
        ("StartPeriod", health.start_period),
        ("StartInterval", health.start_interval),
    ] {
        if value != 0 && value < 1_000_000 {
            return invalid(format!("{name} in Healthcheck cannot be less than 1ms"));
        }
    }
    if health.retries < 0 {
        return invalid("Retries in Healthcheck cannot be negative".into());
    }
    match health.test.first().map(String::as_str) {
        None | Some("NONE" | "CMD" | "CMD-SHELL" | "HTTP" | "TCP" | "FILE") => Ok(()),
        Some(other) => invalid(format!(
            "unknown type of health check `{other}`: there are NONE, CMD and CMD-SHELL"
        )),
    }
}

fn check_memory(host: &HostConfig) -> Result<(), Error> {
    let (memory, swap, reservation) = (host.memory, host.memory_swap, host.memory_reservation);
    if memory != 0 && memory < 6 * MEBIBYTE {
        return invalid("Minimum memory limit allowed is 6MB".into());
    }
    if swap > 0 && memory == 0 {
        return invalid(
            "You should always set the Memory limit when using Memoryswap limit, see usage".into(),
        );
    }
    if swap > 0 && swap < memory {
        return invalid(
            "Minimum memoryswap limit should be larger than memory limit, see usage".into(),
        );
    }
    if reservation != 0 && reservation < 6 * MEBIBYTE {
        return invalid("Minimum memory reservation allowed is 6MB".into());
    }
    if memory > 0 && reservation > memory {
        return invalid(
            "Minimum memory limit can not be less than memory reservation limit, see usage".into(),
        );
    }
    if host.memory_swappiness.is_some_and(|value| !(-1..=100).contains(&value)) {
        return invalid(format!(
            "Invalid value: {}, valid memory swappiness range is 0-100",
            host.memory_swappiness.unwrap_or(0)
        ));
    }
    if !(-1000..=1000).contains(&host.oom_score_adj) {
        return invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            host.oom_score_adj
        ));
    }
    if host.shm_size < 0 {
        return invalid("SHM size can not be less than 0".into());
    }
    Ok(())
}

fn check_processors(host: &HostConfig, cpus: usize) -> Result<(), Error> {
    if host.nano_cpus != 0 && (host.cpu_period != 0 || host.cpu_quota != 0) {
        return invalid(
            "Conflicting options: Nano CPUs and CPU Period or Quota cannot both be set".into(),
        );
    }
    let most = i64::try_from(cpus).unwrap_or(i64::MAX).saturating_mul(1_000_000_000);
    if host.nano_cpus < 0 || host.nano_cpus > most {
        return invalid(format!(
            "range of CPUs is from 0.01 to {cpus}.00, as there are only {cpus} CPUs available"
        ));
    }
    if host.cpu_period != 0 && !(1_000..=1_000_000).contains(&host.cpu_period) {
        return invalid(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
                .into(),
        );
    }
    if host.cpu_quota > 0 && host.cpu_quota < 1_000 {
        return invalid("CPU cfs quota can not be less than 1ms (i.e. 1000)".into());
    }
    if host.blkio_weight != 0 && !(10..=1000).contains(&host.blkio_weight) {
        return invalid("Range of blkio weight is from 10 to 1000".into());
    }
    check_list("CPUs", &host.cpuset_cpus, "/sys/devices/system/cpu/online")?;
    check_list("memory nodes", &host.cpuset_mems, "/sys/devices/system/node/online")?;
    for ulimit in &host.ulimits {
        if !super::limits::is_rlimit(&ulimit.name) {
            return invalid(format!("invalid ulimit type: {}", ulimit.name));
        }
        if ulimit.hard >= 0 && (ulimit.soft > ulimit.hard || ulimit.soft < 0) {
            return invalid(format!(
                "ulimit soft limit must be less than or equal to hard limit: {} > {}",
                ulimit.soft, ulimit.hard
            ));
        }
    }
    Ok(())
}

/// Checks a list of processors or memory nodes (`0-2,4`) against the machine's in the file `online`.
fn check_list(what: &str, list: &str, online: &str) -> Result<(), Error> {
    let Some(asked) = numbers(list) else {
        return invalid(format!("Invalid value {list} for a list of {what}"));
    };
    let available = std::fs::read_to_string(online).unwrap_or_default();
    let available = available.trim();
    match numbers(available) {
        Some(there) if !there.is_empty() && !asked.iter().all(|number| there.contains(number)) => {
            invalid(format!(
                "Requested {what} are not available - requested {list}, available: {available}"
            ))
        }
        _ => Ok(()),
    }
}

/// Reads a list of numbers and ranges; nothing when it is none.
fn numbers(list: &str) -> Option<BTreeSet<u16>> {
    let mut numbers = BTreeSet::new();
    for part in list.split(',').filter(|_| !list.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u16, u16) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last {
            return None;
        }
        numbers.extend(first..=last);
    }
    Some(numbers)
}

fn check_modes(config: &Config, host: &HostConfig) -> Result<(), Error> {
    let uses =
        |mode: &str, allowed: &[&str]| allowed.contains(&mode) || mode.starts_with("container:");
    if !uses(&host.ipc_mode, &["", "none", "private", "shareable", "host"]) {
        return invalid(format!("invalid IPC mode: {}", host.ipc_mode));
    }
    if !uses(&host.pid_mode, &["", "host"]) {
        return invalid(format!("invalid PID mode: {}", host.pid_mode));
    }
    if !["", "host"].contains(&host.uts_mode.as_str()) {
        return invalid(format!("invalid UTS mode: {}", host.uts_mode));
    }
    if !["", "host", "auto"].contains(&host.userns_mode.as_str()) {
        return invalid(format!("invalid USER mode: {}", host.userns_mode));
    }
    if !["", "host", "private"].contains(&host.cgroupns_mode.as_str()) {
        return invalid(format!("invalid CGROUP mode: {}", host.cgroupns_mode));
    }
    if host.uts_mode == "host" && (!config.hostname.is_empty() || !config.domainname.is_empty()) {
        return invalid("conflicting options: hostname and the UTS mode".into());
    }
    if !["", "none", "kill", "restart", "stop"].contains(&host.health_on_failure.as_str()) {
        return invalid(format!("invalid health-on-failure action: {}", host.health_on_failure));
    }
    if !["", "json-file", "local", "none", "journald", "syslog"]
        .contains(&host.log_config.kind.as_str())
    {
        return invalid(format!(
            "logger: no log driver named '{}' is registered",
            host.log_config.kind
        ));
    }
    crate::log::Policy::read(&host.log_config)?;
    if let Some(option) = host.storage_opt.keys().next() {
        return invalid(format!(
            "--storage-opt {option} is not supported: the storage has no quotas of its own"
        ));
    }
    if !["", "hako", "runc"].contains(&host.runtime.as_str()) {
        return invalid(format!("unknown or invalid runtime name: {}", host.runtime));
    }
    Ok(())
}

fn check_network(config: &Config, host: &HostConfig) -> Result<(), Error> {
    if host.network_mode.starts_with("container:") {
        let ports = host.publish_all_ports || !host.port_bindings.is_empty();
        for (is_set, what) in [
            (!config.hostname.is_empty(), "hostname and the network mode"),
            (!host.links.is_empty(), "container type network can't be used with links"),
            (!host.dns.is_empty(), "dns and the network mode"),
            (!host.extra_hosts.is_empty(), "custom host-to-IP mapping and the network mode"),
            (ports, "port publishing and the container type network mode"),
            (!config.exposed_ports.is_empty(), "port exposing and the container type network mode"),
        ] {
            if is_set {
                return invalid(format!("conflicting options: {what}"));
            }
        }
    }
    if host.network_mode == "host" && !host.links.is_empty() {
        return invalid(
            "conflicting options: host type networking can't be used with links".into(),
        );
    }
    for line in &host.extra_hosts {
        let address = line
            .split_once([':', '='])
            .filter(|(name, _)| !name.is_empty())
            .map(|(_, address)| address);
        let is_address = |text: &str| {
            let bare = text.trim_start_matches('[').trim_end_matches(']');
            text == "host-gateway" || bare.parse::<IpAddr>().is_ok()
        };
        if !address.is_some_and(is_address) {
            return invalid(format!("bad format for add-host: \"{line}\""));
        }
    }
    if let Some(bad) = host.dns.iter().find(|server| server.parse::<IpAddr>().is_err()) {
        return invalid(format!("{bad} is not an ip address"));
    }
    check_sysctls(host)
}

/// Checks that kernel settings belong to a namespace of the container's own (as runc does).
fn check_sysctls(host: &HostConfig) -> Result<(), Error> {
    const IPC: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
    ];
    for name in host.sysctls.keys() {
        let name = name.replace('/', ".");
        let (what, foreign) = if name.starts_with("net.") {
            ("network", host.network_mode == "host")
        } else if IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.") {
            ("IPC", host.ipc_mode == "host")
        } else if matches!(name.as_str(), "kernel.domainname") {
            ("UTS", host.uts_mode == "host")
        } else {
            return invalid(format!(
                "sysctl '{name}' is not allowed: it is not in a separate kernel namespace"
            ));
        };
        if foreign {
            return invalid(format!(
                "sysctl '{name}' is not allowed: the container uses the host's {what} namespace"
            ));
        }
    }
    Ok(())
}

fn check_rights(host: &HostConfig) -> Result<(), Error> {
    for name in host.cap_add.iter().chain(&host.cap_drop) {
        super::rights::capability(name)
            .ok_or_else(|| Error::Invalid(format!("invalid capability: \"{name}\"")))?;
    }
    for option in &host.security_opt {
        super::rights::SecurityOption::read(option)?;
    }
    if let Some(request) = host.device_requests.first() {
        return invalid(format!(
            "could not select device driver \"{}\" with capabilities: {:?}: there is no such device on this machine",
            request.driver, request.capabilities
        ));
    }
    for rule in &host.device_cgroup_rules {
        super::limits::device_rule(rule)?;
    }
    Ok(())
}

fn check_restart(host: &HostConfig) -> Result<(), Error> {
    let policy = &host.restart_policy;
    match policy.name.as_str() {
        "" | "no" | "always" | "unless-stopped" if policy.maximum_retry_count != 0 => {
            return invalid(format!(
                "invalid restart policy: maximum retry count can only be used with 'on-failure', not '{}'",
                policy.name
            ));
        }
        "" | "no" | "always" | "unless-stopped" | "on-failure"
            if policy.maximum_retry_count >= 0 => {}
        "on-failure" => {
            return invalid(
                "invalid restart policy: maximum retry count cannot be negative".into(),
            );
        }
        other => {
            return invalid(format!(
                "invalid restart policy: unknown policy '{other}'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'"
            ));
        }
    }
    if host.auto_remove && !matches!(policy.name.as_str(), "" | "no") {
        return invalid("can't create 'AutoRemove' container with restart policy".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{RestartPolicy, Ulimit};

    fn refused(change: impl FnOnce(&mut Config, &mut HostConfig)) -> String {
        let (mut config, mut host) = (Config::default(), HostConfig::default());
        change(&mut config, &mut host);
        check(&config, &host, 2).unwrap_err().to_string()
    }

    #[test]
    fn nothing_asked_for_is_fine() {
        check(&Config::default(), &HostConfig::default(), 2).unwrap();
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_name() {
        assert!(refused(|c, _| c.working_dir = "relative".into()).contains("relative"));
        assert!(refused(|_, h| h.memory = 1024).contains("6MB"));
        assert!(
            refused(|_, h| (h.memory, h.memory_swap) = (64 << 20, 32 << 20)).contains("memoryswap")
        );
        assert!(refused(|_, h| h.nano_cpus = 4_096_000_000_000).contains("CPUs"));
        assert!(refused(|_, h| h.cpuset_cpus = "0,4000".into()).contains("0,4000"));
        assert!(refused(|_, h| h.cpuset_cpus = "1-0".into()).contains("1-0"));
        assert!(refused(|_, h| h.oom_score_adj = 2000).contains("2000"));
        assert!(refused(|_, h| h.extra_hosts = vec!["nonsense".into()]).contains("nonsense"));
        assert!(
            refused(|_, h| h.sysctls = [("vm.swappiness".into(), "1".into())].into())
                .contains("vm.swappiness")
        );
        assert!(refused(|_, h| h.cap_drop = vec!["NONSENSE".into()]).contains("NONSENSE"));
        assert!(
            refused(|_, h| h.ulimits = vec![Ulimit { name: "nonsense".into(), hard: 1, soft: 1 }])
                .contains("nonsense")
        );
        let policy = RestartPolicy { name: "nonsense".into(), maximum_retry_count: 0 };
        assert!(refused(|_, h| h.restart_policy = policy).contains("nonsense"));
    }
}
