//! Hands the listener of a seccomp filter to the agent that answers it.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use serde::Serialize;

use crate::Error;
use crate::spec::{Seccomp, State};

/// Where the listener goes.
#[derive(Clone, Debug)]
pub(crate) struct Destination {
    path: PathBuf,
    metadata: Option<String>,
}

/// What the agent is told: `ContainerProcessState` of the specification.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Told<'a> {
    oci_version: &'a str,
    fds: [&'static str; 1],
    pid: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<&'a str>,
    state: &'a State,
}

/// Refuses what can never work: calls that nobody would answer, and calls that init itself needs to
/// hand the listener over.
pub(crate) fn check(seccomp: &Seccomp) -> Result<(), Error> {
    let notifies = |action: &str| action == "SCMP_ACT_NOTIFY";
    let mut rules = seccomp.syscalls.iter().filter(|rule| notifies(&rule.action)).peekable();
    if notifies(&seccomp.default_action) {
        return Err(Error::Invalid("SCMP_ACT_NOTIFY cannot be used as default action".into()));
    }
    if rules.peek().is_some() && Destination::of(seccomp).is_none() {
        return Err(Error::Invalid("SCMP_ACT_NOTIFY needs a listenerPath".into()));
    }
    if rules.any(|rule| rule.names.iter().any(|name| name == "write")) {
        return Err(Error::Invalid("SCMP_ACT_NOTIFY cannot be used for the write syscall".into()));
    }
    Ok(())
}

impl Destination {
    /// Returns where the listener of a profile goes, if it has one.
    pub(crate) fn of(seccomp: &Seccomp) -> Option<Self> {
        let path = seccomp.listener_path.clone().filter(|path| !path.as_os_str().is_empty())?;
        Some(Self { path, metadata: seccomp.listener_metadata.clone() })
    }

    /// Sends the listener, and what it belongs to.
    pub(crate) fn send(&self, listener: &OwnedFd, state: &State) -> Result<(), Error> {
        let fail = |source| Error::Spawn {
            doing: format!("send the seccomp listener to `{}`", self.path.display()),
            source,
        };
        let metadata = self.metadata.as_deref();
        let told = Told {
            oci_version: &state.oci_version,
            fds: ["seccompFd"],
            pid: state.pid,
            metadata,
            state,
        };
        let text = serde_json::to_vec(&told).map_err(|source| fail(source.into()))?;
        let socket = UnixStream::connect(&self.path).map_err(|source| Error::Spawn {
            doing: format!(
                "use the seccomp profile: failed to connect with seccomp agent `{}`",
                self.path.display()
            ),
            source,
        })?;
        let files = [listener.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        ancillary.push(SendAncillaryMessage::ScmRights(&files));
        let sent = rustix::net::sendmsg(
            &socket,
            &[IoSlice::new(&text)],
            &mut ancillary,
            SendFlags::NOSIGNAL,
        );
        match sent {
            Ok(length) if length == text.len() => Ok(()),
            Ok(_) => Err(fail(io::ErrorKind::WriteZero.into())),
            Err(errno) => Err(fail(errno.into())),
        }
    }
}
