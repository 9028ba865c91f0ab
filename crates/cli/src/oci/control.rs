//! `kill`, `delete`, `pause`, `resume`.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use hako_runtime::cgroup::Cgroup;
use hako_runtime::spec::Hooks;
use rustix::event::{PollFd, PollFlags, Timespec};

use super::record::{self, Place, Record};
use super::words::Parsed;
use super::{Failure, Globals, hooks};

/// How long a killed container may take to be gone.
const GONE: Duration = Duration::from_secs(10);

/// `kill`: sends a signal to the first process, or to all.
pub(super) fn kill(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, &[("all", false), ("a", false)])?;
    let [id, rest @ ..] = parsed.arguments.as_slice() else {
        return Err(Failure::new("container id cannot be empty"));
    };
    let signal = number(rest.first().map_or("SIGTERM", String::as_str))?;
    let (place, record) = record::load(&globals.root, id)?;
    if parsed.any(&["all", "a"]) {
        if let Some(cgroup) = record.cgroup() {
            signal_all(&cgroup, signal)?;
        }
        return Ok(0);
    }
    // Without a PID namespace of its own, the others would outlive the first process, and do outlive it.
    if signal == libc::SIGKILL
        && !has_own_processes(&place)
        && let Some(cgroup) = record.cgroup()
        && !cgroup.pids()?.is_empty()
    {
        cgroup.kill()?;
        return Ok(0);
    }
    let pidfd = record.pidfd().ok_or_else(|| Failure::new("container not running"))?;
    hako_sys::process::send_signal(&pidfd, signal)
        .map_err(|error| Failure::new(format!("cannot signal: {error}")))?;
    if signal == libc::SIGKILL
        && let Some(cgroup) = record.cgroup()
    {
        // A suspended process cannot die.
        if cgroup.is_frozen().unwrap_or(false) {
            cgroup.thaw()?;
        }
    }
    Ok(0)
}

fn has_own_processes(place: &Place) -> bool {
    use hako_runtime::spec::NamespaceKind;
    let linux = place.spec().ok().and_then(|spec| spec.linux);
    linux.is_some_and(|linux| {
        linux.namespaces.iter().any(|one| one.kind == NamespaceKind::Pid && one.path.is_none())
    })
}

fn signal_all(cgroup: &Cgroup, signal: i32) -> Result<(), Failure> {
    if signal == libc::SIGKILL {
        return Ok(cgroup.kill()?);
    }
    for pid in cgroup.pids()? {
        let Some(pid) = rustix::process::Pid::from_raw(pid) else { continue };
        let Ok(pidfd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())
        else {
            continue;
        };
        let _ended = hako_sys::process::send_signal(&pidfd, signal);
    }
    Ok(())
}

/// Reads a signal: a number, or a name with or without `SIG`.
fn number(text: &str) -> Result<i32, Failure> {
    if let Ok(number) = text.parse::<i32>() {
        return if (0..=64).contains(&number) { Ok(number) } else { Err(unknown(text)) };
    }
    let upper = text.to_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN+") {
        return offset.parse::<i32>().map(|offset| 34 + offset).map_err(|_| unknown(text));
    }
    hako_types::signal::named(name).ok_or_else(|| unknown(text))
}

fn unknown(text: &str) -> Failure {
    Failure::new(format!("unknown signal {text:?}"))
}

/// `delete`: takes away what is left of a container that has ended, or, by force, ends it first.
pub(super) fn delete(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let parsed = Parsed::all(words, &[("force", false), ("f", false)])?;
    let is_forced = parsed.any(&["force", "f"]);
    let place = Place::of(&globals.root, parsed.id()?)?;
    let record = match place.load() {
        Ok(record) => record,
        Err(_) if is_forced => {
            // One whose making was interrupted has no state, or there is none at all.
            let _nothing = place.remove();
            return Ok(0);
        }
        Err(failure) => return Err(failure),
    };
    let status = record.status(&place);
    match status {
        "stopped" | "created" => {}
        _ if is_forced => {}
        _ => {
            return Err(Failure::new(format!(
                "cannot delete container {} that is not stopped: {status}",
                record.id
            )));
        }
    }
    let cgroup = record.cgroup();
    end(&record, cgroup.as_ref())?;
    let spec = place.spec().ok();
    dispose(globals, &place, &record, cgroup.as_ref(), spec.and_then(|spec| spec.hooks).as_ref())?;
    Ok(0)
}

/// Kills all processes and waits until the first is gone.
fn end(record: &Record, cgroup: Option<&Cgroup>) -> Result<(), Failure> {
    let pidfd = record.pidfd();
    if let Some(pidfd) = &pidfd {
        let _ended = hako_sys::process::send_signal(pidfd, libc::SIGKILL);
    }
    if let Some(cgroup) = cgroup {
        if cgroup.is_frozen().unwrap_or(false) {
            cgroup.thaw()?;
        }
        cgroup.kill()?;
    }
    match &pidfd {
        Some(pidfd) if !await_end(pidfd) => Err(Failure::new("container init still running")),
        _ => Ok(()),
    }
}

fn await_end(pidfd: &OwnedFd) -> bool {
    let deadline = Instant::now() + GONE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let seconds = i64::try_from(left.as_secs()).unwrap_or_default();
        let time = Timespec { tv_sec: seconds, tv_nsec: left.subsec_nanos().into() };
        match rustix::event::poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&time)) {
            Ok(0) => return false,
            Ok(_) => return true,
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// Removes what is left of a container that has ended.
pub(super) fn dispose(
    globals: &Globals,
    place: &Place,
    record: &Record,
    cgroup: Option<&Cgroup>,
    all: Option<&Hooks>,
) -> Result<(), Failure> {
    if let Some(cgroup) = cgroup {
        cgroup.kill()?;
        cgroup.remove()?;
    }
    place.remove()?;
    if let Some(all) = all {
        hooks::run_poststop(&all.poststop, &record.state("stopped"), &globals.log);
    }
    Ok(())
}

/// `pause`: suspends all processes.
pub(super) fn pause(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let (place, record) = record::load(&globals.root, Parsed::all(words, &[])?.id()?)?;
    match record.status(&place) {
        "running" | "created" => {}
        status => return Err(Failure::new(format!("container not running or created: {status}"))),
    }
    cgroup(&record)?.freeze()?;
    Ok(0)
}

/// `resume`: lets them go on.
pub(super) fn resume(globals: &Globals, words: &[String]) -> Result<u8, Failure> {
    let (place, record) = record::load(&globals.root, Parsed::all(words, &[])?.id()?)?;
    if record.status(&place) != "paused" {
        return Err(Failure::new("container not paused"));
    }
    cgroup(&record)?.thaw()?;
    Ok(0)
}

/// Returns the container's control group, without which nothing can be done to it.
pub(super) fn cgroup(record: &Record) -> Result<Cgroup, Failure> {
    record.cgroup().ok_or_else(|| Failure::new("the container has no control group"))
}
