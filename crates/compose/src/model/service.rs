//! A service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use crate::model::{Blkio, Build, Deploy, DeviceRequest, Extensions, Labels, Pairs, Ulimit};

model! {
    /// A service. Sizes are numbers of bytes and durations are Compose's, both as text.
    Service {
        profiles: Vec<String>,
        annotations: Labels,
        attach: Option<bool>,
        build: Option<Build>,
        develop: Option<Develop>,
        blkio_config: Option<Blkio>,
        cap_add: Vec<String>,
        cap_drop: Vec<String>,
        cgroup_parent: String,
        cgroup: String,
        cpu_count: i64,
        cpu_percent: Option<Number>,
        cpu_period: i64,
        cpu_quota: i64,
        cpu_rt_period: i64,
        cpu_rt_runtime: i64,
        cpus: Option<Number>,
        cpuset: String,
        cpu_shares: i64,
        command: Option<Vec<String>>,
        configs: Vec<Grant>,
        container_name: String,
        credential_spec: Option<CredentialSpec>,
        depends_on: BTreeMap<String, Dependency>,
        deploy: Option<Deploy>,
        device_cgroup_rules: Vec<String>,
        devices: Vec<Device>,
        dns: Vec<String>,
        dns_opt: Vec<String>,
        dns_search: Vec<String>,
        domainname: String,
        entrypoint: Option<Vec<String>>,
        provider: Option<Provider>,
        environment: Pairs,
        env_file: Vec<EnvFile>,
        expose: Vec<String>,
        extends: Option<Extends>,
        external_links: Vec<String>,
        extra_hosts: Vec<String>,
        group_add: Vec<String>,
        gpus: Vec<DeviceRequest>,
        hostname: String,
        healthcheck: Option<Healthcheck>,
        image: String,
        init: Option<bool>,
        ipc: String,
        isolation: String,
        labels: Labels,
        label_file: Vec<String>,
        links: Vec<String>,
        logging: Option<Logging>,
        mem_limit: String,
        mem_reservation: String,
        memswap_limit: String,
        mem_swappiness: Option<i64>,
        mac_address: String,
        models: BTreeMap<String, Option<Labels>>,
        network_mode: String,
        networks: BTreeMap<String, Option<Endpoint>>,
        oom_kill_disable: bool,
        oom_score_adj: i64,
        pid: String,
        pids_limit: i64,
        platform: String,
        ports: Vec<Port>,
        privileged: bool,
        pull_policy: String,
        read_only: bool,
        restart: String,
        runtime: String,
        scale: Option<i64>,
        secrets: Vec<Grant>,
        security_opt: Vec<String>,
        shm_size: String,
        stdin_open: bool,
        stop_grace_period: String,
        stop_signal: String,
        storage_opt: Labels,
        sysctls: Labels,
        tmpfs: Vec<String>,
        tty: bool,
        ulimits: BTreeMap<String, Ulimit>,
        use_api_socket: bool,
        user: String,
        userns_mode: String,
        uts: String,
        volumes: Vec<Mount>,
        volumes_from: Vec<String>,
        working_dir: String,
        post_start: Vec<Hook>,
        pre_stop: Vec<Hook>,
        #[serde(flatten)]
        extensions: Extensions,
    }

    /// A secret or config as a service gets it; the mode is octal text.
    Grant {
        source: String,
        target: String,
        uid: String,
        gid: String,
        mode: String,
    }

    /// What a Windows service's credentials are.
    CredentialSpec {
        config: String,
        file: String,
        registry: String,
    }

    /// A device of the host.
    Device {
        source: String,
        target: String,
        permissions: String,
    }

    /// What provides the service instead of a container.
    Provider {
        r#type: String,
        options: BTreeMap<String, Value>,
    }

    /// Which service this one was made from.
    Extends {
        file: String,
        service: String,
    }

    /// A health check.
    Healthcheck {
        test: Vec<String>,
        timeout: String,
        interval: String,
        retries: Option<i64>,
        start_period: String,
        start_interval: String,
        disable: bool,
    }

    /// Where the output goes.
    Logging {
        driver: String,
        options: Labels,
    }

    /// How a service is on a network.
    Endpoint {
        aliases: Vec<String>,
        driver_opts: Labels,
        gw_priority: Option<i64>,
        interface_name: String,
        ipv4_address: String,
        ipv6_address: String,
        link_local_ips: Vec<String>,
        mac_address: String,
        priority: Option<i64>,
    }

    /// A published port; `published` may be a range to choose from.
    Port {
        name: String,
        mode: String,
        host_ip: String,
        target: u16,
        published: String,
        protocol: String,
        app_protocol: String,
    }

    /// A mount.
    Mount {
        r#type: String,
        source: String,
        target: String,
        read_only: bool,
        consistency: String,
        bind: Option<Bind>,
        volume: Option<NamedVolume>,
        tmpfs: Option<Tmpfs>,
        image: Option<ImageMount>,
    }

    /// Options of a bind mount.
    Bind {
        selinux: String,
        propagation: String,
        create_host_path: bool,
        recursive: String,
    }

    /// Options of a volume.
    NamedVolume {
        labels: Labels,
        nocopy: bool,
        subpath: String,
    }

    /// Options of a tmpfs; the size is a number of bytes.
    Tmpfs {
        size: String,
        mode: String,
    }

    /// Options of an image's files as a mount.
    ImageMount {
        subpath: String,
    }

    /// A command to run when a container starts or stops.
    Hook {
        command: Vec<String>,
        user: String,
        privileged: bool,
        working_dir: String,
        environment: Pairs,
    }

    /// What helps while the service is being written.
    Develop {
        watch: Vec<Watch>,
    }

    /// What to do when a file changes.
    Watch {
        path: String,
        action: String,
        target: String,
        exec: Option<Hook>,
        include: Vec<String>,
        ignore: Vec<String>,
        initial_sync: bool,
    }
}

/// When a service that another one needs counts as there.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub enum Condition {
    /// It was started.
    #[default]
    #[serde(rename = "service_started")]
    Started,
    /// Its health check says so.
    #[serde(rename = "service_healthy")]
    Healthy,
    /// It ended with exit code 0.
    #[serde(rename = "service_completed_successfully")]
    Completed,
}

/// A service that another one needs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Dependency {
    #[serde(default)]
    pub condition: Condition,
    /// Whether the other is restarted when this is.
    #[serde(default, skip_serializing_if = "crate::model::absent")]
    pub restart: bool,
    /// Whether the other can do without it.
    #[serde(default = "yes")]
    pub required: bool,
}

/// A file of variables.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct EnvFile {
    pub path: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub format: String,
    pub required: bool,
}

fn yes() -> bool {
    true
}

impl Service {
    /// Returns how many containers the service is to have.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        let wanted = self
            .scale
            .or_else(|| self.deploy.as_ref().and_then(|deploy| deploy.replicas))
            .unwrap_or(1);
        u32::try_from(wanted).unwrap_or(0)
    }

    /// Returns the image's name: as it is said, or `<project>-<service>` of one that is built.
    #[must_use]
    pub fn image_name(&self, project: &str, service: &str) -> String {
        if self.image.is_empty() { format!("{project}-{service}") } else { self.image.clone() }
    }
}
