//! Removing all containers that do not run.

use hako_types::{ContainerId, Moment};

use super::{Container, Containers, RemoveOptions};
use crate::Error;
use crate::model::Status;

/// Which objects a prune takes.
#[derive(Clone, Debug, Default)]
pub struct PruneFilter {
    /// Only those made before this moment.
    pub until: Option<Moment>,
    /// Only those with all of these labels: the name, the value where one is wanted, and whether it must be there.
    pub labels: Vec<(String, Option<String>, bool)>,
}

impl PruneFilter {
    /// Tells whether an object with these labels, made then, is taken.
    #[must_use]
    pub fn takes(&self, labels: &crate::model::Map, created: Moment) -> bool {
        self.until.is_none_or(|until| created < until)
            && self.labels.iter().all(|(name, value, wanted)| {
                let has = labels
                    .get(name)
                    .is_some_and(|found| value.as_ref().is_none_or(|value| value == found));
                has == *wanted
            })
    }
}

impl Containers<'_> {
    /// Removes the containers that do not run and that `filter` takes; returns them and the bytes that are free now.
    ///
    /// # Errors
    /// When one cannot be removed; those before it are gone.
    pub fn prune(self, filter: &PruneFilter) -> Result<(Vec<ContainerId>, u64), Error> {
        let ended = |container: &Container| {
            matches!(container.live.state.status, Status::Created | Status::Exited | Status::Dead)
        };
        let (mut removed, mut freed) = (Vec::new(), 0);
        for container in self.list()? {
            if !ended(&container)
                || !filter.takes(&container.record.config.labels, container.created)
            {
                continue;
            }
            let size = super::inspect::disk_size(&container.directory(self.engine));
            match self.remove(container.id.as_str(), RemoveOptions::default()) {
                Ok(()) => {
                    freed += size;
                    removed.push(container.id);
                }
                // Started, or removed by somebody else, meanwhile.
                Err(Error::Conflict(_) | Error::NoSuch { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok((removed, freed))
    }
}
