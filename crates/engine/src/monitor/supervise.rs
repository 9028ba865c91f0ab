//! The monitor's main thread: starts the container, listens to clients, waits for the end, decides what is next.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hako_store::Lock;
use hako_types::{ContainerId, Moment};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use super::decide::{Backoff, Next, next};
use super::output::Output;
use super::shared::{Intent, Run, Shared};
use super::{client, files, start};
use crate::attach::Frame;
use crate::container::Container;
use crate::log::{Policy, Writer};
use crate::model::{Map, Status};
use crate::{Engine, Error};

/// Lives as the monitor of container `id`. `starter` is whoever started it, and the first client.
pub(super) fn supervise(
    engine: Engine,
    id: ContainerId,
    lock: Lock,
    starter: &UnixStream,
) -> Result<(), Error> {
    let container = engine
        .containers()
        .load_as_written(&id)?
        .ok_or_else(|| Error::no_such(crate::error::Object::Container, id.as_str()))?;
    let directory = container.directory(&engine);
    let listener = files::listen(&directory)?;
    let policy = Policy::read(&container.record.host.log_config)?;
    let path = files::log_path(&directory, &id);
    let writer = Writer::open(&path, policy).map_err(Error::io("open", &path))?;
    let shared = Shared::new(engine, id, container.live.clone(), Output::new(writer));
    let shared = Arc::new(shared.map_err(Error::io("set up the monitor in", &directory))?);
    let main = Main { shared, listener, backoff: Backoff::default() };
    main.live(container, lock, starter)
}

struct Main {
    shared: Arc<Shared>,
    listener: UnixListener,
    backoff: Backoff,
}

impl Main {
    fn live(
        mut self,
        mut container: Container,
        lock: Lock,
        starter: &UnixStream,
    ) -> Result<(), Error> {
        let (streams, size) = client::starting(starter)?;
        let mut code;
        loop {
            let is_first = !self.shared.inner().has_started;
            let attach = streams.filter(|_| is_first);
            let began = Instant::now();
            // The starter hears that the program runs before it hears anything from the program.
            let tell = |pid| {
                if is_first {
                    client::started(&self.shared, starter, attach, pid);
                }
            };
            match start::start(&self.shared, &container, size, tell) {
                Ok((run, pump)) => {
                    self.listen_while_running(&run);
                    code = self.finish(&run, pump);
                }
                Err(error) if is_first => {
                    return self.never_started(&container, &error, starter, lock);
                }
                Err(error) => code = self.failed_again(&container, &error),
            }
            container = self.shared.container()?;
            let decision = self.decide(&container, code, began.elapsed());
            if decision == Next::End || !self.pause(&container, code, decision)? {
                break;
            }
            container = self.shared.container()?;
        }
        self.end(&container, code, lock)
    }

    /// Records that the container could not be started at all, and tells the starter why.
    fn never_started(
        &self,
        container: &Container,
        error: &Error,
        starter: &UnixStream,
        lock: Lock,
    ) -> Result<(), Error> {
        let failure = client::failure_of(error);
        let engine = self.shared.engine();
        let containers = engine.containers();
        if container.record.host.auto_remove {
            containers.delete(container, lock)?;
        } else {
            let mut live = container.live.clone();
            let state = &mut live.state;
            (state.running, state.restarting, state.paused, state.pid) = (false, false, false, 0);
            if state.status != Status::Created {
                state.status = Status::Exited;
                state.finished_at = Moment::now();
            }
            state.exit_code = if failure.code == 125 { 128 } else { failure.code };
            failure.message.clone_into(&mut state.error);
            containers.save_live(&container.id, &live)?;
        }
        client::fail(starter, &failure);
        Ok(())
    }

    /// Records that the container could not be started again; returns the exit code that stands for it.
    fn failed_again(&self, container: &Container, error: &Error) -> i32 {
        let failure = client::failure_of(error);
        let _unwritten = self.shared.change(|inner| {
            let state = &mut inner.live.state;
            (state.running, state.pid, state.exit_code) = (false, 0, failure.code);
            failure.message.clone_into(&mut state.error);
            state.finished_at = Moment::now();
            state.status = Status::Exited;
            inner.ends += 1;
        });
        let _unfreed = super::release(&self.shared.engine(), container);
        failure.code
    }

    /// Answers clients until the program has ended.
    fn listen_while_running(&self, run: &Run) {
        loop {
            let listener = self.listener.as_fd();
            let mut fds = [
                PollFd::from_borrowed_fd(run.process.pidfd(), PollFlags::IN),
                PollFd::from_borrowed_fd(listener, PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) => {}
                Err(Errno::INTR) => continue,
                Err(_) => return,
            }
            if !fds[1].revents().is_empty() {
                self.accept();
            }
            if !fds[0].revents().is_empty() {
                return;
            }
        }
    }

    fn accept(&self) {
        let Ok((stream, _)) = self.listener.accept() else { return };
        client::serve(&self.shared, stream);
    }

