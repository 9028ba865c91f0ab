//! Attaches file systems and host paths below the root.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, FsPickFlags, MountAttrFlags, MountFlags, MountPropagationFlags,
    MoveMountFlags,
};

use crate::plan::step::{From, Groups, Mount};

use super::copy;
use super::inside::{Inside, Want};
use super::root;

/// Magic number of procfs in `statfs(2)`.
pub(crate) const PROC_MAGIC: u64 = 0x9fa0;
/// The longest value that `fsconfig(2)` takes.
const LONGEST: usize = 255;
/// The attributes that `fsmount(2)` takes at once.
const AT_ONCE: u64 = 0x0020_00ff;

/// Returns whether an open file lies on a file system with this magic number.
#[expect(clippy::cast_sign_loss, reason = "magic numbers are bit patterns")]
pub(crate) fn is_on(file: impl AsFd, magic: u64) -> io::Result<bool> {
    Ok(rustix::fs::fstatfs(file)?.f_type as u64 == magic)
}

/// Attaches one mount; returns it if it is a new `proc`, through which kernel parameters can be
/// reached without a walk over paths that the container's image or mounts may have changed.
pub(crate) fn perform(
    inside: &Inside,
    mount: &Mount,
    shifted: Option<OwnedFd>,
) -> io::Result<Option<OwnedFd>> {
    if let From::Remount { options } = &mount.from {
        return remount(inside, mount, options).map(|()| None);
    }
    let tree = match (&mount.from, shifted) {
        (From::Path { source, recursive, resolved: false }, _) => {
            Some(root::clone(source, *recursive)?)
        }
        (From::Path { source, recursive, resolved: true }, _) => {
            Some(root::clone_open(root::without_links(source)?, *recursive)?)
        }
        (_, shifted) => shifted,
    };
    let want = match &tree {
        Some(tree) if !is_directory(tree)? => Want::File,
        _ => Want::Directory,
    };
    refuse_link(inside, mount)?;
    let existed = inside.place(&mount.target).is_ok();
    let place = inside.ensure(&mount.target, want)?;
    guard(mount, &place)?;
    real_place(inside, mount)?;
    let tree = match tree {
        Some(tree) => tree,
        None => match file_system(mount, &place, existed)? {
            Some(tree) => tree,
            None => return propagate(inside, mount).map(|()| None),
        },
    };
    if mount.copy_up && existed && want == Want::Directory {
        copy::fill(&inside.open(&mount.target, rustix::fs::OFlags::DIRECTORY)?, &tree)?;
    }
    if !matches!(mount.from, From::FileSystem { .. }) && (mount.set | mount.clear) != 0 {
        root::set(&tree, mount.set, mount.clear, false)?;
    }
    if mount.set_all | mount.clear_all != 0 {
        root::set(&tree, mount.set_all, mount.clear_all, true)?;
    }
    for change in &mount.propagation {
        let attributes = hako_sys::mount::Attributes {
            propagation: change & !libc::MS_REC,
            ..Default::default()
        };
        hako_sys::mount::set_attributes(&tree, change & libc::MS_REC != 0, attributes)?;
    }
    root::attach(&tree, &place)?;
    let is_proc = matches!(&mount.from, From::FileSystem { kind, .. } if kind == "proc");
    Ok(is_proc.then_some(tree))
}

fn is_directory(file: impl AsFd) -> io::Result<bool> {
    Ok(FileType::from_raw_mode(rustix::fs::fstat(file)?.st_mode) == FileType::Directory)
}

/// Refuses a `proc` or `sysfs` at a symbolic link: what is covered there afterwards, by path, would
/// be something else.
fn refuse_link(inside: &Inside, mount: &Mount) -> io::Result<()> {
    let From::FileSystem { kind, .. } = &mount.from else { return Ok(()) };
    if kind != "proc" && kind != "sysfs" {
        return Ok(());
    }
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::NOFOLLOW;
    match inside.open(&mount.target, flags) {
        Ok(place) if !is_directory(&place)? => {
            Err(io::Error::other(format!("`{kind}` must be mounted on ordinary directory")))
        }
        _ => Ok(()),
    }
}

/// Refuses a place that a link of the image turned into a part of `/proc` (CVE-2019-16884): the
/// plan allows the few places there that may be covered by their names.
fn guard(mount: &Mount, place: &OwnedFd) -> io::Result<()> {
    let meant = mount.target.starts_with("/proc");
    if !meant && is_on(place, PROC_MAGIC)? {
        return Err(io::Error::other("its target leads into /proc"));
    }
    Ok(())
}

/// Refuses a link where the kernel's own file systems belong: through one into a volume, another container could
/// move them away before they are covered (CVE-2019-19921, CVE-2023-27561).
fn real_place(inside: &Inside, mount: &Mount) -> io::Result<()> {
    let From::FileSystem { kind, .. } = &mount.from else { return Ok(()) };
    let of_kernel = [Path::new("/proc"), Path::new("/sys")].contains(&mount.target.as_path());
    if !of_kernel || !matches!(kind.as_str(), "proc" | "sysfs") {
        return Ok(());
    }
    match inside.real(&mount.target) {
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Err(io::Error::other("its target is a symbolic link"))
        }
        other => other.map(drop),
    }
}

