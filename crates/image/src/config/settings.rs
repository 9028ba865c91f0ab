//! What containers of an image start with, in Docker's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::or_default;

/// The part of a configuration that containers take over (`Config` in what `docker inspect` prints).
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Settings {
    /// User and group, by name or number (`5:6`); empty is root.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub user: String,
    /// Ports that the image listens on (`80/tcp`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// The environment, as `NAME=value`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub env: Vec<String>,
    /// What is run in front of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// The command, or the entrypoint's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// How health is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<Healthcheck>,
    /// Directories that are volumes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub volumes: BTreeMap<String, Empty>,
    /// Where the command starts; empty is `/`.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub working_dir: String,
    /// Instructions for builds from this image.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub on_build: Vec<String>,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "or_default")]
    pub labels: BTreeMap<String, String>,
    /// The signal that stops a container; empty is `SIGTERM`.
    #[serde(default, skip_serializing_if = "String::is_empty", deserialize_with = "or_default")]
    pub stop_signal: String,
    /// What runs the shell form of instructions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shell: Option<Vec<String>>,
    /// Whatever else there was (`ArgsEscaped`, `Hostname`).
    #[serde(flatten)]
    pub rest: Map<String, Value>,
}

/// The `{}` that Docker writes as the value of a set's member.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Empty {}

/// Whatever stands there means the same.
impl<'de> Deserialize<'de> for Empty {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(from).map(|_| Self {})
    }
}

/// How a container is asked for its health. Times are in nanoseconds; zero is "as inherited, or the default".
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// `["NONE"]`, `["CMD", …]`, `["CMD-SHELL", "…"]`; empty is "as inherited".
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "or_default")]
    pub test: Vec<String>,
    /// Time between two checks.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub interval: i64,
    /// How long one check may take.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub timeout: i64,
    /// How long the container may be unhealthy at its start.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub start_period: i64,
    /// Time between two checks in that period.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub start_interval: i64,
    /// How many failures in a row make it unhealthy.
    #[serde(default, skip_serializing_if = "is_zero", deserialize_with = "or_default")]
    pub retries: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Settings {
    /// Returns the value of environment variable `name`.
    #[must_use]
    pub fn env(&self, name: &str) -> Option<&str> {
        self.env.iter().find_map(|pair| {
            pair.split_once('=').filter(|(key, _)| *key == name).map(|(_, value)| value)
        })
    }

    /// Sets environment variable `name`, in its place if it is there.
    pub fn set_env(&mut self, name: &str, value: &str) {
        let pair = format!("{name}={value}");
        match self.env.iter_mut().find(|old| old.split('=').next() == Some(name)) {
            Some(old) => *old = pair,
            None => self.env.push(pair),
        }
    }
}
