//! The processes of a cgroup: putting them in, listing, suspending and killing them, and its end.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open, rmdir};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use super::controller::Controller;
use super::host::Home;
use super::{Cgroup, Error, Node, file};

/// How long suspension may take: a process in an uninterruptible sleep holds it up.
const FREEZE: Duration = Duration::from_secs(10);
/// How long the kernel may take to let go of a cgroup whose processes were killed.
const REMOVE: Duration = Duration::from_secs(2);

impl Node {
    /// Moves a process with all its threads here.
    pub(super) fn add(&self, pid: i32) -> Result<(), Error> {
        file::write(&self.dir, "cgroup.procs", &pid.to_string())
    }
}

impl Cgroup {
    /// Moves a process with all its threads into the cgroup.
    pub fn add(&self, pid: i32) -> Result<(), Error> {
        self.nodes.iter().try_for_each(|node| node.add(pid))
    }

    /// Moves a process that was cloned into [`fd`](Self::fd) into the rest of the cgroup.
    pub fn add_cloned(&self, pid: i32) -> Result<(), Error> {
        self.nodes.iter().filter(|node| node.home != Home::V2).try_for_each(|node| node.add(pid))
    }

    /// Returns the processes in the cgroup and in all below it, as this process's PID namespace
    /// numbers them.
    pub fn pids(&self) -> Result<Vec<i32>, Error> {
        let Some(node) = self.preferred() else { return Ok(Vec::new()) };
        let mut pids = Vec::new();
        collect(&node.dir, &mut pids)?;
        pids.sort_unstable();
        pids.dedup();
        Ok(pids)
    }

    /// The node that stands for all.
    fn preferred(&self) -> Option<&Node> {
        self.nodes
            .iter()
            .find(|node| node.home == Home::V2)
            .or_else(|| self.node(Controller::Freezer))
            .or(self.nodes.first())
    }

    /// Suspends all processes; returns when they are.
    ///
    /// If some cannot be within ten seconds, all go on.
    pub fn freeze(&self) -> Result<(), Error> {
        let Some(node) = self.node(Controller::Freezer) else { return Err(self.no_freezer()) };
        let done = if node.home == Home::V2 {
            file::write(&node.dir, "cgroup.freeze", "1").and_then(|()| wait_frozen(&node.dir))
        } else {
            freeze_v1(&node.dir)
        };
        if done.is_err() {
            // The error that matters is the first one.
            drop(self.thaw());
        }
        done
    }

    /// Lets all processes go on.
    pub fn thaw(&self) -> Result<(), Error> {
        let Some(node) = self.node(Controller::Freezer) else { return Err(self.no_freezer()) };
        match node.home {
            Home::V2 => file::write(&node.dir, "cgroup.freeze", "0"),
            Home::V1(_) => file::write(&node.dir, "freezer.state", "THAWED"),
        }
    }

    /// Returns whether all processes are suspended.
    pub fn is_frozen(&self) -> Result<bool, Error> {
        match self.node(Controller::Freezer) {
            Some(node) if node.home == Home::V2 => is_frozen_v2(&node.dir),
            Some(node) => Ok(file::read(&node.dir, "freezer.state")?.trim() == "FROZEN"),
            None => Ok(false),
        }
    }

    fn no_freezer(&self) -> Error {
        let missing =
            self.missing.iter().find(|missing| missing.what == Controller::Freezer.to_string());
        Error::NoController {
            file: "cgroup.freeze".to_owned(),
            controller: Controller::Freezer.to_string(),
            reason: missing.map_or("not enabled", |missing| &missing.reason).to_owned(),
        }
    }

    /// Sends SIGKILL to all processes, suspended ones too, and to all that they start meanwhile.
    ///
    /// Returns when none is left that was not sent it, not when they are gone.
    pub fn kill(&self) -> Result<(), Error> {
        if let Some(node) = self.nodes.iter().find(|node| node.home == Home::V2) {
            match file::write(&node.dir, "cgroup.kill", "1") {
                // Linux before 5.14.
                Err(error) if error.errno() == Some(Errno::NOENT) => {}
                done => return done,
            }
        }
        self.kill_one_by_one()
    }

