//! A further process in a running container.

use std::os::fd::{BorrowedFd, OwnedFd};

use crate::cgroup::Cgroup;
use crate::channel::{self, Order, Report};
use crate::launch::{lost, prepare, until_executed};
use crate::plan::{Entry, enter};
use crate::seccomp::Program;
use crate::spawn::{Birth, spawn};
use crate::spec::{Process, Spec, State};
use crate::{Error, Options, Running, Stdio, notify, placement};

/// The container that [`exec`] enters.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its first process, in the caller's PID namespace.
    pub pid: i32,
    /// The same process.
    pub pidfd: BorrowedFd<'a>,
    /// Its control group.
    pub cgroup: Option<&'a Cgroup>,
    /// Its configuration: which namespaces it has, its seccomp profile.
    pub spec: &'a Spec,
}

/// Runs `process` in the namespaces, control group and confinement of a running container.
///
/// Returns once the program runs, with the master side of its terminal if it has one. A program
/// that cannot be executed is [`Error::Program`].
pub fn exec(
    target: &Target<'_>,
    process: &Process,
    stdio: Stdio,
    options: Options,
) -> Result<(Running, Option<OwnedFd>), Error> {
    let seccomp = target.spec.linux.as_ref().and_then(|linux| linux.seccomp.as_ref());
    let filter = seccomp
        .map(Program::compile)
        .transpose()
        .map_err(|source| Error::Seccomp(Box::new(source)))?;
    let plan = enter(&Entry {
        spec: target.spec,
        process,
        terminal: stdio.size(),
        grouped: target.cgroup.is_some(),
        preserve: options.preserve,
    })?;
    let plain_lines = options.plain_lines;
    let birth = Birth {
        plan,
        filter,
        stdio,
        cgroup: target.cgroup.and_then(placement::birthplace),
        target: Some(target.pidfd),
        options,
    };
    let (child, channel) = spawn(birth)?;
    let running = Running::new(child.pid, child.pidfd);
    let state = State {
        oci_version: crate::spec::VERSION.to_owned(),
        status: "running".to_owned(),
        pid: running.pid(),
        annotations: target.spec.annotations.clone(),
        ..State::default()
    };
    let listener = seccomp.and_then(notify::Destination::of);
    let done = advance(target, &running, &channel, (&state, plain_lines));
    let done = done.and_then(|terminal| {
        until_executed(&channel, listener.as_ref(), &state)?;
        Ok(terminal)
    });
    match done {
        Ok(terminal) => Ok((running, terminal)),
        Err(error) => {
            let _killed = running.kill(libc::SIGKILL);
            let _reaped = running.wait();
            Err(error)
        }
    }
}

/// Sends an order. An init that has ended already has said why, and that is what is read next.
fn tell(channel: &OwnedFd, order: &Order) -> Result<(), Error> {
    match channel::send(channel, order, None) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(lost),
    }
}

/// Brings the process to the point where it executes its program.
fn advance(
    target: &Target<'_>,
    running: &Running,
    channel: &OwnedFd,
    (state, plain_lines): (&State, bool),
) -> Result<Option<OwnedFd>, Error> {
    if let Some(cgroup) = target.cgroup {
        placement::enter(cgroup, running.pid())?;
        tell(channel, &Order::Grouped)?;
    }
    let start = || tell(channel, &Order::Start(Box::new(state.clone())));
    // Unless a terminal is to be set up first, nobody has to decide anything any more: the start can
    // wait there for init.
    if !plain_lines {
        start()?;
    }
    let mut terminal = None;
    loop {
        match channel::receive(channel).map_err(lost)? {
            Some((Report::Ready, _)) => {
                prepare(terminal.as_ref(), plain_lines)?;
                if plain_lines {
                    start()?;
                }
                return Ok(terminal);
            }
            Some((Report::Terminal, file)) => terminal = file,
            Some((Report::Failed(failure), _)) => return Err(failure.into()),
            Some(_) => return Err(lost(std::io::ErrorKind::InvalidData.into())),
            None => return Err(lost(std::io::ErrorKind::UnexpectedEof.into())),
        }
    }
}