/// Makes a new file system; `None` if it had to be attached with the old call.
fn file_system(mount: &Mount, place: &OwnedFd, existed: bool) -> io::Result<Option<OwnedFd>> {
    let From::FileSystem { kind, source, options } = &mount.from else {
        return Err(Errno::INVAL.into());
    };
    let mut options = options.clone();
    if kind == "tmpfs" && existed && !options.iter().any(|(name, _)| name == "mode") {
        // A tmpfs takes on the permissions of what it covers.
        let mode = rustix::fs::fstat(place)?.st_mode & 0o7777;
        options.push(("mode".into(), Some(format!("{mode:o}"))));
    }
    let at_once = mount.set & AT_ONCE;
    if options.iter().any(|(_, value)| value.as_ref().is_some_and(|value| value.len() > LONGEST)) {
        return by_old_call(kind, source, &options, at_once, place).map(|()| None);
    }
    let context = rustix::mount::fsopen(kind.as_str(), FsOpenFlags::FSOPEN_CLOEXEC)?;
    let set = || -> Result<(), Errno> {
        rustix::mount::fsconfig_set_string(&context, "source", source.as_str())?;
        configure(&context, &options)?;
        rustix::mount::fsconfig_create(&context)
    };
    set().map_err(|errno| root::explained(&context, errno))?;
    let attributes = MountAttrFlags::from_bits_retain(u32::try_from(at_once).unwrap_or_default());
    Ok(Some(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?))
}

fn configure(context: impl AsFd, options: &[(String, Option<String>)]) -> Result<(), Errno> {
    options.iter().try_for_each(|(name, value)| match value {
        Some(value) => rustix::mount::fsconfig_set_string(&context, name.as_str(), value.as_str()),
        None => rustix::mount::fsconfig_set_flag(&context, name.as_str()),
    })
}

/// Mounts with `mount(2)`, whose options may be as long as a page, at the current directory, which
/// is the place that was opened.
fn by_old_call(
    kind: &str,
    source: &str,
    options: &[(String, Option<String>)],
    attributes: u64,
    place: &OwnedFd,
) -> io::Result<()> {
    let word = |(name, value): &(String, Option<String>)| match value {
        Some(value) => format!("{name}={value}"),
        None => name.clone(),
    };
    let data = std::ffi::CString::new(options.iter().map(word).collect::<Vec<_>>().join(","))?;
    // The four oldest attributes have the values of the old flags.
    let flags = MountFlags::from_bits_retain(u32::try_from(attributes & 0xf).unwrap_or_default());
    rustix::process::fchdir(place)?;
    rustix::mount::mount(source, ".", kind, flags, data.as_c_str())?;
    Ok(rustix::process::chdir("/")?)
}

/// Changes propagation of what is attached already.
fn propagate(inside: &Inside, mount: &Mount) -> io::Result<()> {
    for change in &mount.propagation {
        let place = inside.place(&mount.target)?;
        rustix::process::fchdir(&place)?;
        let change =
            MountPropagationFlags::from_bits_retain(u32::try_from(*change).unwrap_or_default());
        rustix::mount::mount_change(".", change)?;
        rustix::process::chdir("/")?;
    }
    Ok(())
}

fn remount(inside: &Inside, mount: &Mount, options: &[(String, Option<String>)]) -> io::Result<()> {
    let place = inside.place(&mount.target)?;
    if !options.is_empty() {
        let context = rustix::mount::fspick(
            &place,
            "",
            FsPickFlags::FSPICK_EMPTY_PATH | FsPickFlags::FSPICK_CLOEXEC,
        )?;
        let set = || {
            configure(&context, options)
                .and_then(|()| rustix::mount::fsconfig_reconfigure(&context))
        };
        set().map_err(|errno| root::explained(&context, errno))?;
    }
    if mount.set | mount.clear != 0 {
        root::set(&place, mount.set, mount.clear, false)?;
    }
    propagate(inside, mount)
}

/// Attaches the container's control groups.
pub(crate) fn groups(
    inside: &Inside,
    target: &Path,
    layout: &Groups,
    attributes: u64,
) -> io::Result<()> {
    let (hierarchies, links) = match layout {
        Groups::Unified => {
            let from = From::FileSystem {
                kind: "cgroup2".into(),
                source: "cgroup".into(),
                options: Vec::new(),
            };
            let mount =
                Mount { target: target.to_owned(), from, set: attributes, ..Mount::default() };
            return perform(inside, &mount, None).map(drop);
        }
        Groups::Bound(source) => return bind(inside, target, source, attributes),
        Groups::Legacy { hierarchies, links } => (hierarchies, links),
    };
    let option = |name: &str, value: &str| (name.to_owned(), Some(value.to_owned()));
    let from = From::FileSystem {
        kind: "tmpfs".into(),
        source: "tmpfs".into(),
        options: vec![option("mode", "755"), option("size", "64k")],
    };
    let open = attributes & !crate::plan::option::RDONLY;
    let base = Mount { target: target.to_owned(), from, set: open, ..Mount::default() };
    perform(inside, &base, None)?;
    for (name, source) in hierarchies {
        bind(inside, &target.join(name), source, attributes)?;
    }
    let place = inside.place(target)?;
    for (name, to) in links {
        rustix::fs::symlinkat(to.as_str(), &place, name.as_str())?;
    }
    if attributes != open {
        root::set(&place, crate::plan::option::RDONLY, 0, false)
    } else {
        Ok(())
    }
}

fn bind(inside: &Inside, target: &Path, source: &Path, attributes: u64) -> io::Result<()> {
    let place = inside.ensure(target, Want::Directory)?;
    let tree = root::clone(source, false)?;
    if attributes != 0 {
        root::set(&tree, attributes, 0, false)?;
    }
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(&tree, "", &place, "", flags)?)
}
