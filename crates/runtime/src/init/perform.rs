//! Performs steps: one arm each.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use hako_sys::process::unshare;
use rustix::fs::Mode;
use rustix::io::Errno;
use rustix::thread::{LinkNameSpaceType, ThreadNameSpaceType};

use crate::channel::{Failure, Order, Report};
use crate::plan::step::{From, Scheduling, Step};
use crate::spec::{Hook, NamespaceKind};

use super::device::{self, Device};
use super::inside::{Inside, Want};
use super::stage::Stage;
use super::{cover, kernel, mount, privilege, root, terminal};

/// Performs one step; the failure says what it was.
pub(crate) fn perform(stage: &mut Stage, step: &Step) -> Result<(), Failure> {
    match step {
        Step::Identify(identity) => return stage.identify(identity),
        Step::Hooks(moment, hooks) => return run_hooks(stage, moment, hooks),
        Step::Ready => return ready(stage),
        Step::Execute => return execute(stage),
        _ => {}
    }
    let done = match step {
        Step::EnterUser(_)
        | Step::Continue(_)
        | Step::EnterMounts(_)
        | Step::EnterContainer(_)
        | Step::TimeNamespace(_)
        | Step::AwaitGroup
        | Step::GroupNamespace => namespace(stage, step),
        Step::Propagation(_)
        | Step::RootDirectory(_)
        | Step::RootOverlay { .. }
        | Step::CallerHooks
        | Step::Pivot
        | Step::MoveRoot
        | Step::ChangeRoot
        | Step::RootPropagation(_)
        | Step::SealRoot => rooted(stage, step),
        Step::Mount(_)
        | Step::ControlGroups { .. }
        | Step::Attributes { .. }
        | Step::Device { .. }
        | Step::Link { .. }
        | Step::Terminal { .. }
        | Step::ReadOnly(_)
        | Step::Mask(_)
        | Step::Directory(_) => below(stage, step),
        _ => process(stage, step),
    };
    done.map_err(|source| Failure::step(describe(step), &source))
}

/// Says what a step does, after "cannot".
fn describe(step: &Step) -> String {
    let at = |verb: &str, path: &Path| format!("{verb} `{}`", path.display());
    match step {
        Step::RootDirectory(path) => at("use as the root", path),
        Step::RootOverlay { upper, .. } => at("mount the root overlay of", upper),
        Step::Mount(mount) => match &mount.from {
            From::Path { source, .. } => {
                format!("mount `{}` at `{}`", source.display(), mount.target.display())
            }
            From::FileSystem { kind, .. } => {
                format!("mount `{kind}` at `{}`", mount.target.display())
            }
            From::Shifted | From::Remount { .. } => at("mount", &mount.target),
        },
        Step::ControlGroups { target, .. } => at("mount the control groups at", target),
        Step::Attributes { target, .. } => at("change the mount at", target),
        Step::Device { path, .. } => at("make the device", path),
        Step::Link { path, .. } => at("make the link", path),
        Step::Terminal { .. } => "open a terminal".into(),
        Step::Pivot | Step::MoveRoot | Step::ChangeRoot => "change the root".into(),
        Step::HostName(name) => format!("set the host name `{name}`"),
        Step::Sysctl(name, _) => format!("set the kernel parameter `{name}`"),
        Step::ReadOnly(path) => at("make read-only", path),
        Step::Mask(path) => at("mask", path),
        Step::Directory(path) => at("make the working directory", path),
        Step::WorkIn(path) => at("change to the working directory", path),
        Step::Limit(name, ..) => format!("set the resource limit `{name}`"),
        Step::AppArmor(name) | Step::SeLinux(name) => format!("apply the security label `{name}`"),
        Step::Seccomp => "load the seccomp filter".into(),
        Step::Capabilities(_) | Step::Bounding(_) => "set the capabilities".into(),
        Step::Become => "become the user".into(),
        Step::EnterUser(path) | Step::EnterMounts(path) => at("enter the namespace", path),
        Step::EnterContainer(_) => "enter the container's namespaces".into(),
        other => format!("perform the step {other:?}"),
    }
}

