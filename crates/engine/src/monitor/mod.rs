//! The monitor: one small process per running container.
//!
//! It is mechanism, not policy: it holds the container's first process, its output and its exit status, probes its health,
//! answers its name questions, and starts it again where the restart policy says so. It is this same
//! binary, re-executed by whoever starts the container, and it ends with the container.
//!
//! ```text
//!   starter ──lock, socket──▶ monitor ──create, attach, start──▶ container
//!   clients ──requests──────▶   │  ├── pump: output ─▶ log, clients
//!                               │  ├── health, names, forwarded ports (threads, where there are any)
//!                               ▼  └── one thread for each client
//!                        waits for the end; frees, records, tells
//! ```
//!
//! While it lives it holds the container's lock: that is how everybody knows that it lives. When it is killed, the kernel
//! kills the container's processes with it, and whoever looks next frees what is left ([`release`]).

mod client;
mod connect;
mod decide;
mod exec;
mod files;
mod health;
mod output;
mod release;
mod request;
mod shared;
mod sources;
mod start;
mod supervise;

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

use hako_store::{Lock, Room};

use crate::{Engine, Settings};

pub(crate) use files::log_path;
pub(crate) use release::{cgroup_of, free_cgroup, release};
pub(crate) use request::{Request, ask, connect, failure};
pub(crate) use start::cgroup_host;

/// What the monitor's arguments are called, in their order: the program's second argument and on.
pub(crate) struct Arguments {
    pub(crate) root: PathBuf,
    pub(crate) id: String,
    pub(crate) lock: i32,
    pub(crate) socket: i32,
}

impl Arguments {
    /// Returns the words behind `monitor` on the command line.
    pub(crate) fn to_words(&self) -> [OsString; 4] {
        [
            self.root.clone().into_os_string(),
            self.id.clone().into(),
            self.lock.to_string().into(),
            self.socket.to_string().into(),
        ]
    }

    fn read(words: &[OsString]) -> Option<Self> {
        let [root, id, lock, socket] = words else { return None };
        let number = |word: &OsString| word.to_str()?.parse().ok();
        Some(Self {
            root: root.into(),
            id: id.to_str()?.into(),
            lock: number(lock)?,
            socket: number(socket)?,
        })
    }
}

/// Runs as the monitor of a container: what the binary does when its first argument is `monitor`. `words` are the
/// arguments behind it, `rooms` as in [`Settings`].
#[must_use]
pub fn main(words: &[OsString], rooms: &'static [Room]) -> ExitCode {
    let Some(arguments) = Arguments::read(words) else { return ExitCode::from(2) };
    let inherited = inherit(&arguments);
    let Ok((lock, socket)) = inherited else { return ExitCode::from(2) };
    // A monitor that its starter's terminal could stop or kill would be none.
    let _already_leader = rustix::process::setsid();
    let settings = Settings { root: arguments.root, program: "/proc/self/exe".into(), rooms };
    let starter = UnixStream::from(socket);
    let outcome = Engine::open(settings).and_then(|engine| {
        let id = arguments
            .id
            .parse()
            .map_err(|error: hako_types::id::InvalidId| crate::Error::Invalid(error.to_string()))?;
        supervise::supervise(engine, id, Lock::inherited(File::from(lock)), &starter)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            client::refuse(&starter, &error);
            ExitCode::FAILURE
        }
    }
}

fn inherit(arguments: &Arguments) -> std::io::Result<(OwnedFd, OwnedFd)> {
    hako_sys::descriptor::close_all_but(&[0, 1, 2, arguments.lock, arguments.socket])?;
    let lock = hako_sys::descriptor::inherit(arguments.lock)?;
    Ok((lock, hako_sys::descriptor::inherit(arguments.socket)?))
}
