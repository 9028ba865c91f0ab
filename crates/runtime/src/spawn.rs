//! The caller's half: makes the process that becomes init.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use hako_sys::mount::Attributes;
use hako_sys::process::{Child, Spawn};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, StatVfsMountFlags};
use rustix::mount::OpenTreeFlags;
use rustix::thread::ThreadNameSpaceType;

use crate::channel::{self, Order};
use crate::init::flag;
use crate::plan::Plan;
use crate::seccomp::Program;
use crate::spec::NamespaceKind;
use crate::{Error, Options, Stdio};

/// What a process is made from.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    /// How.
    pub plan: Plan,
    /// The filter that it loads.
    pub filter: Option<Program>,
    /// Its standard streams.
    pub stdio: Stdio,
    /// A cgroup v2 directory it is born in.
    pub cgroup: Option<BorrowedFd<'a>>,
    /// The process whose namespaces it enters.
    pub target: Option<BorrowedFd<'a>>,
    /// What callers rarely need.
    pub options: Options,
}

/// Makes the process, and tells it its plan.
pub(crate) fn spawn(birth: Birth<'_>) -> Result<(Child, OwnedFd), Error> {
    let Birth { plan, filter, stdio, cgroup, target, options } = birth;
    let (here, there) = UnixStream::pair().map_err(doing("make a pair of sockets"))?;
    let first = 3 + i32::try_from(options.preserve).unwrap_or_default();
    let there = above(there.into(), first).map_err(doing("move a descriptor"))?;
    let gate = options
        .gate
        .map(|gate| above(gate, first))
        .transpose()
        .map_err(doing("move a descriptor"))?;
    let copy = target
        .map(|target| rustix::io::fcntl_dupfd_cloexec(target, first).map_err(io::Error::from));
    let copy = copy.transpose().map_err(doing("copy a descriptor"))?;
    let files = match stdio {
        Stdio::Files(files) => Some(files.map(|file| above(file, 3))),
        Stdio::Inherit | Stdio::Terminal { .. } => None,
    };
    let files = match files {
        Some([input, output, error]) => {
            let moved = || -> io::Result<[OwnedFd; 3]> { Ok([input?, output?, error?]) };
            Some(moved().map_err(doing("move a descriptor"))?)
        }
        None => None,
    };
    let program = program(options.binary.as_deref()).map_err(doing("open this program"))?;
    let number = |file: Option<&OwnedFd>| {
        CString::new(file.map_or(-1, AsRawFd::as_raw_fd).to_string()).unwrap_or_default()
    };
    let numbers = [number(Some(&there)), number(gate.as_ref()), number(copy.as_ref())];
    let mut arguments: Vec<&CStr> = vec![c"hako", c"init"];
    arguments.extend(numbers.iter().map(CString::as_c_str));
    let keep: Vec<_> = [Some(&there), gate.as_ref(), copy.as_ref()]
        .into_iter()
        .flatten()
        .map(AsFd::as_fd)
        .collect();
    let outside = &plan.outside;
    let mapped = outside.create.contains(&NamespaceKind::User);
    let child = born(
        &outside.join,
        target,
        &Spawn {
            namespaces: outside.create.iter().fold(0, |flags, kind| flags | u64::from(flag(*kind))),
            cgroup,
            program: program.as_fd(),
            arguments: &arguments,
            stdio: files
                .as_ref()
                .map(|[input, output, error]| [input.as_fd(), output.as_fd(), error.as_fd()]),
            keep: &keep,
            gate: mapped.then(|| there.as_fd()),
        },
    )?;
    let here = OwnedFd::from(here);
    if let Err(error) = prepare(&child, &here, plan, filter) {
        let _killed = hako_sys::process::send_signal(&child.pidfd, libc::SIGKILL);
        let _reaped = crate::Running::new(child.pid, child.pidfd).wait();
        return Err(error);
    }
    Ok((child, here))
}

fn doing(what: &str) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::Spawn { doing: what.to_owned(), source }
}

/// Moves a descriptor to a number that nothing else will want.
fn above(file: OwnedFd, first: i32) -> io::Result<OwnedFd> {
    if file.as_raw_fd() >= first {
        Ok(file)
    } else {
        Ok(rustix::io::fcntl_dupfd_cloexec(file, first)?)
    }
}

