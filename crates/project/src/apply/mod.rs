//! Doing what a plan says, through the engine.
//!
//! Every step opens an engine of its own, since services are worked on side by side. What is done is told as it is done.

mod converge;
mod down;
mod hook;
mod lifecycle;
mod network;
mod oneoff;
mod ready;
mod start;

use std::collections::{BTreeMap, BTreeSet};

use hako_engine::{Engine, Settings};

use crate::{Actual, Direction, Error, Plan, Progress, Status, Wanted, containers, in_order};

pub use down::{DownOptions, down};
pub use lifecycle::{Chosen, kill, pause, remove, restart, restart_dependents, stop, unpause};
pub use oneoff::{OneOff, create_oneoff};
pub use ready::{Readiness, readiness, wait_ready};

/// How a plan is applied.
#[derive(Clone, Debug)]
pub struct ApplyOptions {
    /// Seconds that a container has to stop, other than its own.
    pub timeout: Option<i64>,
    /// How many services are worked on at the same time.
    pub parallel: usize,
    /// Give new containers fresh anonymous volumes.
    pub renew_volumes: bool,
    /// The ids of the services' images.
    pub images: BTreeMap<String, String>,
    /// Tell, and do nothing.
    pub dry_run: bool,
}

impl Default for ApplyOptions {
    fn default() -> Self {
        Self {
            timeout: None,
            parallel: usize::MAX,
            renew_volumes: false,
            images: BTreeMap::new(),
            dry_run: false,
        }
    }
}

/// What is being applied.
#[derive(Clone, Copy)]
pub struct Work<'a> {
    /// What engines are opened with.
    pub settings: &'a Settings,
    /// What is wanted.
    pub wanted: &'a Wanted,
    /// How.
    pub options: &'a ApplyOptions,
    /// Where progress goes.
    pub progress: &'a dyn Progress,
}

impl std::fmt::Debug for Work<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Work").field("project", &self.wanted.project.name).finish_non_exhaustive()
    }
}

impl Work<'_> {
    fn open(&self) -> Result<Engine, Error> {
        open(self.settings)
    }

    fn tell(&self, subject: &str, what: &str, status: Status) {
        self.progress.tell(subject, what, status);
    }

    fn containers(&self, engine: &Engine) -> Result<Vec<Actual>, Error> {
        containers(engine, &self.wanted.project.name)
    }

    /// Makes what the services of a plan share, and their containers; starts nothing.
    ///
    /// # Errors
    /// When something cannot be made. What was made before stays.
    pub fn converge(&self, plan: &Plan, remove_orphans: bool) -> Result<(), Error> {
        let engine = self.open()?;
        for name in plan.services.keys() {
            if let Some(service) = self.wanted.project.services.get(name) {
                crate::grants::check(self.wanted, name, service)?;
            }
        }
        let services: BTreeSet<String> = plan.services.keys().cloned().collect();
        network::networks(self, &engine, &services)?;
        network::volumes(self, &engine, &services)?;
        if remove_orphans {
            for (id, name) in &plan.orphans {
                converge::remove(self, &engine, id, name)?;
            }
        }
        let needs = self.needs(plan.services.keys());
        in_order(
            &needs,
            Direction::Up,
            self.options.parallel,
            &|name| match plan.services.get(name) {
                Some(service) => converge::service(self, name, service),
                None => Ok(()),
            },
        )?;
        let there = self.containers(&engine)?;
        crate::grants::sweep(&engine, &self.wanted.project.name, &there);
        Ok(())
    }

    /// Starts the containers of services, each after what it needs is as it has to be.
    ///
    /// # Errors
    /// When one cannot be started, or what it needs is not as it has to be.
    pub fn start(&self, services: &BTreeSet<String>, plan: Option<&Plan>) -> Result<(), Error> {
        let needs = self.needs(services.iter());
        in_order(&needs, Direction::Up, self.options.parallel, &|name| {
            let restart =
                plan.and_then(|plan| plan.services.get(name)).is_some_and(|plan| plan.restart);
            start::service(self, name, restart)
        })
    }

    /// Waits until everything that a service needs is as it has to be.
    ///
    /// # Errors
    /// When it cannot become so any more.
    pub fn await_dependencies(&self, service: &str) -> Result<(), Error> {
        start::dependencies(self, &self.open()?, service)
    }

    fn needs<'n>(
        &self,
        names: impl Iterator<Item = &'n String>,
    ) -> BTreeMap<String, BTreeSet<String>> {
        let services = &self.wanted.project.services;
        names
            .map(|name| {
                let others = services
                    .get(name)
                    .into_iter()
                    .flat_map(|service| service.depends_on.keys().cloned());
                (name.clone(), others.collect())
            })
            .collect()
    }
}

fn open(settings: &Settings) -> Result<Engine, Error> {
    Engine::open(settings.clone()).map_err(Error::engine("cannot open the state directory"))
}

/// What a container is called in progress.
fn subject(name: &str) -> String {
    format!("Container {name}")
}
