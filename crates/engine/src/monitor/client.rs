//! Conversations with clients, each in a thread of its own.

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use rustix::termios::{Winsize, tcsetwinsize};

use super::request::Request;
use super::shared::{Intent, Run, Shared};
use super::supervise::tell;
use super::{connect, exec};
use crate::Error;
use crate::attach::{Failure, Frame};
use crate::container::Streams;
use crate::model::{Map, Status};

/// Answers a client in a thread of its own.
pub(super) fn serve(shared: &Arc<Shared>, stream: UnixStream) {
    shared.inner().clients += 1;
    let mine = Arc::clone(shared);
    let spawned = std::thread::Builder::new().stack_size(256 << 10).spawn(move || {
        answer(&mine, &stream);
        mine.inner().clients -= 1;
        mine.notify();
    });
    if spawned.is_err() {
        shared.inner().clients -= 1;
    }
}

fn answer(shared: &Arc<Shared>, stream: &UnixStream) {
    let Ok(Some(Frame::Request(body))) = Frame::read(stream) else { return };
    let result = match serde_json::from_slice(&body) {
        Ok(request) => perform(shared, stream, request),
        Err(error) => Err(Error::Invalid(error.to_string())),
    };
    match result {
        Ok(Some(frame)) => tell(stream, &frame),
        Ok(None) => {}
        Err(error) => fail(stream, &failure_of(&error)),
    }
}

/// Does what is asked for; returns the last frame, if it has not been sent already.
fn perform(
    shared: &Arc<Shared>,
    stream: &UnixStream,
    request: Request,
) -> Result<Option<Frame>, Error> {
    let done = Ok(Some(Frame::Done(Vec::new())));
    match request {
        Request::Start { .. } => Err(Error::Conflict("the container runs already".into())),
        Request::Attach(streams) => attach(shared, stream, streams),
        Request::Exec(spec) => exec::run(shared, stream, &spec),
        Request::Wait { next } => Ok(Some(Frame::Exit(wait(shared, next)))),
        Request::Stop { signal, timeout } => {
            stop(shared, signal, timeout, Intent::Stop)?;
            done
        }
        Request::Restart { signal, timeout } => {
            restart(shared, signal, timeout)?;
            done
        }
        Request::Kill { signal } => {
            kill(shared, signal)?;
            done
        }
        Request::Pause => {
            pause(shared)?;
            done
        }
        Request::Unpause => {
            unpause(shared)?;
            done
        }
        Request::Resize { columns, rows } => {
            resize(&*shared.run()?, columns, rows);
            done
        }
        Request::Connect { network } => {
            connect::connect(shared, &network)?;
            done
        }
        Request::Disconnect { network } => {
            connect::disconnect(shared, &network)?;
            done
        }
    }
}

/// What a starter asks for: the streams to stay attached to, and the terminal's size.
pub(super) type Starting = (Option<Streams>, Option<(u16, u16)>);

/// Reads the starter's request.
pub(super) fn starting(starter: &UnixStream) -> Result<Starting, Error> {
    let unreadable = || Error::Invalid("the starter of the monitor said nothing".into());
    let Ok(Some(Frame::Request(body))) = Frame::read(starter) else { return Err(unreadable()) };
    match serde_json::from_slice(&body) {
        Ok(Request::Start { streams, size }) => Ok((streams, size)),
        _ => Err(unreadable()),
    }
}

/// Tells the starter that the program runs; goes on with its input when it stays attached.
pub(super) fn started(
    shared: &Arc<Shared>,
    starter: &UnixStream,
    streams: Option<Streams>,
    pid: i32,
) {
    tell(starter, &Frame::Started(pid));
    if let (Some(streams), Ok(stream)) = (streams, starter.try_clone()) {
        shared.output().attach(stream, streams);
    }
    let (Some(streams), Ok(stream)) = (streams, starter.try_clone()) else {
        let _gone = starter.shutdown(std::net::Shutdown::Both);
        return;
    };
    let mine = Arc::clone(shared);
    // This thread is not counted as a client: it ends when the client goes, which may be after everything else.
    let _without_input = std::thread::Builder::new()
        .stack_size(256 << 10)
        .spawn(move || input(&mine, &stream, streams));
}

