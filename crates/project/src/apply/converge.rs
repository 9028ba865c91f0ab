//! Containers: made, made anew, removed.

use std::collections::BTreeMap;

use hako_engine::Engine;
use hako_engine::container::RemoveOptions;

use crate::apply::{Work, hook, subject};
use crate::plan::{Change, ServicePlan};
use crate::request::{Kind, Situation, request};
use crate::{Error, Status, grants};

/// Does what the plan says for a service's containers, side by side: each may take its time to stop.
pub(super) fn service(work: &Work<'_>, name: &str, plan: &ServicePlan) -> Result<(), Error> {
    if let [single] = plan.changes.as_slice() {
        return change(work, name, single);
    }
    std::thread::scope(|scope| {
        let running: Vec<_> =
            plan.changes.iter().map(|one| scope.spawn(move || change(work, name, one))).collect();
        let joined = running.into_iter().map(|thread| thread.join().unwrap_or(Ok(())));
        joined.collect::<Vec<_>>().into_iter().collect()
    })
}

fn change(work: &Work<'_>, name: &str, change: &Change) -> Result<(), Error> {
    match change {
        Change::Keep { name, start, .. } => {
            if !start {
                work.tell(&subject(name), "Running", Status::Done);
            }
        }
        Change::Create { number, name: container } => {
            work.tell(&subject(container), "Creating", Status::Working);
            failing(
                work,
                container,
                create(work, &work.open()?, name, &New::fresh(*number, container)),
            )?;
            work.tell(&subject(container), "Created", Status::Done);
        }
        Change::Recreate { id, old_name, number, name: container, .. } => {
            work.tell(&subject(old_name), "Recreate", Status::Working);
            let new = New { number: *number, name: container, replaces: Some((id, old_name)) };
            failing(work, container, recreate(work, &work.open()?, name, &new))?;
            work.tell(&subject(old_name), "Recreated", Status::Done);
        }
        Change::Remove { id, name } => remove(work, &work.open()?, id, name)?,
    }
    Ok(())
}

fn failing<T>(work: &Work<'_>, name: &str, result: Result<T, Error>) -> Result<T, Error> {
    if result.is_err() {
        work.tell(&subject(name), "Error", Status::Failed);
    }
    result
}

/// A container to be made.
struct New<'a> {
    number: u32,
    name: &'a str,
    replaces: Option<(&'a String, &'a String)>,
}

impl<'a> New<'a> {
    fn fresh(number: u32, name: &'a str) -> Self {
        Self { number, name, replaces: None }
    }
}

fn create(work: &Work<'_>, engine: &Engine, name: &str, new: &New<'_>) -> Result<(), Error> {
    if work.options.dry_run {
        return Ok(());
    }
    let Some(service) = work.wanted.project.services.get(name) else { return Ok(()) };
    let mut by_service: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for actual in work.containers(engine)?.into_iter().filter(|actual| !actual.oneoff) {
        by_service.entry(actual.service).or_default().push(actual.id);
    }
    let situation = Situation {
        wanted: work.wanted,
        service: name,
        name: new.name.to_owned(),
        kind: Kind::Replica { number: new.number },
        image: work.options.images.get(name).cloned().unwrap_or_default(),
        containers: by_service,
        grants: grants::mounts(engine, work.wanted, name, service)?,
        carried: match new.replaces {
            Some((old, _)) if !work.options.renew_volumes => carried(engine, old)?,
            _ => BTreeMap::new(),
        },
        replaces: new.replaces.map(|(_, old_name)| old_name.clone()),
    };
    let request = request(&situation, service)?;
    engine
        .containers()
        .create(&request)
        .map_err(Error::engine(format!("cannot create the container `{}`", new.name)))?;
    Ok(())
}

/// Returns the anonymous volumes of a container by target.
fn carried(engine: &Engine, id: &str) -> Result<BTreeMap<String, String>, Error> {
    let container = engine
        .containers()
        .find(id)
        .map_err(Error::engine(format!("cannot read the container `{id}`")))?;
    let mounts = container
        .record
        .mounts
        .iter()
        .filter(|mount| mount.anonymous || is_anonymous(engine, &mount.point.name));
    Ok(mounts.map(|mount| (mount.point.destination.clone(), mount.point.name.clone())).collect())
}

/// Tells whether nobody named a volume: it was taken over before.
fn is_anonymous(engine: &Engine, name: &str) -> bool {
    !name.is_empty()
        && engine
            .volumes()
            .get(name)
            .is_ok_and(|volume| volume.is_some_and(|volume| volume.anonymous))
}

/// Puts a new container in the place of an old one, which runs until the new one is made: when that cannot be, it gets its
/// name back and nothing has changed.
fn recreate(work: &Work<'_>, engine: &Engine, name: &str, new: &New<'_>) -> Result<(), Error> {
    let Some((old, old_name)) = new.replaces else { return Ok(()) };
    if work.options.dry_run {
        return Ok(());
    }
    let containers = engine.containers();
    let doing = |what: &str| format!("cannot {what} the container `{old_name}`");
    let aside = format!("{}_{}", &old[..old.len().min(12)], new.name);
    if aside != *old_name {
        containers.rename(old, &aside).map_err(Error::engine(doing("rename")))?;
    }
    if let Err(error) = create(work, engine, name, new) {
        let _the_first_error_counts = containers.rename(old, old_name);
        return Err(error);
    }
    hook::before_stop(work, engine, name, old);
    containers.stop(old, None, work.options.timeout).map_err(Error::engine(doing("stop")))?;
    let options = RemoveOptions { force: true, volumes: false };
    containers.remove(old, options).map_err(Error::engine(doing("remove")))
}

/// Stops and removes a container.
pub(super) fn remove(work: &Work<'_>, engine: &Engine, id: &str, name: &str) -> Result<(), Error> {
    let containers = engine.containers();
    work.tell(&subject(name), "Stopping", Status::Working);
    if !work.options.dry_run {
        let stopped = containers.stop(id, None, work.options.timeout);
        stopped.map_err(Error::engine(format!("cannot stop the container `{name}`")))?;
    }
    work.tell(&subject(name), "Stopped", Status::Done);
    work.tell(&subject(name), "Removing", Status::Working);
    if !work.options.dry_run {
        let options = RemoveOptions { force: true, volumes: false };
        let removed = containers.remove(id, options);
        removed.map_err(Error::engine(format!("cannot remove the container `{name}`")))?;
    }
    work.tell(&subject(name), "Removed", Status::Done);
    Ok(())
}
