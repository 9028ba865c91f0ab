//! The container's root: made, entered, sealed.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use hako_sys::mount::Attributes;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

/// Opens a path of the host as a place.
pub(crate) fn place(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?)
}

/// Opens a file of the host to read.
pub(crate) fn open_file(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Clones the mount at a path of the host.
pub(crate) fn clone(path: &Path, recursive: bool) -> io::Result<OwnedFd> {
    Ok(rustix::mount::open_tree(CWD, path, clone_flags(recursive))?)
}

/// Opens a path of the host that has no symbolic link in it; one that has is refused (`ELOOP`).
pub(crate) fn without_links(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = rustix::fs::ResolveFlags::NO_SYMLINKS;
    Ok(rustix::fs::openat2(CWD, path, flags, rustix::fs::Mode::empty(), resolve)?)
}

/// Clones the mount that an open file lies on, with the file as its root.
pub(crate) fn clone_open(file: impl AsFd, recursive: bool) -> io::Result<OwnedFd> {
    Ok(rustix::mount::open_tree(file, "", clone_flags(recursive) | OpenTreeFlags::AT_EMPTY_PATH)?)
}

fn clone_flags(recursive: bool) -> OpenTreeFlags {
    let base = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if recursive { base | OpenTreeFlags::AT_RECURSIVE } else { base }
}

/// Attaches a detached mount exactly at what was opened.
pub(crate) fn attach(mount: impl AsFd, place: impl AsFd) -> io::Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    Ok(rustix::mount::move_mount(mount, "", place, "", flags)?)
}

/// Makes the directory the root of a mount of its own.
pub(crate) fn directory(path: &Path) -> io::Result<OwnedFd> {
    let place = place(path)?;
    let mount = clone_open(&place, true)?;
    attach(&mount, &place)?;
    Ok(mount)
}

