//! What is wanted.

use std::collections::BTreeMap;

use hako_compose::{Loaded, Project};
use serde::{Deserialize, Serialize};

/// A project as it is wanted: the model, and what else its containers are made from.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub struct Wanted {
    /// The model.
    pub project: Project,
    /// What relative paths were relative to.
    pub working_directory: String,
    /// The files that it was read from.
    pub files: Vec<String>,
    /// The hash of what each service's containers are made from.
    pub hashes: BTreeMap<String, String>,
    /// The hash of what each network is made from, by its key.
    #[serde(default)]
    pub network_hashes: BTreeMap<String, String>,
    /// The values of the variables that secrets and configs are taken from.
    pub variables: BTreeMap<String, String>,
}

impl Wanted {
    /// Takes what is wanted out of what was loaded.
    #[must_use]
    pub fn new(loaded: &Loaded) -> Self {
        let project = &loaded.project;
        let secrets = project.secrets.values().map(|secret| &secret.environment);
        let configs = project.configs.values().map(|config| &config.environment);
        let variables = secrets
            .chain(configs)
            .filter_map(|name| Some((name.clone(), loaded.environment.get(name)?.clone())))
            .collect();
        let hashes = project
            .services
            .iter()
            .map(|(name, service)| (name.clone(), loaded.config_hash(service)))
            .collect();
        Self {
            project: project.clone(),
            working_directory: loaded.working_directory.to_string_lossy().into_owned(),
            files: loaded.files.clone(),
            hashes,
            network_hashes: project
                .networks
                .keys()
                .filter_map(|key| Some((key.clone(), loaded.network_hash(key)?)))
                .collect(),
            variables,
        }
    }

    /// Returns the name of a service's container.
    #[must_use]
    pub fn container_name(&self, service: &str, number: u32) -> String {
        match self.project.services.get(service) {
            Some(found) if !found.container_name.is_empty() => found.container_name.clone(),
            _ => format!("{}-{service}-{number}", self.project.name),
        }
    }
}
