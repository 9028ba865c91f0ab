//! A value that changes when a service's containers have to be made anew.

use std::collections::BTreeMap;

use hako_types::Digest;

use crate::load::Loaded;
use crate::model::{Project, Service};

/// Digests of what secrets and configs hold that is written into containers when they are made.
pub(super) fn contents(
    project: &Project,
    environment: &BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    let digest = |content: &str, variable: &str| match (content, variable) {
        ("", "") => None,
        ("", variable) => {
            environment.get(variable).map(|value| Digest::of(value.as_bytes()).hex().to_owned())
        }
        (content, _) => Some(Digest::of(content.as_bytes()).hex().to_owned()),
    };
    let secrets = project.secrets.iter().filter_map(|(name, secret)| {
        Some((format!("secret {name}"), digest(&secret.content, &secret.environment)?))
    });
    let configs = project.configs.iter().filter_map(|(name, config)| {
        Some((format!("config {name}"), digest(&config.content, &config.environment)?))
    });
    secrets.chain(configs).collect()
}

impl Loaded {
    /// Returns the hash of what a service's containers and networks are made from: not how many there are, what they wait for,
    /// or how their image is built or pulled, but what the secrets and configs hold that are written into them.
    #[must_use]
    pub fn config_hash(&self, service: &Service) -> String {
        let mut service = service.clone();
        let given: Vec<&String> = service
            .secrets
            .iter()
            .map(|grant| format!("secret {}", grant.source))
            .chain(service.configs.iter().map(|grant| format!("config {}", grant.source)))
            .filter_map(|key| self.contents.get(&key))
            .collect();
        let networks: Vec<String> =
            service.networks.keys().filter_map(|key| self.network_hash(key)).collect();
        service.build = None;
        service.develop = None;
        service.pull_policy = String::new();
        service.scale = None;
        service.depends_on.clear();
        service.profiles.clear();
        if let Some(deploy) = &mut service.deploy {
            deploy.replicas = None;
        }
        let mut text = serde_json::to_string(&service).unwrap_or_default();
        for digest in given.into_iter().chain(&networks) {
            text.push('\n');
            text.push_str(digest);
        }
        Digest::of(text.as_bytes()).hex().to_owned()
    }

    /// Returns the hash of what a network is made from; nothing when it is made elsewhere or not at all.
    #[must_use]
    pub fn network_hash(&self, key: &str) -> Option<String> {
        let network = self.project.networks.get(key).filter(|network| !network.external)?;
        let text = serde_json::to_string(network).unwrap_or_default();
        Some(Digest::of(text.as_bytes()).hex().to_owned())
    }
}