/// Returns the flag of `clone(2)` for a namespace.
pub(crate) fn flag(kind: NamespaceKind) -> u32 {
    match kind {
        NamespaceKind::User => ThreadNameSpaceType::USER,
        NamespaceKind::Pid => ThreadNameSpaceType::PROCESS_ID,
        NamespaceKind::Network => ThreadNameSpaceType::NETWORK,
        NamespaceKind::Mount => ThreadNameSpaceType::MOUNT,
        NamespaceKind::Ipc => ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION,
        NamespaceKind::Uts => ThreadNameSpaceType::HOST_NAME_AND_NIS_DOMAIN_NAME,
        NamespaceKind::Cgroup => ThreadNameSpaceType::CONTROL_GROUP,
        NamespaceKind::Time => ThreadNameSpaceType::TIME,
    }
    .bits()
}

fn namespace(stage: &mut Stage, step: &Step) -> io::Result<()> {
    match step {
        Step::EnterUser(path) => {
            let file = root::open_file(path)?;
            rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::User))?;
            privilege::become_root()
        }
        Step::Continue(kinds) => continue_as_sibling(stage, kinds),
        Step::EnterMounts(path) => {
            let file = root::open_file(path)?;
            stage.shared = true;
            Ok(rustix::thread::move_into_link_name_space(
                file.as_fd(),
                Some(LinkNameSpaceType::Mount),
            )?)
        }
        Step::EnterContainer(kinds) => enter_container(stage, kinds),
        Step::TimeNamespace(offsets) => {
            unshare(i32::try_from(flag(NamespaceKind::Time)).unwrap_or_default())?;
            if offsets.is_empty() {
                Ok(())
            } else {
                std::fs::write("/proc/self/timens_offsets", offsets)
            }
        }
        Step::AwaitGroup => stage.await_group(),
        _ => unshare(i32::try_from(flag(NamespaceKind::Cgroup)).unwrap_or_default()),
    }
}

/// Goes on as a new process of the caller, in namespaces that the user namespace just entered owns.
fn continue_as_sibling(stage: &Stage, kinds: &[NamespaceKind]) -> io::Result<()> {
    let flags = kinds.iter().fold(0, |flags, kind| flags | u64::from(flag(*kind)));
    match hako_sys::process::fork_sibling(flags)? {
        None => Ok(()),
        Some(child) => {
            stage.tell(&Report::Moved, Some(&child.pidfd))?;
            hako_sys::process::leave()
        }
    }
}

fn enter_container(stage: &mut Stage, kinds: &[NamespaceKind]) -> io::Result<()> {
    let target = stage.target.take().ok_or(Errno::BADF)?;
    // Processes of the container could otherwise look at this one as soon as they see it.
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let flags = kinds.iter().fold(0, |flags, kind| flags | flag(*kind));
    if flags != 0 {
        let flags = ThreadNameSpaceType::from_bits_retain(flags);
        rustix::thread::move_into_thread_name_spaces(target.as_fd(), flags)?;
    }
    if kinds.contains(&NamespaceKind::User) {
        privilege::become_root()?;
    }
    stage.root = Some(Inside(root::place(Path::new("/"))?));
    Ok(())
}

fn rooted(stage: &mut Stage, step: &Step) -> io::Result<()> {
    match step {
        Step::Propagation(flags) => {
            stage.shared = flags & libc::MS_SHARED != 0;
            root::set_propagation(*flags)
        }
        Step::RootDirectory(path) => {
            if stage.shared {
                root::make_private(path)?;
            }
            take_root(stage, root::directory(path)?)
        }
        Step::RootOverlay { lower, upper, work, options } => {
            if stage.shared {
                root::make_private(upper)?;
            }
            take_root(stage, root::overlay(lower, upper, work, options)?)
        }
        Step::CallerHooks => {
            stage.tell(&Report::Hooks, None)?;
            stage.await_resume()
        }
        Step::Pivot => root::pivot(&stage.inside()?.0),
        Step::MoveRoot => root::move_over(&stage.inside()?.0),
        Step::ChangeRoot => root::change(&stage.inside()?.0),
        Step::RootPropagation(flags) => root::set_propagation(*flags),
        _ => root::set(&stage.inside()?.0, crate::plan::option::RDONLY, 0, false),
    }
}

fn take_root(stage: &mut Stage, mount: std::os::fd::OwnedFd) -> io::Result<()> {
    stage.root = Some(Inside(mount));
    // Modes of devices and mount points are meant as they are written.
    rustix::process::umask(Mode::empty());
    Ok(())
}

