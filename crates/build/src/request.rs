//! What a caller asks for, and what the engine tells about images.

use std::collections::{BTreeMap, BTreeSet};

use hako_image::ImageConfig;
use hako_types::{Moment, Platform};
use serde::Serialize;

use crate::graph::LayerId;

/// One build, as it was asked for.
#[derive(Clone, Debug)]
pub struct Request {
    /// The Dockerfile's text.
    pub dockerfile: String,
    /// `--target`: the last stage where there is none.
    pub target: Option<String>,
    /// `--build-arg`.
    pub arguments: BTreeMap<String, String>,
    /// `--label`.
    pub labels: BTreeMap<String, String>,
    /// `--platform`: what is built for.
    pub platform: Platform,
    /// `--build-context`, by name.
    pub contexts: BTreeMap<String, NamedContext>,
    /// What is done although the cache has it.
    pub no_cache: NoCache,
    /// How `RUN` steps run.
    pub run: RunDefaults,
    /// Whether there is a main context.
    pub has_context: bool,
    /// What is built, the same from time to time (the path of the context): only for telling what changed.
    pub project: String,
}

impl Request {
    /// Returns the moment that the image shall have been made at (`SOURCE_DATE_EPOCH`), where one is given.
    #[must_use]
    pub fn epoch(&self) -> Option<Moment> {
        self.arguments.get("SOURCE_DATE_EPOCH")?.trim().parse().ok().map(Moment::from_seconds)
    }
}

/// What a `--build-context` stands for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NamedContext {
    /// A directory of the caller's.
    Directory,
    /// An image (`docker-image://alpine`).
    Image(String),
}

/// Which steps are done although the cache has them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum NoCache {
    /// None.
    #[default]
    Nothing,
    /// All.
    All,
    /// Those of these stages, by name in lower case.
    Stages(BTreeSet<String>),
}

/// Which network a `RUN` step has.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// A way out.
    #[default]
    Default,
    /// Its loopback.
    None,
    /// The machine's.
    Host,
}

/// What holds for all `RUN` steps.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct RunDefaults {
    /// The network of steps that do not say.
    pub network: Network,
    /// Further names, as `name:address`.
    pub hosts: Vec<String>,
    /// Limits, as `name=soft:hard`.
    pub ulimits: Vec<String>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Bytes of memory; does not count for the cache.
    #[serde(skip)]
    pub memory: Option<i64>,
    /// Billionths of processors; does not count for the cache.
    #[serde(skip)]
    pub nano_cpus: Option<i64>,
}

/// An image that a stage stands on or copies from.
#[derive(Clone, Debug)]
pub struct Base {
    /// Its configuration.
    pub config: ImageConfig,
    /// Its layers, lowest first.
    pub layers: Vec<LayerId>,
    /// Its full name with its digest, for people.
    pub display: String,
}
