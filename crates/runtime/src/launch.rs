//! From a configuration to a process that waits to be started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::termios::{OptionalActions, OutputModes};

use crate::cgroup::Cgroup;
use crate::channel::{self, Order, Report};
use crate::plan::{self, Inputs, Plan};
use crate::seccomp::Program;
use crate::spawn::{Birth, spawn};
use crate::spec::{Hook, NamespaceKind, Spec, State};
use crate::{Error, Running, notify, placement};

/// What [`create`] needs to know.
#[derive(Debug)]
pub struct Launch<'a> {
    /// Name of the container, for hooks and messages.
    pub id: &'a str,
    /// The configuration. Its `root.path` is not looked at, `root.readonly` is.
    pub spec: &'a Spec,
    /// Directory against which relative paths are resolved.
    pub bundle: &'a Path,
    /// What becomes `/`.
    pub root: Root,
    /// What becomes descriptors 0, 1 and 2.
    pub stdio: Stdio,
    /// The control group, made and limited; the process is put into it before it does anything.
    pub cgroup: Option<&'a Cgroup>,
    /// What callers rarely need.
    pub options: Options,
}

/// What becomes the container's root directory.
#[derive(Clone, Debug, PartialEq)]
pub enum Root {
    /// A directory of the host.
    Directory(PathBuf),
    /// An overlay that is mounted inside the container's own mount namespace only.
    Overlay {
        /// Read-only layers, topmost first; any number, any length of path.
        lower: Vec<PathBuf>,
        /// Where changes go.
        upper: PathBuf,
        /// Scratch directory of the kernel, on the file system of `upper`.
        work: PathBuf,
        /// Further options of overlayfs: `userxattr`, `metacopy=on`, `volatile` …
        options: Vec<String>,
    },
}

/// What becomes descriptors 0, 1 and 2.
#[derive(Debug)]
pub enum Stdio {
    /// The caller's.
    Inherit,
    /// These.
    Files([OwnedFd; 3]),
    /// A new pseudo-terminal of the container's own devpts; its other end is [`Created::take_terminal`].
    Terminal {
        /// First width; 0 leaves the size alone.
        columns: u16,
        /// First height.
        rows: u16,
    },
}

impl Stdio {
    pub(crate) fn size(&self) -> Option<(u16, u16)> {
        match self {
            Self::Terminal { columns, rows } => Some((*columns, *rows)),
            Self::Inherit | Self::Files(_) => None,
        }
    }
}

/// What callers of [`create`] and [`exec`](crate::exec) rarely need.
#[derive(Debug, Default)]
pub struct Options {
    /// How many descriptors from 3 on, open and inheritable in the caller, the program gets.
    pub preserve: u32,
    /// A listening Unix socket on which init waits for its start instead of [`Created::start`];
    /// see [`Created::detach`].
    pub gate: Option<OwnedFd>,
    /// Change the root by moving mounts and `chroot`, for roots on an initial ramdisk.
    pub no_pivot: bool,
    /// The terminal passes ends of lines on as the program wrote them, because the caller shows them
    /// on a terminal of its own, which translates them too.
    pub plain_lines: bool,
    /// Stay in the caller's session keyring.
    pub no_keyring: bool,
    /// The binary that calls [`init`](crate::init) when its first argument is `init`; the running one when absent.
    pub binary: Option<PathBuf>,
}

/// A container that has been made and waits before the user's program is executed.
///
/// Dropping it kills it.
#[derive(Debug)]
pub struct Created {
    running: Option<Running>,
    channel: OwnedFd,
    terminal: Option<OwnedFd>,
    hooks: Vec<(String, Hook)>,
    state: State,
    listener: Option<notify::Destination>,
    plain_lines: bool,
    is_ready: bool,
}

/// Returns how `launch` would be carried out, without doing anything.
pub fn plan(launch: &Launch<'_>) -> Result<Plan, Error> {
    plan::plan(&Inputs {
        id: launch.id,
        spec: launch.spec,
        bundle: launch.bundle,
        root: &launch.root,
        terminal: launch.stdio.size(),
        groups: launch.cgroup.map(placement::layout),
        preserve: launch.options.preserve,
        no_pivot: launch.options.no_pivot,
        no_keyring: launch.options.no_keyring,
    })
}

