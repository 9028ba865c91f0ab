//! Stop, restart, kill, pause and remove: done to containers that are there, in dependency order.

use std::collections::{BTreeMap, BTreeSet};

use hako_engine::Engine;
use hako_engine::container::{RemoveOptions, StartOptions};

use crate::apply::{Work, hook, subject};
use crate::{Actual, Direction, Error, Status, in_order};

/// The containers that something is done to.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// They.
    pub containers: Vec<Actual>,
}

impl Chosen {
    /// Returns what each service needs, by what the model and the containers' own labels say.
    fn needs(&self, work: &Work<'_>) -> BTreeMap<String, BTreeSet<String>> {
        let mut needs: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for actual in &self.containers {
            let entry = needs.entry(actual.service.clone()).or_default();
            match work.wanted.project.services.get(&actual.service) {
                Some(service) => entry.extend(service.depends_on.keys().cloned()),
                None => entry.extend(actual.needs()),
            }
        }
        needs
    }

    fn each(
        &self,
        work: &Work<'_>,
        direction: Direction,
        act: &(dyn Fn(&Engine, &Actual) -> Result<(), Error> + Sync),
    ) -> Result<(), Error> {
        in_order(&self.needs(work), direction, work.options.parallel, &|service| {
            let own: Vec<&Actual> =
                self.containers.iter().filter(|actual| actual.service == service).collect();
            let one = |actual: &Actual| act(&work.open()?, actual);
            if let [single] = own.as_slice() {
                return one(single);
            }
            std::thread::scope(|scope| {
                let running: Vec<_> =
                    own.iter().map(|actual| scope.spawn(|| one(actual))).collect();
                let joined = running.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
                joined.collect::<Vec<_>>().into_iter().collect()
            })
        })
    }
}

/// Does something to a container and tells of it.
fn told(
    work: &Work<'_>,
    actual: &Actual,
    [begin, done, verb]: [&str; 3],
    act: impl FnOnce() -> Result<(), hako_engine::Error>,
) -> Result<(), Error> {
    work.tell(&subject(&actual.name), begin, Status::Working);
    if !work.options.dry_run
        && let Err(error) = act()
    {
        work.tell(&subject(&actual.name), "Error", Status::Failed);
        return Err(Error::engine(format!("cannot {verb} the container `{}`", actual.name))(error));
    }
    work.tell(&subject(&actual.name), done, Status::Done);
    Ok(())
}

/// Stops containers, those that need others first.
///
/// # Errors
/// When one cannot be stopped.
pub fn stop(work: &Work<'_>, chosen: &Chosen) -> Result<(), Error> {
    chosen.each(work, Direction::Down, &|engine, actual| stop_one(work, engine, actual))
}

pub(super) fn stop_one(work: &Work<'_>, engine: &Engine, actual: &Actual) -> Result<(), Error> {
    if actual.is_up() && !work.options.dry_run {
        hook::before_stop(work, engine, &actual.service, &actual.id);
    }
    told(work, actual, ["Stopping", "Stopped", "stop"], || {
        engine.containers().stop(&actual.id, None, work.options.timeout)
    })
}

/// Restarts containers, those that others need first.
///
/// # Errors
/// When one cannot be stopped or started.
pub fn restart(work: &Work<'_>, chosen: &Chosen) -> Result<(), Error> {
    chosen.each(work, Direction::Up, &|engine, actual| {
        told(work, actual, ["Restarting", "Started", "restart"], || {
            engine.containers().stop(&actual.id, None, work.options.timeout)?;
            engine.containers().start(&actual.id, StartOptions::default()).map(drop)
        })?;
        if work.options.dry_run {
            Ok(())
        } else {
            hook::after_start(work, engine, &actual.service, &actual.id)
        }
    })
}

/// Returns the services that want to be restarted when one of these is.
#[must_use]
pub fn restart_dependents(work: &Work<'_>, services: &BTreeSet<String>) -> BTreeSet<String> {
    let wants = |depends: &BTreeMap<String, hako_compose::model::Dependency>| {
        depends.iter().any(|(other, need)| need.restart && services.contains(other))
    };
    let all = work.wanted.project.services.iter();
    all.filter(|(_, service)| wants(&service.depends_on)).map(|(name, _)| name.clone()).collect()
}

/// Sends a signal to containers.
///
/// # Errors
/// When one cannot be sent to.
pub fn kill(work: &Work<'_>, chosen: &Chosen, signal: &str) -> Result<(), Error> {
    chosen.each(work, Direction::Down, &|engine, actual| {
        told(work, actual, ["Killing", "Killed", "kill"], || {
            engine.containers().kill(&actual.id, signal)
        })
    })
}

/// Freezes containers.
///
/// # Errors
/// When one cannot be frozen.
pub fn pause(work: &Work<'_>, chosen: &Chosen) -> Result<(), Error> {
    chosen.each(work, Direction::Down, &|engine, actual| {
        told(work, actual, ["Pausing", "Paused", "pause"], || engine.containers().pause(&actual.id))
    })
}

/// Lets frozen containers go on.
///
/// # Errors
/// When one cannot go on.
pub fn unpause(work: &Work<'_>, chosen: &Chosen) -> Result<(), Error> {
    chosen.each(work, Direction::Up, &|engine, actual| {
        told(work, actual, ["Unpausing", "Unpaused", "unpause"], || {
            engine.containers().unpause(&actual.id)
        })
    })
}

/// Removes containers, with their anonymous volumes when that is asked for.
///
/// # Errors
/// When one cannot be removed.
pub fn remove(work: &Work<'_>, chosen: &Chosen, volumes: bool) -> Result<(), Error> {
    chosen.each(work, Direction::Down, &|engine, actual| remove_one(work, engine, actual, volumes))
}

pub(super) fn remove_one(
    work: &Work<'_>,
    engine: &Engine,
    actual: &Actual,
    volumes: bool,
) -> Result<(), Error> {
    told(work, actual, ["Removing", "Removed", "remove"], || {
        match engine.containers().remove(&actual.id, RemoveOptions { force: true, volumes }) {
            Err(hako_engine::Error::NoSuch { .. }) => Ok(()),
            done => done,
        }
    })
}
