//! `config`: the model, or parts of it.

use std::collections::BTreeSet;
use std::io::Write;

use hako_compose::{Loaded, Project, yaml};
use serde_json::Value;

use super::Command;
use super::context::{Context, failure};
use crate::args::{Flag, Parsed, Syntax, Words, switch, value};
use crate::command::say;
use crate::report::Failure;

const FLAGS: &[Flag] = &[
    switch("environment", "print the variables that the files are filled with"),
    value("format", "string", "yaml or json"),
    value("hash", "string", "print the services' hashes: a service's, or \"*\""),
    switch("images", "print the images' names"),
    switch("lock-image-digests", ""),
    switch("models", "print the models' names"),
    switch("networks", "print the networks' names"),
    switch("no-consistency", "do not check the parts against one another"),
    switch("no-env-resolution", "leave env_file as it is"),
    switch("no-interpolate", "leave variables as they are"),
    switch("no-normalize", ""),
    switch("no-path-resolution", "leave paths as they are"),
    value("output", "string", "write to this file").short('o'),
    switch("profiles", "print the profiles' names"),
    switch("quiet", "only check").short('q'),
    switch("resolve-image-digests", "pin the images by the digests that are known here"),
    switch("services", "print the services' names"),
    switch("variables", "print the variables that the files use"),
    switch("volumes", "print the volumes' names"),
];

pub(super) const COMMAND: Command = Command {
    names: &["config", "convert"],
    about: "Check and print the project's model",
    syntax: Syntax {
        words: "[SERVICE...]",
        count: Words::AtLeast(0),
        program: false,
        flags: &[FLAGS],
    },
    run,
};

fn run(context: &Context<'_>, parsed: &Parsed) -> Result<u8, Failure> {
    let mut options = context.options();
    options.interpolate = !(parsed.on("no-interpolate") || parsed.on("variables"));
    options.resolve_paths = !parsed.on("no-path-resolution");
    options.resolve_environment = !parsed.on("no-env-resolution");
    options.check = !parsed.on("no-consistency");
    let mut loaded = context.load_by(&options).map_err(failure)?;
    if parsed.on("variables") {
        return print(context, parsed, &variables(&loaded, parsed.text("format")));
    }
    if !options.interpolate {
        return print(context, parsed, &unfilled(&loaded, parsed)?);
    }
    let unfiltered = loaded.project.clone();
    loaded.enable(&parsed.words).map_err(failure)?;
    if options.check {
        loaded.settle().map_err(failure)?;
    }
    let names = loaded.select(&parsed.words, true).map_err(failure)?;
    let project = match context.globals.on("all-resources") {
        true => Project { services: loaded.project.restricted(&names).services, ..unfiltered },
        false => loaded.project.restricted(&names),
    };
    if parsed.on("quiet") {
        return Ok(0);
    }
    if let Some(text) = listed(parsed, &loaded, &project, &names)? {
        return print(context, parsed, &text);
    }
    let project =
        if parsed.on("resolve-image-digests") { pinned(context, project)? } else { project };
    let text = shown(&project, parsed)?;
    print(context, parsed, &text.replace('$', "$$"))
}

fn print(context: &Context<'_>, parsed: &Parsed, text: &str) -> Result<u8, Failure> {
    match parsed.text("output").filter(|path| !path.is_empty()) {
        None => say(text),
        Some(path) => {
            let path = context.session.around.absolute(path);
            let written =
                std::fs::File::create(&path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| {
                Failure::io(format!("cannot write `{}`", path.display()), &error)
            })?;
        }
    }
    Ok(0)
}

fn shown(project: &Project, parsed: &Parsed) -> Result<String, Failure> {
    let value = serde_json::to_value(project).unwrap_or_default();
    match parsed.text("format") {
        None | Some("yaml" | "") => Ok(yaml::emit(&value)),
        Some("json") => Ok(pretty(&with_nulls(value))),
        Some(other) => Err(Failure::new(format!("unsupported format \"{other}\""))),
    }
}

