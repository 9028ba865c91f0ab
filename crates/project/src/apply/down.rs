//! Taking a project away.

use std::collections::{BTreeMap, BTreeSet};

use hako_engine::Engine;
use hako_types::{Fault, Kind};

use crate::apply::lifecycle::{remove_one, stop_one};
use crate::apply::{Chosen, Work};
use crate::{Actual, Direction, Error, Status, forget, in_order, labels};

/// What goes.
#[derive(Clone, Debug, Default)]
pub struct DownOptions {
    /// The services that go; none are all, with the networks.
    pub services: BTreeSet<String>,
    /// The services of the file, whether on or off; nothing when there is no file, and so no orphans.
    pub known: Option<BTreeSet<String>>,
    /// Whether containers of services that are not in the file go, too.
    pub remove_orphans: bool,
    /// Whether named and anonymous volumes go, too.
    pub volumes: bool,
}

/// Stops and removes a project's containers, those of `run` as well, then its networks, then its volumes if asked.
/// Returns whether there was anything.
///
/// # Errors
/// When something cannot be removed. A network that others still use is told of and stays.
pub fn down(work: &Work<'_>, options: &DownOptions) -> Result<bool, Error> {
    let engine = work.open()?;
    let is_meant = |actual: &Actual| {
        let known = options.known.as_ref().is_none_or(|known| known.contains(&actual.service));
        let chosen = options.services.is_empty() || options.services.contains(&actual.service);
        chosen && (known || options.remove_orphans)
    };
    let containers: Vec<Actual> = work.containers(&engine)?.into_iter().filter(is_meant).collect();
    let mut found = !containers.is_empty();
    stop_and_remove(work, &Chosen { containers }, options.volumes)?;
    if options.services.is_empty() {
        found |= networks(work, &engine)?;
        if options.volumes {
            found |= volumes(work, &engine)?;
        }
        if !work.options.dry_run && work.containers(&engine)?.is_empty() {
            forget(&engine, &work.wanted.project.name)?;
        }
    }
    Ok(found)
}

fn stop_and_remove(work: &Work<'_>, chosen: &Chosen, volumes: bool) -> Result<(), Error> {
    let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for actual in &chosen.containers {
        needs.entry(actual.service.clone()).or_default().extend(actual.needs());
    }
    in_order(&needs, Direction::Down, work.options.parallel, &|service| {
        let own = chosen.containers.iter().filter(|actual| actual.service == service);
        std::thread::scope(|scope| {
            let running: Vec<_> = own
                .map(|actual| {
                    scope.spawn(move || {
                        let engine = work.open()?;
                        stop_one(work, &engine, actual)?;
                        remove_one(work, &engine, actual, volumes)
                    })
                })
                .collect();
            let joined = running.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
            joined.collect::<Vec<_>>().into_iter().collect()
        })
    })
}

fn networks(work: &Work<'_>, engine: &Engine) -> Result<bool, Error> {
    let all = engine.networks().list().map_err(Error::engine("cannot list the networks"))?;
    let project = &work.wanted.project.name;
    let mut found = false;
    for network in
        all.iter().filter(|network| network.spec.labels.get(labels::PROJECT) == Some(project))
    {
        found = true;
        let subject = format!("Network {}", network.spec.name);
        work.tell(&subject, "Removing", Status::Working);
        if !work.options.dry_run {
            match engine.networks().remove(&network.id) {
                Err(error) if error.kind() == Kind::Conflict => {
                    work.tell(&subject, "Resource is still in use", Status::Warning);
                    continue;
                }
                Err(error) if error.kind() != Kind::NotFound => {
                    work.tell(&subject, "Error", Status::Failed);
                    return Err(Error::engine(format!(
                        "cannot remove the network `{}`",
                        network.spec.name
                    ))(error));
                }
                _ => {}
            }
        }
        work.tell(&subject, "Removed", Status::Done);
    }
    Ok(found)
}

fn volumes(work: &Work<'_>, engine: &Engine) -> Result<bool, Error> {
    let all = engine.volumes().list().map_err(Error::engine("cannot list the volumes"))?;
    let project = &work.wanted.project.name;
    let mut found = false;
    for volume in
        all.iter().filter(|volume| volume.spec.labels.get(labels::PROJECT) == Some(project))
    {
        found = true;
        let subject = format!("Volume {}", volume.spec.name);
        work.tell(&subject, "Removing", Status::Working);
        if !work.options.dry_run {
            match engine.volumes().remove(&volume.spec.name) {
                Err(error) if error.kind() == Kind::Conflict => {
                    work.tell(&subject, "Resource is still in use", Status::Warning);
                    continue;
                }
                Err(error) if error.kind() != Kind::NotFound => {
                    work.tell(&subject, "Error", Status::Failed);
                    return Err(Error::engine(format!(
                        "cannot remove the volume `{}`",
                        volume.spec.name
                    ))(error));
                }
                _ => {}
            }
        }
        work.tell(&subject, "Removed", Status::Done);
    }
    Ok(found)
}
