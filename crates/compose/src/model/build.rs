//! How a service's image is built.

use std::collections::BTreeMap;

use crate::model::{Extensions, Grant, Labels, Pairs, Ulimit};

model! {
    /// A build.
    Build {
        context: String,
        dockerfile: String,
        dockerfile_inline: String,
        entitlements: Vec<String>,
        args: Pairs,
        provenance: String,
        sbom: String,
        ssh: Vec<String>,
        labels: Labels,
        cache_from: Vec<String>,
        cache_to: Vec<String>,
        no_cache: bool,
        additional_contexts: Labels,
        pull: bool,
        extra_hosts: Vec<String>,
        isolation: String,
        network: String,
        target: String,
        secrets: Vec<Grant>,
        shm_size: String,
        tags: Vec<String>,
        ulimits: BTreeMap<String, Ulimit>,
        platforms: Vec<String>,
        privileged: bool,
        #[serde(flatten)]
        extensions: Extensions,
    }
}
