//! `docker load`.

use std::io::Read;

use hako_types::{Digest, Platform, Reference};
use serde::Deserialize;

use super::member::{Members, blob_name};
use super::{Error, compression};
use crate::config::ImageConfig;
use crate::content::{Draft, Image, Images};
use crate::registry::{Descriptor, Index, Manifest, media};

/// An image that came out of an archive.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The image as it is now.
    pub image: Image,
    /// The names that it got from the archive; none when it has none there.
    pub names: Vec<Reference>,
    /// The names that other images had before, and which ones.
    pub displaced: Vec<(Reference, Digest)>,
}

/// An image as an archive describes it.
struct Described {
    config_name: String,
    config: Vec<u8>,
    manifest: Option<Vec<u8>>,
    /// The names of its layers in the archive, lowest first.
    layers: Vec<String>,
    names: Vec<Reference>,
}

/// One image in `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default, deserialize_with = "crate::config::or_default")]
    repo_tags: Vec<String>,
    #[serde(default, deserialize_with = "crate::config::or_default")]
    layers: Vec<String>,
}

/// Loads all images of the archive in `source`, which is read to its end.
///
/// Of an OCI index with several platforms those are taken that are complete in the archive and run here, or the first complete one when none does.
/// Names that other images have move.
///
/// # Errors
/// When the archive is damaged or has no images; no image is kept then.
pub fn load(images: &Images<'_>, source: impl Read) -> Result<Vec<Loaded>, Error> {
    let lease = images.layers().lease()?;
    let mut source = compression::plain(source)
        .map_err(|error| Error::Archive(crate::tar::Error::Read(error)))?;
    let mut members = Members::read(&mut *source, &lease)?;
    let described = match (members.document("manifest.json"), members.document("index.json")) {
        (Some(bytes), _) => docker(&members, bytes)?,
        (None, Some(bytes)) => oci(&members, bytes)?,
        (None, None) => return Err(Error::NoImages),
    };
    if described.is_empty() {
        return Err(Error::NoImages);
    }
    for one in &described {
        check(&members, one)?;
    }
    for name in described.iter().flat_map(|one| &one.layers) {
        members.admit(name, &lease)?;
    }
    described.into_iter().map(|one| keep(images, one)).collect()
}

fn keep(images: &Images<'_>, one: Described) -> Result<Loaded, Error> {
    let draft = Draft { config: one.config, manifest: one.manifest, ..Draft::default() };
    let image = images.put(&draft)?;
    let mut displaced = Vec::new();
    for name in &one.names {
        match images.resolve(&name.to_string()) {
            Ok(old) if old.id != image.id && old.names.contains(name) => {
                displaced.push((name.clone(), old.id));
            }
            _ => {}
        }
        images.tag(&image.id, name)?;
    }
    Ok(Loaded { image: images.get(&image.id)?, names: one.names, displaced })
}

/// Checks that the image's layers are there and are those that its configuration lists.
fn check(members: &Members, one: &Described) -> Result<(), Error> {
    let name = &one.config_name;
    let config = ImageConfig::parse(&one.config)
        .map_err(|source| Error::Config { name: name.clone(), source })?;
    if config.rootfs.diff_ids.len() != one.layers.len() {
        return Err(Error::LayerCount(name.clone()));
    }
    for (layer, expected) in one.layers.iter().zip(&config.rootfs.diff_ids) {
        let found = members.diff_id(layer).ok_or_else(|| Error::Lacks(layer.clone()))?;
        if found != expected {
            let (expected, found) = (expected.clone(), found.clone());
            return Err(Error::WrongLayer { name: layer.clone(), expected, found });
        }
    }
    Ok(())
}

/// Reads Docker's form.
fn docker(members: &Members, bytes: &[u8]) -> Result<Vec<Described>, Error> {
    let document = |source| Error::Document { name: "manifest.json".into(), source };
    let items: Vec<Item> = serde_json::from_slice(bytes).map_err(document)?;
    let describe = |item: Item| {
        let config = members
            .document(&item.config)
            .ok_or_else(|| Error::Lacks(item.config.clone()))?
            .to_vec();
        let name = item
            .config
            .strip_prefix("blobs/sha256/")
            .unwrap_or(item.config.trim_end_matches(".json"));
        if let Ok(expected) = format!("sha256:{name}").parse::<Digest>() {
            let found = Digest::of(&config);
            if found != expected {
                return Err(Error::Damaged { name: item.config, found });
            }
        }
        Ok(Described {
            config_name: item.config,
            manifest: None,
            config,
            layers: item.layers,
            names: item
                .repo_tags
                .iter()
                .filter_map(|tag| tag.parse().ok())
                .map(Reference::tagged)
                .collect(),
        })
    };
    items.into_iter().map(describe).collect()
}

/// Tells whether an index speaks of an image, and not of an attestation or another artifact.
fn is_image(descriptor: &Descriptor) -> bool {
    descriptor.artifact_type.is_none()
        && !descriptor.annotations.contains_key("vnd.docker.reference.type")
        && descriptor.platform.as_ref().is_none_or(|platform| platform.os != "unknown")
}

/// Reads OCI's form.
fn oci(members: &Members, bytes: &[u8]) -> Result<Vec<Described>, Error> {
    let document = |name: &str| {
        let name = name.to_owned();
        move |source| Error::Document { name, source }
    };
    let index: Index = serde_json::from_slice(bytes).map_err(document("index.json"))?;
    let mut described: Vec<Described> = Vec::new();
    for descriptor in index.manifests.iter().filter(|one| is_image(one)) {
        let name = ["io.containerd.image.name", "org.opencontainers.image.ref.name"]
            .iter()
            .find_map(|key| descriptor.annotations.get(*key)?.parse::<Reference>().ok())
            .filter(|name| name.tag.is_some());
        let digest = if media::is_index(&descriptor.media_type) {
            let inner = members.blob(&descriptor.digest)?;
            let inner: Index =
                serde_json::from_slice(inner).map_err(document(&blob_name(&descriptor.digest)))?;
            let is_here = |digest: &Digest| members.document(&blob_name(digest)).is_some();
            let whole = Index {
                manifests: inner
                    .manifests
                    .into_iter()
                    .filter(|one| is_here(&one.digest) && is_image(one))
                    .collect(),
                ..inner
            };
            let chosen = whole.select(&Platform::host()).or(whole.manifests.first());
            chosen
                .map(|chosen| chosen.digest.clone())
                .ok_or_else(|| Error::Lacks(blob_name(&descriptor.digest)))?
        } else {
            descriptor.digest.clone()
        };
        if let Some(old) = described.iter_mut().find(|old| old.config_name == blob_name(&digest)) {
            old.names.extend(name);
            continue;
        }
        let bytes = members.blob(&digest)?;
        let manifest: Manifest =
            serde_json::from_slice(bytes).map_err(document(&blob_name(&digest)))?;
        described.push(Described {
            config_name: blob_name(&digest),
            config: members.blob(&manifest.config.digest)?.to_vec(),
            manifest: Some(bytes.to_vec()),
            layers: manifest.layers.iter().map(|layer| blob_name(&layer.digest)).collect(),
            names: name.into_iter().collect(),
        });
    }
    Ok(described)
}
