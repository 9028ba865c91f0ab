//! What becomes of a build: an image, a directory, a tar.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use hako_build::LayerId;
use hako_build::copy::{self, Opened};
use hako_build::graph::{CopyOp, CopySource, Source};
use hako_build::tree::{Tree, open_root};
use hako_image::archive::SavePlan;
use hako_image::files::{self, PackOptions, Plain};
use hako_image::{Draft, Image};
use hako_types::{Digest, Reference};

use super::Outcome;
use super::snapshots::{Snapshots, make};
use crate::Error;

/// An image that a build made.
#[derive(Clone, Debug)]
pub struct Exported {
    /// The image.
    pub image: Image,
    /// Whether it was there before.
    pub was_known: bool,
}

impl Outcome<'_> {
    /// Makes an image of the result and gives it these names. Its layers become the image store's.
    ///
    /// # Errors
    /// When a layer cannot be read or kept.
    pub fn image(&self, names: &[Reference]) -> Result<Exported, Error> {
        let images = self.engine.images()?;
        let mut diff_ids = Vec::new();
        for layer in &self.solved.layers {
            diff_ids.push(self.adopted(layer)?);
        }
        let config = self.config(diff_ids).to_bytes();
        let id = Digest::of(&config);
        let failed = || Error::below("cannot keep the image");
        let known = images.get(&id).ok();
        let was_known = known.is_some();
        let image = match known {
            Some(image) => image,
            None => images.put(&Draft { config, ..Draft::default() }).map_err(failed())?,
        };
        for name in names.iter().filter(|name| !image.names.contains(&(*name).clone().tagged())) {
            images.tag(&id, name).map_err(failed())?;
        }
        let image = images.get(&id).map_err(failed())?;
        Ok(Exported { image, was_known })
    }

    /// Returns the image store's name of a layer, which takes it over if it is not its already.
    fn adopted(&self, layer: &LayerId) -> Result<Digest, Error> {
        let parsed =
            |text: &str| text.parse::<Digest>().map_err(|error| Error::Invalid(error.to_string()));
        if layer.is_diff_id() {
            return parsed(&layer.0);
        }
        let snapshots = self.engine.paths().build().join("snapshots").join(&layer.0);
        if let Some(known) = self.cache.diff_id(layer)? {
            let known = parsed(&known)?;
            if self.lease.has(&known) {
                return Ok(known);
            }
        }
        let adopted = self
            .lease
            .adopt(&snapshots.join("fs"))
            .map_err(Error::below(format!("cannot keep the layer `{layer}`")))?;
        self.cache.adopted(layer, adopted.diff_id.as_str())?;
        let _debris = fs::remove_dir_all(&snapshots);
        Ok(adopted.diff_id)
    }

    /// Returns the files of the result.
    fn files(&self) -> Result<Tree, Error> {
        let layers = self.engine.images()?.layers().clone();
        let snapshots = Snapshots::new(&self.engine.paths().build(), layers, &self.cache);
        Ok(Tree::snapshot(snapshots.open(&self.solved.layers)?))
    }

    /// Copies the files of the result into a directory, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn directory(&self, path: &Path) -> Result<(), Error> {
        make(path)?;
        let root = open_root(path).map_err(Error::io("open", path))?;
        let tree = self.files()?;
        let sources = vec![CopySource {
            from: Source::Context(String::new()),
            path: ".".into(),
            unpack: false,
        }];
        let operation = CopyOp { sources, target: "/".into(), ..CopyOp::default() };
        copy::perform(
            &operation,
            copy::Destination::plain(root.as_fd()),
            &[Opened::Tree(&tree, ".")],
            None,
            None,
        )
        .map_err(|error| Error::Invalid(format!("cannot write to `{}`: {error}", path.display())))
    }

    /// Writes the files of the result as a tar.
    ///
    /// # Errors
    /// When they cannot be read, or `out` fails.
    pub fn tar(&self, out: impl Write) -> Result<(), Error> {
        let tree = self.files()?;
        let options = PackOptions { name: Some(String::new()), ..PackOptions::default() };
        let failed =
            |error: files::Error| Error::Invalid(format!("cannot write the archive: {error}"));
        let mut sink =
            files::pack_from(tree.root(), Path::new("."), Plain(out), &options).map_err(failed)?;
        sink.flush().map_err(Error::io("write", Path::new("the archive")))
    }

    /// Writes the image as an archive that is Docker's and OCI's at once.
    ///
    /// # Errors
    /// When a layer cannot be read, or `out` fails.
    pub fn archive(&self, names: &[Reference], out: impl Write) -> Result<Exported, Error> {
        let exported = self.image(names)?;
        let images = self.engine.images()?;
        let wanted: Vec<String> = match names {
            [] => vec![exported.image.id.to_string()],
            names => names.iter().map(ToString::to_string).collect(),
        };
        let failed = "cannot write the archive";
        let plan = SavePlan::new(&images, &wanted).map_err(Error::below(failed))?;
        plan.write(out).map_err(Error::below(failed))?;
        Ok(exported)
    }
}
