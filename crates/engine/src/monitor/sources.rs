//! What a container's mounts, namespaces and devices are made from, found out when it starts.

use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hako_runtime::spec::{Device, NamespaceKind};
use hako_store::Lock;
use rustix::fs::{Mode, OFlags, ResolveFlags};

use crate::container::spec::{self, Findings, Source};
use crate::container::{Container, PlannedMount};
use crate::model::MountKind;
use crate::{Engine, Error};

/// What was found out, and the descriptors that must stay open until the container is set up.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) findings: Findings,
    pub(super) held: Vec<OwnedFd>,
    /// Locks on volumes that are mounted for their users; they are held while the program runs.
    pub(super) volumes: Vec<Lock>,
}

/// Finds out what `container` is made from, but for its network's files.
pub(super) fn find(engine: &Engine, container: &Container) -> Result<Found, Error> {
    let mut found = Found::default();
    for planned in &container.record.mounts {
        let source = source(engine, planned, &mut found)?;
        found.findings.sources.push(source);
    }
    found.findings.joined = joined(engine, container)?;
    found.findings.shm = shm(engine, container)?;
    found.findings.hostname.clone_from(&container.record.config.hostname);
    if let Some(other) = container.record.host.network_mode.strip_prefix("container:") {
        found.findings.hostname = engine.containers().find(other)?.record.config.hostname;
    }
    found.findings.cgroup = super::start::cgroup_path(engine, container);
    found.findings.devices = devices(container)?;
    if container.record.host.init == Some(true) {
        found.findings.init = std::fs::read_link(&engine.settings().program)
            .unwrap_or_else(|_| engine.settings().program.clone());
    }
    Ok(found)
}

fn source(engine: &Engine, planned: &PlannedMount, found: &mut Found) -> Result<Source, Error> {
    match planned.point.kind {
        MountKind::Bind => Ok(Source::Path(PathBuf::from(&planned.point.source))),
        MountKind::Volume => volume(engine, planned, &mut found.volumes),
        MountKind::Tmpfs => {
            Ok(Source::Filesystem("tmpfs".into(), "tmpfs".into(), spec::tmpfs_options(planned)))
        }
        MountKind::Image => image(engine, planned, &mut found.held),
    }
}

fn volume(engine: &Engine, planned: &PlannedMount, locks: &mut Vec<Lock>) -> Result<Source, Error> {
    let name = &planned.point.name;
    let volume = engine.volumes().find(name)?;
    let options = &volume.spec.driver_opts;
    let option = |key: &str| options.get(key).cloned().unwrap_or_default();
    let mount_options: Vec<String> =
        option("o").split(',').filter(|text| !text.is_empty()).map(str::to_owned).collect();
    let is_own = !options.is_empty()
        && option("type") != "none"
        && !mount_options.iter().any(|text| text == "bind" || text == "rbind");
    if is_own && !rustix::process::geteuid().is_root() {
        return Ok(Source::Filesystem(option("type"), option("device"), mount_options));
    }
    let data = if is_own {
        let (data, lock) = engine.volumes().mounted(&volume)?;
        locks.push(lock);
        data
    } else if options.is_empty() {
        engine.volumes().data(name)
    } else {
        PathBuf::from(option("device"))
    };
    let subpath = planned
        .mount
        .volume_options
        .as_ref()
        .map(|options| options.subpath.clone())
        .unwrap_or_default();
    if subpath.is_empty() {
        return Ok(Source::Path(data));
    }
    let opened = below(&data, &subpath)?;
    // The kernel tells where it really lies; the runtime opens that path without following links, so that whoever has
    // changed a name since is refused (the class of CVE-2017-1002101).
    let link = format!("/proc/self/fd/{}", opened.as_raw_fd());
    std::fs::read_link(&link).map(Source::Resolved).map_err(Error::io("read", Path::new(&link)))
}

/// Opens a path below a directory that somebody else may change, without ever leaving it.
fn below(directory: &Path, subpath: &str) -> Result<OwnedFd, Error> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let base = rustix::fs::open(directory, flags | OFlags::DIRECTORY, Mode::empty());
    let base = base.map_err(|error| Error::io("open", directory)(error.into()))?;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(&base, subpath, flags, Mode::empty(), resolve).map_err(|error| Error::Io {
        doing: "use the subpath",
        path: subpath.into(),
        source: error.into(),
    })
}

/// An image is mounted as an overlay of its layers, read-only.
fn image(
    engine: &Engine,
    planned: &PlannedMount,
    held: &mut Vec<OwnedFd>,
) -> Result<Source, Error> {
    let lower = engine.containers().lower_dirs_of(&planned.point.source)?;
    let tree = crate::container::rootfs::overlay(&lower, None)?;
    let subpath = planned
        .mount
        .image_options
        .as_ref()
        .map(|options| options.subpath.clone())
        .unwrap_or_default();
    let opened = if subpath.is_empty() {
        tree
    } else {
        let path = PathBuf::from(format!("/proc/self/fd/{}", tree.as_raw_fd()));
        let opened = below(&path, &subpath)?;
        held.push(tree);
        opened
    };
    let path = format!("/proc/{}/fd/{}", rustix::process::getpid(), opened.as_raw_fd());
    held.push(opened);
    Ok(Source::Path(path.into()))
}

