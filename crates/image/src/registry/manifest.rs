//! Descriptors, manifests and indexes: the documents that registries and layouts keep (image-spec
//! `descriptor.md`, `manifest.md`, `image-index.md`, and Docker's schema 2, which says the same in other media types).
//!
//! They are read leniently (unknown fields are ignored, the bytes are kept elsewhere, verbatim) and written
//! strictly. Everything here is a value; nothing does I/O.

use std::collections::BTreeMap;

use hako_types::{Digest, Platform};
use serde::{Deserialize, Serialize};

/// The media types of the documents and blobs of an image.
pub mod media {
    /// OCI: one image.
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// OCI: a list of images by platform.
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// OCI: an image's configuration.
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// OCI: a layer without compression.
    pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
    /// OCI: a gzip layer.
    pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
    /// OCI: a zstd layer.
    pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
    /// Docker: one image.
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker: a list of images by platform.
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// Docker: an image's configuration.
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
    /// Docker: a layer without compression.
    pub const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
    /// Docker: a gzip layer.
    pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
    /// Docker: a zstd layer.
    pub const DOCKER_LAYER_ZSTD: &str = "application/vnd.docker.image.rootfs.diff.tar.zstd";

    /// What a client asks for when it wants a manifest or an index of either family.
    pub const MANIFESTS: [&str; 4] = [OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST];

    /// Tells whether `media_type` is a list of images by platform.
    #[must_use]
    pub fn is_index(media_type: &str) -> bool {
        matches!(media_type, OCI_INDEX | DOCKER_LIST)
    }

    /// Tells whether `media_type` is one image.
    #[must_use]
    pub fn is_manifest(media_type: &str) -> bool {
        matches!(media_type, OCI_MANIFEST | DOCKER_MANIFEST)
    }

    /// Tells whether `media_type` is a layer that must not be distributed (and is never fetched from elsewhere).
    #[must_use]
    pub fn is_foreign(media_type: &str) -> bool {
        media_type.contains(".foreign.") || media_type.contains("nondistributable")
    }
}

/// Points at content: what it is, its digest and its size.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Descriptor {
    /// The media type of the content.
    #[serde(rename = "mediaType", default)]
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// Other places to fetch the content from. hako never follows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    pub urls: Vec<String>,
    /// Free-form notes.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
    /// What the content runs on, in an index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// The type of an artifact, in an index.
    #[serde(rename = "artifactType", default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Returns the descriptor of `content`.
    #[must_use]
    pub fn of(media_type: &str, content: &[u8]) -> Self {
        Self::new(media_type, Digest::of(content), content.len() as u64)
    }

    /// Returns a descriptor without notes.
    #[must_use]
    pub fn new(media_type: &str, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
            artifact_type: None,
        }
    }
}

/// One image: its configuration and its layers, the lowest first.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Manifest {
    /// Always 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The media type of this document; OCI lets it be absent.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, the lowest first.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub layers: Vec<Descriptor>,
    /// What this manifest is attached to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    /// Free-form notes.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

/// A list of images by platform.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Index {
    /// Always 2.
    #[serde(rename = "schemaVersion")]
    pub schema_version: u32,
    /// The media type of this document; OCI lets it be absent.
    #[serde(rename = "mediaType", default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    /// The images.
    #[serde(default, deserialize_with = "null_is_empty")]
    pub manifests: Vec<Descriptor>,
    /// Free-form notes.
    #[serde(
        default,
        skip_serializing_if = "BTreeMap::is_empty",
        deserialize_with = "null_is_empty"
    )]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// Returns the image that runs best on `wanted`, if there is one.
    ///
    /// The same variant is best, then none, then (for 32-bit ARM, where a newer processor runs older code) the
    /// newest one below. Of equals the first wins, as in the specification.
    #[must_use]
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        let fit = |entry: &&Descriptor| entry.platform.as_ref().and_then(|p| fitness(p, wanted));
        let mut best: Option<(u32, &Descriptor)> = None;
        for entry in &self.manifests {
            if let Some(rank) = fit(&entry)
                && best.is_none_or(|(top, _)| rank > top)
            {
                best = Some((rank, entry));
            }
        }
        best.map(|(_, entry)| entry)
    }

    /// Returns the platforms that there are images for, without attestations and the like.
    #[must_use]
    pub fn platforms(&self) -> Vec<&Platform> {
        self.manifests
            .iter()
            .filter_map(|m| m.platform.as_ref())
            .filter(|p| p.os != "unknown")
            .collect()
    }
}

/// Returns how well an image for `offered` runs on `wanted`; nothing if it does not.
fn fitness(offered: &Platform, wanted: &Platform) -> Option<u32> {
    if offered.os != wanted.os || offered.architecture != wanted.architecture {
        return None;
    }
    // `v8` is what every 64-bit ARM is, and `v1` what every amd64 is: the same as saying nothing.
    let plain = |p: &Platform| match (p.architecture.as_str(), p.variant.as_deref()) {
        ("arm64", Some("v8")) | ("amd64", Some("v1")) | (_, Some("")) => None,
        (_, variant) => variant.map(str::to_owned),
    };
    let number = |v: &str| v.trim_start_matches('v').parse::<u32>().ok();
    match (plain(offered), plain(wanted)) {
        (offered, wanted) if offered == wanted => Some(1000),
        (None, Some(_)) => Some(500),
        (Some(offered), wanted)
            if wanted.is_some() || offered == "v7" || offered == "v6" || offered == "v5" =>
        {
            let most = wanted.as_deref().and_then(number).unwrap_or(7);
            number(&offered).filter(|n| *n <= most)
        }
        _ => None,
    }
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(platforms: &[&str]) -> Index {
        let entry = |text: &&str| {
            let parts: Vec<&str> = text.split('/').collect();
            Descriptor {
                platform: Some(Platform {
                    os: parts[0].into(),
                    architecture: parts[1].into(),
                    variant: parts.get(2).map(|v| (*v).to_owned()),
                }),
                ..Descriptor::of(media::OCI_MANIFEST, text.as_bytes())
            }
        };
        Index {
            schema_version: 2,
            media_type: None,
            manifests: platforms.iter().map(entry).collect(),
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn the_image_that_runs_best_is_selected() {
        for (offered, wanted, best) in [
            (&["linux/arm64/v8", "linux/amd64"][..], "linux/arm64", Some("linux/arm64/v8")),
            (&["linux/amd64/v3", "linux/amd64"], "linux/amd64", Some("linux/amd64")),
            (&["linux/arm/v5", "linux/arm/v6"], "linux/arm/v7", Some("linux/arm/v6")),
            (&["linux/arm/v7"], "linux/arm/v6", None),
            (&["linux/amd64/v3"], "linux/amd64", None),
            (&["unknown/unknown", "windows/amd64"], "linux/amd64", None),
        ] {
            let index = index(offered);
            let got = index.select(&wanted.parse().unwrap()).map(|d| d.digest.clone());
            assert_eq!(got, best.map(|text| Digest::of(text.as_bytes())), "{offered:?} {wanted}");
        }
    }

    #[test]
    fn nulls_and_unknown_fields_are_no_obstacle() {
        let digest = Digest::of(b"");
        let text = format!(
            r#"{{"schemaVersion":2,"x":1,"config":{{"digest":"{digest}","size":0,"mediaType":"a"}},"layers":null,"annotations":null}}"#
        );
        let manifest: Manifest = serde_json::from_str(&text).unwrap();
        assert!(manifest.layers.is_empty());
    }
}
