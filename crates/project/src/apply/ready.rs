//! `up --wait`: until services run, and are healthy where that is probed.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use hako_compose::model::Condition;
use hako_engine::model::{State, Status as Life};
use hako_types::Moment;

use crate::apply::start::LOOK;
use crate::apply::{Work, subject};
use crate::{Actual, Error, Status};

/// How far a container is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Readiness {
    /// It runs well.
    Ready,
    /// Not yet.
    Waiting,
    /// It never will be: why.
    Never(String),
}

/// How long a container without a health check must have run to count as running: one that dies at once is not fine.
const SETTLED: Duration = Duration::from_millis(1500);

/// Says how far a container is. `is_job` is one whose end with 0 somebody waits for.
#[must_use]
pub fn readiness(name: &str, state: &State, is_job: bool, now: Moment) -> Readiness {
    let health = state.health.as_ref().map(|health| health.status.as_str());
    match (state.status, health) {
        (Life::Running, Some("healthy")) => Readiness::Ready,
        (Life::Running, Some("unhealthy")) => {
            Readiness::Never(format!("container {name} is unhealthy"))
        }
        (Life::Running, Some("starting")) => Readiness::Waiting,
        (Life::Running, _) => {
            let age = now.nanos().saturating_sub(state.started_at.nanos());
            if u128::try_from(age).unwrap_or(0) >= SETTLED.as_nanos() {
                Readiness::Ready
            } else {
                Readiness::Waiting
            }
        }
        (Life::Exited | Life::Dead, _) if is_job && state.exit_code == 0 => Readiness::Ready,
        (Life::Exited | Life::Dead, _) => {
            Readiness::Never(format!("container {name} exited ({})", state.exit_code))
        }
        _ => Readiness::Waiting,
    }
}

/// Waits until all containers of the services are ready.
///
/// # Errors
/// When one cannot become ready any more, or the time is over.
pub fn wait_ready(
    work: &Work<'_>,
    services: &BTreeSet<String>,
    limit: Option<Duration>,
) -> Result<(), Error> {
    let engine = work.open()?;
    let end = limit.map(|limit| Instant::now() + limit);
    let jobs: BTreeSet<&String> = work
        .wanted
        .project
        .services
        .values()
        .flat_map(|service| &service.depends_on)
        .filter(|(_, need)| need.condition == Condition::Completed)
        .map(|(name, _)| name)
        .collect();
    let mut waiting: Vec<Actual> = work
        .containers(&engine)?
        .into_iter()
        .filter(|actual| services.contains(&actual.service) && !actual.oneoff)
        .collect();
    for actual in &waiting {
        work.tell(&subject(&actual.name), "Waiting", Status::Working);
    }
    while !waiting.is_empty() {
        let mut rest = Vec::new();
        for actual in waiting {
            let found = engine.containers().find(&actual.id);
            let found = found
                .map_err(Error::engine(format!("cannot read the container `{}`", actual.name)))?;
            let is_job = jobs.contains(&actual.service);
            match readiness(&actual.name, &found.live.state, is_job, Moment::now()) {
                Readiness::Ready => work.tell(&subject(&actual.name), "Healthy", Status::Done),
                Readiness::Waiting => rest.push(actual),
                Readiness::Never(why) => {
                    work.tell(&subject(&actual.name), "Error", Status::Failed);
                    return Err(Error::Waiting(why));
                }
            }
        }
        waiting = rest;
        if waiting.is_empty() {
            break;
        }
        if end.is_some_and(|end| Instant::now() >= end) {
            let names: Vec<&str> = waiting.iter().map(|actual| actual.name.as_str()).collect();
            return Err(Error::Waiting(format!(
                "timed out while waiting for {} to be ready",
                names.join(", ")
            )));
        }
        sleep(LOOK);
    }
    Ok(())
}
