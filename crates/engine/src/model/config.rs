//! What a container is, whatever machine it runs on.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Map, Set};

/// A container's own configuration (Docker API `ContainerConfig`): begins as the image's, changed by what was asked for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Config {
    /// The host name; empty means the short id.
    pub hostname: String,
    /// The NIS domain name.
    pub domainname: String,
    /// User and group: names or numbers, `user[:group]`.
    pub user: String,
    /// Whether the client attaches to standard input.
    pub attach_stdin: bool,
    /// Whether the client attaches to standard output.
    pub attach_stdout: bool,
    /// Whether the client attaches to standard error.
    pub attach_stderr: bool,
    /// Ports that the program says it listens on (`80/tcp`).
    #[serde(skip_serializing_if = "Set::is_empty", deserialize_with = "nullable")]
    pub exposed_ports: Set,
    /// Whether the program has a terminal.
    pub tty: bool,
    /// Whether standard input is open.
    pub open_stdin: bool,
    /// Whether standard input closes when the first client goes.
    pub stdin_once: bool,
    /// The environment, `NAME=value`.
    #[serde(deserialize_with = "nullable")]
    pub env: Vec<String>,
    /// Arguments, or the whole command when there is no entrypoint.
    pub cmd: Option<Vec<String>>,
    /// The health check; the image's when none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// The image as it was named.
    pub image: String,
    /// Where anonymous volumes are mounted.
    #[serde(serialize_with = "null_when_no_paths", deserialize_with = "nullable")]
    pub volumes: Set,
    /// The directory that the program starts in.
    pub working_dir: String,
    /// The program and its first arguments. `None` takes the image's, an empty list clears it.
    pub entrypoint: Option<Vec<String>>,
    /// Instructions for builds on top of an image made of this container.
    #[serde(deserialize_with = "nullable")]
    pub on_build: Option<Vec<String>>,
    /// Labels.
    #[serde(deserialize_with = "nullable")]
    pub labels: Map,
    /// The signal that asks the program to stop (name or number).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds that the program has between that signal and its kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<i64>,
    /// The shell of shell forms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
}

/// How a container's health is found out. Durations are nanoseconds; 0 means the default.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", text]`; empty takes the image's.
    /// hako's own forms: `["HTTP", url-or-port/path]`, `["TCP", port]`, `["FILE", path]`, asked by the monitor without a process.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub test: Vec<String>,
    /// Time between two probes; default 30 s.
    #[serde(skip_serializing_if = "is_zero")]
    pub interval: i64,
    /// Time that a probe may take; default 30 s.
    #[serde(skip_serializing_if = "is_zero")]
    pub timeout: i64,
    /// Time after the start in which failures do not count.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_period: i64,
    /// Time between two probes during the start period; default 5 s.
    #[serde(skip_serializing_if = "is_zero")]
    pub start_interval: i64,
    /// Failures in a row that make the container unhealthy; default 3.
    #[serde(skip_serializing_if = "is_zero")]
    pub retries: i64,
}

/// Reads JSON's `null` as the default, since Go writes empty lists and maps so.
pub(super) fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Writes an empty list as `null`, as Docker does where nothing was asked for.
pub(super) fn null_when_empty<S: Serializer, T: Serialize>(
    list: &[T],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    (!list.is_empty()).then_some(list).serialize(serializer)
}

fn null_when_no_paths<S: Serializer>(paths: &Set, serializer: S) -> Result<S::Ok, S::Error> {
    (!paths.is_empty()).then_some(paths).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(super) fn is_zero(value: &i64) -> bool {
    *value == 0
}
