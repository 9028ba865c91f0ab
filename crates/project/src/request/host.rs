//! What the machine gives the container, but for limits, mounts and networks.

use hako_compose::model::Service;
use hako_engine::model::{
    Device, DeviceRequest, HostConfig, LogConfig, Map, PortBinding, RestartPolicy,
};

use crate::Error;
use crate::request::{Kind, Situation};

pub(super) fn host(situation: &Situation<'_>, service: &Service) -> Result<HostConfig, Error> {
    let mut host = HostConfig {
        log_config: service.logging.as_ref().map_or_else(LogConfig::default, |logging| LogConfig {
            kind: logging.driver.clone(),
            config: logging.options.clone(),
        }),
        restart_policy: restart_policy(situation, service),
        annotations: service.annotations.clone(),
        cap_add: service.cap_add.clone(),
        cap_drop: service.cap_drop.clone(),
        cgroupns_mode: service.cgroup.clone(),
        cgroup_parent: service.cgroup_parent.clone(),
        dns: service.dns.clone(),
        dns_options: service.dns_opt.clone(),
        dns_search: service.dns_search.clone(),
        extra_hosts: service.extra_hosts.iter().map(|line| line.replacen('=', ":", 1)).collect(),
        group_add: service.group_add.clone(),
        ipc_mode: situation.mode(&service.ipc)?,
        pid_mode: situation.mode(&service.pid)?,
        uts_mode: service.uts.clone(),
        userns_mode: service.userns_mode.clone(),
        oom_score_adj: service.oom_score_adj,
        privileged: service.privileged,
        readonly_rootfs: service.read_only,
        security_opt: service
            .security_opt
            .iter()
            .map(|option| option.replacen(':', "=", 1))
            .collect(),
        storage_opt: service.storage_opt.clone(),
        sysctls: service.sysctls.clone(),
        runtime: service.runtime.clone(),
        init: service.init,
        device_cgroup_rules: service.device_cgroup_rules.clone(),
        devices: service.devices.iter().map(device).collect(),
        device_requests: device_requests(service),
        tmpfs: service.tmpfs.iter().map(|line| split(line)).collect(),
        ..HostConfig::default()
    };
    for from in &service.volumes_from {
        host.volumes_from.push(volumes_from(situation, from)?);
    }
    for port in &service.ports {
        let binding =
            PortBinding { host_ip: port.host_ip.clone(), host_port: port.published.clone() };
        host.port_bindings
            .entry(format!("{}/{}", port.target, port.protocol))
            .or_default()
            .push(binding);
    }
    Ok(host)
}

fn split(line: &str) -> (String, String) {
    let (target, options) = line.split_once(':').unwrap_or((line, ""));
    (target.to_owned(), options.to_owned())
}

fn device(device: &hako_compose::model::Device) -> Device {
    Device {
        path_on_host: device.source.clone(),
        path_in_container: device.target.clone(),
        cgroup_permissions: device.permissions.clone(),
    }
}

fn device_requests(service: &Service) -> Vec<DeviceRequest> {
    let reserved =
        service.deploy.iter().filter_map(|deploy| deploy.resources.reservations.as_ref());
    service
        .gpus
        .iter()
        .chain(reserved.flat_map(|reservations| &reservations.devices))
        .map(|request| DeviceRequest {
            driver: request.driver.clone(),
            count: request.count,
            device_ids: request.device_ids.clone(),
            capabilities: vec![request.capabilities.clone()],
            options: Map::clone(&request.options),
        })
        .collect()
}

/// `service[:mode]` and `container:name[:mode]` become `container[:mode]`.
fn volumes_from(situation: &Situation<'_>, text: &str) -> Result<String, Error> {
    if let Some(outside) = text.strip_prefix("container:") {
        return Ok(outside.to_owned());
    }
    let (service, mode) = text.split_once(':').unwrap_or((text, "rw"));
    Ok(format!("{}:{mode}", situation.container(service)?))
}

fn restart_policy(situation: &Situation<'_>, service: &Service) -> RestartPolicy {
    let never = || RestartPolicy { name: "no".into(), maximum_retry_count: 0 };
    if matches!(situation.kind, Kind::OneOff { .. }) {
        return never();
    }
    if !service.restart.is_empty() {
        let (name, count) = service.restart.split_once(':').unwrap_or((&service.restart, "0"));
        return RestartPolicy {
            name: name.to_owned(),
            maximum_retry_count: count.parse().unwrap_or_default(),
        };
    }
    let Some(policy) = service.deploy.as_ref().and_then(|deploy| deploy.restart_policy.as_ref())
    else {
        return never();
    };
    let name = match policy.condition.as_str() {
        "none" => "no",
        "on-failure" => "on-failure",
        "unless-stopped" => "unless-stopped",
        _ => "always",
    };
    let maximum_retry_count =
        if name == "on-failure" { policy.max_attempts.unwrap_or_default() } else { 0 };
    RestartPolicy { name: name.to_owned(), maximum_retry_count }
}
