//! What is known about a container: a directory with its state, its configuration and its gate.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use hako_runtime::cgroup::{Cgroup, Host};
use hako_runtime::spec::{Spec, State};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, PidfdFlags};
use serde::{Deserialize, Serialize};

use super::Failure;

/// `state.json`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Record {
    pub(super) oci_version: String,
    pub(super) id: String,
    pub(super) status: String,
    pub(super) pid: i32,
    /// When the kernel made the process, in clock ticks: with the number, a name that is not reused.
    pub(super) start_time: u64,
    pub(super) bundle: PathBuf,
    pub(super) rootfs: PathBuf,
    pub(super) created: String,
    pub(super) annotations: BTreeMap<String, String>,
    pub(super) owner: String,
    pub(super) cgroup: Option<String>,
}

/// Returns where records are when nobody says.
pub(super) fn default_root() -> PathBuf {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        "/run/hako-oci".into()
    } else {
        format!("/run/user/{}/hako-oci", uid.as_raw()).into()
    }
}

/// Checks a container's name.
pub(super) fn check(id: &str) -> Result<(), Failure> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || "_+-.".contains(letter);
    if !id.is_empty() && id != "." && id != ".." && id.len() <= 1024 && id.chars().all(allowed) {
        return Ok(());
    }
    Err(Failure::new(format!("invalid container ID format: {id:?}")))
}

/// A container's directory.
#[derive(Clone, Debug)]
pub(super) struct Place(pub(super) PathBuf);

impl Place {
    pub(super) fn of(root: &Path, id: &str) -> Result<Self, Failure> {
        check(id)?;
        Ok(Self(root.join(id)))
    }

    /// Makes the directory; the name is taken once.
    pub(super) fn make(&self) -> Result<(), Failure> {
        use std::os::unix::fs::DirBuilderExt;
        let mut builder = fs::DirBuilder::new();
        builder.mode(0o711);
        let made = builder.create(&self.0).or_else(|error| {
            let Some(parent) = self.0.parent().filter(|_| error.kind() == io::ErrorKind::NotFound)
            else {
                return Err(error);
            };
            fs::DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            builder.create(&self.0)
        });
        made.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::new("container with given ID already exists"),
            _ => Failure::new(format!("cannot make `{}`: {error}", self.0.display())),
        })
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        fs::remove_dir_all(&self.0)
    }

    pub(super) fn load(&self) -> Result<Record, Failure> {
        let text = fs::read(self.0.join("state.json")).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Failure::new("container does not exist"),
            _ => Failure::new(format!("cannot read the state: {error}")),
        })?;
        serde_json::from_slice(&text)
            .map_err(|error| Failure::new(format!("cannot read the state: {error}")))
    }

    /// Writes the state so that readers see the old or the new one, whole.
    pub(super) fn save(&self, record: &Record) -> Result<(), Failure> {
        let fail = |error: io::Error| Failure::new(format!("cannot write the state: {error}"));
        let text = serde_json::to_vec(record).map_err(|error| fail(error.into()))?;
        let fresh = self.0.join("state.json.new");
        fs::write(&fresh, text).map_err(fail)?;
        fs::rename(&fresh, self.0.join("state.json")).map_err(fail)
    }

    pub(super) fn spec(&self) -> Result<Spec, Failure> {
        super::bundle::read(&self.0.join("config.json"))
    }

    pub(super) fn save_spec(&self, text: &[u8]) -> Result<(), Failure> {
        fs::write(self.0.join("config.json"), text)
            .map_err(|error| Failure::new(format!("cannot write the configuration: {error}")))
    }

    /// The gate's path by descriptor: the directory's own may be too long for a socket's address.
    fn gate(&self) -> io::Result<(OwnedFd, PathBuf)> {
        let directory = rustix::fs::open(
            &self.0,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let path = PathBuf::from(format!("/proc/self/fd/{}/start", directory.as_raw_fd()));
        Ok((directory, path))
    }

    pub(super) fn listen(&self) -> io::Result<OwnedFd> {
        let (_directory, path) = self.gate()?;
        Ok(UnixListener::bind(path)?.into())
    }

    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let (_directory, path) = self.gate()?;
        UnixStream::connect(path)
    }

    /// Notes that the program was started.
    pub(super) fn open_gate(&self) -> io::Result<()> {
        fs::remove_file(self.0.join("start"))
    }

    fn has_gate(&self) -> bool {
        self.0.join("start").exists()
    }
}

impl Record {
    /// Returns the container's cgroup, if it has one that is still there.
    pub(super) fn cgroup(&self) -> Option<Cgroup> {
        let path = self.cgroup.as_ref()?;
        Cgroup::open(&Host::probe().ok()?, path).ok()
    }

    /// Returns what the container is doing now.
    pub(super) fn status(&self, place: &Place) -> &'static str {
        if !self.is_alive() {
            return "stopped";
        }
        if self.cgroup().is_some_and(|cgroup| cgroup.is_frozen().unwrap_or(false)) {
            return "paused";
        }
        if place.has_gate() { "created" } else { "running" }
    }

    /// Returns whether the first process is there, and not only waits to be reaped.
    pub(super) fn is_alive(&self) -> bool {
        start_time(self.pid).is_some_and(|time| time == self.start_time)
    }

    /// Opens the first process, if it is there.
    pub(super) fn pidfd(&self) -> Option<OwnedFd> {
        let pid = Pid::from_raw(self.pid)?;
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok()?;
        self.is_alive().then_some(pidfd)
    }

    /// Returns the state that hooks see.
    pub(super) fn state(&self, status: &str) -> State {
        State {
            oci_version: self.oci_version.clone(),
            id: self.id.clone(),
            status: status.to_owned(),
            pid: if status == "stopped" { 0 } else { self.pid },
            bundle: self.bundle.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

/// Returns when a process was made, unless it has ended.
pub(super) fn start_time(pid: i32) -> Option<u64> {
    if pid <= 0 {
        return None;
    }
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, which may hold anything, ends with the last parenthesis.
    let mut fields = text.get(text.rfind(')')? + 2..)?.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Loads a container of this root.
pub(super) fn load(root: &Path, id: &str) -> Result<(Place, Record), Failure> {
    let place = Place::of(root, id)?;
    let record = place.load()?;
    Ok((place, record))
}
