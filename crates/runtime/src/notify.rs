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
        let socket = UnixStream::connect(&self.path).map_err(fail)?;
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
