//! Which services of a project are meant.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::Error;
use crate::load::{Loaded, consistency};
use crate::model::{Project, Service};
use crate::schema::nearest;

impl Loaded {
    /// Returns a service, whether its profile is on or off.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.project.services.get(name).or_else(|| self.disabled.get(name))
    }

    /// Turns on the services that are named, with what they need, as naming them does.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn enable(&mut self, names: &[String]) -> Result<(), Error> {
        let mut wanted: Vec<String> = names.to_vec();
        while let Some(name) = wanted.pop() {
            if let Some(service) = self.disabled.remove(&name) {
                let needs = service.depends_on.iter().filter(|(_, need)| need.required);
                wanted.extend(needs.map(|(other, _)| other.clone()));
                self.project.services.insert(name, service);
            } else if !self.project.services.contains_key(&name) {
                return Err(self.unknown(&name));
            }
        }
        Ok(())
    }

    /// Says that there is no such service.
    #[must_use]
    pub fn unknown(&self, name: &str) -> Error {
        let names = self.project.services.keys().chain(self.disabled.keys()).map(String::as_str);
        match nearest(name, names) {
            Some(near) => Error::inconsistent(format!("no such service: {name}"))
                .with_hint(format!("did you mean `{near}`?")),
            None => Error::NoService(name.to_owned()),
        }
    }

    /// Checks the dependencies of the services that are on, and forgets optional ones on services that are not.
    ///
    /// # Errors
    /// When one needs a service that is off, or some need one another in a circle.
    pub fn settle(&mut self) -> Result<(), Error> {
        consistency::dependencies(&self.project)?;
        let names: BTreeSet<String> = self.project.services.keys().cloned().collect();
        for service in self.project.services.values_mut() {
            service.depends_on.retain(|other, _| names.contains(other));
        }
        Ok(())
    }

    /// Returns the names, and with `dependencies` those of what they need; no names are all services that are on.
    ///
    /// # Errors
    /// When there is no such service.
    pub fn select(&self, names: &[String], dependencies: bool) -> Result<BTreeSet<String>, Error> {
        if names.is_empty() {
            return Ok(self.project.services.keys().cloned().collect());
        }
        let mut chosen = BTreeSet::new();
        let mut wanted: Vec<&String> = names.iter().collect();
        while let Some(name) = wanted.pop() {
            let Some(service) = self.project.services.get(name) else {
                return Err(self.unknown(name));
            };
            if chosen.insert(name.clone()) && dependencies {
                wanted.extend(
                    service
                        .depends_on
                        .keys()
                        .filter(|other| self.project.services.contains_key(*other)),
                );
            }
        }
        Ok(chosen)
    }
}

impl Project {
    /// Keeps the services that are named and what they use.
    #[must_use]
    pub fn restricted(&self, names: &BTreeSet<String>) -> Self {
        let mut project = self.clone();
        project.services.retain(|name, _| names.contains(name));
        project.without_unused()
    }

    /// Removes the networks, volumes, secrets, configs and models that no service uses.
    #[must_use]
    pub fn without_unused(mut self) -> Self {
        let services = &self.services;
        let used = |test: &dyn Fn(&Service) -> bool| services.values().any(test);
        let networks =
            keep(&self.networks, |key| used(&|service| service.networks.contains_key(key)));
        let volumes = keep(&self.volumes, |key| {
            used(&|service| service.volumes.iter().any(|mount| mount.source == key))
        });
        let secrets = keep(&self.secrets, |key| {
            used(&|service| {
                let build = service.build.iter().flat_map(|build| &build.secrets);
                service.secrets.iter().chain(build).any(|grant| grant.source == key)
            })
        });
        let configs = keep(&self.configs, |key| {
            used(&|service| service.configs.iter().any(|grant| grant.source == key))
        });
        let models = keep(&self.models, |key| used(&|service| service.models.contains_key(key)));
        (self.networks, self.volumes, self.secrets, self.configs, self.models) =
            (networks, volumes, secrets, configs, models);
        self
    }
}

fn keep<T: Clone>(map: &BTreeMap<String, T>, used: impl Fn(&str) -> bool) -> BTreeMap<String, T> {
    map.iter()
        .filter(|(key, _)| used(key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}
