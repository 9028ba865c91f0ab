//! What builds that were killed left behind: half-made layers, their sandboxes, their scratch directories.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use hako_build::SqliteCache;
use hako_store::Lock;
use hako_types::ContainerId;

use crate::monitor::{cgroup_host, free_cgroup};
use crate::{Engine, Error, network};

/// The file that tells a step's scratch directory from a container's.
pub(super) const MARK: &str = "build-step";

/// Removes it all, unless another build runs.
pub(super) fn sweep(engine: &Engine, cache: &SqliteCache) -> Result<(), Error> {
    let path = engine.paths().locks().join("build");
    let Some(_alone) = Lock::try_exclusive(&path).map_err(Error::io("lock", &path))? else {
        return Ok(());
    };
    sandboxes(engine)?;
    let known: HashSet<String> = cache.usage()?.rows.into_iter().map(|row| row.layer.0).collect();
    for entry in entries(&engine.paths().build().join("snapshots")) {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != "empty" && !known.contains(&name) {
            let _next_time = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Ends what steps of dead builds left running.
fn sandboxes(engine: &Engine) -> Result<(), Error> {
    for entry in entries(&engine.paths().containers()) {
        let path = entry.path();
        let is_left =
            path.join(MARK).exists() && !Lock::is_held(&path.join("lock")).unwrap_or(true);
        let Some(id) = path
            .file_name()
            .and_then(|name| name.to_str()?.parse::<ContainerId>().ok())
            .filter(|_| is_left)
        else {
            continue;
        };
        let group = format!("/{}/{id}", network::own_name(engine, "hako", "hako-"));
        free_cgroup(&cgroup_host()?, &group)?;
        engine.containers().forget(&id)?;
        let _next_time = fs::remove_dir_all(&path);
    }
    Ok(())
}

fn entries(path: &Path) -> impl Iterator<Item = fs::DirEntry> {
    fs::read_dir(path).into_iter().flatten().filter_map(Result::ok)
}
