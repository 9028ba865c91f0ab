//! What the build cache takes, and how it is made smaller.

use std::collections::HashSet;
use std::fs;

use hako_build::SqliteCache;
use hako_build::cache::{Keep, Usage};

use crate::{Engine, Error};

/// What was removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Pruned {
    /// The names of the layers and cache mounts.
    pub names: Vec<String>,
    /// The bytes that they took.
    pub bytes: u64,
}

/// Returns what the cache holds.
///
/// # Errors
/// When the database fails.
pub fn usage(engine: &Engine) -> Result<Usage, Error> {
    Ok(SqliteCache::new(engine.reopen()?.into_database()).usage()?)
}

/// Removes from the cache all but what `keep` says; with `all`, what images have too. Cache mounts go with `mounts`.
///
/// # Errors
/// When something cannot be removed.
pub fn prune(engine: &Engine, keep: Keep, mounts: bool) -> Result<Pruned, Error> {
    let cache = SqliteCache::new(engine.reopen()?.into_database());
    let path = engine.paths().locks().join("build");
    let alone = hako_store::Lock::try_exclusive(&path).map_err(Error::io("lock", &path))?;
    let Some(_alone) = alone else {
        return Err(Error::Conflict("a build is running: prune when it has ended".into()));
    };
    let usage = cache.usage()?;
    let mut pruned = Pruned::default();
    let build = engine.paths().build();
    for row in usage.to_remove(keep) {
        cache.forget(&row.layer)?;
        let directory = build.join("snapshots").join(&row.layer.0);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &directory)(error));
            }
            _ => {}
        }
        pruned.bytes += row.size;
        pruned.names.push(row.layer.0.clone());
    }
    if mounts {
        remove_mounts(&build.join("mounts"), &mut pruned)?;
    }
    engine.system().free_layers()?;
    Ok(pruned)
}

fn remove_mounts(root: &std::path::Path, pruned: &mut Pruned) -> Result<(), Error> {
    let Ok(entries) = fs::read_dir(root) else { return Ok(()) };
    let mut seen = HashSet::new();
    for entry in entries.filter_map(Result::ok) {
        let path = entry.path();
        let is_used = hako_store::Lock::is_held(&path.join("0.lock")).unwrap_or(false);
        if is_used || !seen.insert(path.clone()) {
            continue;
        }
        pruned.bytes += super::snapshots::size(&path).unwrap_or(0);
        pruned.names.push(fs::read_to_string(path.join("id")).unwrap_or_default());
        fs::remove_dir_all(&path).map_err(Error::io("remove", &path))?;
    }
    Ok(())
}