    /// While suspended, nobody can start others; without a freezer, several rounds have to do.
    fn kill_one_by_one(&self) -> Result<(), Error> {
        let is_frozen = self.node(Controller::Freezer).is_some() && self.freeze().is_ok();
        for round in 0..10 {
            let pids = self.pids()?;
            for pid in pids.iter().filter_map(|pid| Pid::from_raw(*pid)) {
                match kill_process(pid, Signal::KILL) {
                    Ok(()) | Err(Errno::SRCH) => {}
                    Err(_) => return Err(self.stuck("die")),
                }
            }
            if is_frozen {
                return self.thaw();
            }
            if pids.is_empty() {
                return Ok(());
            }
            sleep(Duration::from_millis(1 << round));
        }
        Err(self.stuck("die"))
    }

    fn stuck(&self, what: &'static str) -> Error {
        Error::Stuck {
            dir: self.preferred().map(|node| node.dir.clone()).unwrap_or_default(),
            what,
        }
    }

    /// Removes the cgroup with all below it; one that is gone is no error.
    ///
    /// Its processes must be dead; the kernel is given two seconds to let go of them.
    pub fn remove(&self) -> Result<(), Error> {
        let until = Instant::now() + REMOVE;
        // All are tried, the first error is told.
        let results: Vec<_> = self.nodes.iter().map(|node| remove(&node.dir, until)).collect();
        results.into_iter().collect()
    }
}

fn collect(dir: &Path, pids: &mut Vec<i32>) -> Result<(), Error> {
    let text = match file::read_if_there(dir, "cgroup.procs") {
        Err(error) if error.errno() == Some(Errno::NODEV) => None,
        text => text?,
    };
    pids.extend(text.unwrap_or_default().lines().filter_map(|line| line.parse::<i32>().ok()));
    for child in children(dir) {
        collect(&child, pids)?;
    }
    Ok(())
}

fn children(dir: &Path) -> Vec<std::path::PathBuf> {
    // The number of links of a cgroup's directory tells that of its children: mostly none.
    if fs::metadata(dir).is_ok_and(|found| std::os::unix::fs::MetadataExt::nlink(&found) == 2) {
        return Vec::new();
    }
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

fn remove(dir: &Path, until: Instant) -> Result<(), Error> {
    let mut pause = Duration::from_micros(200);
    loop {
        match rmdir(dir) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            Err(Errno::BUSY | Errno::NOTEMPTY) if Instant::now() < until => {
                let below = children(dir);
                if below.is_empty() {
                    sleep(pause);
                    pause = (pause * 2).min(Duration::from_millis(50));
                }
                below.iter().try_for_each(|child| remove(child, until))?;
            }
            Err(errno) => return Err(Error::Remove { dir: dir.to_owned(), source: errno.into() }),
        }
    }
}

fn is_frozen_v2(dir: &Path) -> Result<bool, Error> {
    Ok(file::read(dir, "cgroup.events")?.lines().any(|line| line == "frozen 1"))
}

/// Waits for `frozen 1`; the kernel announces a change of the file as an exceptional condition.
fn wait_frozen(dir: &Path) -> Result<(), Error> {
    let path = dir.join("cgroup.events");
    let failed = |errno: Errno| Error::Read { file: path.clone(), source: errno.into() };
    let events = open(&path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).map_err(failed)?;
    let until = Instant::now() + FREEZE;
    let mut text = [0; 256];
    loop {
        // Only what is read through this descriptor counts as seen.
        let got = rustix::io::pread(&events, &mut text, 0).map_err(failed)?;
        if text[..got].split(|byte| *byte == b'\n').any(|line| line == b"frozen 1") {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&timeout)) {
            Ok(0) => return Err(Error::Stuck { dir: dir.to_owned(), what: "stop" }),
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
}

/// Asks until it is done: on v1 a process that is just born can escape the first request.
fn freeze_v1(dir: &Path) -> Result<(), Error> {
    let until = Instant::now() + FREEZE;
    let mut pause = Duration::from_micros(50);
    loop {
        file::write(dir, "freezer.state", "FROZEN")?;
        if file::read(dir, "freezer.state")?.trim() == "FROZEN" {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Error::Stuck { dir: dir.to_owned(), what: "stop" });
        }
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