fn attach(
    shared: &Arc<Shared>,
    stream: &UnixStream,
    streams: Streams,
) -> Result<Option<Frame>, Error> {
    let run = shared.run()?;
    let copy = stream
        .try_clone()
        .map_err(Error::io("attach to", std::path::Path::new(shared.id.short())))?;
    tell(stream, &Frame::Started(run.process.pid()));
    shared.output().attach(copy, streams);
    shared.inner().clients -= 1;
    input(shared, stream, streams);
    shared.inner().clients += 1;
    Ok(None)
}

/// Takes a client's input until the client goes.
fn input(shared: &Arc<Shared>, stream: &UnixStream, streams: Streams) {
    loop {
        let frame = Frame::read(stream);
        let Ok(run) = shared.run() else { return };
        match frame {
            Ok(Some(Frame::Stdin(bytes))) if streams.stdin => feed(&run, &bytes),
            Ok(Some(Frame::StdinEnd)) if streams.stdin => end_input(shared, &run),
            Ok(Some(Frame::Resize(columns, rows))) => resize(&run, columns, rows),
            Ok(Some(Frame::Signal(signal))) => {
                let _gone_is_fine = run.process.kill(signal);
            }
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                if streams.stdin {
                    end_input(shared, &run);
                }
                return;
            }
        }
    }
}

fn feed(run: &Run, bytes: &[u8]) {
    let Ok(stdin) = run.stdin.lock() else { return };
    let Some(to) = stdin.as_ref().or(run.terminal.as_ref()) else { return };
    let mut rest = bytes;
    while !rest.is_empty() {
        match rustix::io::write(to, rest) {
            Ok(count) => rest = &rest[count..],
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return,
        }
    }
}

/// Ends the program's input, where it is to end with its first client's.
fn end_input(shared: &Shared, run: &Run) {
    if shared.container().is_ok_and(|container| container.record.config.stdin_once)
        && let Ok(mut stdin) = run.stdin.lock()
    {
        *stdin = None;
    }
}

pub(super) fn resize(run: &Run, columns: u16, rows: u16) {
    if let Some(terminal) = &run.terminal {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let _gone_is_fine = tcsetwinsize(terminal, size);
    }
}

fn wait(shared: &Shared, next: bool) -> i32 {
    let ends = shared.inner().ends;
    shared.wait_until(None, |inner| inner.is_over || (next && inner.ends > ends));
    shared.inner().live.state.exit_code
}

/// Asks the program to stop, kills it when the time is over, and waits until the run has ended (and with it, unless it is to
/// start again, the container).
fn stop(shared: &Shared, signal: Option<i32>, timeout: i64, intent: Intent) -> Result<(), Error> {
    let container = shared.container()?;
    let ends = shared.inner().ends;
    shared.change(|inner| {
        inner.intent = intent;
        inner.live.stopped_by_hand = intent == Intent::Stop;
    })?;
    let ended = move |inner: &super::shared::Inner| {
        if intent == Intent::Stop { inner.is_over } else { inner.is_over || inner.ends > ends }
    };
    if let Ok(run) = shared.run() {
        let signal =
            signal.unwrap_or_else(|| crate::container::stop_signal(&container.record.config));
        let killed = |signal: i32| {
            let attributes = Map::from([("signal".to_owned(), signal.to_string())]);
            shared.engine().containers().emit(&container, "kill", attributes);
        };
        killed(signal);
        let _gone_is_fine = run.process.kill(signal);
        if shared.inner().live.state.paused {
            let _runs_is_fine = run.cgroup.thaw();
        }
        let limit = u64::try_from(timeout).ok().map(Duration::from_secs);
        if !shared.wait_until(limit, ended) {
            if signal != Signal::KILL.as_raw() {
                killed(Signal::KILL.as_raw());
            }
            let _gone_is_fine = run.process.kill(Signal::KILL.as_raw());
        }
    }
    shared.wait_until(None, ended);
    if intent == Intent::Stop {
        shared.engine().containers().emit(&container, "stop", Map::new());
    }
    Ok(())
}

