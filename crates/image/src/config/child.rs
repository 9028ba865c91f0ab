//! The configuration of an image that is made from another one.

use hako_types::{Digest, Moment};

use super::{History, ImageConfig, Settings};

/// What an image has more than the one it is made from.
#[derive(Clone, Debug, Default)]
pub struct Addition {
    /// The layer on top; `None` when only the settings changed.
    pub layer: Option<Digest>,
    /// What was done (`created_by`).
    pub created_by: String,
    /// What was said about it.
    pub comment: String,
    /// Who did it; stands in the image and in its history.
    pub author: String,
    /// When.
    pub created: Option<Moment>,
    /// The settings of the new image; `None` leaves the parent's.
    pub settings: Option<Settings>,
}

/// Returns the configuration of the image that `addition` makes of `parent`.
#[must_use]
pub fn child_config(parent: &ImageConfig, addition: Addition) -> ImageConfig {
    let mut child = parent.clone();
    child.created = addition.created;
    child.history.push(History {
        created: addition.created,
        created_by: addition.created_by,
        author: addition.author.clone(),
        comment: addition.comment,
        empty_layer: addition.layer.is_none(),
    });
    if !addition.author.is_empty() {
        child.author = Some(addition.author);
    }
    if let Some(settings) = addition.settings {
        child.config = settings;
    }
    child.rootfs.diff_ids.extend(addition.layer);
    for stale in [
        "id",
        "parent",
        "container",
        "container_config",
        "moby.buildkit.buildinfo.v1",
        "moby.buildkit.cache.v0",
    ] {
        child.rest.remove(stale);
    }
    child
}
