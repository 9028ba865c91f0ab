//! Images that nobody needs, and what images take up on disk.

use std::collections::HashMap;

use hako_types::{Digest, Moment};

use super::remove::{self, ImageUse, Removed};
use super::{Error, Image, Images, rows};

/// Which images `image prune` takes.
#[derive(Clone, Debug, Default)]
pub struct PruneFilter {
    /// All that no container uses, not only those without a name.
    pub all: bool,
    /// Only those made before.
    pub until: Option<Moment>,
    /// Only those that match all of these.
    pub labels: Vec<LabelFilter>,
}

/// `label=key`, `label=key=value`, or the same with `label!=`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LabelFilter {
    /// The label.
    pub key: String,
    /// Its value, where that matters.
    pub value: Option<String>,
    /// Whether images that have it are meant, or those that do not.
    pub wanted: bool,
}

impl LabelFilter {
    /// Reads `key` or `key=value`.
    #[must_use]
    pub fn parse(text: &str, wanted: bool) -> Self {
        let (key, value) = match text.split_once('=') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (text, None),
        };
        Self { key: key.to_owned(), value, wanted }
    }

    /// Tells whether `image` matches.
    #[must_use]
    pub fn matches(&self, image: &Image) -> bool {
        let found = image.config.config.labels.get(&self.key);
        let has =
            found.is_some_and(|value| self.value.as_ref().is_none_or(|wanted| wanted == value));
        has == self.wanted
    }
}

impl PruneFilter {
    /// Tells whether the filter takes `image`, whose containers are among `uses`.
    #[must_use]
    pub fn takes(&self, image: &Image, uses: &[ImageUse]) -> bool {
        (self.all || image.is_dangling())
            && self.until.is_none_or(|until| image.created < until)
            && self.labels.iter().all(|label| label.matches(image))
            && !uses.iter().any(|one| one.image == image.id)
    }
}

/// What images take up on disk.
#[derive(Clone, Debug, Default)]
pub struct Usage {
    /// All layers together, each counted once, in bytes.
    pub layers: u64,
    /// What would be free if the images that no container uses went, in bytes.
    pub reclaimable: u64,
    /// Each image, in the order of [`Images::list`].
    pub images: Vec<ImageUsage>,
}

/// What one image takes up.
#[derive(Clone, Debug)]
pub struct ImageUsage {
    /// The image.
    pub id: Digest,
    /// The part of its size that other images share, in bytes.
    pub shared: u64,
    /// The part that is its own, in bytes.
    pub unique: u64,
}

impl Images<'_> {
    /// Removes the images that `filter` takes; the layers stay until [`free_layers`](Self::free_layers).
    ///
    /// # Errors
    /// When the database fails.
    pub fn prune(&self, filter: &PruneFilter, uses: &[ImageUse]) -> Result<Vec<Removed>, Error> {
        self.database.write(|t| {
            let images = rows::all(t)?;
            let plan: Vec<Removed> = images
                .iter()
                .filter(|image| filter.takes(image, uses))
                .flat_map(remove::everything)
                .collect();
            remove::perform(t, &plan)?;
            Ok(plan)
        })
    }

    /// Returns what images take up; `uses` are the containers of all images.
    ///
    /// # Errors
    /// When the database or a layer cannot be read.
    pub fn usage(&self, uses: &[ImageUse]) -> Result<Usage, Error> {
        let images = self.list()?;
        let mut owners: HashMap<&Digest, (u32, bool, u64)> = HashMap::new();
        for image in &images {
            let used = uses.iter().any(|one| one.image == image.id);
            let mut ids: Vec<&Digest> = image.diff_ids().iter().collect();
            ids.sort_unstable();
            ids.dedup();
            for id in ids {
                let size = self.layers.size(id).unwrap_or(0);
                let entry = owners.entry(id).or_insert((0, false, size));
                entry.0 += 1;
                entry.1 |= used;
            }
        }
        let part = |image: &Image, shared: bool| {
            image
                .diff_ids()
                .iter()
                .filter_map(|id| owners.get(id))
                .filter(|o| (o.0 > 1) == shared)
                .map(|o| o.2)
                .sum()
        };
        Ok(Usage {
            layers: owners.values().map(|owner| owner.2).sum(),
            reclaimable: owners.values().filter(|owner| !owner.1).map(|owner| owner.2).sum(),
            images: images
                .iter()
                .map(|image| ImageUsage {
                    id: image.id.clone(),
                    shared: part(image, true),
                    unique: part(image, false),
                })
                .collect(),
        })
    }
}
