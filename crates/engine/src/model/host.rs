//! What the machine gives a container: mounts, ports, limits, rights.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Map;
use super::config::{is_zero, null_when_empty, nullable};

/// What the machine gives a container (Docker API `HostConfig`). Amounts are bytes; 0 means no limit unless said otherwise.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct HostConfig {
    /// Mounts in short form: `source:target[:options]`, source an absolute path or a volume's name.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub binds: Vec<String>,
    /// Where the container's id is written; kept for `inspect`.
    #[serde(rename = "ContainerIDFile")]
    pub container_id_file: String,
    /// Where output goes.
    pub log_config: LogConfig,
    /// `default`, `bridge`, `host`, `none`, `container:<name>` or a network's name.
    pub network_mode: String,
    /// Published ports by `port/protocol`.
    #[serde(deserialize_with = "nullable")]
    pub port_bindings: BTreeMap<String, Vec<PortBinding>>,
    /// What happens when the program ends.
    pub restart_policy: RestartPolicy,
    /// Whether the container is removed when it ends.
    pub auto_remove: bool,
    /// Driver of anonymous and named volumes made for this container.
    pub volume_driver: String,
    /// Containers whose volumes are mounted too: `name[:ro|rw]`.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub volumes_from: Vec<String>,
    /// Rows and columns of the first terminal.
    pub console_size: [u16; 2],
    /// Free notes (`--annotation`).
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub annotations: Map,
    /// Capabilities beyond the default ones.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub cap_add: Vec<String>,
    /// Capabilities taken from the default ones.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub cap_drop: Vec<String>,
    /// `host`, `private` or empty for the default.
    pub cgroupns_mode: String,
    /// DNS servers.
    #[serde(deserialize_with = "nullable")]
    pub dns: Vec<String>,
    /// Resolver options.
    #[serde(deserialize_with = "nullable")]
    pub dns_options: Vec<String>,
    /// Search domains.
    #[serde(deserialize_with = "nullable")]
    pub dns_search: Vec<String>,
    /// Lines for the hosts file: `name:address`, address may be `host-gateway`.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub extra_hosts: Vec<String>,
    /// Further groups of the program's user.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub group_add: Vec<String>,
    /// `none`, `private`, `shareable`, `host`, `container:<name>` or empty for private.
    pub ipc_mode: String,
    /// Parent of the container's cgroup.
    pub cgroup_parent: String,
    /// Links to other containers: `name:alias`.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub links: Vec<String>,
    /// The out-of-memory score's adjustment, −1000 to 1000.
    pub oom_score_adj: i64,
    /// `host`, `container:<name>` or empty.
    pub pid_mode: String,
    /// All capabilities, all devices, no masks.
    pub privileged: bool,
    /// Publish every exposed port on a port of the engine's choice.
    pub publish_all_ports: bool,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// Security options: `no-new-privileges`, `seccomp=<profile>`, `apparmor=…`, `label=…`, `systempaths=unconfined`.
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub security_opt: Vec<String>,
    /// Options of the storage.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub storage_opt: Map,
    /// Memory file systems by target, with their options.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub tmpfs: Map,
    /// `host` or empty.
    #[serde(rename = "UTSMode")]
    pub uts_mode: String,
    /// `host`, `auto` or empty.
    pub userns_mode: String,
    /// Size of `/dev/shm`; 0 means 64 MiB.
    pub shm_size: i64,
    /// Kernel settings of the container's namespaces.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub sysctls: Map,
    /// The OCI runtime; empty means hako's own.
    pub runtime: String,
    /// CPU weight relative to others (1024 is one).
    pub cpu_shares: i64,
    /// Memory limit.
    pub memory: i64,
    /// Processor time in billionths of a processor.
    pub nano_cpus: i64,
    /// Block I/O weight, 10 to 1000.
    pub blkio_weight: u16,
    /// Block I/O weights of devices.
    #[serde(deserialize_with = "nullable")]
    pub blkio_weight_device: Vec<WeightDevice>,
    /// Limits of bytes read per second.
    #[serde(deserialize_with = "nullable")]
    pub blkio_device_read_bps: Vec<ThrottleDevice>,
    /// Limits of bytes written per second.
    #[serde(deserialize_with = "nullable")]
    pub blkio_device_write_bps: Vec<ThrottleDevice>,
    /// Limits of reads per second.
    #[serde(rename = "BlkioDeviceReadIOps", deserialize_with = "nullable")]
    pub blkio_device_read_iops: Vec<ThrottleDevice>,
    /// Limits of writes per second.
    #[serde(rename = "BlkioDeviceWriteIOps", deserialize_with = "nullable")]
    pub blkio_device_write_iops: Vec<ThrottleDevice>,
    /// Length of the scheduler's period in microseconds.
    pub cpu_period: i64,
    /// Processor time in a period, in microseconds.
    pub cpu_quota: i64,
    /// Length of the real-time period in microseconds.
    pub cpu_realtime_period: i64,
    /// Real-time processor time in a period, in microseconds.
    pub cpu_realtime_runtime: i64,
    /// Processors that may be used (`0-2,4`).
    pub cpuset_cpus: String,
    /// Memory nodes that may be used.
    pub cpuset_mems: String,
    /// Devices of the host.
    #[serde(deserialize_with = "nullable")]
    pub devices: Vec<Device>,
    /// Device rules (`c 10:229 rwm`).
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub device_cgroup_rules: Vec<String>,
    /// Requests for devices by driver (`--gpus`).
    #[serde(deserialize_with = "nullable", serialize_with = "null_when_empty")]
    pub device_requests: Vec<DeviceRequest>,
    /// Soft memory limit.
    pub memory_reservation: i64,
    /// Limit of memory and swap together; −1 means no limit of swap.
    pub memory_swap: i64,
    /// How willingly memory is swapped, 0 to 100; −1 or none means the kernel's choice.
    pub memory_swappiness: Option<i64>,
    /// Whether the kernel may not kill for lack of memory.
    pub oom_kill_disable: Option<bool>,
    /// Limit of processes; 0 or −1 means none.
    pub pids_limit: Option<i64>,
    /// Resource limits of processes.
    #[serde(deserialize_with = "nullable")]
    pub ulimits: Vec<Ulimit>,
    /// Mounts in long form.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub mounts: Vec<Mount>,
    /// Paths that are hidden; `None` means the usual ones.
    pub masked_paths: Option<Vec<String>>,
    /// Paths that are read-only; `None` means the usual ones.
    pub readonly_paths: Option<Vec<String>>,
    /// Whether a tiny init runs as the first process and reaps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub init: Option<bool>,
    /// hako's own: what happens to an unhealthy container: `none`, `kill`, `restart` or `stop`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub health_on_failure: String,
}

