//! Tree → project: defaults, names, environments, profiles, then the check of the parts against one another.

use std::collections::BTreeMap;
use std::path::Path;

use crate::error::Error;
use crate::load::environment::env_file;
use crate::load::{Files, Loaded, Options, consistency, hash};
use crate::model::{Build, Condition, Dependency, Project, Service};
use crate::yaml::{Map, Node, Value};

/// Takes in what services that were extended from another file need of it and the project does not define.
pub(super) fn borrow(tree: &mut Node, borrowed: &[(&'static str, String, Node)]) {
    for (section, name, definition) in borrowed {
        let span = tree.span.clone();
        let Some(top) = tree.as_map_mut() else { return };
        let used = top.get("services").is_some_and(|services| uses(services, section, name));
        if !used || top.get(section).is_some_and(|section| section.get(name).is_some()) {
            continue;
        }
        if top.get(section).is_none() {
            top.set(section, Node::new(Value::Map(Map::default()), &span));
        }
        if let Some(target) = top.get_mut(section).and_then(Node::as_map_mut) {
            target.set(name, definition.clone());
        }
    }
}

fn uses(services: &Node, section: &str, name: &str) -> bool {
    let Some(Map { entries }) = services.as_map() else { return false };
    entries.iter().any(|(_, service)| match service.get(section) {
        Some(node) if section == "networks" => node.get(name).is_some(),
        Some(node) => {
            let items = node.as_list().unwrap_or_default();
            items.iter().any(|item| item.get("source").and_then(Node::as_text) == Some(name))
        }
        None => false,
    })
}

/// Makes the project of a tree.
pub(super) fn finish(
    loaded: &mut Loaded,
    files: &dyn Files,
    options: &Options,
) -> Result<(), Error> {
    let name = std::mem::take(&mut loaded.project.name);
    let mut project: Project = serde_json::from_value(loaded.tree.to_json())
        .map_err(|error| Error::inconsistent(format!("not a project: {error}")))?;
    project.name = name;
    for (name, service) in &mut project.services {
        complete(service, loaded);
        if options.resolve_environment {
            environment(name, service, loaded, files)?;
        }
    }
    name_all(&mut project);
    if options.check {
        consistency::parts(&project, &loaded.tree)?;
    }
    loaded.contents = hash::contents(&project, &loaded.environment);
    let services = std::mem::take(&mut project.services);
    let all = loaded.profiles.contains("*");
    let is_on = |service: &Service| {
        all || service.profiles.is_empty()
            || service.profiles.iter().any(|name| loaded.profiles.contains(name))
    };
    let (on, off): (BTreeMap<_, _>, _) =
        services.into_iter().partition(|(_, service)| is_on(service));
    project.services = on;
    loaded.disabled = off;
    loaded.project = project;
    Ok(())
}

/// Fills in what follows from other keys.
fn complete(service: &mut Service, loaded: &Loaded) {
    if let Some(build) = &mut service.build {
        complete_build(build, loaded);
    }
    if service.network_mode.is_empty() && service.networks.is_empty() && service.provider.is_none()
    {
        service.networks.insert("default".into(), None);
    }
    for secret in service.secrets.iter_mut().filter(|secret| secret.target.is_empty()) {
        secret.target = format!("/run/secrets/{}", secret.source);
    }
    if service.pull_policy == "if_not_present" {
        service.pull_policy = "missing".into();
    }
    for (other, restart) in implied(service) {
        service.depends_on.entry(other).or_insert(Dependency {
            condition: Condition::Started,
            restart,
            required: true,
        });
    }
}

fn complete_build(build: &mut Build, loaded: &Loaded) {
    if build.context.is_empty() {
        build.context = loaded.working_directory.to_string_lossy().into_owned();
    }
    if build.dockerfile.is_empty() && build.dockerfile_inline.is_empty() {
        build.dockerfile = "Dockerfile".into();
    }
    for (name, value) in &mut build.args {
        if value.is_none() {
            *value = loaded.environment.get(name).cloned();
        }
    }
}

/// The services that this one shares something with, and so needs.
fn implied(service: &Service) -> Vec<(String, bool)> {
    let mut names = Vec::new();
    for mode in [&service.network_mode, &service.ipc, &service.pid, &service.uts, &service.cgroup] {
        names.extend(mode.strip_prefix("service:").map(|name| (name.to_owned(), true)));
    }
    for link in &service.links {
        names.push((link.split(':').next().unwrap_or(link).to_owned(), true));
    }
    for from in service.volumes_from.iter().filter(|from| !from.starts_with("container:")) {
        names.push((from.split(':').next().unwrap_or(from).to_owned(), false));
    }
    names
}

/// Takes variables and labels from files, and values of names without one from the environment.
fn environment(
    name: &str,
    service: &mut Service,
    loaded: &Loaded,
    files: &dyn Files,
) -> Result<(), Error> {
    let mut values = BTreeMap::new();
    for file in std::mem::take(&mut service.env_file) {
        let path = Path::new(&file.path);
        if !file.required && !files.is_file(path) {
            continue;
        }
        let look_up =
            |name: &str| loaded.environment.get(name).or_else(|| values.get(name)).cloned();
        let more = env_file(files, path, &file.format, &look_up)
            .map_err(|error| of_service(error, name))?;
        values.extend(more);
    }
    for (key, value) in std::mem::take(&mut service.environment) {
        match value.or_else(|| loaded.environment.get(&key).cloned()) {
            Some(value) => {
                values.insert(key, value);
            }
            None => {
                values.remove(&key);
                service.environment.insert(key, None);
            }
        }
    }
    service.environment.extend(values.into_iter().map(|(key, value)| (key, Some(value))));
    for file in std::mem::take(&mut service.label_file) {
        let look_up = |name: &str| loaded.environment.get(name).cloned();
        let labels = env_file(files, Path::new(&file), "", &look_up)
            .map_err(|error| of_service(error, name))?;
        for (key, value) in labels {
            service.labels.entry(key).or_insert(value);
        }
    }
    Ok(())
}

fn of_service(error: Error, name: &str) -> Error {
    match error {
        Error::Read { path, source, .. } => Error::inconsistent(format!(
            "services.{name}: the env file {} cannot be read: {source}",
            path.display()
        )),
        error => error,
    }
}

/// Gives everything that is not external its name, `<project>_<key>`.
fn name_all(project: &mut Project) {
    let uses_default =
        project.services.values().any(|service| service.networks.contains_key("default"));
    if uses_default {
        project.networks.entry("default".into()).or_default();
    }
    let prefix = project.name.clone();
    let name = |key: &str, name: &mut String, external: bool| {
        if name.is_empty() {
            *name = if external { key.to_owned() } else { format!("{prefix}_{key}") };
        }
    };
    project.networks.iter_mut().for_each(|(key, it)| name(key, &mut it.name, it.external));
    project.volumes.iter_mut().for_each(|(key, it)| name(key, &mut it.name, it.external));
    project.secrets.iter_mut().for_each(|(key, it)| name(key, &mut it.name, it.external));
    project.configs.iter_mut().for_each(|(key, it)| name(key, &mut it.name, it.external));
}
