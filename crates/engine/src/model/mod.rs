//! What is asked for and what is told, in the shapes of the Docker Engine API.
//!
//! These structs are what the command line and Compose fill in, what the database keeps (as JSON), and what `inspect` prints:
//! one shape for one thing. Field names and JSON keys are Docker's.

mod config;
mod host;
mod inspect;
mod network;

pub use config::{Config, Healthcheck};
pub use host::{
    BindOptions, Device, DeviceRequest, HostConfig, ImageOptions, LogConfig, Mount, MountKind,
    PortBinding, RestartPolicy, ThrottleDevice, TmpfsOptions, Ulimit, VolumeOptions, WeightDevice,
};
pub use inspect::{
    ContainerInspect, EndpointSettings, Health, MountPoint, NetworkSettings, Probe, State, Status,
};
pub use network::{
    EndpointConfig, Ipam, IpamConfig, NetworkInspect, NetworkSpec, NetworkedContainer,
    VolumeInspect, VolumeSpec,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names and values, in order of their names.
pub type Map = BTreeMap<String, String>;

/// A set of names in the form that Go writes it: `{"80/tcp": {}}`.
pub type Set = BTreeMap<String, Empty>;

/// Go's `struct{}`.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Empty {}
