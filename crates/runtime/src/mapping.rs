//! Identifier mappings of user namespaces, and mounts that are shifted by them.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use hako_sys::mount::Attributes;
use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::OpenTreeFlags;

use crate::Error;
use crate::plan::step::Shifted;
use crate::spec::IdMapping;

/// Writes the mappings of the user namespace of process `pid`.
///
/// Where the kernel does not let us, because we are not privileged in the namespace above,
/// `newuidmap` and `newgidmap` do it, if `/etc/subuid` and `/etc/subgid` allow.
pub(crate) fn write(pid: i32, users: &[IdMapping], groups: &[IdMapping]) -> Result<(), Error> {
    map(pid, "uid_map", "newuidmap", users)?;
    if rustix::process::geteuid().is_root() || groups.len() != 1 || groups[0].size != 1 {
        return map(pid, "gid_map", "newgidmap", groups);
    }
    // One's own group can be mapped without privileges by those who give up `setgroups(2)`.
    let denied = fs::write(format!("/proc/{pid}/setgroups"), "deny");
    denied.map_err(|source| Error::Spawn { doing: "forbid `setgroups`".into(), source })?;
    map(pid, "gid_map", "newgidmap", groups)
}

fn map(pid: i32, file: &str, tool: &str, mappings: &[IdMapping]) -> Result<(), Error> {
    let fail = |source| Error::Spawn { doing: format!("write `{file}`"), source };
    let lines =
        mappings.iter().map(|one| format!("{} {} {}\n", one.container_id, one.host_id, one.size));
    let text: String = lines.collect();
    match fs::write(format!("/proc/{pid}/{file}"), &text) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
        other => return other.map_err(fail),
    }
    let mut command = Command::new(tool);
    command.arg(pid.to_string()).args(text.split_whitespace()).stdin(Stdio::null());
    let output = command.output().map_err(fail)?;
    if output.status.success() {
        return Ok(());
    }
    Err(fail(io::Error::other(format!(
        "{tool}: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))))
}

/// Clones a tree of mounts and shifts its owners; by the mapping of process `pid` if it has none of its own.
pub(crate) fn shift(pid: i32, wanted: &Shifted) -> Result<OwnedFd, Error> {
    let fail = |source| Error::Spawn {
        doing: format!("shift the owners of `{}`", wanted.source.display()),
        source,
    };
    let namespace = if wanted.uid_mappings.is_empty() && wanted.gid_mappings.is_empty() {
        open(&format!("/proc/{pid}/ns/user"))
    } else {
        namespace(&wanted.uid_mappings, &wanted.gid_mappings)
    };
    let namespace = namespace.map_err(fail)?;
    let mut flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    if wanted.clone_all {
        flags |= OpenTreeFlags::AT_RECURSIVE;
    }
    let tree =
        rustix::mount::open_tree(CWD, &wanted.source, flags).map_err(|errno| fail(errno.into()))?;
    let idmap = Some(std::os::fd::AsFd::as_fd(&namespace));
    let change = Attributes { idmap, ..Attributes::default() };
    hako_sys::mount::set_attributes(&tree, wanted.recursive, change).map_err(fail)?;
    Ok(tree)
}

fn open(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Makes a user namespace with these mappings, held by nothing but its descriptor.
fn namespace(users: &[IdMapping], groups: &[IdMapping]) -> io::Result<OwnedFd> {
    let (gate, _held) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let child = hako_sys::process::spawn(&hako_sys::process::Spawn {
        namespaces: u64::from(rustix::thread::ThreadNameSpaceType::USER.bits()),
        cgroup: None,
        // It never comes to this: the gate is closed before a byte was sent.
        program: std::os::fd::AsFd::as_fd(&gate),
        arguments: &[],
        stdio: None,
        keep: &[],
        gate: Some(std::os::fd::AsFd::as_fd(&gate)),
    })?;
    let made = write(child.pid, users, groups).map_err(io::Error::other);
    let made = made.and_then(|()| open(&format!("/proc/{}/ns/user", child.pid)));
    let _ended = hako_sys::process::send_signal(&child.pidfd, libc::SIGKILL);
    let _reaped = crate::Running::new(child.pid, child.pidfd).wait();
    made
}
