//! Plans the mounts, devices and links below the root.

use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::spec::{Device, Linux, Mount as Wanted, NamespaceKind};

use super::option::{self, Options};
use super::step::{From, Groups, Mount, Plan, Shifted, Step};
use super::{Inputs, Namespaces};

/// Files of `/proc` that may be covered: what tools like lxcfs provide, and what containers in
/// containers need. Everything else there would be a way to lie to the programs that trust it.
const COVERABLE: [&str; 11] = [
    "/proc/cpuinfo",
    "/proc/diskstats",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/swaps",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/slabinfo",
    "/proc/net/dev",
    "/proc/sys/kernel/ns_last_pid",
    "/proc/sys/crypto/fips_enabled",
];

/// The devices that every container has: name, minor number; the major number is 1 but for `tty`.
const STANDARD: [(&str, u32, u32); 6] = [
    ("null", 1, 3),
    ("zero", 1, 5),
    ("full", 1, 7),
    ("random", 1, 8),
    ("urandom", 1, 9),
    ("tty", 5, 0),
];

/// Adds the steps for mounts and devices; returns those that come after the change of root.
pub(crate) fn steps(
    inputs: &Inputs<'_>,
    linux: &Linux,
    namespaces: &Namespaces,
    plan: &mut Plan,
) -> Result<Vec<Step>, Error> {
    let mut late = Vec::new();
    let mut own_dev = true;
    for wanted in &inputs.spec.mounts {
        let options = option::parse(&wanted.options);
        let target = inside(&wanted.destination)?;
        let is_dev = target == Path::new("/dev");
        if wanted.kind.as_deref().is_some_and(|kind| kind == "cgroup" || kind == "cgroup2") {
            let (layout, attributes) = (groups(inputs, namespaces), options.set | options.set_all);
            plan.inside.push(Step::ControlGroups { target, layout, attributes });
            continue;
        }
        let step = step(inputs, wanted, target, options, plan)?;
        plan.inside.push(match step {
            Step::Mount(mut mount) if is_dev => {
                own_dev = matches!(mount.from, From::FileSystem { .. });
                if own_dev && mount.set & option::RDONLY != 0 {
                    // Devices are yet to be made there.
                    mount.set &= !option::RDONLY;
                    late.push(Step::Attributes {
                        target: mount.target.clone(),
                        set: option::RDONLY,
                    });
                }
                Step::Mount(mount)
            }
            other => other,
        });
    }
    if own_dev {
        devices(linux, namespaces, &mut plan.inside)?;
    }
    Ok(late)
}

/// Returns how the container sees its control groups. Without a namespace of its own for them, it
/// sees the unified hierarchy as the host does.
fn groups(inputs: &Inputs<'_>, namespaces: &Namespaces) -> Groups {
    match &inputs.groups {
        Some(Groups::Bound(_)) if !namespaces.has(NamespaceKind::Cgroup) => Groups::Unified,
        Some(layout) => layout.clone(),
        None => Groups::Unified,
    }
}

/// Plans one mount.
fn step(
    inputs: &Inputs<'_>,
    wanted: &Wanted,
    target: PathBuf,
    options: Options,
    plan: &mut Plan,
) -> Result<Step, Error> {
    let kind = wanted.kind.as_deref().unwrap_or_default();
    let bind = options
        .bind
        .or((kind == "bind" || kind == "none").then_some(true))
        .or((kind.is_empty()).then_some(true));
    let from = match bind {
        _ if options.remount => From::Remount { options: options.data },
        Some(recursive) => {
            let source = wanted.source.as_ref().filter(|source| !source.as_os_str().is_empty());
            let source = source.ok_or_else(|| {
                Error::Invalid(format!(
                    "the bind mount at `{}` has no source",
                    wanted.destination.display()
                ))
            })?;
            bound(wanted, inputs.bundle.join(source), recursive, options.idmap, plan)
        }
        None => From::FileSystem {
            kind: kind.to_owned(),
            source: wanted
                .source
                .as_ref()
                .map_or_else(|| kind.to_owned(), |source| source.to_string_lossy().into_owned()),
            options: options.data,
        },
    };
    check_proc(&target, &from)?;
    Ok(Step::Mount(Mount {
        target,
        from,
        set: options.set,
        clear: options.clear,
        set_all: options.set_all,
        clear_all: options.clear_all,
        propagation: options.propagation,
        copy_up: options.copy_up,
    }))
}

