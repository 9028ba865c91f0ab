//! What the threads of a monitor share.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hako_runtime::Running;
use hako_runtime::cgroup::Cgroup;
use hako_runtime::spec::Spec;
use hako_store::Lock;
use hako_types::ContainerId;
use rustix::event::{EventfdFlags, eventfd};

use super::output::Output;
use crate::container::{Container, Live};
use crate::network::Lease;
use crate::{Engine, Error};

/// What the threads of a monitor share.
pub(super) struct Shared {
    pub(super) id: ContainerId,
    /// The engine; its database connection is used by one thread at a time.
    engine: Mutex<Engine>,
    inner: Mutex<Inner>,
    changed: Condvar,
    /// Output on its way to the log and the clients.
    pub(super) output: Mutex<Output>,
    /// Written to when the main thread should look again.
    wake: OwnedFd,
}

/// What somebody wants of the container after its program has ended.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) enum Intent {
    /// What the restart policy says.
    #[default]
    Policy,
    /// That it stays so.
    Stop,
    /// That it starts again.
    Restart,
}

#[derive(Default)]
pub(super) struct Inner {
    /// What the container does, as it was last written.
    pub(super) live: Live,
    /// The program, while it runs.
    pub(super) run: Option<std::sync::Arc<Run>>,
    /// What is wanted next.
    pub(super) intent: Intent,
    /// How many programs have ended.
    pub(super) ends: u64,
    /// Whether the container has ended for good, and nothing of it is left to do.
    pub(super) is_over: bool,
    /// Whether its program has been started at least once by this monitor.
    pub(super) has_started: bool,
    /// How many clients are being talked to.
    pub(super) clients: usize,
    /// Whether health is to be probed now and not after the interval.
    pub(super) probe_now: bool,
    /// Running execs.
    pub(super) execs: Vec<String>,
}

/// A program of the container while it runs.
pub(super) struct Run {
    pub(super) process: Running,
    pub(super) cgroup: Cgroup,
    pub(super) spec: Spec,
    pub(super) hostname: String,
    pub(super) stdin: Mutex<Option<OwnedFd>>,
    pub(super) terminal: Option<OwnedFd>,
    pub(super) namespace: Option<OwnedFd>,
    pub(super) leases: Mutex<Vec<Lease>>,
    /// Closed when the run ends, which stops the threads that wait for it.
    pub(super) stop: Mutex<Option<OwnedFd>>,
    /// What those threads wait for.
    pub(super) stopped: OwnedFd,
    /// Whether the name server is up.
    pub(super) has_names: Mutex<bool>,
    /// Locks on volumes that are mounted while they are used.
    pub(super) volumes: Mutex<Vec<Lock>>,
}

impl Shared {
    pub(super) fn new(
        engine: Engine,
        id: ContainerId,
        live: Live,
        output: Output,
    ) -> std::io::Result<Self> {
        Ok(Self {
            id,
            engine: Mutex::new(engine),
            inner: Mutex::new(Inner { live, ..Inner::default() }),
            changed: Condvar::new(),
            output: Mutex::new(output),
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Lends the engine.
    pub(super) fn engine(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn output(&self) -> MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the container as it is written now.
    pub(super) fn container(&self) -> Result<Container, Error> {
        let engine = self.engine();
        let found = engine.containers().load_as_written(&self.id)?;
        found.ok_or_else(|| Error::no_such(crate::error::Object::Container, self.id.as_str()))
    }

    /// Returns the program that runs.
    ///
    /// # Errors
    /// When none does.
    pub(super) fn run(&self) -> Result<std::sync::Arc<Run>, Error> {
        let run = self.inner().run.clone();
        run.ok_or_else(|| Error::Conflict(format!("container {} is not running", self.id.short())))
    }

    /// Changes what the container does, writes it, and tells everybody who waits.
    pub(super) fn change(&self, change: impl FnOnce(&mut Inner)) -> Result<(), Error> {
        self.change_if(true, change)
    }

    /// Changes what the container does, writes it if that is wanted, and tells everybody who waits.
    pub(super) fn change_if(
        &self,
        written: bool,
        change: impl FnOnce(&mut Inner),
    ) -> Result<(), Error> {
        let live = {
            let mut inner = self.inner();
            change(&mut inner);
            inner.live.clone()
        };
        let outcome =
            if written { self.engine().containers().save_live(&self.id, &live) } else { Ok(()) };
        self.notify();
        outcome
    }

    /// Tells everybody who waits to look again.
    pub(super) fn notify(&self) {
        self.changed.notify_all();
        let _full_is_fine = rustix::io::write(&self.wake, &1_u64.to_ne_bytes());
    }

    pub(super) fn wake(&self) -> std::os::fd::BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Forgets that somebody wanted the main thread to look.
    pub(super) fn drain_wake(&self) {
        let _empty_is_fine = rustix::io::read(&self.wake, &mut [0; 8]);
    }

    /// Waits until `done` is true of the state, or the time is over; returns whether it came true.
    pub(super) fn wait_until(
        &self,
        limit: Option<Duration>,
        mut done: impl FnMut(&Inner) -> bool,
    ) -> bool {
        let deadline = limit.map(|limit| Instant::now() + limit);
        let mut inner = self.inner();
        loop {
            if done(&inner) {
                return true;
            }
            inner = match deadline
                .map(|deadline| deadline.saturating_duration_since(Instant::now()))
            {
                Some(left) if left.is_zero() => return false,
                Some(left) => {
                    self.changed.wait_timeout(inner, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.changed.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}
