//! What a transfer has to know of an image: which layers its configuration and its manifest name, and for what platform it is.

use hako_types::{Digest, Platform};
use serde::Deserialize;

use super::Error;
use crate::registry::{Manifest, media};

/// The most layers that an image may have. Overlay mounts take fewer.
const MOST_LAYERS: usize = 500;

/// The part of an image's configuration that a transfer needs.
#[derive(Debug, Deserialize)]
pub(super) struct Outline {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: Option<String>,
    #[serde(default)]
    rootfs: Rootfs,
}

#[derive(Debug, Default, Deserialize)]
struct Rootfs {
    diff_ids: Option<Vec<Digest>>,
}

impl Outline {
    pub(super) fn parse(config: &[u8], reference: &str) -> Result<Self, Error> {
        serde_json::from_slice(config)
            .map_err(|source| Error::Config { reference: reference.to_owned(), source })
    }

    /// Returns the platform, if the configuration tells.
    pub(super) fn platform(&self) -> Option<Platform> {
        if self.os.is_empty() || self.architecture.is_empty() {
            return None;
        }
        Some(Platform {
            os: self.os.clone(),
            architecture: self.architecture.clone(),
            variant: self.variant.clone(),
        })
    }

    /// Returns the diff IDs of the layers, the lowest first.
    pub(super) fn into_diff_ids(self) -> Vec<Digest> {
        self.rootfs.diff_ids.unwrap_or_default()
    }
}

/// Checks that `manifest` is one of an image and that its layers can be fetched and unpacked.
pub(super) fn check(manifest: &Manifest, reference: &str) -> Result<(), Error> {
    let unusable = |problem: String| Error::Unusable { reference: reference.to_owned(), problem };
    if !matches!(manifest.config.media_type.as_str(), media::OCI_CONFIG | media::DOCKER_CONFIG | "")
    {
        return Err(unusable(format!(
            "its configuration is of type `{}`",
            manifest.config.media_type
        )));
    }
    if manifest.layers.len() > MOST_LAYERS {
        return Err(unusable(format!(
            "it has {} layers, more than {MOST_LAYERS}",
            manifest.layers.len()
        )));
    }
    for layer in &manifest.layers {
        if media::is_foreign(&layer.media_type) {
            return Err(unusable(format!(
                "layer `{}` is only to be had elsewhere, which hako does not follow",
                layer.digest
            )));
        }
        if !is_archive(&layer.media_type) {
            return Err(unusable(format!(
                "layer `{}` is of type `{}`",
                layer.digest, layer.media_type
            )));
        }
    }
    Ok(())
}

fn is_archive(media_type: &str) -> bool {
    ["tar", "tar+gzip", "tar.gzip", "tar.gz", "tar+zstd", "tar.zstd"].iter().any(|end| {
        media_type
            .strip_suffix(end)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with(['.', '/']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_archives() {
        for (media_type, want) in [
            (media::OCI_LAYER, true),
            (media::OCI_LAYER_ZSTD, true),
            (media::DOCKER_LAYER_GZIP, true),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", false),
            ("application/vnd.in-toto+json", false),
            ("application/avatar", false),
        ] {
            assert_eq!(is_archive(media_type), want, "{media_type}");
        }
    }
}
