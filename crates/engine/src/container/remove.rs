//! Removing containers.

use std::collections::BTreeSet;

use hako_store::Lock;
use hako_store::rusqlite::params;
use hako_types::ContainerId;

use super::hold::Hold;
use super::{Container, Containers};
use crate::Error;
use crate::model::{Map, MountKind, Status};
use crate::monitor::{self, Request};

/// How a container is removed.
#[derive(Clone, Copy, Debug, Default)]
pub struct RemoveOptions {
    /// Kill it if it runs.
    pub force: bool,
    /// Remove its anonymous volumes too.
    pub volumes: bool,
}

impl Containers<'_> {
    /// Removes a container, with its writable layer and logs.
    ///
    /// # Errors
    /// When there is none, or it runs and is not to be killed.
    pub fn remove(self, name: &str, options: RemoveOptions) -> Result<(), Error> {
        let container = self.find(name)?;
        let lock = loop {
            match self.hold(&container.id)? {
                Hold::Taken(lock) => break lock,
                Hold::Gone => return self.forget(&container.id),
                Hold::Busy(container) if options.force => self.put_down(&container)?,
                Hold::Busy(container) => return Err(in_use(&container)),
            }
        };
        let Some(container) = self.load_as_written(&container.id)? else { return Ok(()) };
        if matches!(
            container.live.state.status,
            Status::Running | Status::Paused | Status::Restarting
        ) {
            monitor::release(self.engine, &container)?;
        }
        let mut live = container.live.clone();
        live.state.status = Status::Removing;
        self.save_live(&container.id, &live)?;
        self.delete_with(&container, lock, options.volumes)
    }

    /// Kills a container that runs. Its monitor may be about to end, and then does not answer.
    fn put_down(self, container: &Container) -> Result<(), Error> {
        let request = Request::Stop { signal: Some(9), timeout: 0 };
        match monitor::ask(self.engine, &container.id, &request) {
            Err(Error::Conflict(_)) => std::thread::sleep(std::time::Duration::from_millis(1)),
            other => other?,
        }
        Ok(())
    }

    /// Removes a container that ended and was to be removed then (`--rm`), with its anonymous volumes.
    pub(crate) fn delete(self, container: &Container, lock: Lock) -> Result<(), Error> {
        self.delete_with(container, lock, true)
    }

    /// Removes a container whose lock is held: what it used first, its directory, its row at last, so that
    /// whatever dies in between is found and finished.
    fn delete_with(self, container: &Container, lock: Lock, volumes: bool) -> Result<(), Error> {
        let directory = container.directory(self.engine);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", &directory)(error));
            }
            _ => {}
        }
        self.forget(&container.id)?;
        drop(lock);
        if volumes {
            self.delete_volumes(container)?;
        }
        self.emit(container, "destroy", Map::new());
        Ok(())
    }

    /// Deletes the rows of a container.
    pub(crate) fn forget(self, id: &ContainerId) -> Result<(), Error> {
        self.engine.database().write(|t| {
            for table in ["endpoint", "endpoint_name", "port", "volume_use"] {
                t.prepare_cached(&format!("DELETE FROM {table} WHERE container = ?1"))?
                    .execute([id.as_str()])?;
            }
            t.prepare_cached("DELETE FROM container WHERE id = ?1")?
                .execute(params![id.as_str()])?;
            Ok(())
        })
    }

    fn delete_volumes(self, container: &Container) -> Result<(), Error> {
        let own = container
            .record
            .mounts
            .iter()
            .filter(|planned| planned.anonymous && planned.point.kind == MountKind::Volume);
        let names: BTreeSet<&str> = own.map(|planned| planned.point.name.as_str()).collect();
        for name in names {
            self.engine.volumes().delete(name)?;
        }
        Ok(())
    }
}

/// The refusal to remove what runs, in Docker's words.
fn in_use(container: &Container) -> Error {
    let word =
        if container.live.state.paused { "paused" } else { container.live.state.status.as_str() };
    Error::Conflict(format!(
        "cannot remove container \"/{}\": container is {word}: stop the container before removing or force remove",
        container.name
    ))
}