/// What only the caller can do for a process that has just been made.
fn prepare(
    child: &Child,
    channel: &OwnedFd,
    plan: Plan,
    filter: Option<Program>,
) -> Result<(), Error> {
    let outside = &plan.outside;
    if outside.create.contains(&NamespaceKind::User) {
        crate::mapping::write(child.pid, &outside.uid_mappings, &outside.gid_mappings)?;
        rustix::io::write(channel, b"!")
            .map_err(|errno| doing("let the process go on")(errno.into()))?;
    }
    if let Some(score) = outside.oom_score_adj {
        let written =
            std::fs::write(format!("/proc/{}/oom_score_adj", child.pid), score.to_string());
        // Without CAP_SYS_RESOURCE it cannot be lowered; the process is then as likely a victim as we are.
        written
            .or_else(|error| {
                if error.kind() == io::ErrorKind::PermissionDenied { Ok(()) } else { Err(error) }
            })
            .map_err(doing("set `oom_score_adj`"))?;
    }
    let shifted = outside.shifted.clone();
    channel::send(channel, &Order::Begin(Box::new(plan), filter), None)
        .map_err(doing("tell init its plan"))?;
    for wanted in &shifted {
        let tree = crate::mapping::shift(child.pid, wanted)?;
        channel::send(channel, &Order::Tree, Some(tree.as_fd()))
            .map_err(doing("pass a mount to init"))?;
    }
    Ok(())
}

/// Makes the process while this thread is in the namespaces that it is to be born in.
fn born(
    join: &[(NamespaceKind, PathBuf)],
    target: Option<BorrowedFd<'_>>,
    spawn: &Spawn<'_>,
) -> Result<Child, Error> {
    let mut visit = Visit(Vec::new());
    for (kind, path) in join {
        visit.enter(*kind, path, target).map_err(|source| Error::Spawn {
            doing: format!("enter the namespace `{}`", path.display()),
            source,
        })?;
    }
    let mask = hako_sys::signal::block_all().map_err(doing("block signals"))?;
    let child = hako_sys::process::spawn(spawn);
    let restored = hako_sys::signal::restore(&mask);
    let back = visit.leave();
    let child = child.map_err(doing("make a process in new namespaces"))?;
    restored.map_err(doing("restore signals"))?;
    back.map_err(doing("return to this process's namespaces"))?;
    Ok(child)
}

/// Namespaces that this thread is to return to.
struct Visit(Vec<(NamespaceKind, OwnedFd)>);

impl Visit {
    fn enter(
        &mut self,
        kind: NamespaceKind,
        path: &Path,
        target: Option<BorrowedFd<'_>>,
    ) -> io::Result<()> {
        let name = match kind {
            NamespaceKind::Pid => "pid",
            NamespaceKind::Network => "net",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Time => "time",
            NamespaceKind::User => "user",
            NamespaceKind::Mount => "mnt",
        };
        let own = rustix::fs::open(
            format!("/proc/thread-self/ns/{name}"),
            OFlags::RDONLY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let flags = ThreadNameSpaceType::from_bits_retain(flag(kind));
        match target.filter(|_| path.as_os_str().is_empty()) {
            Some(target) => rustix::thread::move_into_thread_name_spaces(target, flags)?,
            None => {
                let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
                rustix::thread::move_into_thread_name_spaces(file.as_fd(), flags)?;
            }
        }
        self.0.push((kind, own));
        Ok(())
    }

    fn leave(&mut self) -> io::Result<()> {
        while let Some((kind, own)) = self.0.pop() {
            rustix::thread::move_into_thread_name_spaces(
                own.as_fd(),
                ThreadNameSpaceType::from_bits_retain(flag(kind)),
            )?;
        }
        Ok(())
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let _stuck = self.leave();
    }
}

/// This program, opened by [`program`]: kept, since each time that a detached mount is let go of
/// costs a grace period of the kernel.
static PROGRAM: OnceLock<OwnedFd> = OnceLock::new();

/// Opens this program so that a container cannot write to it through `/proc/PID/exe` (CVE-2019-5736).
fn program(binary: Option<&Path>) -> io::Result<OwnedFd> {
    if let Some(path) = binary {
        return protected(path);
    }
    if PROGRAM.get().is_none() {
        let opened = protected(Path::new("/proc/self/exe"))?;
        let _another_thread_was_first = PROGRAM.set(opened);
    }
    PROGRAM.get().ok_or(io::ErrorKind::NotFound.into()).and_then(OwnedFd::try_clone)
}

/// Opens a program through a read-only mount: its own, if it is read-only already; else a clone of
/// it; where mounts cannot be cloned, a sealed copy takes its place.
fn protected(path: &Path) -> io::Result<OwnedFd> {
    let place = rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    if rustix::fs::fstatvfs(&place)?.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Ok(place);
    }
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH;
    let cloned = rustix::mount::open_tree(&place, "", flags).map_err(io::Error::from);
    let read_only = Attributes { set: crate::plan::option::RDONLY, ..Attributes::default() };
    let cloned = cloned.and_then(|tree| {
        hako_sys::mount::set_attributes(&tree, false, read_only)?;
        Ok(tree)
    });
    cloned.or_else(|_| sealed(path))
}

fn sealed(path: &Path) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("hako", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = std::fs::File::from(file);
    io::copy(&mut std::fs::File::open(path)?, &mut copy)?;
    rustix::fs::fcntl_add_seals(
        &copy,
        SealFlags::SEAL | SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE,
    )?;
    Ok(copy.into())
}
