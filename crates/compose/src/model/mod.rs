//! The typed model: what a project is, in the shape and key order that `docker compose config` prints.
//!
//! The fields bear the names of the compose-spec, which documents them; only what hako adds is explained here.
//! Empty values are left out when a model is written.
#![allow(missing_docs, reason = "the compose-spec documents its own keys, which these are")]

/// Declares a structure whose fields are left out when they are empty.
macro_rules! model {
    ($($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ty,)* })*) => {$(
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
        #[serde(default)]
        pub struct $name {
            $($(#[$field_meta])* #[serde(skip_serializing_if = "crate::model::absent")] pub $field: $kind,)*
        }
    )*};
}

mod build;
mod deploy;
mod project;
mod resources;
mod service;

pub use build::Build;
pub use deploy::{
    Deploy, DeviceRequest, Limits, Placement, Preference, Reservations, Resources, RestartPolicy,
    UpdateConfig,
};
pub use project::{Config, Ipam, IpamPool, Network, Project, Secret, Volume};
pub use resources::{Blkio, Rate, Ulimit, Weight};
pub use service::{
    Bind, Condition, CredentialSpec, Dependency, Develop, Device, Endpoint, EnvFile, Extends,
    Grant, Healthcheck, Hook, ImageMount, Logging, Mount, NamedVolume, Port, Provider, Service,
    Tmpfs, Watch,
};

use std::collections::BTreeMap;

/// Names and texts.
pub type Labels = BTreeMap<String, String>;
/// Names and texts, or nothing where only the name stands.
pub type Pairs = BTreeMap<String, Option<String>>;
/// Keys that begin with `x-`.
pub type Extensions = serde_json::Map<String, serde_json::Value>;

fn absent<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Reads a length of time as the model writes it (`1m30s`).
#[must_use]
pub fn duration(text: &str) -> Option<std::time::Duration> {
    crate::canonical::parse_duration(text)
}