fn below(stage: &mut Stage, step: &Step) -> io::Result<()> {
    match step {
        Step::Mount(mount) => {
            let shifted = if matches!(mount.from, From::Shifted) {
                match stage.order()? {
                    (Order::Tree, Some(tree)) => Some(tree),
                    _ => return Err(io::ErrorKind::InvalidData.into()),
                }
            } else {
                None
            };
            if let Some(proc) = mount::perform(stage.inside()?, mount, shifted)? {
                stage.proc = Some(proc);
            }
            Ok(())
        }
        Step::ControlGroups { target, layout, attributes } => {
            mount::groups(stage.inside()?, target, layout, *attributes)
        }
        Step::Attributes { target, set } => {
            root::set(stage.inside()?.place(target)?, *set, 0, false)
        }
        Step::Device { path, bind: true, .. } => device::bind(stage.inside()?, path),
        Step::Device { path, mode, major, minor, owner, .. } => {
            let device = Device { path, mode: *mode, major: *major, minor: *minor, owner: *owner };
            device::make(stage.inside()?, &device)
        }
        Step::Link { path, to } => device::link(stage.inside()?, path, to),
        Step::Terminal { columns, rows, console } => {
            let master = terminal::open(stage.inside()?, *columns, *rows, *console)?;
            stage.tell(&Report::Terminal, Some(&master))
        }
        Step::ReadOnly(path) => cover::read_only(stage.inside()?, path),
        Step::Mask(path) => {
            let Stage { root: Some(inside), covers, .. } = stage else {
                return Err(Errno::INVAL.into());
            };
            covers.mask(inside, path)
        }
        Step::Directory(path) => {
            stage.inside()?.ensure(&crate::plan::clean(path), Want::Directory).map(drop)
        }
        _ => Err(Errno::INVAL.into()),
    }
}

fn process(stage: &mut Stage, step: &Step) -> io::Result<()> {
    match step {
        Step::Session => match rustix::process::setsid() {
            // It leads one already: the first process of a PID namespace that was made for it.
            Ok(_) | Err(Errno::PERM) => Ok(()),
            Err(errno) => Err(errno.into()),
        },
        Step::Keyring(name) => keyring(name),
        Step::HostName(name) => Ok(rustix::system::sethostname(name.as_bytes())?),
        Step::DomainName(name) => Ok(rustix::system::setdomainname(name.as_bytes())?),
        Step::Sysctl(name, value) => {
            kernel::write(stage.proc.as_ref(), stage.inside()?, &format!("sys/{name}"), value)
        }
        Step::Limit(name, soft, hard) => privilege::limit(name, *soft, *hard),
        Step::Scheduling(wanted) => schedule(wanted),
        Step::IoPriority(class, level) => hako_sys::schedule::set_io_priority(*class, *level),
        Step::MemoryPolicy(mode, nodes) => hako_sys::schedule::set_memory_policy(*mode, nodes),
        Step::Affinity(processors) => bind_to(processors),
        Step::Personality(domain) => hako_sys::process::personality(Some(*domain)).map(drop),
        Step::AppArmor(profile) if profile == "unconfined" => Ok(()),
        Step::AppArmor(profile) => label(stage, "attr/apparmor/exec", &format!("exec {profile}"))
            .or_else(|_| label(stage, "attr/exec", &format!("exec {profile}"))),
        Step::SeLinux(text) => label(stage, "attr/exec", text),
        Step::NoNewPrivileges => Ok(rustix::thread::set_no_new_privs(true)?),
        Step::Bounding(wanted) => privilege::bound(*wanted),
        Step::WorkIn(path) => work_in(stage, path),
        Step::Become => {
            privilege::become_user(&stage.who, stage.groups)?;
            match stage.work_in.take() {
                Some(path) => enter_directory(&path),
                None => Ok(()),
            }
        }
        Step::CloseFrom(first) => hako_sys::descriptor::close_on_exec_from(*first),
        Step::Seccomp => load(stage),
        Step::Capabilities(sets) => privilege::set_capabilities(*sets),
        _ => Err(Errno::INVAL.into()),
    }
}