fn restart(shared: &Shared, signal: Option<i32>, timeout: i64) -> Result<(), Error> {
    let starts =
        |inner: &super::shared::Inner| inner.run.is_some() && inner.intent == Intent::Policy;
    stop(shared, signal, timeout, Intent::Restart)?;
    shared.wait_until(None, |inner| inner.is_over || starts(inner));
    let inner = shared.inner();
    if inner.run.is_some() { Ok(()) } else { Err(Error::Conflict(inner.live.state.error.clone())) }
}

fn kill(shared: &Shared, signal: i32) -> Result<(), Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    let ends_it = signal == Signal::KILL.as_raw()
        || signal == crate::container::stop_signal(&container.record.config);
    if ends_it {
        shared.change(|inner| {
            inner.intent = Intent::Stop;
            inner.live.stopped_by_hand = true;
        })?;
    }
    let refused =
        Error::io("send a signal to the process of", std::path::Path::new(&container.name));
    run.process.kill(signal).map_err(refused)?;
    let attributes = Map::from([("signal".to_owned(), signal.to_string())]);
    shared.engine().containers().emit(&container, "kill", attributes);
    if signal == Signal::KILL.as_raw() {
        if shared.inner().live.state.paused {
            let _runs_is_fine = run.cgroup.thaw();
        }
        shared.wait_until(Some(Duration::from_secs(10)), |inner| inner.is_over);
    }
    Ok(())
}

fn pause(shared: &Shared) -> Result<(), Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    if shared.inner().live.state.paused {
        return Err(Error::Conflict(format!("container {} is already paused", container.name)));
    }
    run.cgroup
        .freeze()
        .map_err(Error::below(format!("cannot pause the container `{}`", container.name)))?;
    shared.change(|inner| {
        inner.live.state.status = Status::Paused;
        inner.live.state.paused = true;
    })?;
    shared.engine().containers().emit(&container, "pause", Map::new());
    Ok(())
}

fn unpause(shared: &Shared) -> Result<(), Error> {
    let run = shared.run()?;
    let container = shared.container()?;
    if !shared.inner().live.state.paused {
        return Err(Error::Conflict(format!("container {} is not paused", container.name)));
    }
    run.cgroup
        .thaw()
        .map_err(Error::below(format!("cannot unpause the container `{}`", container.name)))?;
    shared.change(|inner| {
        inner.live.state.status = Status::Running;
        inner.live.state.paused = false;
        // What it was before says little about a program that was frozen: it is asked at once.
        if let Some(health) = &mut inner.live.state.health {
            "starting".clone_into(&mut health.status);
            health.failing_streak = 0;
            inner.probe_now = true;
        }
    })?;
    shared.engine().containers().emit(&container, "unpause", Map::new());
    Ok(())
}

/// Returns what a client is told of an error: the whole chain in one line, and the exit code that stands for it.
pub(super) fn failure_of(error: &Error) -> Failure {
    if let Error::Monitor(failure) = error {
        return failure.clone();
    }
    Failure::of(error, 125)
}

/// Tells a client that what it asked for failed.
pub(super) fn fail(stream: &UnixStream, failure: &Failure) {
    if let Ok(body) = serde_json::to_vec(failure) {
        tell(stream, &Frame::Failed(body));
    }
}

/// Tells a client that what it asked for failed.
pub(super) fn refuse(stream: &UnixStream, error: &Error) {
    fail(stream, &failure_of(error));
}