fn pretty(value: &Value) -> String {
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// In JSON, a service always says its command and entrypoint.
fn with_nulls(mut value: Value) -> Value {
    if let Some(services) = value.get_mut("services").and_then(Value::as_object_mut) {
        for service in services.values_mut().filter_map(Value::as_object_mut) {
            for key in ["command", "entrypoint"] {
                service.entry(key).or_insert(Value::Null);
            }
        }
    }
    value
}

fn unfilled(loaded: &Loaded, parsed: &Parsed) -> Result<String, Failure> {
    let mut value = loaded.tree.to_json();
    if let Some(map) = value.as_object_mut() {
        map.insert("name".into(), loaded.project.name.clone().into());
    }
    if parsed.on("services") {
        let services = value.get("services").and_then(Value::as_object);
        return Ok(lines(services.into_iter().flat_map(|services| services.keys().cloned())));
    }
    match parsed.text("format") {
        Some("json") => Ok(pretty(&value)),
        _ => Ok(yaml::emit(&value)),
    }
}

fn lines(items: impl IntoIterator<Item = String>) -> String {
    items.into_iter().map(|item| item + "\n").collect()
}

fn variables(loaded: &Loaded, format: Option<&str>) -> String {
    if format == Some("json") {
        return pretty(&serde_json::to_value(&loaded.variables).unwrap_or_default());
    }
    let rows = loaded.variables.iter().map(|variable| {
        format!(
            "{}\t{}\t{}\t{}",
            variable.name, variable.required, variable.default_value, variable.presence_value
        )
    });
    let rows: Vec<String> =
        std::iter::once("NAME\tREQUIRED\tDEFAULT VALUE\tALTERNATE VALUE".to_owned())
            .chain(rows)
            .collect();
    crate::format::lines(&rows)
}

/// Returns the names that a switch asks for.
fn listed(
    parsed: &Parsed,
    loaded: &Loaded,
    project: &Project,
    names: &BTreeSet<String>,
) -> Result<Option<String>, Failure> {
    let services = || project.services.iter().filter(|(name, _)| names.contains(*name));
    let text = if parsed.on("services") {
        lines(services().map(|(name, _)| name.clone()))
    } else if parsed.on("volumes") {
        lines(project.volumes.keys().cloned())
    } else if parsed.on("networks") {
        lines(project.networks.keys().cloned())
    } else if parsed.on("models") {
        lines(project.models.keys().cloned())
    } else if parsed.on("images") {
        lines(services().map(|(name, service)| service.image_name(&project.name, name)))
    } else if parsed.on("profiles") {
        let all = loaded.project.services.values().chain(loaded.disabled.values());
        let profiles: BTreeSet<String> =
            all.flat_map(|service| service.profiles.iter().cloned()).collect();
        lines(profiles)
    } else if parsed.on("environment") {
        lines(loaded.environment.iter().map(|(key, value)| format!("{key}={value}")))
    } else if let Some(wanted) = parsed.text("hash") {
        return hashes(loaded, wanted).map(Some);
    } else {
        return Ok(None);
    };
    Ok(Some(text))
}

fn hashes(loaded: &Loaded, wanted: &str) -> Result<String, Failure> {
    let names: Vec<&str> = match wanted {
        "*" => loaded.project.services.keys().map(String::as_str).collect(),
        listed => listed.split(',').map(str::trim).collect(),
    };
    let mut text = String::new();
    for name in names {
        let service = loaded.service(name).ok_or_else(|| failure(loaded.unknown(name)))?;
        text.push_str(&format!("{name} {}\n", loaded.config_hash(service)));
    }
    Ok(text)
}

fn pinned(context: &Context<'_>, mut project: Project) -> Result<Project, Failure> {
    let images = context.engine()?.images()?;
    for service in project.services.values_mut().filter(|service| !service.image.is_empty()) {
        let Ok(image) = images.resolve(&service.image) else { continue };
        if let Some(pinned) = image.repo_digests.first() {
            service.image = pinned.to_string();
        }
    }
    Ok(project)
}
