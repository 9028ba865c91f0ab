//! What the mounts of a `RUN` are made from.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use hako_build::copy;
use hako_build::graph::{CopyOp, CopySource, RunMount, RunOp, Source};
use hako_build::solve::Place;
use hako_build::tree::{self, Tree};
use hako_build::{Failure, Work};
use hako_dockerfile::instruction::MountKind;
use hako_runtime::spec::Mount;
use rustix::fs::{Gid, Mode, OFlags, Uid};

use super::cachemount::{self, CacheMount};
use super::workshop::{Workshop, trouble};
use super::{Secret, snapshots};
use crate::Error;
use crate::container::{rootfs, spec};

/// The mounts of a step, and what must live as long as they do.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    pub(super) mounts: Vec<Mount>,
    /// Where they appear, without those in `/dev`, which is a file system of its own.
    pub(super) targets: Vec<String>,
    /// Variables that hold secrets or sockets.
    pub(super) env: Vec<String>,
    held: Vec<OwnedFd>,
    caches: Vec<CacheMount>,
}

/// Prepares all mounts of a step; `scratch` is a directory that is deleted afterwards.
pub(super) fn prepare(
    shop: &Workshop<'_>,
    run: &RunOp,
    work: &Work<'_>,
    scratch: &Path,
) -> Result<Prepared, Failure> {
    let mut all = Prepared::default();
    for (number, mount) in run.mounts.iter().enumerate() {
        let scratch = scratch.join(format!("mount{number}"));
        match mount.kind {
            MountKind::Bind => bind(shop, mount, work, &scratch, &mut all)?,
            MountKind::Cache => cache(shop, mount, work, &mut all)?,
            MountKind::Tmpfs => tmpfs(mount, &mut all),
            MountKind::Secret => secret(shop, mount, &mut all)?,
            MountKind::Ssh => ssh(shop, mount, number, &mut all)?,
        }
    }
    if let Some(script) = &run.script {
        let path = scratch.join("script");
        let io = |error| Failure::of(Error::io("write", &path)(error));
        fs::write(&path, &script.content).map_err(io)?;
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .map_err(io)?;
        all.add(path.clone(), &format!("/dev/pipes/{}", script.name), true);
    }
    all.mounts.sort_by_key(|mount| mount.destination.components().count());
    Ok(all)
}

impl Prepared {
    fn add(&mut self, source: PathBuf, target: &str, read_only: bool) {
        let mut options = vec!["rbind".to_owned(), "rprivate".to_owned()];
        if read_only {
            options.push("ro".into());
        }
        self.mounts.push(spec::bind(source, target.into(), options));
        if !target.starts_with("/dev/") {
            self.targets.push(target.to_owned());
        }
    }

    /// Keeps a descriptor for as long as the step runs; returns a path that leads to what is below it.
    pub(super) fn hold(&mut self, fd: OwnedFd, below: &Path) -> PathBuf {
        let path =
            PathBuf::from(format!("/proc/{}/fd/{}", rustix::process::getpid(), fd.as_raw_fd()));
        self.held.push(fd);
        if below.as_os_str().is_empty() { path } else { path.join(below) }
    }
}

fn target(mount: &RunMount) -> &str {
    mount.target.as_deref().unwrap_or("/")
}

/// A bind mount: read-only as it is; for a step that writes, under a layer that is thrown away.
fn bind(
    shop: &Workshop<'_>,
    mount: &RunMount,
    work: &Work<'_>,
    scratch: &Path,
    all: &mut Prepared,
) -> Result<(), Failure> {
    let place_layers;
    let place = match &mount.from {
        Some(Source::Vertex(id)) => {
            place_layers = (work.inputs)(*id);
            Place::Layers(&place_layers)
        }
        Some(Source::Context(name)) => Place::Context(name),
        _ => Place::Context(""),
    };
    let tree = shop.tree(place)?;
    let found = tree.find_literal(&mount.source).map_err(trouble)?;
    let must_copy = tree.leaves_out() || (!mount.read_only && !tree.is_directory(&found.path));
    if must_copy {
        let source = copied(&tree, &mount.source, &found, scratch)?;
        all.add(source, target(mount), mount.read_only);
        return Ok(());
    }
    let below = shop.path(place, &found.path, all)?;
    if mount.read_only {
        all.add(below, target(mount), true);
        return Ok(());
    }
    let (upper, work_directory) = (scratch.join("upper"), scratch.join("work"));
    snapshots::make(&upper).and_then(|()| snapshots::make(&work_directory)).map_err(Failure::of)?;
    let overlay = rootfs::overlay(&[below], Some(&(upper, work_directory))).map_err(Failure::of)?;
    let path = all.hold(overlay, Path::new(""));
    all.add(path, target(mount), false);
    Ok(())
}

