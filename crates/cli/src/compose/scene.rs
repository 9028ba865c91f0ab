//! A project as commands on what is there see it: from its files, or from its name alone.

use std::collections::BTreeSet;

use hako_compose::{Error, Loaded, Project, check_name};
use hako_project::apply::{ApplyOptions, Chosen, Work};
use hako_project::{Actual, Wanted, containers, recall};

use crate::compose::context::{Context, failure};
use crate::report::Failure;

/// The project, and which services its files have.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) wanted: Wanted,
    /// All services of the files, on or off; nothing when there are no files.
    pub(super) known: Option<BTreeSet<String>>,
    pub(super) loaded: Option<Loaded>,
}

impl Scene {
    /// Returns the project of the files, or where there are none the one of the given name.
    pub(super) fn find(context: &Context<'_>) -> Result<Self, Failure> {
        let options = context.options();
        let named = options
            .name
            .clone()
            .or_else(|| context.environment.get("COMPOSE_PROJECT_NAME").cloned());
        match context.load_by(&options) {
            Ok(mut loaded) => {
                // Optional dependencies are forgotten; what a profile has turned off is no mistake here.
                let known = all_services(&loaded);
                let _what_is_off_stays_off = loaded.settle();
                Ok(Self { wanted: Wanted::new(&loaded), known: Some(known), loaded: Some(loaded) })
            }
            Err(Error::NoFile(_)) if named.is_some() && options.files.is_empty() => {
                let name = named.unwrap_or_default();
                check_name(&name).map_err(failure)?;
                let wanted = recall(context.engine()?, &name)?;
                let empty = || Wanted {
                    project: Project { name, ..Project::default() },
                    ..Wanted::default()
                };
                Ok(Self { wanted: wanted.unwrap_or_else(empty), known: None, loaded: None })
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Returns the project's containers, those of `run` included when `oneoff` says so.
    pub(super) fn containers(
        &self,
        context: &Context<'_>,
        oneoff: bool,
    ) -> Result<Vec<Actual>, Failure> {
        let all = containers(context.engine()?, &self.wanted.project.name)?;
        Ok(all.into_iter().filter(|actual| oneoff || !actual.oneoff).collect())
    }

    /// Returns the containers of the services that are named; no names are all.
    pub(super) fn chosen(
        &self,
        context: &Context<'_>,
        names: &[String],
        oneoff: bool,
    ) -> Result<Chosen, Failure> {
        let all = self.containers(context, oneoff)?;
        self.check(names, &all)?;
        let containers = all
            .into_iter()
            .filter(|actual| names.is_empty() || names.contains(&actual.service))
            .collect();
        Ok(Chosen { containers })
    }

    /// Refuses names that are no service, neither of the files nor of a container that is there.
    pub(super) fn check(&self, names: &[String], containers: &[Actual]) -> Result<(), Failure> {
        for name in names {
            let in_files = self.known.as_ref().is_some_and(|known| known.contains(name));
            if !in_files && !containers.iter().any(|actual| actual.service == *name) {
                return Err(match &self.loaded {
                    Some(loaded) => failure(loaded.unknown(name)).with_code(1),
                    None => Failure::new(format!("no such service: {name}")),
                });
            }
        }
        Ok(())
    }

    /// Returns the container of a service with this number.
    pub(super) fn container(
        &self,
        context: &Context<'_>,
        service: &str,
        index: u32,
    ) -> Result<Actual, Failure> {
        let all = self.containers(context, false)?;
        self.check(std::slice::from_ref(&service.to_owned()), &all)?;
        let mut own = all.into_iter().filter(|actual| actual.service == service);
        let found = if index == 0 { own.next() } else { own.find(|actual| actual.number == index) };
        found.ok_or_else(|| {
            Failure::new(format!(
                "service \"{service}\" is not running container #{}",
                index.max(1)
            ))
        })
    }

    /// Returns the work on this project.
    pub(super) fn work<'a>(
        &'a self,
        context: &'a Context<'_>,
        options: &'a ApplyOptions,
    ) -> Result<Work<'a>, Failure> {
        Ok(Work {
            settings: context.engine()?.settings(),
            wanted: &self.wanted,
            options,
            progress: context.screen.as_ref(),
        })
    }
}

/// Returns all services of the files, whether their profile is on or off.
pub(super) fn all_services(loaded: &Loaded) -> BTreeSet<String> {
    loaded.project.services.keys().chain(loaded.disabled.keys()).cloned().collect()
}
