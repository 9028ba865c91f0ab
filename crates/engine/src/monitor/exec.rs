//! A further program in the container, and the conversation with whoever asked for it.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hako_runtime::spec::{Capabilities, Process, User};
use hako_runtime::{Options, Running, Stdio, Target};
use hako_types::RandomId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};

use super::shared::{Run, Shared};
use super::start::refused;
use super::supervise::tell;
use crate::Error;
use crate::attach::{Frame, write_frame};
use crate::container::{Container, ExecSpec, rights, spec};
use crate::model::Map;

/// Runs a program and talks to the client until it has ended; returns the last frame.
pub(super) fn run(
    shared: &Arc<Shared>,
    stream: &UnixStream,
    spec: &ExecSpec,
) -> Result<Option<Frame>, Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    if shared.inner().live.state.paused {
        return Err(Error::Conflict(format!(
            "container {} is paused, unpause the container before exec",
            container.name
        )));
    }
    let id = RandomId::random().as_str().to_owned();
    emit(shared, &container, &format!("exec_create: {}", spec.cmd.join(" ")), &id, None);
    let started = start(&run, &container, spec)?;
    shared.inner().execs.push(id.clone());
    emit(shared, &container, &format!("exec_start: {}", spec.cmd.join(" ")), &id, None);
    tell(stream, &Frame::Started(started.process.pid()));
    if spec.detach {
        tell(stream, &Frame::Done(Vec::new()));
        let _gone = stream.shutdown(std::net::Shutdown::Both);
    }
    let code = started.talk(stream);
    shared.inner().execs.retain(|running| *running != id);
    emit(shared, &container, "exec_die", &id, Some(code));
    Ok(Some(Frame::Exit(code)))
}

fn emit(shared: &Shared, container: &Container, action: &str, id: &str, code: Option<i32>) {
    let mut attributes = Map::from([("execID".to_owned(), id.to_owned())]);
    if let Some(code) = code {
        attributes.insert("exitCode".into(), code.to_string());
    }
    shared.engine().containers().emit(container, action, attributes);
}

/// Returns the OCI process of an exec: the container's own, changed by what was asked for.
pub(super) fn process(run: &Run, container: &Container, spec: &ExecSpec) -> Result<Process, Error> {
    let config = &container.record.config;
    let own = run.spec.process.clone().unwrap_or_default();
    let mut env = spec::environment(&config.env, &run.hostname, spec.tty);
    spec::override_environment(&mut env, &spec.env);
    let user = if spec.user.is_empty() { own.user.clone() } else { named(&spec.user) };
    if !spec.working_dir.is_empty() && !spec.working_dir.starts_with('/') {
        return Err(Error::Invalid(format!(
            "the working directory '{}' is invalid, it needs to be an absolute path",
            spec.working_dir
        )));
    }
    let capabilities = if spec.privileged {
        let all = rights::all_capabilities();
        Some(Capabilities {
            bounding: all.clone(),
            effective: all.clone(),
            permitted: all,
            ..Capabilities::default()
        })
    } else {
        own.capabilities.clone()
    };
    Ok(Process {
        terminal: spec.tty,
        console_size: None,
        user,
        args: spec.cmd.clone(),
        env,
        cwd: if spec.working_dir.is_empty() {
            own.cwd.clone()
        } else {
            spec.working_dir.clone().into()
        },
        capabilities,
        ..own
    })
}

fn named(user: &str) -> User {
    User { username: Some(user.to_owned()), ..User::default() }
}

/// A program that runs, and the monitor's ends of its standard files.
pub(super) struct Started {
    pub(super) process: Running,
    outputs: Vec<(u8, OwnedFd)>,
    input: Option<OwnedFd>,
    terminal: bool,
}

/// Starts a program in the container.
pub(super) fn start(run: &Run, container: &Container, spec: &ExecSpec) -> Result<Started, Error> {
    let failed = |error: Errno| Error::io("make a pipe for", Path::new("exec"))(error.into());
    let process = process(run, container, spec)?;
    let target = Target {
        pid: run.process.pid(),
        pidfd: run.process.pidfd(),
        cgroup: Some(&run.cgroup),
        spec: &run.spec,
    };
    if spec.tty {
        let (columns, rows) = spec.size.unwrap_or_default();
        let stdio = Stdio::Terminal { columns, rows };
        let (process, terminal) =
            hako_runtime::exec(&target, &process, stdio, Options::default()).map_err(refused)?;
        let terminal =
            terminal.ok_or_else(|| Error::Conflict("the exec got no terminal".into()))?;
        let output = terminal.try_clone().map_err(Error::io("attach to", Path::new("exec")))?;
        return Ok(Started {
            process,
            outputs: vec![(5, output)],
            input: Some(terminal),
            terminal: true,
        });
    }
    let (stdin, input) = if spec.stdin {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
        (read, Some(write))
    } else {
        (
            rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .map_err(failed)?,
            None,
        )
    };
    let (out, stdout) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let (err, stderr) = pipe_with(PipeFlags::CLOEXEC).map_err(failed)?;
    let stdio = Stdio::Files([stdin, stdout, stderr]);
    let (process, _) =
        hako_runtime::exec(&target, &process, stdio, Options::default()).map_err(refused)?;
    Ok(Started { process, outputs: vec![(5, out), (6, err)], input, terminal: false })
}