/// Makes the container's first process and has it set itself up.
///
/// Returns as soon as the process exists in its namespaces, so that the caller can work on these
/// (the network) while init mounts; what goes wrong in init is the error of [`Created::ready`].
pub fn create(launch: Launch<'_>) -> Result<Created, Error> {
    let plan = plan(&launch)?;
    let seccomp = launch.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    if let Some(seccomp) = seccomp {
        notify::check(seccomp)?;
    }
    let filter = seccomp
        .map(Program::compile)
        .transpose()
        .map_err(|source| Error::Seccomp(Box::new(source)))?;
    let hooks = plan.outside.hooks.clone();
    let state = State {
        oci_version: crate::spec::VERSION.to_owned(),
        id: launch.id.to_owned(),
        status: "creating".to_owned(),
        pid: 0,
        bundle: launch.bundle.to_owned(),
        annotations: launch.spec.annotations.clone(),
    };
    let (cgroup, plain_lines) = (launch.cgroup, launch.options.plain_lines);
    let birth = Birth {
        plan,
        filter,
        stdio: launch.stdio,
        cgroup: cgroup.and_then(placement::birthplace),
        target: None,
        options: launch.options,
    };
    let (child, channel) = spawn(birth)?;
    let created = Created {
        state: State { pid: child.pid, ..state },
        running: Some(Running::new(child.pid, child.pidfd)),
        channel,
        terminal: None,
        hooks,
        listener: seccomp.and_then(notify::Destination::of),
        plain_lines,
        is_ready: false,
    };
    if let Some(cgroup) = cgroup {
        placement::enter(cgroup, child.pid)?;
        created.tell(&Order::Grouped)?;
    }
    Ok(created)
}

impl Created {
    /// Returns the process's number in the caller's PID namespace.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.state.pid
    }

    /// Returns the process's descriptor.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "only methods that consume the value take the process out of it"
    )]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.running.as_ref().expect("it is there until it is consumed").pidfd()
    }

    /// Waits until everything is set up and the user's program has been found.
    ///
    /// Runs the `prestart` and `createRuntime` hooks on the way. [`start`](Self::start) does this too.
    pub fn ready(&mut self) -> Result<(), Error> {
        while !self.is_ready {
            match self.next()? {
                (Report::Ready, _) => self.is_ready = true,
                (Report::Terminal, terminal) => {
                    self.terminal = terminal;
                    prepare(self.terminal.as_ref(), self.plain_lines)?;
                }
                (Report::Hooks, _) => self.run_hooks()?,
                (Report::Moved, Some(pidfd)) => self.follow(pidfd)?,
                (Report::Failed(failure), _) => return Err(failure.into()),
                (Report::Moved | Report::Listener, _) => {
                    return Err(lost(io::ErrorKind::InvalidData.into()));
                }
            }
        }
        Ok(())
    }

    /// Opens one of the process's namespaces.
    pub fn namespace(&self, kind: NamespaceKind) -> io::Result<OwnedFd> {
        let name = match kind {
            NamespaceKind::User => "user",
            NamespaceKind::Pid => "pid",
            NamespaceKind::Network => "net",
            NamespaceKind::Mount => "mnt",
            NamespaceKind::Ipc => "ipc",
            NamespaceKind::Uts => "uts",
            NamespaceKind::Cgroup => "cgroup",
            NamespaceKind::Time => "time",
        };
        // The number is ours until we reap the process.
        let path = format!("/proc/{}/ns/{name}", self.pid());
        Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// Opens the container's root directory (`O_PATH`), for use with `openat2(RESOLVE_IN_ROOT)`.
    ///
    /// Only after [`ready`](Self::ready); before, it is the host's.
    pub fn root(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/{}/root", self.pid());
        Ok(rustix::fs::open(
            path,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?)
    }

    /// Takes the master side of the terminal; there is none before [`ready`](Self::ready).
    pub fn take_terminal(&mut self) -> Option<OwnedFd> {
        self.terminal.take()
    }

    /// Lets it execute the user's program.
    ///
    /// Returns once the program runs; a program that cannot be executed is [`Error::Program`].
    pub fn start(mut self) -> Result<Running, Error> {
        self.ready()?;
        let state = State { status: "created".to_owned(), ..self.state.clone() };
        self.tell(&Order::Start(Box::new(state)))?;
        let state = State { status: "running".to_owned(), ..self.state.clone() };
        until_executed(&self.channel, self.listener.as_ref(), &state)?;
        self.running.take().ok_or_else(|| lost(io::ErrorKind::NotFound.into()))
    }

    /// Leaves it waiting at its gate (see [`Options::gate`]) and no longer owns it.
    pub fn detach(mut self) -> Result<Running, Error> {
        self.ready()?;
        self.running.take().ok_or_else(|| lost(io::ErrorKind::NotFound.into()))
    }

    fn tell(&self, order: &Order) -> Result<(), Error> {
        channel::send(&self.channel, order, None).or_else(|source| {
            // It is gone; if it said why, that is the error.
            if source.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(lost(source)) }
        })
    }

    fn next(&self) -> Result<(Report, Option<OwnedFd>), Error> {
        channel::receive(&self.channel)
            .map_err(lost)?
            .ok_or_else(|| lost(io::ErrorKind::UnexpectedEof.into()))
    }

    fn run_hooks(&self) -> Result<(), Error> {
        for (at, (moment, hook)) in self.hooks.iter().enumerate() {
            let first = self.hooks.iter().position(|(one, _)| one == moment).unwrap_or_default();
            crate::hook::run(hook, &self.state).map_err(|why| Error::Hook {
                name: format!("{moment} hook #{}", at - first),
                path: hook.path.display().to_string(),
                why,
            })?;
        }
        self.tell(&Order::Resume(Box::new(self.state.clone())))
    }

    /// Goes on with the sibling that init has become.
    fn follow(&mut self, pidfd: OwnedFd) -> Result<(), Error> {
        use std::os::fd::AsRawFd;
        let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", pidfd.as_raw_fd()))
            .map_err(lost)?;
        let pid = info.lines().find_map(|line| line.strip_prefix("Pid:")?.trim().parse().ok());
        let pid = pid.filter(|pid| *pid > 0).ok_or_else(|| lost(io::ErrorKind::NotFound.into()))?;
        self.state.pid = pid;
        if let Some(first) = self.running.replace(Running::new(pid, pidfd)) {
            first.wait().map_err(lost)?;
        }
        Ok(())
    }
}

