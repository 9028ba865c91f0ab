//! `docker import`: the archive of a file system becomes an image of one layer.

use std::io::Read;

use hako_types::{Moment, Platform, Reference};

use super::{Error, compression};
use crate::config::{Addition, ImageConfig, apply_change, child_config};
use crate::content::{Draft, Image, Images};
use crate::tar::Limits;

/// What the image is to be like.
#[derive(Clone, Debug)]
pub struct Import {
    /// Instructions that change its settings (see [`apply_change`]).
    pub changes: Vec<String>,
    /// What its history says about it.
    pub message: String,
    /// What it runs on.
    pub platform: Platform,
    /// Its name.
    pub name: Option<Reference>,
}

/// Makes an image of the tar in `source`, plain or compressed, which is read to its end.
///
/// # Errors
/// When a change is refused, the archive is refused or empty, or the image cannot be kept.
pub fn import(images: &Images<'_>, source: impl Read, wanted: &Import) -> Result<Image, Error> {
    let mut base = ImageConfig::empty(&wanted.platform);
    for change in &wanted.changes {
        apply_change(&mut base.config, change).map_err(Error::Change)?;
    }
    let lease = images.layers().lease()?;
    let read = |error| Error::Archive(crate::tar::Error::Read(error));
    let mut tar = compression::plain(source).map_err(read)?;
    if tar.fill_buf().map_err(read)?.is_empty() {
        return Err(Error::Empty);
    }
    let layer = lease.admit(lease.stage(None, &mut *tar, &Limits::default())?)?;
    let addition = Addition {
        layer: Some(layer.diff_id),
        comment: wanted.message.clone(),
        created: Some(Moment::now()),
        ..Addition::default()
    };
    let image = images
        .put(&Draft { config: child_config(&base, addition).to_bytes(), ..Draft::default() })?;
    if let Some(name) = &wanted.name {
        images.tag(&image.id, name)?;
    }
    Ok(images.get(&image.id)?)
}
