//! Cache mounts: directories that outlive builds.

use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hako_build::copy::{self, Opened};
use hako_build::graph::{CopyOp, CopySource, RunMount, Source};
use hako_build::tree::Tree;
use hako_build::{Cancel, Failure};
use hako_dockerfile::instruction::Sharing;
use hako_store::Lock;
use hako_types::Digest;
use rustix::fs::{Gid, Mode, Uid};

use super::snapshots::make;
use super::workshop::trouble;
use crate::Error;

/// A cache mount while a step uses it.
#[derive(Debug)]
pub(super) struct CacheMount {
    /// The directory that is mounted.
    pub(super) data: PathBuf,
    _lock: Option<Lock>,
}

/// Takes the directory of a cache mount, as its sharing mode says; makes it where it is missing, with the content of `seed`.
pub(super) fn take(
    build: &Path,
    mount: &RunMount,
    seed: Option<&Tree>,
    cancel: &Cancel,
) -> Result<CacheMount, Failure> {
    let root = build.join("mounts").join(&Digest::of(mount.id.as_bytes()).hex()[..32]);
    make(&root).map_err(Failure::of)?;
    let name = root.join("id");
    if !name.exists() {
        fs::write(&name, &mount.id)
            .map_err(|error| Failure::of(Error::io("write", &name)(error)))?;
    }
    let locked = |result: std::io::Result<Lock>, path: &Path| {
        result.map_err(|error| Failure::of(Error::io("lock", path)(error)))
    };
    let (directory, lock) = match mount.sharing {
        Sharing::Shared => {
            let path = root.join("0.lock");
            (root.join("0"), Some(locked(Lock::shared(&path), &path)?))
        }
        Sharing::Locked => (root.join("0"), Some(wait(&root.join("0.lock"), cancel)?)),
        Sharing::Private => alone(&root)?,
    };
    prepare(&directory, mount, seed)?;
    Ok(CacheMount { data: directory, _lock: lock })
}

/// Waits for a lock, as long as nobody asks to end.
fn wait(path: &Path, cancel: &Cancel) -> Result<Lock, Failure> {
    loop {
        if cancel.is_canceled() {
            return Err(Failure::Canceled);
        }
        match Lock::try_exclusive(path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => return Err(Failure::of(Error::io("lock", path)(error))),
        }
    }
}

/// Takes the first directory that nobody uses.
fn alone(root: &Path) -> Result<(PathBuf, Option<Lock>), Failure> {
    for number in 0.. {
        let path = root.join(format!("{number}.lock"));
        let lock = Lock::try_exclusive(&path)
            .map_err(|error| Failure::of(Error::io("lock", &path)(error)))?;
        if lock.is_some() {
            return Ok((root.join(number.to_string()), lock));
        }
    }
    Err(Failure::Canceled)
}

fn prepare(directory: &Path, mount: &RunMount, seed: Option<&Tree>) -> Result<(), Failure> {
    if directory.exists() {
        return Ok(());
    }
    let io = |error: std::io::Error| Failure::of(Error::io("create", directory)(error));
    // Whoever makes it at the same time makes the same: the first rename counts.
    let making = directory.with_extension(format!(
        "new{}-{:?}",
        std::process::id(),
        std::thread::current().id()
    ));
    make(&making).map_err(Failure::of)?;
    let root = hako_build::tree::open_root(&making).map_err(io)?;
    if let Some(seed) = seed {
        let sources = vec![CopySource {
            from: Source::Context(String::new()),
            path: mount.source.clone(),
            unpack: false,
        }];
        let operation = CopyOp { sources, target: "/".into(), ..CopyOp::default() };
        copy::perform(
            &operation,
            copy::Destination::plain(root.as_fd()),
            &[Opened::Tree(seed, &mount.source)],
            None,
            None,
        )
        .map_err(trouble)?;
    }
    let (uid, gid) = (Uid::from_raw(mount.uid.unwrap_or(0)), Gid::from_raw(mount.gid.unwrap_or(0)));
    rustix::fs::fchown(&root, Some(uid), Some(gid)).map_err(|errno| io(errno.into()))?;
    rustix::fs::fchmod(&root, Mode::from_raw_mode(mount.mode.unwrap_or(0o755)))
        .map_err(|errno| io(errno.into()))?;
    match fs::rename(&making, directory) {
        Ok(()) => Ok(()),
        Err(_) if directory.exists() => {
            let _debris = fs::remove_dir_all(&making);
            Ok(())
        }
        Err(error) => Err(io(error)),
    }
}
