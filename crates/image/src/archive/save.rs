//! `docker save`: one archive that is an OCI layout and Docker's form at once.

use std::collections::{BTreeMap, HashSet};
use std::io::Write;

use hako_types::{Digest, Reference};
use serde::Serialize;

use super::Error;
use super::member::blob_name;
use crate::content::{self, Image, Images};
use crate::layers::Layers;
use crate::registry::{Descriptor, Index, Manifest, media};
use crate::tar::{self, Entry, Kind};

/// What is going to be saved; making it finds everything, so that nothing is written when something is missing.
#[derive(Clone, Debug)]
pub struct SavePlan {
    layers: Layers,
    images: Vec<(Image, Vec<Reference>)>,
}

/// One image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

impl SavePlan {
    /// Finds the images that `wanted` names: names, ids, or repositories without a tag, which stand for all of their tags.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn new(images: &Images<'_>, wanted: &[String]) -> Result<Self, Error> {
        let mut plan = Self { layers: images.layers().clone(), images: Vec::new() };
        for text in wanted {
            for (image, name) in find(images, text)? {
                if let Some(missing) = image.diff_ids().iter().find(|id| !plan.layers.has(id)) {
                    return Err(content::Error::MissingLayer {
                        image: image.id.clone(),
                        layer: missing.clone(),
                    }
                    .into());
                }
                let at = plan.images.iter().position(|(old, _)| old.id == image.id).unwrap_or_else(
                    || {
                        plan.images.push((image, Vec::new()));
                        plan.images.len() - 1
                    },
                );
                let names = &mut plan.images[at].1;
                names.extend(name.filter(|name| !names.contains(name)));
            }
        }
        Ok(plan)
    }

    /// Writes the archive to `out`. The same images always give the same bytes.
    ///
    /// # Errors
    /// When a layer is damaged or `out` fails.
    pub fn write(&self, out: impl Write) -> Result<(), Error> {
        let mut writer = Archive { out: tar::Writer::new(out), written: HashSet::new() };
        writer.directory("blobs/")?;
        writer.directory("blobs/sha256/")?;
        let (mut items, mut descriptors) = (Vec::new(), Vec::new());
        for (image, names) in &self.images {
            writer.blob(&image.id, &image.config_bytes)?;
            for diff_id in image.diff_ids() {
                writer.layer(&self.layers, diff_id)?;
            }
            let manifest = self.manifest(image)?;
            let bytes = json(&manifest)?;
            let descriptor = Descriptor::of(media::OCI_MANIFEST, &bytes);
            writer.blob(&descriptor.digest, &bytes)?;
            descriptors.extend(described(&descriptor, image, names));
            items.push(Item {
                config: blob_name(&image.id),
                repo_tags: names.iter().map(Reference::familiar).collect(),
                layers: image.diff_ids().iter().map(blob_name).collect(),
            });
        }
        let index = Index {
            schema_version: 2,
            media_type: Some(media::OCI_INDEX.into()),
            manifests: descriptors,
            annotations: BTreeMap::new(),
        };
        writer.file("index.json", &json(&index)?)?;
        writer.file("manifest.json", &json(&items)?)?;
        writer.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        writer.out.finish().map_err(Error::Write)?;
        Ok(())
    }

    /// Returns the manifest of an image whose layers are not compressed.
    fn manifest(&self, image: &Image) -> Result<Manifest, Error> {
        let layer = |id: &Digest| {
            Ok(Descriptor::new(media::OCI_LAYER, id.clone(), self.layers.tar_size(id)?))
        };
        Ok(Manifest {
            schema_version: 2,
            media_type: Some(media::OCI_MANIFEST.into()),
            config: Descriptor::of(media::OCI_CONFIG, &image.config_bytes),
            layers: image.diff_ids().iter().map(layer).collect::<Result<_, Error>>()?,
            subject: None,
            annotations: BTreeMap::new(),
        })
    }
}

/// Returns the images that `text` names, each with the name to save it under.
fn find(images: &Images<'_>, text: &str) -> Result<Vec<(Image, Option<Reference>)>, Error> {
    if let Ok(name) = text.parse::<Reference>()
        && name.tag.is_none()
        && name.digest.is_none()
    {
        let repository = name.repository();
        let mut found = Vec::new();
        for image in images.list()? {
            let names: Vec<Reference> = image
                .names
                .iter()
                .filter(|name| name.repository() == repository)
                .cloned()
                .collect();
            found.extend(names.into_iter().map(|name| (image.clone(), Some(name))));
        }
        found.sort_by(|a, b| a.1.cmp(&b.1));
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let image = images.resolve(text)?;
    let name = text
        .parse::<Reference>()
        .ok()
        .map(Reference::tagged)
        .filter(|name| image.names.contains(name));
    Ok(vec![(image, name)])
}

/// Returns what the index says of an image: once for each of its names.
fn described(descriptor: &Descriptor, image: &Image, names: &[Reference]) -> Vec<Descriptor> {
    let plain = Descriptor { platform: Some(image.platform()), ..descriptor.clone() };
    if names.is_empty() {
        return vec![plain];
    }
    let named = |name: &Reference| {
        let mut one = plain.clone();
        one.annotations.insert("io.containerd.image.name".into(), name.to_string());
        one.annotations.insert(
            "org.opencontainers.image.ref.name".into(),
            name.tag.clone().unwrap_or_default(),
        );
        one
    };
    names.iter().map(named).collect()
}

fn json(document: &impl Serialize) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(document).map_err(|error| Error::Write(error.into()))
}

/// The archive in the making.
struct Archive<W: Write> {
    out: tar::Writer<W>,
    written: HashSet<Digest>,
}

impl<W: Write> Archive<W> {
    fn directory(&mut self, name: &str) -> Result<(), Error> {
        let entry =
            Entry { path: name.into(), kind: Kind::Directory, mode: 0o755, ..Entry::default() };
        self.out.entry(&entry).map_err(Error::Write)
    }

    fn file(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        self.out
            .file(&Entry { path: name.into(), mode: 0o644, ..Entry::default() }, bytes)
            .map_err(Error::Write)
    }

    fn blob(&mut self, digest: &Digest, bytes: &[u8]) -> Result<(), Error> {
        if self.written.insert(digest.clone()) {
            self.file(&blob_name(digest), bytes)
        } else {
            Ok(())
        }
    }

    fn layer(&mut self, layers: &Layers, diff_id: &Digest) -> Result<(), Error> {
        if self.written.insert(diff_id.clone()) {
            let size = layers.tar_size(diff_id)?;
            let entry =
                Entry { path: blob_name(diff_id).into(), mode: 0o644, size, ..Entry::default() };
            self.out.entry(&entry).map_err(Error::Write)?;
            layers.tar(diff_id, self.out.output())?;
        }
        Ok(())
    }
}
