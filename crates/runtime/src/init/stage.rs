//! What init knows and holds while it performs its plan.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{Mode, OFlags};

use crate::channel::{self, Failure, Order, Report};
use crate::identity::{self, Who};
use crate::plan::step::Identity;
use crate::seccomp;
use crate::spec::State;

use super::cover::Covers;
use super::inside::Inside;
use super::program::Program;

/// What init knows and holds.
#[derive(Debug)]
pub(crate) struct Stage {
    /// To the caller; later, to whoever starts the program.
    pub channel: OwnedFd,
    /// Where the start is awaited, if not on `channel`.
    pub gate: Option<OwnedFd>,
    /// Process whose namespaces are entered.
    pub target: Option<OwnedFd>,
    /// The filter to load.
    pub filter: Option<seccomp::Program>,
    /// Whether the caller has said that this process is in its control group.
    pub(crate) grouped: bool,
    /// Whether mounts made now could reach the host.
    pub shared: bool,
    /// The root, once it is made.
    pub root: Option<Inside>,
    /// The procfs that was mounted for the container.
    pub proc: Option<OwnedFd>,
    /// What paths are covered with.
    pub covers: Covers,
    /// Who the program runs as.
    pub who: Who,
    /// Whether supplementary groups can be set.
    pub groups: bool,
    /// File mode creation mask of the program.
    pub umask: u32,
    /// The working directory, if only the user itself can enter it.
    pub work_in: Option<PathBuf>,
    /// The program.
    pub program: Program,
    /// Whether the program will have the capability to ignore permissions.
    pub overrides: bool,
    /// Where the program was found.
    pub path: PathBuf,
    /// The container, as hooks see it.
    pub state: State,
}

impl Stage {
    /// Begins with what the caller passed.
    pub(crate) fn new(
        channel: OwnedFd,
        gate: Option<OwnedFd>,
        target: Option<OwnedFd>,
        filter: Option<seccomp::Program>,
    ) -> Self {
        Self {
            channel,
            gate,
            target,
            filter,
            grouped: false,
            shared: false,
            root: None,
            proc: None,
            covers: Covers::default(),
            who: Who::default(),
            groups: true,
            umask: 0o022,
            work_in: None,
            program: Program::default(),
            overrides: false,
            path: PathBuf::new(),
            state: State::default(),
        }
    }

    /// Lets go of all places that no later step needs.
    pub(crate) fn let_go(&mut self) {
        (self.root, self.proc, self.covers) = (None, None, Covers::default());
    }

    /// Returns the root.
    pub(crate) fn inside(&self) -> io::Result<&Inside> {
        self.root.as_ref().ok_or_else(|| io::Error::other("the root is not there yet"))
    }

    /// Tells the caller something.
    pub(crate) fn tell(&self, report: &Report, with: Option<&OwnedFd>) -> io::Result<()> {
        channel::send(&self.channel, report, with.map(std::os::fd::AsFd::as_fd))
    }

    /// Tells the caller why this is the end; if nobody listens, nobody needs to know.
    pub(crate) fn tell_failure(&self, failure: Failure) {
        let _unheard = self.tell(&Report::Failed(failure), None);
    }

    /// Waits for the next order; an error when the caller is gone.
    pub(crate) fn order(&self) -> io::Result<(Order, Option<OwnedFd>)> {
        channel::receive(&self.channel)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    /// Waits until the caller has put this process into its control group.
    pub(crate) fn await_group(&mut self) -> io::Result<()> {
        while !self.grouped {
            match self.order()? {
                (Order::Grouped, _) => self.grouped = true,
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// Waits until the caller's hooks have run; the control group may be announced meanwhile.
    pub(crate) fn await_resume(&mut self) -> io::Result<()> {
        loop {
            match self.order()? {
                (Order::Grouped, _) => self.grouped = true,
                (Order::Resume(state), _) => {
                    self.state = *state;
                    return Ok(());
                }
                _ => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
    }

    /// Waits for the order to start.
    ///
    /// At a gate, the signals that end a process end it: nobody would expect the blocked ones of a
    /// container that waits to be started to have no effect.
    pub(crate) fn await_start(&mut self) -> io::Result<()> {
        let Some(gate) = self.gate.take() else {
            return self.take_start();
        };
        let ending = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];
        let signals = hako_sys::signal::descriptor(&ending)?;
        loop {
            let mut sources =
                [PollFd::new(&gate, PollFlags::IN), PollFd::new(&signals, PollFlags::IN)];
            match rustix::event::poll(&mut sources, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
            if hako_sys::signal::next(&signals)?.is_some() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.channel = rustix::net::accept_with(&gate, rustix::net::SocketFlags::CLOEXEC)?;
            if self.take_start().is_ok() {
                return Ok(());
            }
        }
    }

    fn take_start(&mut self) -> io::Result<()> {
        match self.order()? {
            (Order::Start(state), _) => {
                self.state = *state;
                Ok(())
            }
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// Looks up the user, and completes the environment.
    pub(crate) fn identify(&mut self, identity: &Identity) -> Result<(), Failure> {
        let user = &identity.user;
        self.program = Program { args: identity.args.clone(), env: identity.env.clone() };
        self.groups = identity.groups;
        self.umask = user.umask.unwrap_or(0o022);
        let has_home = self.program.variable("HOME").is_some_and(|home| !home.is_empty());
        let by_name = user.username.is_some() || !user.additional_groups.is_empty();
        let passwd = if by_name || !has_home { self.read("/etc/passwd") } else { String::new() };
        let group = if by_name { self.read("/etc/group") } else { String::new() };
        self.who = match &user.username {
            Some(name) => identity::look_up(name, &passwd, &group).map_err(Failure::User)?,
            None => Who {
                uid: user.uid,
                gid: user.gid,
                groups: Vec::new(),
                home: identity::home(user.uid, &passwd),
            },
        };
        self.who.groups.extend_from_slice(&user.additional_gids);
        for name in &user.additional_groups {
            self.who.groups.push(identity::look_up_group(name, &group).map_err(Failure::User)?);
        }
        if !has_home {
            self.program.env.retain(|pair| !pair.starts_with("HOME="));
            self.program.env.push(format!("HOME={}", self.who.home));
        }
        once(&mut self.program.env);
        Ok(())
    }

    /// Reads a file of the container; one that cannot be read is empty.
    fn read(&self, path: &str) -> String {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(Path::new(path), flags, Mode::empty()) else {
            return String::new();
        };
        let mut text = Vec::new();
        let limited = io::Read::take(std::fs::File::from(file), 16 << 20);
        match io::Read::read_to_end(&mut { limited }, &mut text) {
            Ok(_) => String::from_utf8_lossy(&text).into_owned(),
            Err(_) => String::new(),
        }
    }
}

/// Leaves each variable once, with its last value: programs differ in which of several they take.
fn once(env: &mut Vec<String>) {
    let name = |pair: &str| pair.split_once('=').map_or(pair, |(name, _)| name).to_owned();
    let mut seen = std::collections::HashSet::new();
    env.reverse();
    env.retain(|pair| seen.insert(name(pair)));
    env.reverse();
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_last_value_of_a_variable_counts() {
        let mut env = ["ONE=two", "PATH=/bin", "ONE="].map(str::to_owned).to_vec();
        super::once(&mut env);
        assert_eq!(env, ["PATH=/bin", "ONE="]);
    }
}