fn bound(
    wanted: &Wanted,
    source: PathBuf,
    recursive: bool,
    idmap: Option<bool>,
    plan: &mut Plan,
) -> From {
    if idmap.is_none() && wanted.uid_mappings.is_empty() && wanted.gid_mappings.is_empty() {
        let resolved = wanted.options.iter().any(|word| word == option::RESOLVED);
        return From::Path { source, recursive, resolved };
    }
    plan.outside.shifted.push(Shifted {
        source,
        clone_all: recursive,
        recursive: idmap.unwrap_or(false),
        uid_mappings: wanted.uid_mappings.clone(),
        gid_mappings: wanted.gid_mappings.clone(),
    });
    From::Shifted
}

/// Refuses mounts that cover a part of `/proc`.
fn check_proc(target: &Path, from: &From) -> Result<(), Error> {
    let below = target.strip_prefix("/proc").ok();
    let allowed = match below {
        None => true,
        Some(rest) if rest.as_os_str().is_empty() => match from {
            From::FileSystem { kind, .. } => kind == "proc",
            From::Path { source, .. } => source == Path::new("/proc"),
            From::Shifted => false,
            From::Remount { .. } => true,
        },
        Some(_) => COVERABLE.iter().any(|path| target == Path::new(path)),
    };
    if allowed {
        return Ok(());
    }
    Err(Error::Invalid(format!(
        "`{}` cannot be mounted because it is inside /proc",
        target.display()
    )))
}

/// Checks a place for a mount or a device.
fn inside(path: &Path) -> Result<PathBuf, Error> {
    let clean = clean(path);
    if clean == Path::new("/") {
        return Err(Error::Invalid(format!("nothing can be mounted at `{}`", path.display())));
    }
    Ok(clean)
}

/// Makes a path absolute and free of `.` and `..`, without a look at any link.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut clean = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => clean.push(name),
            Component::ParentDir => {
                clean.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    clean
}

fn devices(linux: &Linux, namespaces: &Namespaces, steps: &mut Vec<Step>) -> Result<(), Error> {
    let bind = namespaces.has(NamespaceKind::User);
    for (name, major, minor) in STANDARD {
        let path = PathBuf::from(format!("/dev/{name}"));
        if !linux.devices.iter().any(|device| device.path == path) {
            steps.push(Step::Device {
                path,
                mode: libc::S_IFCHR | 0o666,
                major,
                minor,
                owner: (0, 0),
                bind,
            });
        }
    }
    for wanted in &linux.devices {
        steps.push(device(wanted, bind)?);
    }
    for (path, to) in [
        ("/dev/fd", "/proc/self/fd"),
        ("/dev/stdin", "/proc/self/fd/0"),
        ("/dev/stdout", "/proc/self/fd/1"),
        ("/dev/stderr", "/proc/self/fd/2"),
        ("/dev/ptmx", "pts/ptmx"),
    ] {
        steps.push(Step::Link { path: path.into(), to: to.into() });
    }
    Ok(())
}

fn device(wanted: &Device, bind: bool) -> Result<Step, Error> {
    let name = wanted.path.display();
    let kind = match wanted.kind.as_str() {
        "c" | "u" => libc::S_IFCHR,
        "b" => libc::S_IFBLK,
        "p" => libc::S_IFIFO,
        other => {
            return Err(Error::Invalid(format!("device `{name}` is of unknown type `{other}`")));
        }
    };
    let number = |number: i64| {
        u32::try_from(number)
            .map_err(|_| Error::Invalid(format!("device `{name}` has no number `{number}`")))
    };
    Ok(Step::Device {
        path: inside(&wanted.path)?,
        mode: kind | wanted.file_mode.unwrap_or(0o666) & 0o7777,
        major: if kind == libc::S_IFIFO { 0 } else { number(wanted.major)? },
        minor: if kind == libc::S_IFIFO { 0 } else { number(wanted.minor)? },
        owner: (wanted.uid.unwrap_or(0), wanted.gid.unwrap_or(0)),
        bind: bind && kind != libc::S_IFIFO,
    })
}
