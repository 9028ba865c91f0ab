//! How an image came about.

use hako_types::{Digest, Moment, Reference};

use super::{Error, Image, Images};

/// One line of `docker history`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HistoryLine {
    /// The image, on the first line; the others are `<missing>`.
    pub id: Option<Digest>,
    /// When it was done.
    pub created: Option<Moment>,
    /// What was done.
    pub created_by: String,
    /// What was said about it.
    pub comment: String,
    /// The size of the layer that it made in bytes, or nothing.
    pub size: u64,
    /// The names of the image, on the first line.
    pub names: Vec<Reference>,
}

impl Images<'_> {
    /// Returns how `image` came about, the newest step first.
    ///
    /// Layers that the image's own history does not account for come as lines of their own.
    ///
    /// # Errors
    /// When a layer cannot be looked at.
    pub fn history(&self, image: &Image) -> Result<Vec<HistoryLine>, Error> {
        let mut layers = image.diff_ids().iter();
        let mut lines = Vec::new();
        for step in &image.config.history {
            let layer = if step.empty_layer { None } else { layers.next() };
            lines.push(HistoryLine {
                id: None,
                created: step.created,
                created_by: step.created_by.clone(),
                comment: step.comment.clone(),
                size: layer.map_or(Ok(0), |id| self.layers.size(id))?,
                names: Vec::new(),
            });
        }
        for id in layers {
            let size = self.layers.size(id)?;
            let (created_by, comment) = (String::new(), String::new());
            lines.push(HistoryLine {
                id: None,
                created: None,
                created_by,
                comment,
                size,
                names: Vec::new(),
            });
        }
        lines.reverse();
        if let Some(first) = lines.first_mut() {
            first.id = Some(image.id.clone());
            first.names.clone_from(&image.names);
        }
        Ok(lines)
    }
}