impl Started {
    /// Passes output and input on until the program has ended, whatever its children hold; returns its exit code.
    fn talk(self, stream: &UnixStream) -> i32 {
        let input = self.input.and_then(|to| Some((to, stream.try_clone().ok()?)));
        if let Some((to, from)) = input {
            let builder = std::thread::Builder::new().stack_size(128 << 10);
            let (is_terminal, pid) = (self.terminal, self.process.pidfd().try_clone_to_owned());
            // It ends when the client goes, or when the conversation is shut down below.
            let _without_input =
                builder.spawn(move || feed(&from, to, is_terminal, pid.ok().as_ref()));
        }
        let code = drain(&self.process, self.outputs, |kind, bytes| {
            let _gone_is_fine = write_frame(&mut &*stream, kind, bytes);
        });
        let _gone = stream.shutdown(std::net::Shutdown::Read);
        code
    }
}

impl Started {
    /// Waits for the end of a program that nobody talks to, at most so long, and kills it then; returns its exit code, the
    /// first bytes of its output, and whether it took too long.
    pub(super) fn collect(self, limit: Duration, longest: usize) -> (i32, Vec<u8>, bool) {
        let mut output = Vec::new();
        let deadline = std::time::Instant::now() + limit;
        let (mut open, mut timed_out) = (self.outputs, false);
        let mut block = vec![0; 16 << 10];
        while !open.is_empty() {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            if left.is_zero() {
                timed_out = true;
                break;
            }
            let mut fds: Vec<PollFd<'_>> =
                open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
            fds.push(PollFd::from_borrowed_fd(self.process.pidfd(), PollFlags::IN));
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            let _interrupted_is_fine = poll(&mut fds, Some(&left));
            let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
            let has_ended = ready[open.len()];
            let mut index = 0;
            open.retain(|(_, fd)| {
                index += 1;
                if !ready[index - 1] {
                    return !has_ended;
                }
                match rustix::io::read(fd.as_fd(), &mut block) {
                    Ok(0) | Err(_) => false,
                    Ok(count) => {
                        let room = longest.saturating_sub(output.len());
                        output.extend_from_slice(&block[..count.min(room)]);
                        true
                    }
                }
            });
        }
        if timed_out {
            let _gone_is_fine = self.process.kill(rustix::process::Signal::KILL.as_raw());
        }
        (self.process.wait().map_or(-1, |exit| exit.code), output, timed_out)
    }
}

/// Reads the outputs of a program until it has ended and nothing is ready any more; returns its exit code.
pub(super) fn drain(
    process: &Running,
    outputs: Vec<(u8, OwnedFd)>,
    mut pass: impl FnMut(u8, &[u8]),
) -> i32 {
    let mut open = outputs;
    let mut block = vec![0; 32 << 10];
    let mut has_ended = false;
    loop {
        let mut fds: Vec<PollFd<'_>> =
            open.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        if !has_ended {
            fds.push(PollFd::from_borrowed_fd(process.pidfd(), PollFlags::IN));
        }
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        match poll(&mut fds, has_ended.then_some(&now)) {
            Ok(0) if has_ended => break,
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => break,
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        has_ended = has_ended || ready.get(open.len()).copied().unwrap_or(false);
        let mut index = 0;
        open.retain(|(kind, fd)| {
            index += 1;
            if !ready[index - 1] {
                return true;
            }
            match rustix::io::read(fd.as_fd(), &mut block) {
                Ok(0) => false,
                Ok(count) => {
                    pass(*kind, &block[..count]);
                    true
                }
                Err(Errno::INTR | Errno::AGAIN) => true,
                Err(_) => false,
            }
        });
        if has_ended && open.is_empty() {
            break;
        }
    }
    process.wait().map_or(128, |exit| exit.code)
}

/// Takes a client's input until the client goes or ends it.
fn feed(from: &UnixStream, to: OwnedFd, is_terminal: bool, pidfd: Option<&OwnedFd>) {
    let mut to = Some(to);
    loop {
        match Frame::read(from) {
            Ok(Some(Frame::Stdin(bytes))) => {
                if let Some(to) = &to
                    && write_all(to, &bytes).is_err()
                {
                    return;
                }
            }
            Ok(Some(Frame::StdinEnd)) if !is_terminal => drop(to.take()),
            Ok(Some(Frame::Resize(columns, rows))) => {
                if let Some(terminal) = &to {
                    let size = rustix::termios::Winsize {
                        ws_row: rows,
                        ws_col: columns,
                        ws_xpixel: 0,
                        ws_ypixel: 0,
                    };
                    let _gone_is_fine = rustix::termios::tcsetwinsize(terminal, size);
                }
            }
            Ok(Some(Frame::Signal(signal))) => {
                if let Some(pidfd) = pidfd {
                    let _gone_is_fine = hako_sys::process::send_signal(pidfd, signal);
                }
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return,
        }
    }
}

fn write_all(to: &OwnedFd, bytes: &[u8]) -> Result<(), Errno> {
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