    /// Frees what the run held and records its end; returns the exit code.
    fn finish(&self, run: &Arc<Run>, pump: JoinHandle<()>) -> i32 {
        let oom_killed = run.cgroup.oom_kills().is_ok_and(|kills| kills > 0);
        let exit = run.process.wait();
        let code = exit.map_or(128, |exit| exit.code);
        // Processes that outlive the first one (it shares the host's PID namespace) would hold its output open.
        let _empty_is_fine = run.cgroup.kill();
        let _died = pump.join();
        let (container, was_oom) = (self.shared.container(), oom_killed);
        // What is removed next needs no record of its end: its rows go all at once.
        let goes = self.shared.inner().intent != Intent::Restart
            && container.as_ref().is_ok_and(|container| container.record.host.auto_remove);
        if let Ok(container) = &container {
            let _repaired_later =
                super::release::after_run(&self.shared.engine(), container, run, !goes);
        }
        // Only now may the forwarder close the ports: what still arrived would have found nobody.
        drop(run.stop.lock().map(|mut stop| stop.take()));
        let _unwritten = self.shared.change_if(!goes, |inner| {
            inner.run = None;
            inner.ends += 1;
            let state = &mut inner.live.state;
            state.status = Status::Exited;
            (state.running, state.paused, state.pid) = (false, false, 0);
            (state.exit_code, state.oom_killed) = (code, was_oom && code == 137);
            state.finished_at = Moment::now();
            if let Some(health) = &mut state.health
                && health.status == "starting"
            {
                "unhealthy".clone_into(&mut health.status);
            }
        });
        if let Ok(container) = container {
            let attributes = Map::from([("exitCode".to_owned(), code.to_string())]);
            self.shared.engine().containers().emit(&container, "die", attributes);
        }
        code
    }

    fn decide(&mut self, container: &Container, code: i32, ran: Duration) -> Next {
        let (intent, restarts) = {
            let inner = self.shared.inner();
            (inner.intent, inner.live.restart_count)
        };
        let policy = &container.record.host.restart_policy;
        next(policy, intent, code, restarts, (&mut self.backoff, ran))
    }

    /// Waits before a restart; returns whether it is to happen.
    fn pause(&self, container: &Container, code: i32, decision: Next) -> Result<bool, Error> {
        if let Next::RestartAfter(pause) = decision {
            self.shared.change(|inner| {
                let state = &mut inner.live.state;
                state.status = Status::Restarting;
                (state.running, state.restarting) = (true, true);
            })?;
            self.shared.output().end(code);
            self.listen_until(Instant::now() + pause);
            let mut is_stopped = false;
            self.shared.change(|inner| {
                is_stopped = inner.intent == Intent::Stop;
                inner.live.state.restarting = false;
                if is_stopped {
                    inner.live.state.status = Status::Exited;
                    inner.live.state.running = false;
                } else if inner.intent == Intent::Policy {
                    inner.live.restart_count += 1;
                }
            })?;
            if is_stopped {
                return Ok(false);
            }
        } else {
            self.shared.output().end(code);
        }
        self.shared.inner().intent = Intent::Policy;
        self.shared.engine().containers().emit(container, "restart", Map::new());
        Ok(true)
    }

    /// Answers clients until the moment has come, or somebody wants the container stopped or started now.
    fn listen_until(&self, deadline: Instant) {
        while self.shared.inner().intent == Intent::Policy {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let limit = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let mut fds = [
                PollFd::from_borrowed_fd(self.shared.wake(), PollFlags::IN),
                PollFd::new(&self.listener, PollFlags::IN),
            ];
            let _interrupted_is_fine = poll(&mut fds, Some(&limit));
            if !fds[1].revents().is_empty() {
                self.accept();
            }
            if !fds[0].revents().is_empty() {
                self.shared.drain_wake();
            }
        }
    }

    /// The container has ended for good: removes it where that is wanted, and tells everybody.
    fn end(&self, container: &Container, code: i32, lock: Lock) -> Result<(), Error> {
        let removed = if container.record.host.auto_remove {
            self.shared.engine().containers().delete(container, lock)
        } else {
            let _no_client_any_more = std::fs::remove_file(
                container.directory(&self.shared.engine()).join(super::request::SOCKET),
            );
            drop(lock);
            Ok(())
        };
        {
            let mut inner = self.shared.inner();
            inner.is_over = true;
        }
        self.shared.notify();
        self.shared.output().end(code);
        // Clients that wait for the end get their answer from threads of their own.
        self.shared.wait_until(Some(Duration::from_secs(5)), |inner| inner.clients == 0);
        self.shared.engine().database().settle(64 << 10);
        removed
    }
}

/// Sends a frame to a client that may have gone.
pub(super) fn tell(stream: &UnixStream, frame: &Frame) {
    let _gone_is_fine = frame.write(stream);
}
