//! Whether layers are whole after the machine went down.

use std::fs;
use std::io;

use hako_store::Lock;

use super::{Error, Layers};

/// Returns the name of this boot, which is another one after each.
pub(super) fn boot_id() -> Option<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|text| text.trim().to_owned())
}

/// Checks the layers that an earlier boot left without a mark, once per boot.
pub(super) fn after_boot(layers: &Layers) -> Result<(), Error> {
    let Some(boot) = boot_id() else { return Ok(()) };
    let mark = layers.locks.join("layers-boot");
    if fs::read_to_string(&mark).is_ok_and(|marked| marked == boot) || !layers.root.exists() {
        return Ok(());
    }
    let path = layers.locks.join("layers-check");
    let lock = match Lock::exclusive(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(Error::at("lock", &path))?,
    };
    if fs::read_to_string(&mark).is_ok_and(|marked| marked == boot) {
        return Ok(());
    }
    for diff_id in layers.list()? {
        let unsettled = match layers.facts(&diff_id) {
            Ok(facts) => facts.boot.is_some_and(|made| made != boot),
            Err(_) => true,
        };
        if unsettled && !layers.is_sound(&diff_id).unwrap_or(false) {
            layers.discard(&diff_id)?;
        }
    }
    settle(layers)?;
    layers.sweep()?;
    fs::write(&mark, boot).map_err(Error::at("write", &mark))?;
    drop(lock);
    Ok(())
}

/// Flushes the file system and marks all layers as being on disk.
pub(super) fn settle(layers: &Layers) -> Result<(), Error> {
    let mut unmarked = Vec::new();
    for diff_id in layers.list()? {
        match layers.facts(&diff_id) {
            Ok(facts) if facts.boot.is_some() => unmarked.push((diff_id, facts)),
            Ok(_) | Err(Error::Missing(_)) => {}
            Err(error) => return Err(error),
        }
    }
    if unmarked.is_empty() {
        return Ok(());
    }
    let root = fs::File::open(&layers.root).map_err(Error::at("open", &layers.root))?;
    rustix::fs::syncfs(&root).map_err(Error::at("flush", &layers.root))?;
    for (diff_id, mut facts) in unmarked {
        facts.boot = None;
        let directory = layers.directory(&diff_id);
        match facts.write(&directory) {
            // Removed meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            other => other.map_err(Error::at("write the facts of", &directory))?,
        }
    }
    Ok(())
}
