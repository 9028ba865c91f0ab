//! Running further programs in a container.

use serde::{Deserialize, Serialize};

use super::Containers;
use crate::Error;
use crate::attach::Attachment;
use crate::model::Status;
use crate::monitor::{self, Request};

/// A further program for a running container.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct ExecSpec {
    /// The program and its arguments.
    pub cmd: Vec<String>,
    /// Changes to the container's environment (`NAME=value`; `NAME` alone removes it).
    pub env: Vec<String>,
    /// User and group; empty means the container's.
    pub user: String,
    /// The directory that it starts in; empty means the container's.
    pub working_dir: String,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether its standard input is open.
    pub stdin: bool,
    /// Whether it has all capabilities.
    pub privileged: bool,
    /// Whether nobody waits for it.
    pub detach: bool,
    /// Columns and rows of the terminal.
    pub size: Option<(u16, u16)>,
}

impl Containers<'_> {
    /// Runs a further program in a running container. The answer begins with `Started` or `Failed`.
    ///
    /// # Errors
    /// When there is no such container, or it does not run or is paused.
    pub fn exec(self, name: &str, spec: &ExecSpec) -> Result<Attachment, Error> {
        let container = self.find(name)?;
        match container.live.state.status {
            Status::Running => {}
            Status::Paused => {
                let message = format!(
                    "container {} is paused, unpause the container before exec",
                    container.name
                );
                return Err(Error::Conflict(message));
            }
            Status::Restarting => {
                let message = format!(
                    "container {} is restarting, wait until the container is running",
                    container.name
                );
                return Err(Error::Conflict(message));
            }
            _ => {
                return Err(Error::Conflict(format!(
                    "container {} is not running",
                    container.name
                )));
            }
        }
        if spec.cmd.is_empty() {
            return Err(Error::Invalid("no exec command specified".into()));
        }
        let stream = monitor::connect(self.engine, &container.id, &Request::Exec(spec.clone()))?;
        stream
            .map(Attachment::new)
            .ok_or_else(|| Error::Conflict(format!("container {} is not running", container.name)))
    }
}
