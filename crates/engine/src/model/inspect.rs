//! What `inspect` tells of a container.

use std::collections::BTreeMap;

use hako_types::Moment;
use serde::{Deserialize, Serialize};

use super::config::nullable;
use super::{Config, HostConfig, Map, PortBinding};

/// What `container inspect` prints.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerInspect {
    /// The full id.
    pub id: String,
    /// When it was created.
    pub created: Moment,
    /// The program.
    pub path: String,
    /// The program's arguments.
    pub args: Vec<String>,
    /// What it does now.
    pub state: State,
    /// The image's id.
    pub image: String,
    /// The file that is its `/etc/resolv.conf`.
    pub resolv_conf_path: String,
    /// The file that is its `/etc/hostname`.
    pub hostname_path: String,
    /// The file that is its `/etc/hosts`.
    pub hosts_path: String,
    /// Its log file.
    pub log_path: String,
    /// Its name, with a slash before it.
    pub name: String,
    /// How often its restart policy started it.
    pub restart_count: i64,
    /// The storage driver.
    pub driver: String,
    /// The operating system.
    pub platform: String,
    /// SELinux label of its mounts.
    pub mount_label: String,
    /// SELinux label of its process.
    pub process_label: String,
    /// `AppArmor` profile.
    pub app_armor_profile: String,
    /// Running execs.
    #[serde(rename = "ExecIDs")]
    pub exec_ids: Option<Vec<String>>,
    /// What the machine gives it.
    pub host_config: HostConfig,
    /// Its storage.
    pub graph_driver: serde_json::Value,
    /// Bytes in its writable layer, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_rw: Option<i64>,
    /// Bytes of all its files, when asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_root_fs: Option<i64>,
    /// Its mounts.
    pub mounts: Vec<MountPoint>,
    /// Its own configuration.
    pub config: Config,
    /// Its networks.
    pub network_settings: NetworkSettings,
}

/// What a container does.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Made, never started.
    #[default]
    Created,
    /// Its program runs.
    Running,
    /// Its program is frozen.
    Paused,
    /// Its program ended and waits to be started again.
    Restarting,
    /// Being removed.
    Removing,
    /// Its program ended.
    Exited,
    /// It could not be removed.
    Dead,
}

impl Status {
    /// Returns Docker's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited => "exited",
            Self::Dead => "dead",
        }
    }
}

impl std::str::FromStr for Status {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [
            Self::Created,
            Self::Running,
            Self::Paused,
            Self::Restarting,
            Self::Removing,
            Self::Exited,
            Self::Dead,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .ok_or(())
    }
}

/// A container's state (Docker API `ContainerState`).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// In one word.
    pub status: Status,
    /// Whether its program runs, frozen or not, or waits to be started again.
    pub running: bool,
    /// Whether its program is frozen.
    pub paused: bool,
    /// Whether it waits to be started again.
    pub restarting: bool,
    /// Whether the kernel killed a process of it for lack of memory.
    #[serde(rename = "OOMKilled")]
    pub oom_killed: bool,
    /// Whether it could not be removed.
    pub dead: bool,
    /// The host's number of its first process, or 0.
    pub pid: i32,
    /// The exit code of its last run.
    pub exit_code: i32,
    /// Why it could not be started.
    pub error: String,
    /// When its program was started last.
    pub started_at: Moment,
    /// When its program ended last.
    pub finished_at: Moment,
    /// Its health, where that is probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            status: Status::Created,
            running: false,
            paused: false,
            restarting: false,
            oom_killed: false,
            dead: false,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            started_at: Moment::NEVER,
            finished_at: Moment::NEVER,
            health: None,
        }
    }
}

/// A container's health.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Health {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: String,
    /// Failures in a row.
    pub failing_streak: i64,
    /// The last five probes, oldest first.
    pub log: Vec<Probe>,
}

/// One probe of a container's health.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Probe {
    /// When it began.
    pub start: Moment,
    /// When it ended.
    pub end: Moment,
    /// 0 healthy, 1 unhealthy, −1 it took too long or could not run.
    pub exit_code: i32,
    /// The first 4096 bytes of what it printed.
    pub output: String,
}

/// A mount of a container.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct MountPoint {
    /// `bind`, `volume`, `tmpfs` or `image`.
    #[serde(rename = "Type")]
    pub kind: super::MountKind,
    /// The volume's name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The path on the host.
    pub source: String,
    /// The path in the container.
    pub destination: String,
    /// The volume's driver.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub driver: String,
    /// The options as they were given (`ro`, `z`).
    pub mode: String,
    /// Whether it can be written to.
    #[serde(rename = "RW")]
    pub rw: bool,
    /// How mounts spread (`rprivate`).
    pub propagation: String,
}

/// A container's networks.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct NetworkSettings {
    /// A name of its network namespace.
    #[serde(rename = "SandboxID")]
    pub sandbox_id: String,
    /// A path of its network namespace.
    pub sandbox_key: String,
    /// Its ports and where the host offers them; nothing where it does not.
    pub ports: BTreeMap<String, Option<Vec<PortBinding>>>,
    /// Its networks by name.
    pub networks: BTreeMap<String, EndpointSettings>,
}

/// A container's place in one network.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct EndpointSettings {
    /// Addresses that were asked for.
    #[serde(rename = "IPAMConfig")]
    pub ipam_config: Option<serde_json::Value>,
    /// Links to other containers.
    pub links: Option<Vec<String>>,
    /// Further names in this network.
    pub aliases: Option<Vec<String>>,
    /// Options of the driver.
    pub driver_opts: Option<Map>,
    /// Which network's gateway is the default one: the highest priority.
    pub gw_priority: i64,
    /// The network's id.
    #[serde(rename = "NetworkID")]
    pub network_id: String,
    /// The endpoint's id.
    #[serde(rename = "EndpointID")]
    pub endpoint_id: String,
    /// The IPv4 gateway.
    pub gateway: String,
    /// The IPv4 address.
    #[serde(rename = "IPAddress")]
    pub ip_address: String,
    /// The length of the IPv4 prefix.
    #[serde(rename = "IPPrefixLen")]
    pub ip_prefix_len: u8,
    /// The IPv6 gateway.
    #[serde(rename = "IPv6Gateway")]
    pub ipv6_gateway: String,
    /// The IPv6 address.
    #[serde(rename = "GlobalIPv6Address")]
    pub global_ipv6_address: String,
    /// The length of the IPv6 prefix.
    #[serde(rename = "GlobalIPv6PrefixLen")]
    pub global_ipv6_prefix_len: u8,
    /// The hardware address.
    pub mac_address: String,
    /// All names by which others in this network find it.
    #[serde(rename = "DNSNames", deserialize_with = "nullable")]
    pub dns_names: Vec<String>,
}
