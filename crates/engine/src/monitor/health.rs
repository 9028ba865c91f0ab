//! Finding out whether a container is healthy, again and again while it runs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hako_types::Moment;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, ResolveFlags};

use super::exec;
use super::shared::{Intent, Run, Shared};
use crate::container::{Container, ExecSpec};
use crate::model::{Config, Health, Healthcheck, Map, Probe};

/// How a container's health is found out, with all defaults filled in.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Check {
    how: How,
    interval: Duration,
    timeout: Duration,
    start_period: Duration,
    start_interval: Duration,
    retries: i64,
}

/// What a probe does.
#[derive(Clone, Debug, Eq, PartialEq)]
enum How {
    /// Run a program in the container.
    Program(Vec<String>),
    /// Ask for a page: port and path.
    Http(u16, String),
    /// Connect to a port.
    Tcp(u16),
    /// Look for a file.
    File(String),
}

/// Returns how a container's health is found out; nothing when it is not.
pub(super) fn check_of(config: &Config) -> Option<Check> {
    let health = config.healthcheck.as_ref()?;
    let (kind, rest) = health.test.split_first()?;
    let how = match (kind.as_str(), rest) {
        ("CMD", [_, ..]) => How::Program(rest.to_vec()),
        ("CMD-SHELL", [text, ..]) => {
            let mut words =
                config.shell.clone().unwrap_or_else(|| vec!["/bin/sh".into(), "-c".into()]);
            words.push(text.clone());
            How::Program(words)
        }
        ("HTTP", [target, ..]) => {
            let bare = target.trim_start_matches("http://");
            let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
            let port = authority.rsplit(':').next()?.parse().unwrap_or(80);
            How::Http(port, format!("/{path}"))
        }
        ("TCP", [port, ..]) => How::Tcp(port.trim_start_matches(':').parse().ok()?),
        ("FILE", [path, ..]) => How::File(path.clone()),
        _ => return None,
    };
    Some(timed(how, health))
}

fn timed(how: How, health: &Healthcheck) -> Check {
    let or = |nanos: i64, default: Duration| match u64::try_from(nanos) {
        Ok(0) | Err(_) => default,
        Ok(nanos) => Duration::from_nanos(nanos),
    };
    let interval = or(health.interval, Duration::from_secs(30));
    Check {
        how,
        interval,
        timeout: or(health.timeout, Duration::from_secs(30)),
        start_period: or(health.start_period, Duration::ZERO),
        start_interval: or(health.start_interval, interval.min(Duration::from_secs(5))),
        retries: if health.retries > 0 { health.retries } else { 3 },
    }
}

impl Check {
    /// Returns how long to wait before the next probe.
    fn pause(&self, is_starting: bool, age: Duration) -> Duration {
        if is_starting && age < self.start_period { self.start_interval } else { self.interval }
    }

    /// Returns the health after a probe.
    fn judge(&self, before: &Health, probe: Probe, age: Duration) -> Health {
        let mut after = before.clone();
        if probe.exit_code == 0 {
            after.failing_streak = 0;
            "healthy".clone_into(&mut after.status);
        } else if before.status != "starting" || age >= self.start_period {
            after.failing_streak += 1;
            if after.failing_streak >= self.retries {
                "unhealthy".clone_into(&mut after.status);
            }
        }
        after.log.push(probe);
        let surplus = after.log.len().saturating_sub(5);
        after.log.drain(..surplus);
        after
    }
}

/// Probes a container's health in a thread of its own, until its run ends.
pub(super) fn watch(shared: &Arc<Shared>, run: &Arc<Run>, container: &Container) {
    let Some(check) = check_of(&container.record.config) else { return };
    let (shared, run, container) = (Arc::clone(shared), Arc::clone(run), container.clone());
    let builder = std::thread::Builder::new().stack_size(256 << 10);
    let _unprobed = builder.spawn(move || probe_until_end(&shared, &run, &container, &check));
}