fn bind_to(processors: &[u32]) -> io::Result<()> {
    let mut set = rustix::thread::CpuSet::new();
    let most = rustix::thread::CpuSet::MAX_CPU;
    if processors.is_empty() {
        (0..most).for_each(|one| set.set(one));
        // A filter around us may forbid it: then everything stays as it is.
        let _refused = rustix::thread::sched_setaffinity(None, &set);
        return Ok(());
    }
    processors
        .iter()
        .filter_map(|one| usize::try_from(*one).ok().filter(|one| *one < most))
        .for_each(|one| set.set(one));
    Ok(rustix::thread::sched_setaffinity(None, &set)?)
}

fn keyring(name: &str) -> io::Result<()> {
    let name = std::ffi::CString::new(name)?;
    match hako_sys::keyring::join_session(&name) {
        Ok(_) => Ok(()),
        // A kernel without keyrings, or a filter around us that forbids them.
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::NOSYS | Errno::ACCESS | Errno::PERM) => Ok(()),
            _ => Err(error),
        },
    }
}

fn schedule(wanted: &Scheduling) -> io::Result<()> {
    hako_sys::schedule::set_scheduling(hako_sys::schedule::Scheduling {
        size: 0,
        policy: wanted.policy,
        flags: wanted.flags,
        nice: wanted.nice,
        priority: wanted.priority,
        runtime: wanted.runtime,
        deadline: wanted.deadline,
        period: wanted.period,
    })
}

fn label(stage: &Stage, file: &str, text: &str) -> io::Result<()> {
    kernel::write(stage.proc.as_ref(), stage.inside()?, &kernel::own(file), text)
}

/// Changes to the directory; one that only the user may enter is tried again as the user.
fn work_in(stage: &mut Stage, path: &Path) -> io::Result<()> {
    match enter_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            stage.work_in = Some(path.to_owned());
            Ok(())
        }
        other => other,
    }
}

fn enter_directory(path: &Path) -> io::Result<()> {
    rustix::process::chdir(path)?;
    // A directory of the host, reached through a descriptor that leaked (CVE-2024-21626), has no
    // path from here.
    let name = rustix::process::getcwd(Vec::new())?;
    if name.as_bytes().starts_with(b"/") {
        Ok(())
    } else {
        Err(io::Error::other("it is outside of the container"))
    }
}

fn load(stage: &Stage) -> io::Result<()> {
    let Some(filter) = &stage.filter else { return Ok(()) };
    if !rustix::thread::no_new_privs()? {
        privilege::raise()?;
    }
    match filter.load()? {
        Some(listener) => stage.tell(&Report::Listener, Some(&listener)),
        None => Ok(()),
    }
}

fn run_hooks(stage: &Stage, moment: &str, hooks: &[Hook]) -> Result<(), Failure> {
    for (number, hook) in hooks.iter().enumerate() {
        let name = format!("{moment} hook #{number}");
        let fail = |why| Failure::Hook(name, hook.path.display().to_string(), why);
        let mut hook = hook.clone();
        if moment == "startContainer" && hook.env.is_empty() {
            // It stands in for the program, and finds what the program would.
            hook.env.clone_from(&stage.program.env);
        }
        let run = || {
            if moment == "createContainer" {
                // The root is not `/` yet: this is where hooks look for it.
                let root = stage.inside().map_err(|error| error.to_string())?;
                rustix::process::fchdir(&root.0).map_err(|errno| errno.to_string())?;
            }
            crate::hook::run(&hook, &stage.state)
        };
        run().map_err(fail)?;
    }
    Ok(())
}

fn ready(stage: &mut Stage) -> Result<(), Failure> {
    stage.path = stage.program.find(stage.overrides)?;
    // The start may be long in coming: until then nothing of the host stays open.
    stage.let_go();
    let wait = |stage: &mut Stage| {
        stage.tell(&Report::Ready, None)?;
        stage.await_start()
    };
    wait(stage).map_err(|source| Failure::step("wait for the start", &source))
}

fn execute(stage: &Stage) -> Result<(), Failure> {
    rustix::process::umask(Mode::from_raw_mode(stage.umask));
    let free = || {
        // The standard library ignores SIGPIPE, and whoever started us may have ignored others.
        hako_sys::signal::reset_all();
        hako_sys::signal::unblock_all()
    };
    free().map_err(|source| Failure::step("reset the signals", &source))?;
    Err(stage.program.execute(&stage.path))
}