/// Returns the namespaces that a container shares: with the host (`None`) or with another container (its path).
fn joined(
    engine: &Engine,
    container: &Container,
) -> Result<BTreeMap<NamespaceKind, Option<PathBuf>>, Error> {
    let host = &container.record.host;
    let mut joined = BTreeMap::new();
    for (kind, mode, file) in [
        (NamespaceKind::Network, &host.network_mode, "net"),
        (NamespaceKind::Pid, &host.pid_mode, "pid"),
        (NamespaceKind::Ipc, &host.ipc_mode, "ipc"),
        (NamespaceKind::Uts, &host.uts_mode, "uts"),
    ] {
        if mode == "host" {
            joined.insert(kind, None);
        } else if let Some(other) = mode.strip_prefix("container:") {
            let pid = running(engine, other, file)?;
            joined.insert(kind, Some(PathBuf::from(format!("/proc/{pid}/ns/{file}"))));
        }
    }
    if host.cgroupns_mode == "host"
        || (host.cgroupns_mode.is_empty()
            && super::start::cgroup_host()?.version() != hako_runtime::cgroup::Version::V2)
    {
        joined.insert(NamespaceKind::Cgroup, None);
    }
    Ok(joined)
}

fn running(engine: &Engine, name: &str, what: &str) -> Result<i32, Error> {
    let other = engine.containers().find(name)?;
    if !other.is_running() {
        return Err(Error::Conflict(format!(
            "cannot join the {what} namespace of a non running container: {}",
            other.name
        )));
    }
    if what == "ipc" && !matches!(other.record.host.ipc_mode.as_str(), "shareable" | "host") {
        let message = format!(
            "cannot join the IPC namespace of container {}: non-shareable IPC (hint: use --ipc shareable)",
            other.name
        );
        return Err(Error::Conflict(message));
    }
    Ok(other.live.state.pid)
}

/// Returns what is mounted at `/dev/shm` when that is shared: the host's, another container's, or a new memory file system that
/// others can find.
///
/// A shareable one is mounted nowhere: its monitor holds it, and a link in the container's directory tells where.
fn shm(engine: &Engine, container: &Container) -> Result<Option<PathBuf>, Error> {
    let host = &container.record.host;
    match host.ipc_mode.as_str() {
        "host" => Ok(Some("/dev/shm".into())),
        "shareable" => Ok(Some(super::start::SHM.into())),
        mode => match mode.strip_prefix("container:") {
            Some(other) => {
                let other = engine.containers().find(other)?;
                if other.record.host.ipc_mode == "host" {
                    return Ok(Some("/dev/shm".into()));
                }
                let link = other.directory(engine).join("shm");
                std::fs::read_link(&link)
                    .map(Some)
                    .map_err(Error::io("find the shared memory of", &link))
            }
            None => Ok(None),
        },
    }
}

fn devices(container: &Container) -> Result<Vec<(Device, String)>, Error> {
    let host = &container.record.host;
    let mut found = Vec::new();
    if host.privileged {
        collect(Path::new("/dev"), Path::new("/dev"), "rwm", &mut found)?;
        found.retain(|(device, _)| {
            let skipped =
                ["/dev/pts", "/dev/shm", "/dev/mqueue", "/dev/fd", "/dev/console", "/dev/tty"];
            !skipped.iter().any(|path| device.path.starts_with(path))
        });
    }
    for device in &host.devices {
        let (from, to) = (Path::new(&device.path_on_host), Path::new(&device.path_in_container));
        let access =
            if device.cgroup_permissions.is_empty() { "rwm" } else { &device.cgroup_permissions };
        let before = found.len();
        collect(from, to, access, &mut found)?;
        if found.len() == before {
            return Err(Error::Invalid(format!(
                "error gathering device information while adding custom device \"{}\": not a device node",
                from.display()
            )));
        }
    }
    Ok(found)
}

/// Collects the device at `from`, or those in the directory at `from`.
fn collect(
    from: &Path,
    to: &Path,
    access: &str,
    found: &mut Vec<(Device, String)>,
) -> Result<(), Error> {
    let real = std::fs::canonicalize(from).map_err(|source| Error::Io {
        doing: "gather device information of",
        path: from.to_owned(),
        source,
    })?;
    let meta = std::fs::metadata(&real).map_err(Error::io("look at", &real))?;
    let kind = meta.file_type();
    if kind.is_dir() {
        let entries = std::fs::read_dir(&real).map_err(Error::io("read", &real))?;
        for entry in entries.filter_map(Result::ok) {
            let is_link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            if !is_link {
                let _vanished = collect(&entry.path(), &to.join(entry.file_name()), access, found);
            }
        }
        return Ok(());
    }
    let letter = if kind.is_char_device() {
        "c"
    } else if kind.is_block_device() {
        "b"
    } else {
        return Ok(());
    };
    let number = meta.rdev();
    let device = Device {
        path: to.to_owned(),
        kind: letter.into(),
        major: i64::from(rustix::fs::major(number)),
        minor: i64::from(rustix::fs::minor(number)),
        file_mode: Some(meta.permissions().mode() & 0o7777),
        uid: Some(meta.uid()),
        gid: Some(meta.gid()),
    };
    found.push((device, access.to_owned()));
    Ok(())
}