fn probe_until_end(shared: &Arc<Shared>, run: &Run, container: &Container, check: &Check) {
    let began = Instant::now();
    loop {
        let status = shared.inner().live.state.health.clone().unwrap_or_default().status;
        let pause = check.pause(status == "starting", began.elapsed());
        shared.wait_until(Some(pause), |inner| inner.probe_now || !is_current(inner, run));
        if has_stopped(&run.stopped, Duration::ZERO) {
            return;
        }
        shared.inner().probe_now = false;
        if shared.inner().live.state.paused {
            continue;
        }
        let start = Moment::now();
        let (exit_code, output) = probe(run, container, check);
        // A probe that was frozen with its container tells nothing.
        if shared.inner().live.state.paused || has_stopped(&run.stopped, Duration::ZERO) {
            continue;
        }
        let probe = Probe { start, end: Moment::now(), exit_code, output };
        let before = shared.inner().live.state.health.clone().unwrap_or_default();
        let after = check.judge(&before, probe, began.elapsed());
        let has_changed = before.status != after.status;
        let status = after.status.clone();
        let _unwritten = shared.change(|inner| inner.live.state.health = Some(after));
        if has_changed {
            shared.engine().containers().emit(
                container,
                &format!("health_status: {status}"),
                Map::new(),
            );
            if status == "unhealthy" {
                react(shared, run, container);
            }
        }
    }
}

/// Tells whether `run` is the one that goes on.
fn is_current(inner: &super::shared::Inner, run: &Run) -> bool {
    inner.run.as_ref().is_some_and(|current| current.process.pid() == run.process.pid())
}

/// Does what was asked for in the case of bad health.
fn react(shared: &Shared, run: &Run, container: &Container) {
    let (intent, signal) = match container.record.host.health_on_failure.as_str() {
        "kill" => (Intent::Policy, rustix::process::Signal::KILL.as_raw()),
        "stop" => (Intent::Stop, crate::container::stop_signal(&container.record.config)),
        "restart" => (Intent::Restart, crate::container::stop_signal(&container.record.config)),
        _ => return,
    };
    let _unwritten = shared.change(|inner| inner.intent = intent);
    let _gone_is_fine = run.process.kill(signal);
    let limit = container
        .record
        .config
        .stop_timeout
        .and_then(|seconds| u64::try_from(seconds).ok())
        .unwrap_or(10);
    if !has_stopped(&run.stopped, Duration::from_secs(limit)) {
        let _gone_is_fine = run.process.kill(rustix::process::Signal::KILL.as_raw());
    }
}

/// Waits for the end of the run, at most so long; returns whether it has ended.
fn has_stopped(stopped: &OwnedFd, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut fds = [PollFd::new(stopped, PollFlags::IN)];
        match poll(&mut fds, Some(&left)) {
            Ok(ready) => return ready > 0,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return true,
        }
    }
}

const LONGEST_OUTPUT: usize = 4096;

/// Probes once; returns the exit code (−1 when it took too long or could not run) and what it printed.
fn probe(run: &Run, container: &Container, check: &Check) -> (i32, String) {
    match &check.how {
        How::Program(words) => program(run, container, words, check.timeout),
        How::Http(port, path) => inside(run, |address| http(address, path, check.timeout), *port),
        How::Tcp(port) => inside(
            run,
            |address| TcpStream::connect_timeout(&address, check.timeout).map(|_| String::new()),
            *port,
        ),
        How::File(path) => file(run, path),
    }
}

fn program(run: &Run, container: &Container, words: &[String], timeout: Duration) -> (i32, String) {
    let spec = ExecSpec { cmd: words.to_vec(), ..ExecSpec::default() };
    let started = match exec::start(run, container, &spec) {
        Ok(started) => started,
        Err(error) => return (-1, super::client::failure_of(&error).message),
    };
    let (code, output, timed_out) = started.collect(timeout, LONGEST_OUTPUT);
    if timed_out {
        return (
            -1,
            format!("Health check exceeded timeout ({})", hako_types::GoDuration(timeout)),
        );
    }
    (code, String::from_utf8_lossy(&output).into_owned())
}

