//! What a build resulted in, before anything is made of it.

use hako_build::{LayerId, Planned, Solved, SqliteCache};
use hako_dockerfile::Problem;
use hako_image::config::History;
use hako_image::{ImageConfig, layers::Lease};
use hako_store::Lock;
use hako_types::{Digest, Moment};

use crate::Engine;

/// A finished build. While it lives, none of its layers goes.
#[derive(Debug)]
pub struct Outcome<'e> {
    pub(super) engine: &'e Engine,
    pub(super) lease: Lease,
    pub(super) cache: SqliteCache,
    pub(super) planned: Planned,
    pub(super) solved: Solved,
    pub(super) epoch: Option<Moment>,
    /// What should be looked at.
    pub warnings: Vec<Problem>,
    /// Held so that nobody prunes what is being exported.
    pub(super) _running: Option<Lock>,
}

impl Outcome<'_> {
    /// Returns the layers of the result, lowest first.
    #[must_use]
    pub fn layers(&self) -> &[LayerId] {
        &self.solved.layers
    }

    /// Returns the configuration of the image, whose layers have these diff IDs.
    ///
    /// A step has the time at which its layer was made, an instruction without a layer that of the one before it: so a build that
    /// finds everything in the cache gives the same image again.
    pub(super) fn config(&self, diff_ids: Vec<Digest>) -> ImageConfig {
        let mut config = self.planned.config.clone();
        config.rootfs.diff_ids = diff_ids;
        let made = |vertex: hako_build::VertexId| {
            self.solved.made.get(vertex.0)?.as_ref().map(|record| record.created)
        };
        let times: Vec<Option<Moment>> =
            self.planned.history.iter().map(|made_by| made_by.vertex.and_then(made)).collect();
        let first = times.iter().flatten().next().copied();
        let base = config.history.iter().rev().find_map(|entry| entry.created).or(config.created);
        let mut last = first.or(base);
        for (entry, time) in self.planned.history.iter().zip(times) {
            last = time.or(last);
            config.history.push(History {
                created: self.epoch.or(last),
                created_by: entry.created_by.clone(),
                comment: "buildkit.dockerfile.v0".into(),
                empty_layer: entry.vertex.is_none(),
                ..History::default()
            });
        }
        config.created = self.epoch.or(last).or(config.created).or_else(|| Some(Moment::now()));
        for stale in ["id", "parent", "container", "container_config", "docker_version"] {
            config.rest.remove(stale);
        }
        config
    }
}