impl Drop for Created {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _killed = running.kill(libc::SIGKILL);
            let _reaped = running.wait();
        }
    }
}

/// Lets a container that waits at its gate execute its program.
///
/// `gate` is a connection to the socket of [`Options::gate`].
pub fn open_gate(gate: impl AsFd, spec: &Spec, state: &State) -> Result<(), Error> {
    channel::send(&gate, &Order::Start(Box::new(state.clone())), None).map_err(lost)?;
    let seccomp = spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let state = State { status: "running".to_owned(), ..state.clone() };
    until_executed(&gate, seccomp.and_then(notify::Destination::of).as_ref(), &state)
}

/// Waits until the other side executes its program, which closes the channel, or says why it cannot.
pub(crate) fn until_executed(
    channel: impl AsFd,
    listener: Option<&notify::Destination>,
    state: &State,
) -> Result<(), Error> {
    loop {
        match channel::receive(&channel).map_err(lost)? {
            None => return Ok(()),
            Some((Report::Failed(failure), _)) => return Err(failure.into()),
            Some((Report::Listener, Some(file))) => {
                if let Some(listener) = listener {
                    listener.send(&file, state)?;
                }
            }
            Some(_) => return Err(lost(io::ErrorKind::InvalidData.into())),
        }
    }
}

/// Sets a terminal up before anything is written to it.
pub(crate) fn prepare(terminal: Option<&OwnedFd>, plain_lines: bool) -> Result<(), Error> {
    let Some(terminal) = terminal.filter(|_| plain_lines) else { return Ok(()) };
    let set = || {
        let mut modes = rustix::termios::tcgetattr(terminal)?;
        modes.output_modes -= OutputModes::ONLCR;
        rustix::termios::tcsetattr(terminal, OptionalActions::Now, &modes)
    };
    set().map_err(|errno| lost(errno.into()))
}

pub(crate) fn lost(source: io::Error) -> Error {
    Error::Lost(source)
}
