//! Starting, after what a service needs is as it has to be.

use std::thread::sleep;
use std::time::Duration;

use hako_compose::model::{Condition, Dependency};
use hako_engine::Engine;
use hako_engine::container::StartOptions;
use hako_engine::model::Status as State;

use crate::apply::{Work, hook, subject};
use crate::{Actual, Error, Status};

/// How often a state is looked at while waiting. A look costs some ten microseconds.
pub(super) const LOOK: Duration = Duration::from_millis(25);

/// Starts the containers of a service that do not run; with `restart` the others, too.
pub(super) fn service(work: &Work<'_>, name: &str, restart: bool) -> Result<(), Error> {
    let engine = work.open()?;
    let own: Vec<Actual> = work
        .containers(&engine)?
        .into_iter()
        .filter(|actual| actual.service == name && !actual.oneoff)
        .collect();
    if own.iter().all(Actual::is_up) && !restart && !own.is_empty() {
        return Ok(());
    }
    if work.options.dry_run {
        return dry(work, name, &own);
    }
    dependencies(work, &engine, name)?;
    for actual in own {
        if actual.status == State::Paused || (actual.is_up() && !restart) {
            continue;
        }
        if actual.is_up() {
            work.tell(&subject(&actual.name), "Restarting", Status::Working);
            let stopped = engine.containers().stop(&actual.id, None, work.options.timeout);
            stopped
                .map_err(Error::engine(format!("cannot stop the container `{}`", actual.name)))?;
        }
        one(work, &engine, &actual)?;
    }
    Ok(())
}

fn one(work: &Work<'_>, engine: &Engine, actual: &Actual) -> Result<(), Error> {
    work.tell(&subject(&actual.name), "Starting", Status::Working);
    if let Err(error) = engine.containers().start(&actual.id, StartOptions::default()) {
        work.tell(&subject(&actual.name), "Error", Status::Failed);
        return Err(Error::engine(format!("cannot start the container `{}`", actual.name))(error));
    }
    hook::after_start(work, engine, &actual.service, &actual.id)?;
    work.tell(&subject(&actual.name), "Started", Status::Done);
    Ok(())
}

fn dry(work: &Work<'_>, name: &str, own: &[Actual]) -> Result<(), Error> {
    let names: Vec<String> = match own {
        [] => vec![work.wanted.container_name(name, 1)],
        own => {
            own.iter().filter(|actual| !actual.is_up()).map(|actual| actual.name.clone()).collect()
        }
    };
    for name in names {
        work.tell(&subject(&name), "Starting", Status::Working);
        work.tell(&subject(&name), "Started", Status::Done);
    }
    Ok(())
}

/// Waits until everything that a service needs is as it has to be.
///
/// # Errors
/// When it cannot become so any more and the service cannot do without it.
pub(super) fn dependencies(work: &Work<'_>, engine: &Engine, name: &str) -> Result<(), Error> {
    let Some(service) = work.wanted.project.services.get(name) else { return Ok(()) };
    for (other, need) in &service.depends_on {
        if need.condition == Condition::Started {
            continue;
        }
        match dependency(work, engine, other, need) {
            Err(error) if need.required => return Err(error),
            Err(error) => work.tell(
                &format!("Service {other}"),
                &format!("optional: {error}"),
                Status::Warning,
            ),
            Ok(()) => {}
        }
    }
    Ok(())
}

fn dependency(
    work: &Work<'_>,
    engine: &Engine,
    other: &str,
    need: &Dependency,
) -> Result<(), Error> {
    let waited: Vec<Actual> = work
        .containers(engine)?
        .into_iter()
        .filter(|actual| actual.service == other && !actual.oneoff)
        .collect();
    if waited.is_empty() {
        return Err(Error::Dependency(format!("the service `{other}` has no container")));
    }
    for actual in &waited {
        work.tell(&subject(&actual.name), "Waiting", Status::Working);
        let done = match need.condition {
            Condition::Completed => completed(engine, other, actual).map(|()| "Exited"),
            _ => healthy(engine, actual).map(|()| "Healthy"),
        };
        match done {
            Ok(word) => work.tell(&subject(&actual.name), word, Status::Done),
            Err(error) => {
                work.tell(&subject(&actual.name), "Error", Status::Failed);
                return Err(error);
            }
        }
    }
    Ok(())
}

fn look(engine: &Engine, actual: &Actual) -> Result<hako_engine::model::State, Error> {
    let found = engine.containers().find(&actual.id);
    Ok(found
        .map_err(Error::engine(format!("cannot read the container `{}`", actual.name)))?
        .live
        .state)
}

fn completed(engine: &Engine, service: &str, actual: &Actual) -> Result<(), Error> {
    loop {
        let state = look(engine, actual)?;
        match state.status {
            State::Exited | State::Dead if state.exit_code == 0 => return Ok(()),
            State::Exited | State::Dead => {
                return Err(Error::Incomplete {
                    service: service.to_owned(),
                    code: state.exit_code,
                });
            }
            State::Created | State::Removing => {
                return Err(Error::Dependency(format!(
                    "container {} was not started",
                    actual.name
                )));
            }
            _ => sleep(LOOK),
        }
    }
}

fn healthy(engine: &Engine, actual: &Actual) -> Result<(), Error> {
    loop {
        let state = look(engine, actual)?;
        match state.status {
            State::Exited | State::Dead => {
                return Err(Error::Dependency(format!(
                    "container {} exited ({})",
                    actual.name, state.exit_code
                )));
            }
            State::Created | State::Removing => {
                return Err(Error::Dependency(format!(
                    "container {} was not started",
                    actual.name
                )));
            }
            _ => {}
        }
        match state.health.as_ref().map(|health| health.status.as_str()) {
            Some("healthy") => return Ok(()),
            Some("unhealthy") => {
                return Err(Error::Dependency(format!("container {} is unhealthy", actual.name)));
            }
            Some("starting") => {}
            _ if state.status == State::Restarting => {}
            _ => {
                let text = format!("container {} has no healthcheck configured", actual.name);
                return Err(Error::Dependency(text));
            }
        }
        sleep(LOOK);
    }
}
