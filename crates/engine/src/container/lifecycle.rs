//! Starting, stopping and all between: each a conversation with the container's monitor, or the making of one.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use hako_store::Lock;
use hako_store::rusqlite::{self, params};
use hako_types::ObjectName;
use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::{Container, Containers};
use crate::Error;
use crate::attach::{Attachment, Frame};
use crate::error::Object;
use crate::log::{LogOptions, Policy, Reader};
use crate::model::{Config, Map, Status};
use crate::monitor::{self, Arguments, Request};

/// Which of a program's streams a client wants.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Streams {
    /// Give it input.
    pub stdin: bool,
    /// See its output.
    pub stdout: bool,
    /// See its errors.
    pub stderr: bool,
}

/// How a container is started.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartOptions {
    /// The streams to stay attached to; none lets the container run on its own.
    pub attach: Option<Streams>,
    /// Columns and rows of the terminal.
    pub size: Option<(u16, u16)>,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wait {
    /// That it does not run, at once if it does not.
    #[default]
    NotRunning,
    /// That it ends the next time.
    NextExit,
    /// That it is removed.
    Removed,
}

impl Containers<'_> {
    /// Starts a container that does not run. The program runs when this returns, and with `attach` the conversation has
    /// begun before the program could print anything.
    ///
    /// # Errors
    /// When there is no such container, it is paused or being removed, or its program cannot be started.
    pub fn start(self, name: &str, options: StartOptions) -> Result<Option<Attachment>, Error> {
        let container = self.find(name)?;
        let lock = match self.hold(&container.id)? {
            Hold::Taken(lock) => lock,
            Hold::Busy(container) => return self.start_running(&container, options),
            Hold::Gone => return Err(Error::no_such(Object::Container, name)),
        };
        self.check_startable(&container)?;
        let stream = self.spawn_monitor(&container, &lock)?;
        // From here on only the monitor holds the lock.
        drop(lock);
        let lost = || {
            Error::Conflict(format!(
                "the monitor of `{}` ended before the container was started",
                container.name
            ))
        };
        let request = Request::Start { streams: options.attach, size: options.size };
        let body =
            serde_json::to_vec(&request).map_err(|error| Error::Invalid(error.to_string()))?;
        Frame::Request(body).write(&stream).map_err(|_| lost())?;
        match Frame::read(&stream) {
            Ok(Some(Frame::Started(_))) => Ok(options.attach.map(|_| Attachment::new(stream))),
            Ok(Some(Frame::Failed(body))) => Err(monitor::failure(&body)),
            _ => Err(lost()),
        }
    }

    /// A container that runs already is fine; one that waits to be restarted too.
    fn start_running(
        self,
        container: &Container,
        options: StartOptions,
    ) -> Result<Option<Attachment>, Error> {
        match container.live.state.status {
            Status::Paused => {
                Err(Error::Conflict("cannot start a paused container, try unpause instead".into()))
            }
            Status::Removing => {
                Err(Error::Conflict(format!("container {} is being removed", container.name)))
            }
            _ => match options.attach {
                Some(streams) => self.attach(container.id.as_str(), streams).map(Some),
                None => Ok(None),
            },
        }
    }

    /// Checks what must hold before the monitor is made.
    fn check_startable(self, container: &Container) -> Result<(), Error> {
        match container.live.state.status {
            Status::Removing | Status::Dead => {
                Err(Error::Conflict(format!("container {} is being removed", container.name)))
            }
            _ => Ok(()),
        }
    }

    /// Re-executes this program as the container's monitor, which inherits the lock.
    fn spawn_monitor(self, container: &Container, lock: &Lock) -> Result<UnixStream, Error> {
        let failed = || Error::io("start the monitor of", std::path::Path::new(&container.name));
        let (ours, theirs) = UnixStream::pair().map_err(failed())?;
        let arguments = Arguments {
            root: self.engine.paths().root().to_owned(),
            id: container.id.as_str().to_owned(),
            lock: std::os::fd::AsRawFd::as_raw_fd(lock.file()),
            socket: std::os::fd::AsRawFd::as_raw_fd(&theirs),
        };
        let mut command = Command::new(&self.engine.settings().program);
        command.arg("monitor").args(arguments.to_words()).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        for file in [lock.file().as_fd(), theirs.as_fd()] {
            hako_sys::descriptor::set_inheritable(file, true).map_err(failed())?;
        }
        command.spawn().map_err(failed())?;
        Ok(ours)
    }

    /// Attaches to a running container. The answer begins with `Started`.
    ///
    /// # Errors
    /// When there is no such container or it does not run.
    pub fn attach(self, name: &str, streams: Streams) -> Result<Attachment, Error> {
        let container = self.find(name)?;
        match container.live.state.status {
            Status::Paused => {
                return Err(Error::Conflict(
                    "You cannot attach to a paused container, unpause it first".into(),
                ));
            }
            Status::Running | Status::Restarting => {}
            _ => {
                return Err(Error::Conflict(
                    "You cannot attach to a stopped container, start it first".into(),
                ));
            }
        }
        let stream = monitor::connect(self.engine, &container.id, &Request::Attach(streams))?;
        stream.map(Attachment::new).ok_or_else(|| not_running(&container))
    }

    /// Stops a container: asks its program to end, and kills it after `timeout` seconds (the container's own, or 10; never
    /// when negative). One that does not run is fine.
    ///
    /// # Errors
    /// When there is no such container, the signal is none, or its monitor fails.
    pub fn stop(self, name: &str, signal: Option<&str>, timeout: Option<i64>) -> Result<(), Error> {
        let container = self.find(name)?;
        let signal = signal.map(signal_number).transpose()?;
        if !matches!(
            container.live.state.status,
            Status::Running | Status::Paused | Status::Restarting
        ) {
            return self.mark_stopped(container);
        }
        let request = Request::Stop { signal, timeout: stop_timeout(&container, timeout) };
        self.ask_or_gone(&container, &request)
    }

    /// Notes that a person wants the container to stay as it is.
    fn mark_stopped(self, container: Container) -> Result<(), Error> {
        if container.live.stopped_by_hand || container.live.state.status == Status::Created {
            return Ok(());
        }
        let mut live = container.live;
        live.stopped_by_hand = true;
        self.save_live(&container.id, &live)
    }

    /// Asks a monitor for something that its end answers too.
    fn ask_or_gone(self, container: &Container, request: &Request) -> Result<(), Error> {
        match monitor::ask(self.engine, &container.id, request) {
            Err(Error::Conflict(_)) if !self.is_alive(container)? => Ok(()),
            other => other,
        }
    }

    /// Tells whether a container has a monitor.
    pub(crate) fn is_alive(self, container: &Container) -> Result<bool, Error> {
        let path = self.lock_path(&container.id);
        Lock::is_held(&path).map_err(Error::io("lock", &path))
    }

    /// Stops a container as [`stop`](Self::stop) does and starts it again.
    ///
    /// # Errors
    /// As [`stop`](Self::stop) and [`start`](Self::start).
    pub fn restart(
        self,
        name: &str,
        signal: Option<&str>,
        timeout: Option<i64>,
    ) -> Result<(), Error> {
        let container = self.find(name)?;
        let number = signal.map(signal_number).transpose()?;
        if matches!(
            container.live.state.status,
            Status::Running | Status::Paused | Status::Restarting
        ) {
            let request =
                Request::Restart { signal: number, timeout: stop_timeout(&container, timeout) };
            match monitor::ask(self.engine, &container.id, &request) {
                Err(Error::Conflict(_)) if !self.is_alive(&container)? => {}
                other => return other,
            }
        }
        self.start(container.id.as_str(), StartOptions::default()).map(|_| ())
    }

    /// Sends a signal (a name or a number) to a container's program.
    ///
    /// # Errors
    /// When there is no such container, it does not run, or the signal is none.
    pub fn kill(self, name: &str, signal: &str) -> Result<(), Error> {
        let signal = signal_number(signal)?;
        let container = self.find(name)?;
        match container.live.state.status {
            Status::Running | Status::Paused => {
                let killing = signal == 9;
                match monitor::ask(self.engine, &container.id, &Request::Kill { signal }) {
                    Err(Error::Conflict(_)) if killing && !self.is_alive(&container)? => Ok(()),
                    other => other,
                }
            }
            Status::Restarting => {
                self.ask_or_gone(&container, &Request::Stop { signal: Some(signal), timeout: 0 })
            }
            _ => Err(Error::Conflict(format!(
                "cannot kill container: {name}: container {} is not running",
                container.name
            ))),
        }
    }

    /// Freezes a container.
    ///
    /// # Errors
    /// When there is no such container, or it does not run or is frozen.
    pub fn pause(self, name: &str) -> Result<(), Error> {
        let container = self.find(name)?;
        monitor::ask(self.engine, &container.id, &Request::Pause)
            .map_err(|error| named(error, &container))
    }

    /// Lets a frozen container go on.
    ///
    /// # Errors
    /// When there is no such container, or it is not frozen.
    pub fn unpause(self, name: &str) -> Result<(), Error> {
        let container = self.find(name)?;
        monitor::ask(self.engine, &container.id, &Request::Unpause)
            .map_err(|error| named(error, &container))
    }

    /// Gives a container's terminal another size.
    ///
    /// # Errors
    /// When there is no such container or it does not run.
    pub fn resize(self, name: &str, columns: u16, rows: u16) -> Result<(), Error> {
        let container = self.find(name)?;
        monitor::ask(self.engine, &container.id, &Request::Resize { columns, rows })
    }

    /// Waits, and returns the exit code.
    ///
    /// # Errors
    /// When there is no such container.
    pub fn wait(self, name: &str, condition: Wait) -> Result<i32, Error> {
        let container = self.find(name)?;
        let next = condition == Wait::NextExit;
        let is_live = matches!(
            container.live.state.status,
            Status::Running | Status::Paused | Status::Restarting
        );
        if (is_live || next)
            && let Some(stream) =
                monitor::connect(self.engine, &container.id, &Request::Wait { next })?
        {
            while let Ok(Some(frame)) = Frame::read(&stream) {
                if let Frame::Exit(code) = frame {
                    return self.removed_too(&container, condition, code);
                }
            }
        }
        if next && !is_live {
            return self.wait_for_start(&container);
        }
        let code = self
            .load(&container.id)?
            .map_or(container.live.state.exit_code, |now| now.live.state.exit_code);
        self.removed_too(&container, condition, code)
    }

    fn removed_too(self, container: &Container, condition: Wait, code: i32) -> Result<i32, Error> {
        while condition == Wait::Removed && self.load(&container.id)?.is_some() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(code)
    }

    /// Waits for the next end of a container that does not run yet.
    fn wait_for_start(self, container: &Container) -> Result<i32, Error> {
        loop {
            std::thread::sleep(std::time::Duration::from_millis(20));
            let Some(now) = self.load(&container.id)? else {
                return Ok(container.live.state.exit_code);
            };
            if now.live.state.started_at != container.live.state.started_at {
                return self.wait(container.id.as_str(), Wait::NotRunning);
            }
        }
    }

    /// Gives a container another name, running or not.
    ///
    /// # Errors
    /// When there is no such container, or the name is none or taken.
    pub fn rename(self, name: &str, new: &str) -> Result<(), Error> {
        let container = self.find(name)?;
        let new = new.strip_prefix('/').unwrap_or(new);
        let checked: Result<ObjectName, _> = new.parse();
        checked.map_err(|error| Error::Invalid(format!("Invalid container name: {error}")))?;
        if container.name == new {
            return Err(Error::Invalid(
                "Renaming a container with the same name as its current name".into(),
            ));
        }
        self.engine.database().write(|t| {
            match t.execute(
                "UPDATE container SET name = ?2 WHERE id = ?1",
                params![container.id.as_str(), new],
            ) {
                Err(rusqlite::Error::SqliteFailure(failure, _))
                    if failure.code == rusqlite::ErrorCode::ConstraintViolation =>
                {
                    let sql = "SELECT id FROM container WHERE name = ?1";
                    let by = t.query_row(sql, [new], |row| row.get(0)).unwrap_or_default();
                    return Err(Error::NameTaken {
                        object: Object::Container,
                        name: new.to_owned(),
                        by,
                    });
                }
                other => drop(other?),
            }
            let sql =
                "UPDATE OR REPLACE endpoint_name SET name = ?3 WHERE container = ?1 AND name = ?2";
            t.execute(sql, params![container.id.as_str(), container.name, new])?;
            Ok(())
        })?;
        let attributes = Map::from([("oldName".to_owned(), format!("/{}", container.name))]);
        self.emit(&Container { name: new.to_owned(), ..container }, "rename", attributes);
        Ok(())
    }

    /// Returns what a container has printed.
    ///
    /// # Errors
    /// When there is no such container, or its log is not kept.
    pub fn logs(self, name: &str, options: &LogOptions) -> Result<Reader, Error> {
        let container = self.find(name)?;
        let config = &container.record.host.log_config;
        if !Policy::read(config)?.kept {
            return Err(Error::Conflict(format!(
                "configured logging driver `{}` does not support reading",
                config.kind
            )));
        }
        let path = self.lock_path(&container.id);
        let alive = move || Lock::is_held(&path).unwrap_or(false);
        let directory = container.directory(self.engine);
        let path = monitor::log_path(&directory, &container.id);
        Reader::open(&path, options.clone(), alive).map_err(Error::io("read", &path))
    }

    /// Returns the host's numbers of a container's processes.
    ///
    /// # Errors
    /// When there is no such container or it does not run.
    pub fn top(self, name: &str) -> Result<Vec<i32>, Error> {
        let container = self.find(name)?;
        if !container.is_running() {
            return Err(not_running(&container));
        }
        let cgroup =
            monitor::cgroup_of(self.engine, &container)?.ok_or_else(|| not_running(&container))?;
        cgroup
            .pids()
            .map_err(Error::below(format!("cannot list the processes of `{}`", container.name)))
    }
}

