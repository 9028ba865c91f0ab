//! Mount points that a step's mounts leave in its layer, and how they are taken out of it again.

use std::fs;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use hako_build::tree::path;

/// Paths that are not in the image and will be made for mounts.
#[derive(Debug, Default)]
pub(super) struct Stubs(Vec<PathBuf>);

impl Stubs {
    /// Finds what is missing in `root` of the way to each target.
    pub(super) fn of<'t>(root: BorrowedFd<'_>, targets: impl IntoIterator<Item = &'t str>) -> Self {
        let mut all = Vec::new();
        for target in targets {
            let Ok(real) = path::resolve_new(root, Path::new(target)) else { continue };
            let mut way = PathBuf::new();
            for part in real.components() {
                way.push(part);
                if path::resolve(root, &way).is_err() && !all.contains(&way) {
                    all.push(way.clone());
                }
            }
        }
        Self(all)
    }

    /// Removes them from the layer in `upper`, unless the step put something into them.
    pub(super) fn remove(&self, upper: &Path) {
        for stub in self.0.iter().rev() {
            let path = upper.join(stub);
            let Ok(meta) = path.symlink_metadata() else { continue };
            let parent = path
                .parent()
                .and_then(|parent| Some((parent, parent.metadata().ok()?.modified().ok()?)));
            let removed = if meta.is_dir() {
                fs::remove_dir(&path)
            } else if meta.is_file() && meta.len() == 0 {
                fs::remove_file(&path)
            } else {
                continue;
            };
            if let (Ok(()), Some((parent, modified))) = (removed, parent) {
                let _cosmetic =
                    fs::File::open(parent).and_then(|parent| parent.set_modified(modified));
            }
        }
    }
}