/// Mounts an overlay, attached over its own upper directory: a place that surely exists, in this
/// mount namespace only.
pub(crate) fn overlay(
    lower: &[PathBuf],
    upper: &Path,
    work: &Path,
    options: &[String],
) -> io::Result<OwnedFd> {
    let layers = lower.iter().map(|path| place(path)).collect::<io::Result<Vec<_>>>()?;
    let (upper, work) = (place(upper)?, place(work)?);
    match configure(&layers, &upper, &work, options) {
        Ok(mount) => {
            attach(&mount, &upper)?;
            Ok(mount)
        }
        // Before Linux 6.13 layers cannot be descriptors, before 6.7 there is no list of them.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            by_names(&layers, &upper, &work, options).map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

fn configure(
    layers: &[OwnedFd],
    upper: &OwnedFd,
    work: &OwnedFd,
    options: &[String],
) -> io::Result<OwnedFd> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let set = || -> Result<(), Errno> {
        rustix::mount::fsconfig_set_string(&context, "source", "overlay")?;
        for layer in layers {
            rustix::mount::fsconfig_set_fd(&context, "lowerdir+", layer)?;
        }
        rustix::mount::fsconfig_set_fd(&context, "upperdir", upper)?;
        rustix::mount::fsconfig_set_fd(&context, "workdir", work)?;
        for option in options {
            match option.split_once('=') {
                Some((name, value)) => rustix::mount::fsconfig_set_string(&context, name, value)?,
                None => rustix::mount::fsconfig_set_flag(&context, option.as_str())?,
            }
        }
        rustix::mount::fsconfig_create(&context)
    };
    set().map_err(|errno| explained(&context, errno))?;
    Ok(rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?)
}

/// Mounts with the old call; descriptors keep the names short enough for its one page of options.
fn by_names(
    layers: &[OwnedFd],
    upper: &OwnedFd,
    work: &OwnedFd,
    options: &[String],
) -> io::Result<OwnedFd> {
    let name = |file: &OwnedFd| format!("/proc/self/fd/{}", file.as_raw_fd());
    let lower: Vec<_> = layers.iter().map(name).collect();
    let mut words = vec![format!("lowerdir={}", lower.join(":"))];
    words.push(format!("upperdir={}", name(upper)));
    words.push(format!("workdir={}", name(work)));
    words.extend_from_slice(options);
    let data = CString::new(words.join(","))?;
    let target = name(upper);
    rustix::mount::mount("overlay", &target, "overlay", MountFlags::empty(), data.as_c_str())?;
    let real = rustix::fs::readlink(&target, Vec::new())?;
    place(Path::new(std::ffi::OsStr::from_bytes(real.as_bytes())))
}

/// Adds what the kernel logged about a failed configuration.
pub(crate) fn explained(context: impl AsFd, errno: Errno) -> io::Error {
    let mut text = [0; 512];
    match rustix::io::read(&context, &mut text) {
        Ok(length) if length > 2 => {
            let said = String::from_utf8_lossy(&text[2..length]).trim().to_owned();
            io::Error::new(
                io::Error::from(errno).kind(),
                format!("{} ({said})", io::Error::from(errno)),
            )
        }
        _ => errno.into(),
    }
}

/// Sets the propagation of the mount at `/`, or of all with `MS_REC`.
pub(crate) fn set_propagation(flags: u64) -> io::Result<()> {
    let change = MountPropagationFlags::from_bits_retain(u32::try_from(flags).unwrap_or_default());
    Ok(rustix::mount::mount_change("/", change)?)
}

/// Makes the parent of the root private, as `pivot_root(2)` demands.
pub(crate) fn make_private(place: &Path) -> io::Result<()> {
    let mut path = place.to_owned();
    loop {
        match rustix::mount::mount_change(&path, MountPropagationFlags::PRIVATE) {
            // Not a mount point: its parent may be.
            Err(Errno::INVAL) if path.pop() => {}
            other => return Ok(other?),
        }
    }
}

/// Changes the root of the mount namespace to `root` and lets go of the old one.
pub(crate) fn pivot(root: impl AsFd) -> io::Result<()> {
    let old =
        rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    rustix::process::fchdir(&root)?;
    // The old root is stacked on the new one, so that no directory for it is needed inside.
    rustix::process::pivot_root(".", ".")?;
    rustix::process::fchdir(&old)?;
    // What happens to the old root must not happen to the host's.
    rustix::mount::mount_change(
        ".",
        MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
    )?;
    rustix::mount::unmount(".", UnmountFlags::DETACH)?;
    Ok(rustix::process::chdir("/")?)
}

/// The same for a root that cannot be pivoted: moves the mount over `/`.
///
/// What is mounted on the host stays reachable for who may mount, uncovered as it is there: a new
/// `proc` or `sysfs` of a user namespace would be granted because of it. So those go first.
pub(crate) fn move_over(root: impl AsFd) -> io::Result<()> {
    let own =
        rustix::fs::readlink(format!("/proc/self/fd/{}", root.as_fd().as_raw_fd()), Vec::new())?;
    let own = Path::new(std::ffi::OsStr::from_bytes(own.as_bytes())).to_owned();
    let table = std::fs::read_to_string("/proc/self/mountinfo")?;
    for place in kernel_mounts(&table).filter(|place| !place.starts_with(&own)) {
        rustix::mount::mount_change(
            &place,
            MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC,
        )
        .or_else(|errno| if errno == Errno::INVAL { Ok(()) } else { Err(errno) })?;
        match rustix::mount::unmount(&place, UnmountFlags::DETACH) {
            // Already gone with what it was mounted on.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => {}
            // One that came with the mount namespace of another owner cannot be taken away, but covered.
            Err(Errno::PERM) => {
                rustix::mount::mount("tmpfs", &place, "tmpfs", MountFlags::empty(), c"")?;
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    rustix::process::fchdir(&root)?;
    rustix::mount::mount_move(".", "/")?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// Returns where a mount table has `proc` or `sysfs`, the latest first.
fn kernel_mounts(table: &str) -> impl Iterator<Item = PathBuf> {
    table.lines().rev().filter_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        let kind = after.split(' ').next()?;
        (kind == "proc" || kind == "sysfs").then_some(())?;
        // Space, tab, newline and backslash are octal; only the first is at all likely.
        Some(PathBuf::from(before.split(' ').nth(4)?.replace("\\040", " ")))
    })
}

/// Makes it the root of this process, in a mount namespace that others share.
pub(crate) fn change(root: impl AsFd) -> io::Result<()> {
    rustix::process::fchdir(&root)?;
    rustix::process::chroot(".")?;
    Ok(rustix::process::chdir("/")?)
}

/// Changes attributes of the mount at an open root of a mount.
pub(crate) fn set(mount: impl AsFd, set: u64, clear: u64, recursive: bool) -> io::Result<()> {
    hako_sys::mount::set_attributes(
        mount,
        recursive,
        Attributes { set, clear, ..Attributes::default() },
    )
}