/// Returns the error that the container does not run.
pub(super) fn not_running(container: &Container) -> Error {
    Error::Conflict(format!("container {} is not running", container.name))
}

fn named(error: Error, container: &Container) -> Error {
    match error {
        Error::Conflict(text) if text.contains(container.id.short()) => not_running(container),
        other => other,
    }
}

fn stop_timeout(container: &Container, asked: Option<i64>) -> i64 {
    asked.or(container.record.config.stop_timeout).unwrap_or(10)
}

/// Returns the signal that asks a container's program to stop.
pub(crate) fn stop_signal(config: &Config) -> i32 {
    config.stop_signal.as_deref().and_then(|text| signal_number(text).ok()).unwrap_or(15)
}

/// Reads a signal's name, with or without `SIG`, in any case (`RTMIN+1` too), or its number.
///
/// # Errors
/// When there is none such.
pub(crate) fn signal_number(text: &str) -> Result<i32, Error> {
    let bad = || Error::Invalid(format!("invalid signal: {text}"));
    if let Ok(number) = text.parse::<i32>() {
        return if (1..=64).contains(&number) { Ok(number) } else { Err(bad()) };
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let alias = match name {
        "IOT" => "ABRT",
        "POLL" => "IO",
        name => name,
    };
    if let Some(number) = hako_types::signal::named(alias) {
        return Ok(number);
    }
    let offset = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => {
            rest.strip_prefix(sign)?.parse::<i32>().ok().filter(|offset| (0..=30).contains(offset))
        }
    };
    if let Some(rest) = name.strip_prefix("RTMIN") {
        return offset(rest, '+').map(|offset| 34 + offset).ok_or_else(bad);
    }
    if let Some(rest) = name.strip_prefix("RTMAX") {
        return offset(rest, '-').map(|offset| 64 - offset).ok_or_else(bad);
    }
    Err(bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_known_by_name_and_number() {
        for (text, want) in [
            ("9", 9),
            ("kill", 9),
            ("SIGUSR1", 10),
            ("hup", 1),
            ("RTMIN+3", 37),
            ("SIGRTMAX-1", 63),
        ] {
            assert_eq!(signal_number(text).unwrap(), want);
        }
        for bad in ["", "0", "65", "NONSENSE", "RTMIN+99", "-1"] {
            assert!(signal_number(bad).is_err(), "{bad}");
        }
    }
}