/// Copies what a bind mount shows, where it cannot be shown as it lies there.
fn copied(
    tree: &Tree,
    source: &str,
    found: &tree::Found,
    scratch: &Path,
) -> Result<PathBuf, Failure> {
    snapshots::make(scratch).map_err(Failure::of)?;
    let root =
        tree::open_root(scratch).map_err(|error| Failure::of(Error::io("open", scratch)(error)))?;
    let sources = vec![CopySource {
        from: Source::Context(String::new()),
        path: source.to_owned(),
        unpack: false,
    }];
    let operation = CopyOp { sources, target: "/mount".into(), ..CopyOp::default() };
    copy::perform_found(&operation, root.as_fd(), tree, found).map_err(trouble)?;
    let path = scratch.join("mount");
    if tree.is_directory(&found.path) {
        snapshots::make(&path).map_err(Failure::of)?;
    }
    Ok(path)
}

fn cache(
    shop: &Workshop<'_>,
    mount: &RunMount,
    work: &Work<'_>,
    all: &mut Prepared,
) -> Result<(), Failure> {
    let seed = match &mount.from {
        Some(Source::Vertex(id)) => Some(shop.tree(Place::Layers(&(work.inputs)(*id)))?),
        Some(Source::Context(name)) => Some(shop.context(name)?),
        _ => None,
    };
    let taken = cachemount::take(&shop.build, mount, seed.as_deref(), work.cancel)?;
    all.add(taken.data.clone(), target(mount), mount.read_only);
    all.caches.push(taken);
    Ok(())
}

fn tmpfs(mount: &RunMount, all: &mut Prepared) {
    let mut options: Vec<String> = ["nosuid", "nodev"].map(str::to_owned).to_vec();
    options.extend(mount.size.map(|size| format!("size={size}")));
    all.mounts.push(spec::tmpfs(target(mount).into(), options));
    all.targets.push(target(mount).to_owned());
}

fn secret(shop: &Workshop<'_>, mount: &RunMount, all: &mut Prepared) -> Result<(), Failure> {
    let value = match shop.secrets.get(&mount.id) {
        Some(Secret::Value(value)) => value.clone(),
        Some(Secret::File(path)) => fs::read(path)
            .map_err(|error| Failure::of(Error::io("read the secret", path)(error)))?,
        None if mount.required => {
            return Err(Failure::of(Error::Invalid(format!(
                "the secret `{}` is required and was not given: add `--secret id={}`",
                mount.id, mount.id
            ))));
        }
        None => return Ok(()),
    };
    if let Some(name) = &mount.env {
        let name = if name.is_empty() { &mount.id } else { name };
        all.env.push(format!("{name}={}", String::from_utf8_lossy(&value)));
        if mount.target.is_none() {
            return Ok(());
        }
    }
    let target = mount.target.clone().unwrap_or_else(|| format!("/run/secrets/{}", mount.id));
    let memory = rootfs::tmpfs((value.len() as u64).max(4096) * 2 + 65536).map_err(Failure::of)?;
    let refused = |error: std::io::Error| {
        Failure::of(Error::io("write the secret for", Path::new(&target))(error))
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::CLOEXEC;
    let file = rustix::fs::openat(memory.as_fd(), "secret", flags, Mode::from_raw_mode(0o600))
        .map_err(|e| refused(e.into()))?;
    let (uid, gid) = (Uid::from_raw(mount.uid.unwrap_or(0)), Gid::from_raw(mount.gid.unwrap_or(0)));
    rustix::fs::fchown(&file, Some(uid), Some(gid)).map_err(|e| refused(e.into()))?;
    let mut file = fs::File::from(file);
    std::io::Write::write_all(&mut file, &value).map_err(refused)?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mount.mode.unwrap_or(0o400)))
        .map_err(|e| refused(e.into()))?;
    let path = all.hold(memory, Path::new("secret"));
    all.add(path, &target, true);
    Ok(())
}

fn ssh(
    shop: &Workshop<'_>,
    mount: &RunMount,
    number: usize,
    all: &mut Prepared,
) -> Result<(), Failure> {
    let Some(socket) = shop.ssh.get(&mount.id) else {
        if mount.required {
            let message = format!(
                "the SSH agent `{}` is required and was not given: add `--ssh {}`",
                mount.id, mount.id
            );
            return Err(Failure::of(Error::Invalid(message)));
        }
        return Ok(());
    };
    let target =
        mount.target.clone().unwrap_or_else(|| format!("/run/buildkit/ssh_agent.{number}"));
    all.add(socket.clone(), &target, false);
    all.env.push(format!("SSH_AUTH_SOCK={target}"));
    Ok(())
}

/// Returns the environment of a step: later pairs replace earlier ones.
pub(super) fn environment(run: &RunOp, more: &[String]) -> Vec<String> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    let mut env: Vec<String> = Vec::new();
    for pair in run.uncounted_env.iter().chain(&run.env).chain(more) {
        let name = pair.split('=').next().unwrap_or_default().to_owned();
        match names.get(&name) {
            Some(at) => env[*at].clone_from(pair),
            None => {
                names.insert(name, env.len());
                env.push(pair.clone());
            }
        }
    }
    env
}