/// Where output goes.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct LogConfig {
    /// `json-file`, `local`, `none`, `journald`, `syslog`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// Options of the driver (`max-size`, `max-file`, `mode`).
    #[serde(deserialize_with = "nullable")]
    pub config: Map,
}

/// A place where the host offers a container's port.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default)]
pub struct PortBinding {
    /// The host's address; empty means all.
    #[serde(rename = "HostIp")]
    pub host_ip: String,
    /// The host's port or a range of them; empty lets the engine choose.
    #[serde(rename = "HostPort")]
    pub host_port: String,
}

/// What happens when the program ends.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct RestartPolicy {
    /// `no`, `always`, `unless-stopped`, `on-failure` or empty for `no`.
    pub name: String,
    /// How often `on-failure` tries; 0 means without end.
    pub maximum_retry_count: i64,
}

/// A device and its weight.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct WeightDevice {
    /// The device's path on the host.
    pub path: String,
    /// Its weight.
    pub weight: u16,
}

/// A device and its limit.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ThrottleDevice {
    /// The device's path on the host.
    pub path: String,
    /// Bytes or operations per second.
    pub rate: u64,
}

/// A device of the host and where the container sees it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Device {
    /// The path on the host.
    pub path_on_host: String,
    /// The path in the container.
    pub path_in_container: String,
    /// Some of `rwm`.
    pub cgroup_permissions: String,
}

/// A request for devices by driver.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct DeviceRequest {
    /// The driver (`nvidia`, `cdi`).
    pub driver: String,
    /// How many; −1 means all.
    pub count: i64,
    /// Which ones.
    #[serde(rename = "DeviceIDs", deserialize_with = "nullable")]
    pub device_ids: Vec<String>,
    /// Alternatives of wanted capabilities (`gpu`).
    #[serde(deserialize_with = "nullable")]
    pub capabilities: Vec<Vec<String>>,
    /// Options of the driver.
    #[serde(deserialize_with = "nullable")]
    pub options: Map,
}

/// A resource limit of processes (`setrlimit(2)`), −1 means none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Ulimit {
    /// The resource without `RLIMIT_`, in lower case (`nofile`).
    pub name: String,
    /// The hard limit.
    pub hard: i64,
    /// The soft limit.
    pub soft: i64,
}

/// What sort of thing is mounted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    Bind,
    /// A volume.
    #[default]
    Volume,
    /// A memory file system.
    Tmpfs,
    /// Another image's files.
    Image,
}

/// A mount in long form (`--mount`).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Mount {
    /// What sort of thing is mounted.
    #[serde(rename = "Type")]
    pub kind: MountKind,
    /// The path, the volume's name or the image; empty for tmpfs and anonymous volumes.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// Where in the container.
    pub target: String,
    /// Whether it is read-only.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Options of a bind mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bind_options: Option<BindOptions>,
    /// Options of a volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptions>,
    /// Options of an image's mount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_options: Option<ImageOptions>,
    /// Options of a memory file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tmpfs_options: Option<TmpfsOptions>,
}

/// Options of a bind mount.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct BindOptions {
    /// `rprivate`, `rslave`, `rshared`, `private`, `slave`, `shared` or empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub propagation: String,
    /// Leave mounts below the source out.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub non_recursive: bool,
    /// Make the source where it is missing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub create_mountpoint: bool,
    /// Read-only for the top mount alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_non_recursive: bool,
    /// Fail when the mounts below cannot be made read-only too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub read_only_force_recursive: bool,
}

/// Options of a volume.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct VolumeOptions {
    /// Do not fill a new volume from the image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_copy: bool,
    /// Labels of a volume that is made for this mount.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub labels: Map,
    /// A path within the volume.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
    /// Driver of a volume that is made for this mount.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// Options of that driver.
    #[serde(skip_serializing_if = "Map::is_empty", deserialize_with = "nullable")]
    pub driver_options: Map,
}

/// Options of an image's mount.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct ImageOptions {
    /// A path within the image.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub subpath: String,
}

/// Options of a memory file system.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct TmpfsOptions {
    /// Size limit in bytes.
    #[serde(skip_serializing_if = "is_zero")]
    pub size_bytes: i64,
    /// Mode of its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
    /// Further options, each a flag or a name and a value.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub options: Vec<Vec<String>>,
}