/// Asks something at a port of the container's own loopback.
fn inside(
    run: &Run,
    ask: impl FnOnce(SocketAddr) -> std::io::Result<String>,
    port: u16,
) -> (i32, String) {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let asked = match &run.namespace {
        Some(namespace) => {
            match hako_network::namespace::within(namespace.as_fd(), || ask(address)) {
                Ok(asked) => asked,
                Err(error) => return (-1, error.to_string()),
            }
        }
        None => ask(address),
    };
    match asked {
        Ok(output) => (0, output),
        Err(error) => (1, error.to_string()),
    }
}

fn http(address: SocketAddr, path: &str, timeout: Duration) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, timeout)?;
    stream.set_read_timeout(Some(timeout))?;
    stream.set_write_timeout(Some(timeout))?;
    write!(
        stream,
        "GET {path} HTTP/1.0\r\nHost: localhost:{}\r\nUser-Agent: hako\r\n\r\n",
        address.port()
    )?;
    let mut answer = Vec::new();
    stream.take(LONGEST_OUTPUT as u64).read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let status = text.split_whitespace().nth(1).and_then(|code| code.parse::<u16>().ok());
    match status {
        Some(200..400) => Ok(text.lines().next().unwrap_or_default().to_owned()),
        _ => Err(std::io::Error::other(text.lines().next().unwrap_or("no answer").to_owned())),
    }
}

fn file(run: &Run, path: &str) -> (i32, String) {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let root = format!("/proc/{}/root", run.process.pid());
    let opened = rustix::fs::open(Path::new(&root), flags | OFlags::DIRECTORY, Mode::empty())
        .and_then(|root| {
            rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
        });
    match opened {
        Ok(_) => (0, String::new()),
        Err(error) => (1, format!("{path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(health: &Healthcheck) -> Check {
        timed(How::Tcp(1), health)
    }

    fn probe(exit_code: i32) -> Probe {
        Probe { start: Moment::now(), end: Moment::now(), exit_code, output: String::new() }
    }

    #[test]
    fn failures_count_only_after_the_start_period_or_the_first_success() {
        let check = check(&Healthcheck {
            start_period: 3_000_000_000,
            retries: 1,
            ..Healthcheck::default()
        });
        let starting = Health { status: "starting".into(), ..Health::default() };
        let within = Duration::from_secs(1);
        assert_eq!(check.judge(&starting, probe(1), within).status, "starting");
        assert_eq!(check.judge(&starting, probe(1), Duration::from_secs(3)).status, "unhealthy");
        let healthy = check.judge(&starting, probe(0), within);
        assert_eq!(healthy.status, "healthy");
        assert_eq!(check.judge(&healthy, probe(1), within).status, "unhealthy");
    }

    #[test]
    fn the_last_five_probes_are_kept() {
        let check = check(&Healthcheck::default());
        let mut health = Health::default();
        for code in 0..7 {
            health = check.judge(&health, probe(code), Duration::from_secs(99));
        }
        assert_eq!(
            health.log.iter().map(|probe| probe.exit_code).collect::<Vec<_>>(),
            [2, 3, 4, 5, 6]
        );
    }

    #[test]
    fn all_forms_of_checks_are_read() {
        let how = |words: &[&str]| {
            let test = words.iter().map(|&word| word.to_owned()).collect();
            let config = Config {
                healthcheck: Some(Healthcheck { test, ..Healthcheck::default() }),
                ..Config::default()
            };
            check_of(&config).map(|check| check.how)
        };
        assert_eq!(how(&["NONE"]), None);
        assert_eq!(
            how(&["CMD-SHELL", "x"]),
            Some(How::Program(vec!["/bin/sh".into(), "-c".into(), "x".into()]))
        );
        assert_eq!(
            how(&["HTTP", "http://localhost:8080/health"]),
            Some(How::Http(8080, "/health".into()))
        );
        assert_eq!(how(&["HTTP", "8080/health"]), Some(How::Http(8080, "/health".into())));
        assert_eq!(how(&["TCP", "5432"]), Some(How::Tcp(5432)));
    }
}
